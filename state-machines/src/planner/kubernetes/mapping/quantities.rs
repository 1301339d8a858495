//! Quantities as the API server writes them: any other form of one would differ from what it shows.

/// Thousandths, such as millicores.
pub(super) fn milli(thousandths: u64) -> String {
    match thousandths % 1000 {
        0 => count(thousandths / 1000),
        _ => format!("{thousandths}m"),
    }
}

/// A plain number.
pub(super) fn count(number: u64) -> String {
    with_largest(number, 1000, &["", "k", "M", "G", "T", "P", "E"])
}

/// A spec's MB, which are 2^20 bytes.
pub(super) fn mebibytes(number: u64) -> String {
    match number {
        0 => "0".to_owned(),
        _ => with_largest(number, 1024, &["Mi", "Gi", "Ti", "Pi", "Ei"]),
    }
}

/// The number with the largest suffix in which it is whole.
fn with_largest(number: u64, step: u64, suffixes: &[&str]) -> String {
    let (mut number, mut suffixes) = (number, suffixes.iter());
    let mut suffix = suffixes.next().copied().unwrap_or_default();
    for larger in suffixes {
        if number == 0 || !number.is_multiple_of(step) {
            break;
        }
        (number, suffix) = (number / step, larger);
    }
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the API server reads one, in thousandths.
    fn parsed(text: &str) -> u128 {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number: u128 = digits.parse().unwrap();
        let factor = match &text[digits.len()..] {
            "m" => return number,
            "" => 1,
            "k" => 1000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "P" => 1_000_000_000_000_000,
            "E" => 1_000_000_000_000_000_000,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1_u128 << 40,
            "Pi" => 1_u128 << 50,
            "Ei" => 1_u128 << 60,
            other => panic!("{other}"),
        };
        number * factor * 1000
    }

    #[test]
    fn each_is_in_its_canonical_form() {
        let milli = [500, 1000, 1500, 128, 250_000, 1_000_000, 2_000_000, 1_500_000, 0].map(milli);
        assert_eq!(milli, ["500m", "1", "1500m", "128m", "250", "1k", "2k", "1500", "0"]);
        let memory = [128, 1024, 1536, 2048, 1_048_576, 1_048_577, 0].map(mebibytes);
        assert_eq!(memory, ["128Mi", "1Gi", "1536Mi", "2Gi", "1Ti", "1048577Mi", "0"]);
        assert_eq!([3, 999, 1000, 1001].map(count), ["3", "999", "1k", "1001"]);
    }

    proptest! {
        #[test]
        fn what_is_written_means_the_same(number in 0_u64..=20_000_000_000_000) {
            prop_assert_eq!(parsed(&milli(number)), u128::from(number));
            prop_assert_eq!(parsed(&count(number)), u128::from(number) * 1000);
            prop_assert_eq!(parsed(&mebibytes(number)), u128::from(number) * (1000 << 20));
        }

        /// The largest suffix in which a number is whole: none that is larger would do.
        #[test]
        fn nothing_shorter_is_possible(exponent in 0_u32..5, number in 1_u64..=1023) {
            let written = mebibytes(number * 1024_u64.pow(exponent.min(3)));
            let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            prop_assert_eq!(digits.parse::<u64>().unwrap(), number);
        }
    }
}
