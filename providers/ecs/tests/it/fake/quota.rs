//! Token buckets with the quotas of AWS, and what was asked and refused.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// How many calls of an API at once, and how many a second from then on, in an account and a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quota {
    pub(crate) burst: f64,
    pub(crate) refill: f64,
}

/// The quotas as AWS documents them: the APIs of a row share a bucket. What is not listed is not limited.
pub(crate) const QUOTAS: [(&[&str], Quota); 11] = [
    (&["CreateService", "UpdateService", "DeleteService"], Quota { burst: 50.0, refill: 5.0 }),
    (&["DescribeServices", "ListServices"], Quota { burst: 100.0, refill: 20.0 }),
    (&["RegisterTaskDefinition", "DeregisterTaskDefinition"], Quota { burst: 20.0, refill: 1.0 }),
    (&["DeleteTaskDefinitions"], Quota { burst: 5.0, refill: 1.0 }),
    (
        &["DescribeTaskDefinition", "ListTaskDefinitions", "ListTaskDefinitionFamilies"],
        Quota { burst: 50.0, refill: 20.0 },
    ),
    (&["DescribeTasks"], Quota { burst: 100.0, refill: 40.0 }),
    (&["ListTasks"], Quota { burst: 100.0, refill: 20.0 }),
    (&["TagResource", "UntagResource", "ListTagsForResource"], Quota { burst: 20.0, refill: 10.0 }),
    (&["ListServiceDeployments", "DescribeServiceDeployments"], Quota { burst: 100.0, refill: 20.0 }),
    (&["StopServiceDeployment"], Quota { burst: 50.0, refill: 5.0 }),
    (&["DescribeClusters", "CreateCluster"], Quota { burst: 50.0, refill: 20.0 }),
];

/// Which row of the table an API is in.
fn row(api: &str) -> Option<usize> {
    QUOTAS.iter().position(|(apis, _)| apis.contains(&api))
}

/// Calls of an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    /// All, those that were refused too.
    pub(crate) made: u64,
    /// Refused for the quota.
    pub(crate) throttled: u64,
}

/// The buckets of an account in a region, by the rows of the table.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    left: BTreeMap<usize, (f64, Instant)>,
}

impl Buckets {
    /// Takes a token, where there is one.
    pub(super) fn take(&mut self, api: &str, now: Instant) -> bool {
        let Some(row) = row(api) else { return true };
        let Quota { burst, refill } = QUOTAS[row].1;
        let (left, at) = self.left.entry(row).or_insert((burst, now));
        *left = (*left + now.saturating_duration_since(*at).as_secs_f64() * refill).min(burst);
        *at = now;
        // What is left of a token after many small additions is not one less.
        let takes = *left > 1.0 - 1e-6;
        if takes {
            *left -= 1.0;
        }
        takes
    }
}
