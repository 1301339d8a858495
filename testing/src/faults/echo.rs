//! A planner that hears an answer a second time.

use std::marker::PhantomData;

use jiff::Timestamp;
use landlord_state_machines::planner::{CallError, Goal, Holdings, Next, Planner, Report, Subject};

/// The planner `P`, whose answers may bring an earlier one with them.
pub(super) struct Echo<P>(PhantomData<P>);

/// An answer, and after it one that was heard before.
#[derive(Clone, Debug)]
pub(super) struct Heard<C, R> {
    pub(super) reply: R,
    pub(super) again: Option<(C, R)>,
}

impl<P: Planner> Planner for Echo<P> {
    const LEDGER_VERSION: u32 = P::LEDGER_VERSION;
    type Facts = P::Facts;
    type Call = P::Call;
    type Reply = Heard<P::Call, P::Reply>;

    fn next(subject: &Subject, goal: Goal<'_>, facts: &P::Facts, now: Timestamp) -> Next<P::Call> {
        P::next(subject, goal, facts, now)
    }

    fn intend(facts: &mut P::Facts, call: &P::Call, now: Timestamp) {
        P::intend(facts, call, now);
    }

    fn learn(facts: &mut P::Facts, call: &P::Call, reply: Result<Self::Reply, CallError>, now: Timestamp) {
        match reply {
            Err(error) => P::learn(facts, call, Err(error), now),
            Ok(Heard { reply, again }) => {
                P::learn(facts, call, Ok(reply), now);
                if let Some((call, reply)) = again {
                    P::learn(facts, &call, Ok(reply), now);
                }
            }
        }
    }

    fn stale(facts: &mut P::Facts) {
        P::stale(facts);
    }

    fn holdings(facts: &P::Facts) -> Holdings {
        P::holdings(facts)
    }

    fn report(facts: &P::Facts) -> Option<Report> {
        P::report(facts)
    }
}
