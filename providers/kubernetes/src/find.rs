//! Finds tenants by the labels of what they have, where nothing else tells of them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use landlord_compute::provider::{Context, OwnedTenant};
use landlord_state_machines::id::{Incarnation, TenantId};
use landlord_state_machines::planner::kubernetes::{Namespaces, Object, ObjectKind, Place, Sharing, tags};

use super::api::Kubernetes;
use super::budget::Rank;
use super::error::{Failure, Why};
use super::reads::{self, At, Writes};
use super::request::Part;

/// A tenant in one of its lives.
type Life = (TenantId, Incarnation);

/// What a tenant has: a name for each thing, and its uid.
type Resources = BTreeMap<String, String>;

impl Kubernetes {
    /// Where something of the tenant is: its own namespace, or a workload in another one.
    pub(super) async fn locate(&self, cx: &Context) -> Result<BTreeSet<Place>, Failure> {
        let labels = tags::selector(&cx.subject);
        let kinds = [ObjectKind::Namespace, ObjectKind::Deployment, ObjectKind::StatefulSet];
        let version = |kind: ObjectKind| kind.api_versions().first().copied().unwrap_or_default().to_owned();
        let kinds = kinds.map(|kind| (kind, version(kind)));
        let mut places: BTreeMap<String, Sharing> = BTreeMap::new();
        for object in self.everywhere(&self.at(cx), &kinds, &labels).await? {
            if object.id.kind == ObjectKind::Namespace {
                places.insert(object.id.name, Sharing::Own);
            } else if let Some(namespace) = object.text("/metadata/namespace") {
                places.entry(namespace.to_owned()).or_insert(Sharing::Shared);
            }
        }
        Ok(places.into_iter().map(|(namespace, sharing)| Place { namespace, sharing }).collect())
    }

    /// All that an engine owns in the cluster. Secrets are not listed: where there are some, there is a namespace too.
    pub(super) async fn list(&self, engine: &str, provider: &str) -> Result<Vec<OwnedTenant>, Failure> {
        let at = At { cluster: &self.cluster, rank: Rank::Read, writes: Writes::Kept };
        let found = at.discovered().await?;
        let listed = |kind: &ObjectKind| *kind != ObjectKind::Secret;
        let kinds = found.kinds.iter().filter(|(kind, _)| listed(kind));
        let kinds: Vec<_> = kinds.map(|(kind, version)| (*kind, version.clone())).collect();
        let mut owned: BTreeMap<Life, Resources> = BTreeMap::new();
        for object in self.everywhere(&at, &kinds, &tags::selector_of_all(engine, provider)).await? {
            if let Some(life) = tags::owner(&object.labels(), engine, provider) {
                let name = match object.text("/metadata/namespace") {
                    Some(namespace) => format!("{}/{namespace}/{}", object.id.kind, object.id.name),
                    None => object.id.to_string(),
                };
                owned.entry(life).or_default().insert(name, object.uid);
            }
        }
        let tenants = owned.into_iter();
        Ok(tenants
            .map(|((tenant, incarnation), resources)| OwnedTenant::new(tenant, incarnation, resources))
            .collect())
    }

    /// The objects that have these labels, in all namespaces; where all tenants share one and the engine may look nowhere else, in
    /// that one.
    async fn everywhere(
        &self,
        at: &At<'_>,
        kinds: &[(ObjectKind, String)],
        labels: &str,
    ) -> Result<Vec<Object>, Failure> {
        let lists = kinds.iter().map(async |(kind, version)| {
            let listed = at.objects(*kind, version, None, labels, Part::Metadata).await;
            match (listed, &self.defaults.namespaces) {
                (Err(Failure { why: Why::Forbidden, .. }), Namespaces::Shared { .. })
                    if *kind == ObjectKind::Namespace =>
                {
                    Ok(Vec::new())
                }
                // The kinds that others bring: what the engine may not even list, it has not made.
                (Err(Failure { why: Why::Forbidden, .. }), Namespaces::Own | Namespaces::Shared { .. })
                    if reads::is_others(*kind) =>
                {
                    Ok(Vec::new())
                }
                (Err(Failure { why: Why::Forbidden, .. }), Namespaces::Shared { name }) => {
                    at.objects(*kind, version, Some(name), labels, Part::Metadata).await
                }
                (listed, Namespaces::Own | Namespaces::Shared { .. }) => listed,
            }
        });
        Ok(try_join_all(lists).await?.into_iter().flatten().collect())
    }
}
