//! What the cloud takes of all engines together, as AWS does: engines draw it from the store. And whether they kept to it.
//!
//! It is less than the engines would ask for in a burst, such as the commands of tenants that rest or what one takes over, and
//! more than they ask for otherwise.

use std::time::Duration;

use landlord_compute::provider::Ration;

use super::cloud::Asked;

/// So many requests at once, and so many more in a second.
pub(crate) const BURST: u32 = 100;
pub(crate) const PER_SECOND: u32 = 200;
/// How long a request that has its token is on its way to the cloud, on a machine that is busy. One that is sent later is none: the
/// lease has ended.
const ARRIVES: Duration = Duration::from_secs(1);

/// By how many requests the quota may be exceeded: no more tokens are drawn in any time than the burst and what comes in it, and a
/// request is seen for as long after its token was drawn as that may be used, and the request be on its way.
pub(crate) fn allowed() -> f64 {
    f64::from(BURST) + f64::from(PER_SECOND) * (Ration::LASTS + ARRIVES).as_secs_f64()
}

/// How many requests more began within a time, of whatever length and at most, than come into the quota in it; and when that ended.
pub(crate) fn most_beyond(asked: &[Asked]) -> (f64, Duration) {
    // A time is best begun with the request for which fewest others began before it, less what had come by then.
    let (mut least, mut most, mut ended) = (f64::INFINITY, 0.0, Duration::ZERO);
    let mut begun = 0.0;
    for asked in asked {
        let came = asked.began.as_secs_f64() * f64::from(PER_SECOND);
        least = least.min(begun - came);
        begun += 1.0;
        let beyond = begun - came - least;
        if beyond > most {
            (most, ended) = (beyond, asked.began);
        }
    }
    (most, ended)
}
