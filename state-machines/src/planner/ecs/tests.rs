//! How long a write may still happen whose end nobody has seen.

use jiff::{SignedDuration, Timestamp};

use super::EcsPlanner;
use super::call::{EcsCall, EcsReply, Search};
use super::facts::{EcsFacts, LATE, Pending, Write};
use crate::planner::Planner;

#[test]
fn what_another_engine_intended_may_happen_for_as_long_as_if_it_were_intended_now() {
    let intended = Timestamp::UNIX_EPOCH;
    let taken_over = intended + SignedDuration::from_mins(1);
    let pending = vec![Pending { write: Write::Stop, since: intended }];
    let mut facts = EcsFacts { pending, ..EcsFacts::default() };
    EcsPlanner::taken_over(&mut facts, taken_over);
    let mut looked = |at| {
        let look = EcsCall::Locate(Search::Service);
        EcsPlanner::learn(&mut facts, &look, Ok(EcsReply::Located(None)), at);
        facts.pending.len()
    };
    let moment = SignedDuration::from_millis(1);
    assert_eq!(looked(taken_over + LATE - moment), 1, "it may still happen");
    assert_eq!(looked(taken_over + LATE), 0, "it never will");
}
