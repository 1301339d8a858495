//! The scripted provider's platform: a row for each tenant that has something.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{Incarnation, Rollout, TenantId};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::spec::{Invalid, Problem, Spec};
use landlord_state_machines::status::Health;
use landlord_state_machines::tenant::Method;
use serde_json::Value;

use super::kind_of;

/// What happens to specs with a certain image, where nothing else is scripted. All other specs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are invalid.
    Refused,
    /// They begin to run, and crash.
    Crashes,
    /// They begin to run, and do not become healthy until the call is stopped or late.
    NeverHealthy,
}

/// How the platform answers what is asked about a tenant, where nothing else is scripted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It does what it is asked.
    #[default]
    Answers,
    /// It refuses, and may not do so later.
    Refuses,
    /// It says nothing.
    Silent,
}

/// What a tenant has.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) spec: Spec,
    pub(super) rollout: Rollout,
    pub(super) engine: Arc<str>,
    pub(super) incarnation: Incarnation,
    pub(super) health: Health,
    pub(super) crashed: bool,
}

impl Row {
    fn new(subject: &Subject, spec: &Spec, rollout: Rollout) -> Self {
        Self {
            spec: spec.clone(),
            rollout,
            engine: Arc::clone(&subject.engine),
            incarnation: subject.incarnation,
            health: Health::Healthy,
            crashed: false,
        }
    }
}

/// The volumes that a tenant has left on purpose.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) engine: Arc<str>,
    pub(super) incarnation: Incarnation,
    pub(super) volumes: BTreeSet<String>,
}

impl Kept {
    /// A name for each, and where it is.
    pub(super) fn named(&self, tenant: &TenantId) -> BTreeMap<String, String> {
        let named = |volume: &String| (format!("volume {volume}"), format!("{tenant}/{volume}"));
        self.volumes.iter().map(named).collect()
    }
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<TenantId, Row>,
    /// What tenants that were destroyed have retained: the volumes' names, by whose they are.
    pub(super) retained: BTreeMap<TenantId, Kept>,
    /// Tenants whose name somebody else has taken.
    pub(super) occupied: BTreeSet<TenantId>,
    /// By image.
    pub(super) fates: BTreeMap<String, Fate>,
    pub(super) moods: BTreeMap<TenantId, Mood>,
    /// How long a call takes before and after it has its effect.
    pub(super) latency: Duration,
}

impl Table {
    /// The tenant's row, if it is this engine's.
    pub(super) fn own(&self, subject: &Subject) -> Option<&Row> {
        self.rows.get(&subject.tenant).filter(|row| row.engine == subject.engine)
    }

    pub(super) fn mood(&self, tenant: &TenantId) -> Mood {
        self.moods.get(tenant).copied().unwrap_or_default()
    }

    pub(super) fn fate(&self, spec: &Spec) -> Option<Fate> {
        spec.containers.iter().find_map(|container| self.fates.get(&container.image).copied())
    }

    /// What `validate` says.
    pub(super) fn check(&self, spec: &Spec) -> Result<(), Invalid> {
        let mut problems = Vec::new();
        match &spec.provider_config {
            None => {}
            Some(Value::Object(fields)) => problems.extend(fields.keys().map(|field| {
                Problem::new(format!("provider_config.{field}"), "there is no configuration; leave it out")
            })),
            Some(_) => problems.push(Problem::new("provider_config", "there is none; leave it out")),
        }
        for (n, container) in spec.containers.iter().enumerate() {
            if self.fates.get(&container.image) == Some(&Fate::Refused) {
                problems.push(Problem::new(format!("containers[{n}].image"), "it is to be refused"));
            }
        }
        Invalid::unless_empty(problems)
    }

    /// Whether the method may do it: what another spec, another owner or no row at all makes of it.
    pub(super) fn admit(&self, subject: &Subject, method: Method, spec: &Spec) -> Result<(), ProviderError> {
        let tenant = &subject.tenant;
        let conflict = |message: String| {
            Err(ProviderError::new(kind_of(method), Remedy::Permanent, ErrorCode::Conflict, message))
        };
        let own = self.own(subject);
        let taken = self.occupied.contains(tenant) || self.rows.contains_key(tenant);
        match (method, own) {
            (Method::Destroy | Method::Release, _) => Ok(()),
            (Method::Provision, None) if taken => {
                conflict(format!("the row of {tenant} is somebody else's; it has to be removed by hand"))
            }
            (Method::Provision, Some(row))
                if row.incarnation == subject.incarnation
                    && !row.crashed
                    && row.spec != *spec
                    && !row.spec.differs_in_protection_alone(spec) =>
            {
                conflict("another spec runs; use update".to_owned())
            }
            (Method::Update, None) => Err(ProviderError::tenant_not_found(tenant)),
            (Method::Provision, Some(_) | None) | (Method::Update, Some(_)) => Ok(()),
        }
    }

    /// Runs the spec, which takes up what an earlier life retained for it.
    pub(super) fn put(&mut self, subject: &Subject, spec: &Spec, rollout: Rollout) {
        if let Some(kept) = self.retained.get_mut(&subject.tenant)
            && kept.engine == subject.engine
        {
            kept.volumes.retain(|volume| spec.volumes.iter().all(|wanted| wanted.name != *volume));
            if kept.volumes.is_empty() {
                self.retained.remove(&subject.tenant);
            }
        }
        self.rows.insert(subject.tenant.clone(), Row::new(subject, spec, rollout));
    }

    /// Removes the tenant's row, if it is this engine's, but for what its spec retains.
    pub(super) fn remove(&mut self, subject: &Subject) {
        let Some(row) = self.own(subject).cloned() else { return };
        self.rows.remove(&subject.tenant);
        let retained = row.spec.volumes.iter().filter(|volume| volume.retain);
        let retained: Vec<String> = retained.map(|volume| volume.name.clone()).collect();
        if !retained.is_empty() {
            let kept = self.retained.entry(subject.tenant.clone()).or_insert_with(|| Kept {
                engine: Arc::clone(&row.engine),
                incarnation: row.incarnation,
                volumes: BTreeSet::new(),
            });
            kept.incarnation = row.incarnation;
            kept.volumes.extend(retained);
        }
    }

    /// What the tenant has retained, if it is this engine's.
    pub(super) fn kept(&self, subject: &Subject) -> BTreeMap<String, String> {
        let kept = self.retained.get(&subject.tenant).filter(|kept| kept.engine == subject.engine);
        kept.map(|kept| kept.named(&subject.tenant)).unwrap_or_default()
    }

    /// Removes what the tenant has retained, if it is this engine's, and says what that was.
    pub(super) fn release(&mut self, subject: &Subject) -> BTreeMap<String, String> {
        let kept = self.kept(subject);
        if !kept.is_empty() {
            self.retained.remove(&subject.tenant);
        }
        kept
    }

    /// Puts back what was there before.
    pub(super) fn restore(&mut self, subject: &Subject, before: Option<Row>) {
        match before {
            Some(row) => {
                self.rows.insert(subject.tenant.clone(), row);
            }
            None => self.remove(subject),
        }
    }
}

/// The platform's refusal in [`Mood::Refuses`].
pub(super) fn unavailable(kind: ErrorKind) -> ProviderError {
    let message = "the platform refuses for now; try again later";
    ProviderError::new(kind, Remedy::Retry, ErrorCode::ProviderUnavailable, message)
}
