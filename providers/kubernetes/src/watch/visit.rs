//! Looks at tenants at rest that something happened to: what was told is a hint, and this is how they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use landlord_compute::clock::Clock;
use landlord_state_machines::id::{ProviderName, TenantId};
use landlord_state_machines::observation::Observation;
use landlord_state_machines::planner::kubernetes::{
    Alteration, Altered, Object, ObjectKind, Running, at_rest, tags,
};

use super::agenda::{Suspect, Suspicion, Visit};
use super::item::{self, Pods, Watched};
use crate::api::Kubernetes;
use crate::budget::Rank;
use crate::error::{Failure, Why};
use crate::fleet::By;
use crate::reads::{At, Writes};
use crate::request::{Ask, Part, Resource, What};
use crate::working::{Wrote, uid};

/// Who looks, and at whose tenants.
pub(super) struct Visitor {
    pub(super) kubernetes: Arc<Kubernetes>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) engine: String,
    pub(super) provider: ProviderName,
    /// The one namespace of all tenants, where they share one.
    pub(super) namespace: Option<String>,
}

/// What came of visits.
pub(super) enum Visited {
    Seen(Vec<Observation>),
    /// The cluster could not be asked: they are still to be made.
    Failed(Vec<(TenantId, Visit)>),
    /// So much happened that the cluster forgot, before the last page of a list, what the first one had shown.
    Overtaken(Vec<(TenantId, Visit)>),
}

impl Visitor {
    /// Visits these tenants of the cluster with this identity.
    pub(super) async fn visit(
        self: Arc<Self>,
        cluster: String,
        visits: Vec<(TenantId, Visit)>,
        by: By,
    ) -> Visited {
        match self.look(&cluster, &visits, by).await {
            Ok(seen) => Visited::Seen(seen),
            Err(Failure { why: Why::Expired, .. }) => Visited::Overtaken(visits),
            Err(failure) => {
                let error = failure.into_error();
                tracing::debug!(%error, tenants = visits.len(), "could not look at what changed; looking again");
                Visited::Failed(visits)
            }
        }
    }

    async fn look(
        &self,
        cluster: &str,
        visits: &[(TenantId, Visit)],
        by: By,
    ) -> Result<Vec<Observation>, Failure> {
        let begun = self.clock.now();
        let at = At { cluster: &self.kubernetes.cluster, rank: Rank::Look, writes: Writes::Kept };
        // Another cluster tells nothing of these tenants; the list that shows it begins anew.
        if at.identity().await? != cluster {
            return Ok(Vec::new());
        }
        let tenants: BTreeMap<TenantId, String> =
            visits.iter().map(|(tenant, visit)| (tenant.clone(), visit.namespace.clone())).collect();
        let fleet = at.fleet(&self.labels(), &tenants, self.namespace.as_deref(), by).await?;
        let mut seen = Vec::with_capacity(visits.len());
        for (tenant, visit) in visits {
            let running = fleet.running(tenant).unwrap_or_default();
            let altered = visit.suspects.iter();
            let altered =
                altered.map(|suspect| self.altered(at, tenant, &visit.namespace, &running, suspect));
            let altered: Vec<Altered> = try_join_all(altered).await?.into_iter().flatten().collect();
            let result = at_rest(&running, &altered, self.kubernetes.defaults.drift);
            // Somebody may have begun to change it.
            if self.kubernetes.working.is_idle(tenant) && !altered.is_empty() {
                self.kubernetes.drifted.note(tenant, &altered);
            }
            seen.push(Observation { tenant: tenant.clone(), begun, seen: result });
        }
        Ok(seen)
    }

    /// What selects all that the provider has.
    pub(super) fn labels(&self) -> String {
        tags::selector_of_all(&self.engine, self.provider.as_str())
    }

    /// What somebody did to an object; none, where it is as it was.
    async fn altered(
        &self,
        at: At<'_>,
        tenant: &TenantId,
        namespace: &str,
        running: &Running,
        suspect: &Suspect,
    ) -> Result<Option<Altered>, Failure> {
        let wrote = |uid: &u64| self.kubernetes.working.wrote(tenant, *uid);
        let altered =
            |name: Option<&String>, how| Some(Altered { kind: suspect.kind, name: name.cloned(), how });
        let name = match &suspect.what {
            // The list has shown it.
            Suspicion::Unlisted { uid } => {
                let is_deleted = wrote(uid) != Some(Wrote::Deletion);
                return Ok(is_deleted.then(|| altered(None, Alteration::Deleted)).flatten());
            }
            Suspicion::Stopped { name, uid, pods } => {
                let replicas = running.workload.as_ref().and_then(|it| it.number("/spec/replicas"));
                let is_stopped = replicas == Some(0) && (*pods == Pods::Denied || wrote(uid).is_none());
                return Ok(is_stopped.then(|| altered(Some(name), Alteration::Stopped)).flatten());
            }
            Suspicion::Gone { uid, .. } if wrote(uid) == Some(Wrote::Deletion) => return Ok(None),
            Suspicion::Gone { name, .. } | Suspicion::Lost { name, .. } => name,
        };
        let Some(json) = at.metadata(suspect.kind, namespace, name).await? else {
            return Ok(altered(Some(name), Alteration::Deleted));
        };
        Ok(match &suspect.what {
            Suspicion::Unlisted { .. } | Suspicion::Stopped { .. } => None,
            Suspicion::Gone { uid: gone, .. } => {
                let body = serde_json::from_str(&json).ok();
                let object = body.and_then(|body| Object::read(suspect.kind, body));
                let is_same = object.as_ref().is_some_and(|object| uid(&object.uid) == *gone);
                let owner = object
                    .as_ref()
                    .and_then(|object| tags::owner(&object.labels(), &self.engine, self.provider.as_str()));
                match (owner, is_same) {
                    // Another one that is the engine's as well takes its place, or it has its labels again.
                    (Some(_), true | false) => None,
                    (None, true) => altered(Some(name), Alteration::Disowned),
                    (None, false) => altered(Some(name), Alteration::Deleted),
                }
            }
            Suspicion::Lost { before, uid, .. } => {
                match item::managers(Watched::Objects(suspect.kind), &json) {
                    // The time of an apply has no more than seconds: two in one look as if others had taken fields.
                    Some((mark, by))
                        if before.has_lost_to(mark) && !(by.is_empty() && wrote(uid).is_some()) =>
                    {
                        altered(Some(name), Alteration::Changed { by })
                    }
                    Some(_) | None => None,
                }
            }
        })
    }
}

impl At<'_> {
    /// An object's metadata, as the API server writes it; none, where it is not there.
    async fn metadata(
        &self,
        kind: ObjectKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<String>, Failure> {
        let found = self.discovered().await?;
        let Some(version) = found.kinds.get(&kind) else { return Ok(None) };
        // A namespace is in none.
        let namespace = (kind != ObjectKind::Namespace).then_some(namespace);
        let resource = Resource::all(version, kind.plural(), namespace).named(name);
        let ask = Ask::new(resource, What::Get(Part::Metadata));
        self.cluster.turn(self.rank).await?;
        let answer = self.cluster.bytes(&ask).await;
        let json = self.if_there(answer)?.map(|bytes| String::from_utf8(bytes.into())).transpose();
        json.map_err(|error| Failure::unreadable(&ask, error.to_string()))
    }
}
