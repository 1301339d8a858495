//! A life that bytes tell: what a fuzzer finds its way through. Every sequence of bytes is a life.

use std::time::Duration;

use landlord_state_machines::tenant::{Backoff, Policy, Record, RepairPolicy};

use crate::moves::{Ending, Move, Sight};
use crate::world::World;

/// A life longer than this tells nothing new.
const MOVES: usize = 300;

/// Lives what the bytes say, with every rule looked at at each step; then it has to come to rest, and a destroy to end.
pub fn live(bytes: &[u8]) {
    let mut bytes = Bytes(bytes.iter());
    let Some(policy) = policy(&mut bytes) else { return };
    let mut world = World::new(policy);
    world.live(std::iter::from_fn(|| next(&mut bytes)).take(MOVES));
    world.come_to_rest();
    world.nothing_is_left_open();
    world.destroy();
    world.go_on_without_commands();
    assert!(matches!(world.record, Record::Absent(_) | Record::Gone(_)), "still there: {:?}", world.record);
    world.nothing_is_left_open();
}

struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn number(&mut self) -> Option<u64> {
        self.0.next().map(|byte| u64::from(*byte))
    }

    fn up_to(&mut self, count: u8) -> Option<u64> {
        Some(self.number()? % u64::from(count))
    }
}

fn policy(bytes: &mut Bytes<'_>) -> Option<Policy> {
    let seconds = |bytes: &mut Bytes<'_>, count| bytes.up_to(count).map(Duration::from_secs);
    let backoff = |bytes: &mut Bytes<'_>| {
        Some(Backoff { first: seconds(bytes, 5)?, cap: seconds(bytes, 55)? + Duration::from_secs(5) })
    };
    Some(Policy {
        attempts: 1 + u32::try_from(bytes.up_to(4)?).ok()?,
        retry: backoff(bytes)?,
        stop_grace: seconds(bytes, 40)?,
        repair: match bytes.up_to(4)? {
            0 => RepairPolicy::Off,
            _ => RepairPolicy::On { backoff: backoff(bytes)?, quiet: seconds(bytes, 100)? },
        },
    })
}

fn next(bytes: &mut Bytes<'_>) -> Option<Move> {
    Some(match bytes.up_to(20)? {
        0 => {
            let (spec, asks, deadline) = asked(bytes)?;
            Move::Provision { spec, elsewhere: asks == Asks::Elsewhere, deadline }
        }
        1 => {
            let (spec, asks, deadline) = asked(bytes)?;
            match asks {
                Asks::Anew => Move::Restart { deadline },
                Asks::Here | Asks::Elsewhere => {
                    Move::Update { spec, elsewhere: asks == Asks::Elsewhere, deadline }
                }
            }
        }
        2 => Move::Destroy,
        3 => Move::Cancel,
        4 => Move::Retry,
        5 => Move::Pause,
        6 => Move::Resume,
        7 => Move::Abandon,
        8 => Move::Outdated,
        9 => Move::CallEnds(ending(bytes)?),
        10 => Move::StaleOutcome(usize::try_from(bytes.number()?).ok()?, ending(bytes)?),
        11 => Move::Progress,
        12 => Move::StaleProgress(usize::try_from(bytes.number()?).ok()?),
        13 => Move::Wait(bytes.up_to(100)?),
        14 => Move::Timer,
        15 => Move::Crash,
        18 => Move::HandOver,
        16 => Move::Look(sight(bytes)?, bytes.up_to(100)?),
        // What leads on is more likely.
        17 => Move::CallEnds(Ending::Succeeded),
        19 => match bytes.up_to(8)? {
            6 => Move::Release { elsewhere: false },
            7 => Move::Release { elsewhere: true },
            life => Move::Reclaim { life: 1 + life % 3 },
        },
        _ => Move::WaitUntilWoken,
    })
}

/// What is asked of a spec.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Here,
    Elsewhere,
    /// A restart, where it is an update.
    Anew,
}

/// Which spec, what is asked of it, and by when.
fn asked(bytes: &mut Bytes<'_>) -> Option<(usize, Asks, Option<u64>)> {
    let what = bytes.number()?;
    let deadline = if what & 0x80 == 0 { None } else { Some(bytes.up_to(200)?) };
    let asks = match what & 0x70 {
        0x70 => Asks::Elsewhere,
        0x60 => Asks::Anew,
        _ => Asks::Here,
    };
    Some((usize::try_from(what % 3).ok()?, asks, deadline))
}

fn ending(bytes: &mut Bytes<'_>) -> Option<Ending> {
    Some(match bytes.up_to(9)? {
        0 => Ending::Succeeded,
        1 => Ending::Retry { after: None },
        2 => Ending::Retry { after: Some(bytes.up_to(100)?) },
        3 => Ending::Permanent,
        4 => Ending::NeedsPerson,
        5 => Ending::NotFound,
        6 => Ending::TimedOut,
        7 => Ending::Lost,
        _ => Ending::Held,
    })
}

fn sight(bytes: &mut Bytes<'_>) -> Option<Sight> {
    Some(match bytes.up_to(4)? {
        0 => Sight::Healthy,
        1 => Sight::Unhealthy,
        2 => Sight::Broken,
        _ => Sight::Unclear,
    })
}
