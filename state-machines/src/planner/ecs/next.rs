//! What to do next.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::call::{DELETED_AT_ONCE, DefinitionStatus, EcsCall, Search, Serves, Service};
use super::facts::{EcsFacts, Held, Look, Revision, Whereabouts, Whose, after};
use super::figures;
use super::learn::is;
use super::site::Site;
use super::tags;
use super::wanted::Wanted;
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::planner::{Act, Goal, Kind, Means, Next, Subject};
use crate::spec::Spec;

/// How long a list of revisions is believed; only we register in the family.
const BELIEVED: SignedDuration = SignedDuration::from_mins(10);
/// From one look at a service that drains to the next.
const DRAINING: SignedDuration = SignedDuration::from_secs(5);
/// How many calls in a row may bring no reply until the method ends: it waits 1, 2, 4 and 8 s.
const TROUBLES: u32 = 4;
/// How many definitions are described at a time.
const DESCRIBED: usize = 10;

/// The whole behaviour. What is not known is looked at; then the first stage that has something left to do does it.
pub(super) fn next(subject: &Subject, goal: Goal<'_>, facts: &EcsFacts, now: Timestamp) -> Next<EcsCall> {
    let applied = match goal {
        Goal::Present { applied, .. } => applied,
        Goal::Absent | Goal::Known => None,
    };
    let plan = Plan { subject, facts, applied, now };
    match (&facts.trouble, goal, &facts.at) {
        (Some(trouble), Goal::Known, _) => Next::Fail(trouble.clone()),
        (Some(trouble), Goal::Present { .. } | Goal::Absent, _) => plan.bear(trouble),
        (None, Goal::Known, Whereabouts::Unknown) => Next::Do(vec![locate(Search::Service)]),
        (None, Goal::Absent, Whereabouts::Unknown) => plan.look(vec![locate(Search::Everything)]),
        (None, Goal::Known | Goal::Absent, Whereabouts::Nowhere) => Next::Done,
        (None, Goal::Known, Whereabouts::At(site)) => plan.known(site),
        (None, Goal::Absent, Whereabouts::At(site)) => plan
            .look_at_service(site)
            .or_else(|| plan.remove_service(site))
            .or_else(|| plan.know_revisions(site, Listed::SinceTheLastWasRegistered))
            .or_else(|| plan.doubt_that_the_cluster_is_gone(site))
            .or_else(|| plan.remove_revisions(site, None))
            .unwrap_or(Next::Done),
        (None, Goal::Present { spec, rollout, by, .. }, at) => {
            match Wanted::in_rollout(subject, spec, rollout) {
                Err(error) => Next::Fail(error),
                Ok(wanted) => plan
                    .stay(at, &wanted.site)
                    .or_else(|| plan.look_at_service(&wanted.site))
                    .or_else(|| plan.need_the_cluster())
                    .or_else(|| plan.refuse_strangers(&wanted.site))
                    .or_else(|| plan.remove_older_life(&wanted.site))
                    .or_else(|| plan.know_revisions(&wanted.site, Listed::Lately))
                    .or_else(|| plan.refuse(&wanted, by))
                    .or_else(|| plan.run(&wanted, by))
                    .unwrap_or(Next::Done),
            }
        }
    }
}

/// How recent a list of revisions has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// A recent list is enough: what was registered since is known by the answer.
    Lately,
    /// It has to be later than the last registration, whose answer does not show whether it was made twice.
    SinceTheLastWasRegistered,
}

/// What a plan is made from.
pub(super) struct Plan<'a> {
    pub(super) subject: &'a Subject,
    pub(super) facts: &'a EcsFacts,
    /// The spec before, where it is known.
    pub(super) applied: Option<&'a Spec>,
    pub(super) now: Timestamp,
}

impl Plan<'_> {
    /// Looks, but not before a look can show what was done.
    pub(super) fn look(&self, acts: Vec<Act<EcsCall>>) -> Next<EcsCall> {
        match self.facts.settled_at() {
            Some(until) if self.now < until => {
                Next::Wait { until, why: "ECS shows what was done", so_far: None }
            }
            Some(_) | None => Next::Do(acts),
        }
    }

    /// Waits out what may pass. Throttling is waited out without a limit, so that no tenant fails because of it.
    fn bear(&self, trouble: &ProviderError) -> Next<EcsCall> {
        let again = match (trouble.remedy, trouble.retry_after, self.facts.seen.troubles) {
            (Remedy::Retry, Some(pause), _) => SignedDuration::try_from(pause).ok(),
            (Remedy::Retry, None, troubles @ ..=TROUBLES) => {
                Some(SignedDuration::from_secs(1 << troubles.saturating_sub(1)))
            }
            (Remedy::Retry, None, _) | (Remedy::Permanent | Remedy::NeedsPerson, _, _) => None,
        };
        match again {
            Some(pause) => self.wait(pause, "ECS answers", Some(trouble.message.clone())),
            None => Next::Fail(trouble.clone()),
        }
    }

    pub(super) fn wait(
        &self,
        pause: SignedDuration,
        why: &'static str,
        so_far: Option<String>,
    ) -> Next<EcsCall> {
        Next::Wait { until: after(self.now, pause), why, so_far }
    }

    pub(super) fn service(&self) -> Option<&Service> {
        match &self.facts.seen.service {
            Look::Is(service) => Some(service),
            Look::NotYet | Look::None | Look::NoCluster(_) => None,
        }
    }

    /// The service, where it is the tenant's, and the life that made it.
    pub(super) fn its_service(&self) -> Option<(&Service, u64)> {
        let service = self.service()?;
        match Whose::of(&service.tags, self.subject) {
            Whose::Its(life) => Some((service, life.0)),
            Whose::Another(_) | Whose::Strangers => None,
        }
    }

    // ---- what is there

    /// Everything is looked at as it is, whether or not it has settled.
    fn known(&self, site: &Site) -> Next<EcsCall> {
        if let Some(failed) = self.need_the_cluster() {
            return failed;
        }
        if self.facts.seen.service == Look::NotYet {
            let lists = match self.facts.listed.is_empty() {
                true => vec![list(site, DefinitionStatus::Active), list(site, DefinitionStatus::Inactive)],
                false => Vec::new(),
            };
            return Next::Do([self.describe(site)].into_iter().chain(lists).collect());
        }
        let undescribed = self.undescribed(site);
        match (undescribed.is_empty(), self.its_service(), &self.facts.seen.tasks) {
            (false, _, _) => Next::Do(undescribed),
            (true, Some(_), None) => {
                let (serves, checked) = (self.facts.serves.clone(), self.facts.checked.clone());
                Next::Do(vec![find_tasks(site, serves, checked, None)])
            }
            (true, Some(_), Some(_)) | (true, None, _) => Next::Done,
        }
    }

    fn look_at_service(&self, site: &Site) -> Option<Next<EcsCall>> {
        let here = self.facts.at == Whereabouts::At(site.clone());
        match (&self.facts.seen.service, here) {
            (Look::NotYet, _) | (Look::None | Look::NoCluster(_) | Look::Is(_), false) => {
                Some(self.look(vec![self.describe(site)]))
            }
            (Look::None | Look::NoCluster(_) | Look::Is(_), true) => None,
        }
    }

    /// Nothing can run where there is no cluster.
    fn need_the_cluster(&self) -> Option<Next<EcsCall>> {
        match &self.facts.seen.service {
            Look::NoCluster(error) => Some(Next::Fail(error.clone())),
            Look::NotYet | Look::None | Look::Is(_) => None,
        }
    }

    /// A service is gone with its cluster. Where a revision of the tenant's is found, this is the account and the region that
    /// it ran in; else the cluster may only be looked for at the wrong place.
    fn doubt_that_the_cluster_is_gone(&self, site: &Site) -> Option<Next<EcsCall>> {
        let Look::NoCluster(error) = &self.facts.seen.service else { return None };
        let its = |revision: &Revision| revision.whose.as_ref().is_some_and(Whose::is_its);
        if self.facts.service == Held::None || self.facts.revisions.values().any(its) {
            return None;
        }
        let message = format!(
            "there is no cluster {} where tenant {} ran, and no task definition of its own shows that this is still the same              account and region; correct the engine's identity, or abandon the tenant if the cluster was deleted",
            site.place.cluster, self.subject.tenant
        );
        Some(Next::Fail(ProviderError { message, ..error.clone() }))
    }

    /// Lists the family's revisions and learns whose they are.
    pub(super) fn know_revisions(&self, site: &Site, how: Listed) -> Option<Next<EcsCall>> {
        let is_known = |status: &DefinitionStatus| {
            self.facts.listed.get(status).is_some_and(|at| {
                let since_registered = self.facts.registered_at.is_none_or(|registered| *at > registered);
                self.now < after(*at, BELIEVED)
                    && (how == Listed::Lately || *status == DefinitionStatus::Inactive || since_registered)
            })
        };
        let all = [DefinitionStatus::Active, DefinitionStatus::Inactive];
        let lists: Vec<Act<EcsCall>> =
            all.into_iter().filter(|status| !is_known(status)).map(|status| list(site, status)).collect();
        let acts = if lists.is_empty() { self.undescribed(site) } else { lists };
        (!acts.is_empty()).then(|| self.look(acts))
    }

    fn undescribed(&self, site: &Site) -> Vec<Act<EcsCall>> {
        let unknown = self.facts.revisions.iter().filter(|(_, revision)| revision.whose.is_none());
        let describe = |(arn, _): (&String, &Revision)| Act {
            step: "look at a task definition",
            call: EcsCall::DescribeDefinition {
                place: site.place.clone(),
                definition: arn.clone(),
                subject: self.subject.clone(),
            },
            kind: Kind::Read,
        };
        unknown.map(describe).take(DESCRIBED).collect()
    }

    fn describe(&self, site: &Site) -> Act<EcsCall> {
        let call = EcsCall::DescribeService { site: site.clone(), subject: self.subject.clone() };
        Act { step: "look at the service", call, kind: Kind::Read }
    }

    // ---- what is refused

    /// A tenant that runs at one place is not moved by asking for it at another.
    fn stay(&self, at: &Whereabouts, wanted: &Site) -> Option<Next<EcsCall>> {
        match at {
            Whereabouts::At(site) if !site.is_same(wanted) && self.facts.holds() => {
                let message = format!(
                    "tenant {} runs as service {} in cluster {}; region, cluster, role, endpoint and name stay as \
                     they are: destroy it and provision it anew to move it",
                    self.subject.tenant, site.name, site.place.cluster
                );
                Some(Next::Fail(invalid(message)))
            }
            Whereabouts::At(_) | Whereabouts::Nowhere | Whereabouts::Unknown => None,
        }
    }

    fn refuse_strangers(&self, site: &Site) -> Option<Next<EcsCall>> {
        let owner = match Whose::of(&self.service()?.tags, self.subject) {
            Whose::Its(_) => return None,
            Whose::Another(tenant) => format!("belongs to tenant {tenant}"),
            Whose::Strangers => "is there already and has not this landlord's tags".to_owned(),
        };
        let message = format!(
            "service {} in cluster {} {owner}; it is not touched: give the tenant another service_name or \
             service_name_prefix, or delete that service",
            site.name, site.place.cluster
        );
        Some(Next::Fail(conflict(message)))
    }

    /// What provision and update refuse.
    fn refuse(&self, wanted: &Wanted, by: Means) -> Option<Next<EcsCall>> {
        match (by, self.its_service()) {
            (Means::Provision, Some((service, _))) => {
                let same = service.tags.get(tags::SPEC) == wanted.tags.get(tags::SPEC);
                let message =
                    format!("tenant {} runs with another spec; use update to change it", self.subject.tenant);
                (!same).then(|| Next::Fail(conflict(message)))
            }
            (Means::Repair, Some(_) | None) | (Means::Provision, None) | (Means::Update, Some(_)) => None,
            (Means::Update, None) => match self.its_revisions().next() {
                Some(_) => None,
                None => Some(Next::Fail(ProviderError::tenant_not_found(&self.subject.tenant))),
            },
        }
    }

    // ---- what goes

    /// The service of another life of the tenant.
    fn remove_older_life(&self, site: &Site) -> Option<Next<EcsCall>> {
        let (service, life) = self.its_service()?;
        match life == self.subject.incarnation.0 && !service.draining {
            true => None,
            false => self.remove_service(site),
        }
    }

    /// The tenant's service, whichever life made it; what drains is waited for.
    fn remove_service(&self, site: &Site) -> Option<Next<EcsCall>> {
        let (service, _) = self.its_service()?;
        Some(match service.draining {
            true => self.wait(DRAINING, "the service drains", figures::left(service)),
            false => write("delete the service", EcsCall::DeleteService(site.clone())),
        })
    }

    /// The tenant's revisions, of all its lives, but for this one: first they are deregistered, then deleted.
    pub(super) fn remove_revisions(&self, site: &Site, kept: Option<&str>) -> Option<Next<EcsCall>> {
        let extra = |status: DefinitionStatus| {
            let of_tenant = self.facts.revisions.iter().filter(move |(arn, revision)| {
                revision.status == status
                    && revision.whose.as_ref().is_some_and(Whose::is_its)
                    && kept.is_none_or(|kept| !is(arn, kept))
            });
            of_tenant.map(|(arn, _)| arn.clone())
        };
        let place = &site.place;
        let deregister = |arn: String| Act {
            step: "deregister a task definition",
            call: EcsCall::DeregisterDefinition { place: place.clone(), arn },
            kind: Kind::Write,
        };
        let active: Vec<Act<EcsCall>> = extra(DefinitionStatus::Active).map(deregister).collect();
        if !active.is_empty() {
            return Some(Next::Do(active));
        }
        let arns: BTreeSet<String> = extra(DefinitionStatus::Inactive).take(DELETED_AT_ONCE).collect();
        let delete = || {
            write(
                "delete task definitions",
                EcsCall::DeleteDefinitions { place: place.clone(), arns: arns.clone() },
            )
        };
        (!arns.is_empty()).then(delete)
    }
}

fn locate(search: Search) -> Act<EcsCall> {
    Act { step: "find the tenant by its tags", call: EcsCall::Locate(search), kind: Kind::Read }
}

pub(super) fn find_tasks(
    site: &Site,
    serves: Vec<Serves>,
    checked: BTreeSet<String>,
    giving_up: Option<String>,
) -> Act<EcsCall> {
    let call = EcsCall::FindTasks { site: site.clone(), serves, checked, giving_up };
    Act { step: "look at the tasks", call, kind: Kind::Read }
}

fn list(site: &Site, status: DefinitionStatus) -> Act<EcsCall> {
    let call = EcsCall::ListDefinitions(site.clone(), status);
    Act { step: "list the task definitions", call, kind: Kind::Read }
}

pub(super) fn write(step: &'static str, call: EcsCall) -> Next<EcsCall> {
    Next::Do(vec![Act { step, call, kind: Kind::Write }])
}

fn conflict(message: String) -> ProviderError {
    ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Permanent, ErrorCode::Conflict, message)
}

pub(super) fn invalid(message: String) -> ProviderError {
    ProviderError::new(ErrorKind::InvalidSpec, Remedy::Permanent, ErrorCode::InvalidConfiguration, message)
}
