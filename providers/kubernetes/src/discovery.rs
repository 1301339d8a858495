//! Which cluster it is, and what it has. Nothing of it is assumed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use landlord_state_machines::planner::kubernetes::{ObjectKind, Survey};
use serde_json::Value;
use tokio::time::Instant;

use super::error::Failure;
use super::reads::At;
use super::request::{Ask, Part, Resource, What};

/// For how long it is remembered what a cluster has.
const REMEMBERED: Duration = Duration::from_secs(300);
/// The namespace whose uid is the cluster's identity.
const IDENTITY: &str = "kube-system";
/// The API versions of autoscalers, the best first.
const AUTOSCALING: [&str; 3] = ["autoscaling/v2", "autoscaling/v2beta2", "autoscaling/v1"];
/// Those of the lists of addresses behind a service.
const ENDPOINT_SLICES: [&str; 2] = ["discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"];
/// Those of what HTTPRoutes belong to.
const GATEWAYS: [&str; 1] = ["gateway.networking.k8s.io/v1"];
/// The API version that has no group, and that no list of groups names.
const CORE: &str = "v1";

/// What a cluster has, of what is known here.
#[derive(Clone, Debug)]
pub(super) struct Discovered {
    pub(super) version: (u32, u32),
    /// Each kind in its best API version.
    pub(super) kinds: BTreeMap<ObjectKind, String>,
    pub(super) autoscaling: Option<String>,
    pub(super) endpoint_slices: Option<String>,
    pub(super) gateways: Option<String>,
    at: Instant,
}

impl Discovered {
    /// The same of the cluster with this identity.
    pub(super) fn survey(&self, cluster: &str) -> Survey {
        Survey {
            cluster: cluster.to_owned(),
            version: self.version,
            kinds: self.kinds.clone(),
            autoscaling: self.autoscaling.clone(),
            endpoint_slices: self.endpoint_slices.clone(),
        }
    }
}

impl At<'_> {
    /// Which cluster it is, asked anew each time, and what it has.
    pub(super) async fn survey(&self) -> Result<Survey, Failure> {
        let (cluster, found) = futures_util::future::try_join(self.identity(), self.discovered()).await?;
        Ok(found.survey(&cluster))
    }

    /// Which cluster it is.
    pub(super) async fn identity(&self) -> Result<String, Failure> {
        let ask = Ask::new(Resource::namespace(IDENTITY), What::Get(Part::Whole));
        let identity = self.ask(&ask).await?;
        let uid = identity.pointer("/metadata/uid").and_then(Value::as_str);
        Ok(uid.ok_or_else(|| Failure::unreadable(&ask, "the namespace has no uid"))?.to_owned())
    }

    /// What the cluster has, as it was found a while ago at most.
    pub(super) async fn discovered(&self) -> Result<Arc<Discovered>, Failure> {
        let known = self.cluster.discovered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.at.elapsed() < REMEMBERED) {
            return Ok(known);
        }
        let found = Arc::new(self.discover().await?);
        *self.cluster.discovered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&found));
        Ok(found)
    }

    /// What was found is not so any more: the next one who asks finds out anew.
    pub(super) fn forget_discovered(&self) {
        *self.cluster.discovered.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn discover(&self) -> Result<Discovered, Failure> {
        let at = Instant::now();
        let (version, groups) = (Ask::path("/version"), Ask::path("/apis"));
        let (version, groups) = futures_util::future::try_join(self.ask(&version), self.ask(&groups)).await?;
        let served = served(&groups);
        let known: BTreeSet<&'static str> = ObjectKind::ALL
            .into_iter()
            .flat_map(|kind| kind.api_versions().iter().copied())
            .chain(AUTOSCALING)
            .chain(ENDPOINT_SLICES)
            .chain(GATEWAYS)
            .filter(|version| *version == CORE || served.contains(*version))
            .collect();
        let resources = known.into_iter().map(async |version| {
            let root = if version == CORE { "/api" } else { "/apis" };
            let list = self.ask(&Ask::path(format!("{root}/{version}"))).await?;
            Ok::<_, Failure>((version, plurals(&list)))
        });
        let resources: BTreeMap<&str, BTreeSet<String>> =
            try_join_all(resources).await?.into_iter().collect();
        let has = |version: &&str, plural: &str| {
            resources.get(version).is_some_and(|plurals| plurals.contains(plural))
        };
        let best = |versions: &[&'static str], plural: &str| {
            versions.iter().find(|version| has(version, plural)).map(|version| (*version).to_owned())
        };
        let kinds = ObjectKind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, best(kind.api_versions(), kind.plural())?)));
        Ok(Discovered {
            version: read_version(&version),
            kinds: kinds.collect(),
            autoscaling: best(&AUTOSCALING, "horizontalpodautoscalers"),
            endpoint_slices: best(&ENDPOINT_SLICES, "endpointslices"),
            gateways: best(&GATEWAYS, "gateways"),
            at,
        })
    }
}

/// The API versions in a list of groups.
fn served(groups: &Value) -> BTreeSet<&str> {
    let groups = groups.get("groups").and_then(Value::as_array).into_iter().flatten();
    let versions = groups.filter_map(|group| group.get("versions").and_then(Value::as_array)).flatten();
    versions.filter_map(|version| version.get("groupVersion").and_then(Value::as_str)).collect()
}

/// The resources in a list of them.
fn plurals(list: &Value) -> BTreeSet<String> {
    let resources = list.get("resources").and_then(Value::as_array).into_iter().flatten();
    resources.filter_map(|one| one.get("name").and_then(Value::as_str)).map(str::to_owned).collect()
}

/// A version such as 1.33; some clouds write its second part as `33+`.
fn read_version(version: &Value) -> (u32, u32) {
    let number = |key: &str| {
        let text = version.get(key).and_then(Value::as_str).unwrap_or_default();
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_default()
    };
    (number("major"), number("minor"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{read_version, served};

    #[test]
    fn a_version_has_two_numbers() {
        assert_eq!(read_version(&json!({ "major": "1", "minor": "33+" })), (1, 33));
        assert_eq!(read_version(&json!({ "major": "1", "minor": "20" })), (1, 20));
        assert_eq!(read_version(&json!({})), (0, 0));
    }

    #[test]
    fn every_version_of_a_group_counts() {
        let groups = json!({ "groups": [{ "name": "policy", "versions": [
            { "groupVersion": "policy/v1" },
            { "groupVersion": "policy/v1beta1" },
        ] }] });
        assert!(served(&groups).contains("policy/v1beta1"));
    }
}
