//! The sizes that Fargate has.

use std::fmt::Write as _;

/// CPU units of one core.
pub(super) const CORE: i64 = 1024;

/// Some of the memory sizes that a CPU size can have.
struct Row {
    /// CPU units.
    cpu: u32,
    /// The least MiB.
    least: u32,
    /// The most MiB.
    most: u32,
    /// MiB from one size to the next.
    step: u32,
}

/// AWS's table, "Task CPU and memory" (Linux).
const ROWS: [Row; 8] = [
    Row { cpu: 256, least: 512, most: 1024, step: 512 },
    Row { cpu: 256, least: 2048, most: 2048, step: 1024 },
    Row { cpu: 512, least: 1024, most: 4096, step: 1024 },
    Row { cpu: 1024, least: 2048, most: 8192, step: 1024 },
    Row { cpu: 2048, least: 4096, most: 16_384, step: 1024 },
    Row { cpu: 4096, least: 8192, most: 30_720, step: 1024 },
    Row { cpu: 8192, least: 16_384, most: 61_440, step: 4096 },
    Row { cpu: 16_384, least: 32_768, most: 122_880, step: 8192 },
];

/// CPU units and MiB of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size {
    pub(super) cpu: u32,
    pub(super) memory: u32,
}

/// Every size, from the smallest CPU and memory on.
fn all() -> impl Iterator<Item = Size> {
    ROWS.iter().flat_map(|row| {
        let step = usize::try_from(row.step).unwrap_or(1);
        (row.least..=row.most).step_by(step).map(|memory| Size { cpu: row.cpu, memory })
    })
}

/// The smallest size that is not smaller than what is asked for: of the least CPU, that with the least memory.
pub(super) fn nearest(cpu: u32, memory: u32) -> Option<Size> {
    all().find(|size| size.cpu >= cpu && size.memory >= memory)
}

/// Every size, in a spec's units, for a person.
pub(super) fn listed() -> String {
    let mut list = String::new();
    for row in &ROWS {
        let separator = if list.is_empty() { "" } else { "; " };
        let Row { cpu, least, most, step } = row;
        let millicores = cpu * 1000 / 1024;
        // Writing to a String does not fail.
        let _ = match least == most {
            true => write!(list, "{separator}{millicores} with {least} MB"),
            false => write!(list, "{separator}{millicores} with {least} to {most} MB in steps of {step}"),
        };
    }
    list
}

/// Millicores as CPU units, rounded up.
pub(super) fn units(millicores: i64) -> i64 {
    // Both factors are small: a spec has at most 10^9 millicores.
    millicores.saturating_mul(CORE).saturating_add(999) / 1000
}

/// A container's millicores as CPU units, rounded down, so that all shares together fit into the task; at least 2,
/// the least that Linux has.
pub(super) fn share(millicores: i64) -> i64 {
    (millicores.saturating_mul(CORE) / 1000).max(2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_documented_size_is_there_and_is_chosen_for_itself() {
        let gib = |list: &mut dyn Iterator<Item = u32>| list.map(|gib| gib * 1024).collect::<Vec<_>>();
        let documented = [
            (256, vec![512, 1024, 2048]),
            (512, gib(&mut (1..=4))),
            (1024, gib(&mut (2..=8))),
            (2048, gib(&mut (4..=16))),
            (4096, gib(&mut (8..=30))),
            (8192, gib(&mut (16..=60).step_by(4))),
            (16_384, gib(&mut (32..=120).step_by(8))),
        ];
        let documented: Vec<Size> = documented
            .into_iter()
            .flat_map(|(cpu, memory)| memory.into_iter().map(move |memory| Size { cpu, memory }))
            .collect();
        assert_eq!(all().collect::<Vec<_>>(), documented);
        for size in documented {
            assert_eq!(nearest(size.cpu, size.memory), Some(size));
        }
    }

    #[test]
    fn what_lies_between_goes_up() {
        for ((millicores, memory), (cpu, mib)) in [
            ((128, 128), (256, 512)),
            ((250, 513), (256, 1024)),
            ((250, 1025), (256, 2048)),
            ((251, 512), (512, 1024)),
            ((250, 3000), (512, 3072)),
            ((1000, 1024), (1024, 2048)),
            ((4000, 30_721), (8192, 32_768)),
            ((8000, 61_441), (16_384, 65_536)),
            ((16_000, 122_880), (16_384, 122_880)),
        ] {
            let units = u32::try_from(units(millicores)).unwrap();
            assert_eq!(nearest(units, memory), Some(Size { cpu, memory: mib }), "{millicores} {memory}");
        }
        assert_eq!(nearest(16_385, 512), None);
        assert_eq!(nearest(256, 122_881), None);
    }

    #[test]
    fn millicores_become_units() {
        for (millicores, whole) in [(128, 132), (250, 256), (251, 258), (1000, 1024), (16_000, 16_384)] {
            assert_eq!(units(millicores), whole, "{millicores}");
        }
        assert_eq!([share(251), share(1000), share(1)], [257, 1024, 2]);
    }

    #[test]
    fn the_list_is_in_a_specs_units() {
        assert!(listed().starts_with("250 with 512 to 1024 MB in steps of 512; 250 with 2048 MB; 500 with"));
        assert!(listed().ends_with("16000 with 32768 to 122880 MB in steps of 8192"));
    }

    proptest! {
        #[test]
        fn the_chosen_size_fits_and_no_smaller_one_does(cpu in 1_u32..=16_384, memory in 1_u32..=122_880) {
            let chosen = nearest(cpu, memory).unwrap();
            prop_assert!(all().any(|size| size == chosen));
            prop_assert!(chosen.cpu >= cpu && chosen.memory >= memory);
            for size in all().filter(|size| *size != chosen && size.cpu >= cpu && size.memory >= memory) {
                prop_assert!(size.cpu > chosen.cpu || size.memory > chosen.memory, "{size:?} < {chosen:?}");
            }
        }

        #[test]
        fn shares_add_up_to_no_more_than_the_whole(shares in proptest::collection::vec(4_i64..=4000, 1..10)) {
            let whole = units(shares.iter().sum());
            prop_assert!(shares.into_iter().map(share).sum::<i64>() <= whole);
        }
    }
}
