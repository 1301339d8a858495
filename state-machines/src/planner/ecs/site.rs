//! Where a tenant's resources are, and how they are named there.

use serde::{Deserialize, Serialize};

use super::arn::Arn;
use super::config::{AssumeRole, EcsConfig};
use crate::id::TenantId;

/// The longest name of a service or a family.
const NAME: usize = 255;

/// An account, a region and a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Where the API is; none: as the SDK's default chain says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Another endpoint than AWS's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// In whose name; none: as the SDK's default chain says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,
    /// The cluster's name or ARN.
    pub cluster: String,
}

/// A tenant's service and its task definitions' family, which share a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site {
    /// Where.
    pub place: Place,
    /// The name of both.
    pub name: String,
}

impl Place {
    /// Where a configuration puts a tenant.
    pub fn of(config: &EcsConfig) -> Self {
        Self {
            region: region(config),
            endpoint_url: config.endpoint_url.clone(),
            assume_role: config.assume_role.clone(),
            cluster: config.cluster.clone(),
        }
    }
}

impl Site {
    /// Where a configuration puts a tenant, and how it is named there.
    pub fn of(config: &EcsConfig, tenant: &TenantId) -> Self {
        let name = match &config.service_name {
            Some(name) => name.clone(),
            None => format!("{}{tenant}", prefix(&config.service_name_prefix)),
        };
        Self { place: Place::of(config), name }
    }

    /// Whether both are the same place and name, however the cluster, the region and the role are written.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let (here, there) = (&self.place, &other.place);
        let same_region = match (&here.region, &there.region) {
            (Some(here), Some(there)) => here == there,
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        let account = |place: &Place| {
            let role = place.assume_role.as_ref()?;
            role.role_arn.split(':').nth(4).map(str::to_owned)
        };
        same_region
            && account(here) == account(there)
            && here.endpoint_url == there.endpoint_url
            && cluster_name(&here.cluster) == cluster_name(&there.cluster)
            && self.name == other.name
    }

    /// What is wrong with the name, for a person.
    pub fn name_problem(&self) -> Option<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (self.name.is_empty() || self.name.len() > NAME || !self.name.chars().all(fits)).then(|| {
            format!("{:?} is no name of a service: 1 to {NAME} letters, digits, '-' and '_'", self.name)
        })
    }
}

/// The region that is given, or that of the cluster's ARN: another region does not know it.
fn region(config: &EcsConfig) -> Option<String> {
    config.region.clone().or_else(|| Arn::region_of(&config.cluster).map(str::to_owned))
}

/// A cluster's name, which its ARN ends with.
fn cluster_name(cluster: &str) -> &str {
    cluster.rsplit_once(":cluster/").map_or(cluster, |(_, name)| name)
}

/// A prefix that stands apart from what follows.
fn prefix(prefix: &str) -> String {
    match prefix.ends_with(['-', '_']) || prefix.is_empty() {
        true => prefix.to_owned(),
        false => format!("{prefix}-"),
    }
}
