//! What a provider answers, beyond the results on the wire (CONTRACT.md, "Methods").

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{Incarnation, TenantId};
use landlord_state_machines::spec::{Field, FieldChange, Spec, differences};
use landlord_state_machines::status::ComputeStatus;
use serde::Serialize;

/// What a destroy left on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Destroyed {
    /// What the tenant's spec asked to retain: a name for each, and where it is.
    pub retained: BTreeMap<String, String>,
}

impl Destroyed {
    /// With this retained.
    #[must_use]
    pub fn retained(mut self, retained: BTreeMap<String, String>) -> Self {
        self.retained = retained;
        self
    }
}

/// What a release removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Released {
    /// What had been retained: a name for each, and where it was.
    pub removed: BTreeMap<String, String>,
}

impl Released {
    /// With this removed.
    #[must_use]
    pub fn removed(mut self, removed: BTreeMap<String, String>) -> Self {
        self.removed = removed;
        self
    }
}

/// What an update would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The fields in which the spec differs from the one that runs.
    pub changes: Vec<PlannedChange>,
    /// Where the platform is not as the spec that runs has it: what an update would do first, a step each. Empty where `changes`
    /// is not.
    pub corrections: Vec<String>,
    /// What the platform was asked about, object by object, where its provider asks it: what it would change, and whether it takes
    /// it. Empty where nothing would change.
    pub objects: Vec<PlannedObject>,
    /// What the platform, as it is found, lacks of what the spec asks for, each with its path and the reason.
    pub not_enforced: Vec<String>,
}

impl Plan {
    /// An update would change nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.corrections.is_empty()
    }

    /// Other fields, on a platform that is as it should be.
    pub fn of(changes: Vec<PlannedChange>) -> Self {
        Self { changes, ..Self::default() }
    }
}

/// An object of a platform that an update would write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedObject {
    /// Which, as the platform names it.
    pub object: String,
    /// What becomes of it.
    pub action: PlannedAction,
    /// The fields of it that would have another value. What the platform fills in by itself and what others have there is not
    /// among them, and values that may be secret are not shown.
    pub fields: Vec<FieldChange>,
    /// What the platform says about it.
    pub answer: PlannedAnswer,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAction {
    /// It is made.
    Create,
    /// It is changed where it is.
    Change,
    /// It is deleted, and another one made in its place: it has a field that cannot be changed.
    Replace,
    /// It is deleted.
    Delete,
}

/// What a platform says about a change that it was asked about and did not make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAnswer {
    /// It takes it.
    Accepted,
    /// It does not take it, in these words: an update would fail.
    Refused(String),
    /// It was not asked, for this reason: what is told comes from the spec alone.
    NotAsked(String),
}

/// A field that an update would change on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedChange {
    /// The field, and how it differs.
    #[serde(flatten)]
    pub change: FieldChange,
    /// What the change does to what runs.
    pub effect: PlannedEffect,
}

/// What a change does to what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedEffect {
    /// The platform changes it where it is.
    InPlace,
    /// Something new takes its place: it begins to serve, then the old one ends.
    Replace,
    /// The old one ends first, then something new takes its place. In between nobody serves.
    StopFirst,
}

impl PlannedChange {
    /// Every difference between what runs and `spec` that a platform may know of, for a provider to whose platform they all do
    /// the same.
    pub fn all(applied: &Spec, spec: &Spec, effect: PlannedEffect) -> Vec<Self> {
        Self::each(applied, spec, |_| effect)
    }

    /// The same, with what each does to the platform.
    pub fn each(applied: &Spec, spec: &Spec, effect: impl Fn(&FieldChange) -> PlannedEffect) -> Vec<Self> {
        let changes = differences(applied, spec).into_iter().filter(|change| !is_protection(change));
        changes.map(|change| Self { effect: effect(&change), change }).collect()
    }

    /// The difference between what runs and `spec` that the engine keeps to itself.
    pub(crate) fn of_protection(applied: &Spec, spec: &Spec) -> Option<Self> {
        let change = differences(applied, spec).into_iter().find(is_protection)?;
        Some(Self { change, effect: PlannedEffect::InPlace })
    }
}

/// Whether it is the one that no platform knows of.
fn is_protection(change: &FieldChange) -> bool {
    change.path == Field::DeletionProtection.path()
}

impl fmt::Display for PlannedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.change.fmt(f)
    }
}

/// A tenant that has something on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OwnedTenant {
    /// The tenant, as its tags say.
    pub tenant: TenantId,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// What it has there.
    pub resources: BTreeMap<String, String>,
    /// What is left there on purpose, by tags that say so; not among `resources`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub retained: BTreeMap<String, String>,
}

impl OwnedTenant {
    /// A tenant that has these resources, and nothing retained.
    pub fn new(tenant: TenantId, incarnation: Incarnation, resources: BTreeMap<String, String>) -> Self {
        Self { tenant, incarnation, resources, retained: BTreeMap::new() }
    }

    /// With this retained.
    #[must_use]
    pub fn retained(mut self, retained: BTreeMap<String, String>) -> Self {
        self.retained = retained;
        self
    }
}

/// How one of many tenants is.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The tenant.
    pub tenant: TenantId,
    /// When the look began: what happened later is not in it.
    pub begun: Timestamp,
    /// What `get_status` would say.
    pub status: Result<ComputeStatus, ProviderError>,
}

/// Which lines of a tenant's logs are wanted. Default: all that are kept, then the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogQuery {
    /// Only those of this container.
    pub container: Option<String>,
    /// Only those from then on.
    pub since: Option<Timestamp>,
    /// Whether to go on with what is written from now on.
    pub follow: bool,
    /// Of which run of each container.
    pub run: LogRun,
}

/// Of which run of a container lines are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogRun {
    /// Of every one that is kept.
    #[default]
    All,
    /// Of the one before the current one alone: what a container wrote before it was last started again. It has ended, so nothing
    /// is written from now on.
    Previous,
}

impl LogQuery {
    /// Only the lines of this container.
    #[must_use]
    pub fn container(mut self, name: impl Into<String>) -> Self {
        self.container = Some(name.into());
        self
    }

    /// Only the lines from then on.
    #[must_use]
    pub fn since(mut self, time: Timestamp) -> Self {
        self.since = Some(time);
        self
    }

    /// Only the lines of the run before the current one.
    #[must_use]
    pub fn previous(mut self) -> Self {
        self.run = LogRun::Previous;
        self
    }

    /// And what is written from now on.
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.follow = true;
        self
    }
}

/// A line that a container wrote. It has no `Debug`, as it may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When, as far as it is known.
    pub at: Option<Timestamp>,
    /// Which container.
    pub container: String,
    /// Where the container wrote it.
    pub source: Source,
    /// The line, without its end.
    pub text: String,
}

/// Where a container writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Its standard output, or the platform does not tell them apart.
    Stdout,
    /// Its standard error.
    Stderr,
}
