//! Whether a subject kept up with an open loop, which gives commands at a rate that nothing slows down.
//!
//! Commands wait longer and longer at a subject that does not keep up. How long they waited then says how long the load
//! lasted, and nothing about the subject, so such a figure is neither shown nor compared.

use crate::names::{Subject, Workload};
use crate::results::Results;

/// Which share of the commands has to be settled when the load ends. The rest is on its way, or waits.
pub(crate) const SHARE: f64 = 0.9;

/// The measure that has the share of a load's commands that were settled when it ended. The load is what the names of its
/// measures end with, as in `call_p99_at_50_percent`.
pub fn settled_in_time(load: &str) -> String {
    format!("settled_in_time_{load}")
}

/// Whether a subject kept up with a load, by the median of the rounds. One whose share was not recorded did.
pub(crate) fn kept_up(results: &Results, workload: Workload, load: &str, subject: Subject) -> bool {
    let share = results.spread(workload, &settled_in_time(load), subject);
    share.is_none_or(|(_, share)| share.median >= SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Figure;
    use crate::unit::Unit;

    #[test]
    fn a_subject_keeps_up_while_nine_tenths_are_settled_in_most_rounds() {
        let kept_up_with = |shares: [f64; 3]| {
            let mut results = Results::default();
            for (round, share) in (1..).zip(shares) {
                let figure = Figure::new("settled_in_time_at_90_percent", Unit::Times, share);
                results.add(round, Workload::Latency, Subject::Erlang, vec![figure]).expect("new");
            }
            kept_up(&results, Workload::Latency, "at_90_percent", Subject::Erlang)
        };
        assert!(kept_up_with([0.2, 0.9, 0.99]));
        assert!(!kept_up_with([0.2, 0.89, 0.99]));
    }
}
