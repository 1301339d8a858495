//! Why a tenant is where it is, in lines for a person.

use jiff::Timestamp;
use landlord_compute::machines::tenant::{Coming, Explanation};

use super::screen::{hanging, pairs};
use super::words;

/// A paragraph, and below it since when, what was tried, what comes next and what a person can do.
pub(crate) fn text(explanation: &Explanation, now: Timestamp) -> String {
    let Explanation { why, since, tried, next, todo } = explanation;
    let since = since.map(|at| self::since(at, now)).into_iter().collect();
    let next = next.iter().map(|coming| self::next(coming, now)).collect();
    let todo = todo.iter().map(|advice| format!("`{}`: {}", advice.command, advice.what)).collect();
    let parts: [(&str, Vec<String>); 4] =
        [("  since", since), ("  tried", tried.clone()), ("  next", next), ("  to do", todo)];
    let lines = parts.into_iter().flat_map(|(name, lines)| {
        let names = std::iter::once(name).chain(std::iter::repeat("  "));
        names.zip(lines).map(|(name, line)| [name.to_owned(), line]).collect::<Vec<_>>()
    });
    hanging("", why) + &pairs(lines)
}

/// Since when, and how long ago that is.
pub(crate) fn since(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", words::clock(at), words::when(now, at))
}

fn next(coming: &Coming, now: Timestamp) -> String {
    let Coming { at, what } = coming;
    match at {
        None => what.clone(),
        Some(at) if *at <= now => format!("now (due at {}): {what}", words::short_clock(now, *at)),
        Some(at) => format!("{} ({}): {what}", words::when(now, *at), words::short_clock(now, *at)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use landlord_compute::machines::tenant::samples::configurations;
    use landlord_compute::machines::tenant::{Attention, Past, explain};

    use super::*;
    use crate::args::Cli;

    /// Whatever a person is told to run is a command of this program.
    #[test]
    fn every_command_that_is_told_is_one() {
        let mut commands = 0;
        for each in configurations() {
            for attention in [Attention::Nobody, Attention::Engine, Attention::EngineWithoutRepairs] {
                let told = explain(&each.record, &Past::default(), attention);
                for advice in told.iter().flat_map(|told| &told.todo) {
                    let parsed = Cli::try_parse_from(advice.command.split(' '));
                    assert!(parsed.is_ok(), "{}: {:?}", advice.command, parsed.err());
                    commands += 1;
                }
            }
        }
        assert!(commands > 100);
    }

    #[test]
    fn times_are_told_with_how_far_they_are() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let explanation = Explanation {
            why: "Its update to spec v2 fails: no answer".to_owned(),
            since: Some(at(-300)),
            tried: vec!["1 try failed so".to_owned()],
            next: vec![
                Coming { at: Some(at(30)), what: "try 2 begins".to_owned() },
                Coming { at: None, what: "then update 1-2 to spec v3 begins".to_owned() },
            ],
            todo: Vec::new(),
        };
        let text = text(&explanation, at(0));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Its update to spec v2 fails: no answer");
        assert!(lines[1].starts_with("  since  20") && lines[1].ends_with(" (5 min ago)"), "{text}");
        assert_eq!(lines[2], "  tried  1 try failed so");
        assert!(
            lines[3].starts_with("  next   in 30 s (") && lines[3].ends_with("): try 2 begins"),
            "{text}"
        );
        assert_eq!(lines[4], "         then update 1-2 to spec v3 begins");
    }
}
