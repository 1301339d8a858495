//! A small platform in memory, which a provider talks to and the kit looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use landlord_compute::machines::id::{Rollout, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::Spec;
use landlord_testing::conformance::{Harm, Resource, Variant};
use tokio::time::Instant;

/// How long an app takes until it is what it is going to be.
const STARTS: Duration = Duration::from_millis(100);
/// The longest name that the platform takes.
pub(super) const LONGEST_NAME: usize = 40;

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A tenant has one, whatever it runs.
    Net,
    /// Runs a spec.
    App,
    /// An app left it in the background.
    Child,
}

/// One resource.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) part: Part,
    /// Whose it is, as its tags say.
    pub(super) tags: Option<Subject>,
    /// Who asked for it: the platform's own knowledge, which no provider reads.
    made_for: TenantId,
    pub(super) spec: Option<Spec>,
    pub(super) rollout: Rollout,
    /// Values of secrets that it was given.
    secrets: Vec<String>,
    pub(super) relabelled: bool,
    born: Instant,
    crashed: bool,
    sick: bool,
}

/// What an app does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Starting,
    Well,
    Sick,
    Crashed {
        /// The last words of its program.
        words: String,
    },
}

impl Row {
    pub(super) fn variant(&self) -> Option<Variant> {
        self.spec.as_ref().and_then(variant)
    }

    pub(super) fn life(&self) -> Life {
        let started = self.born.elapsed() >= STARTS;
        let words = || {
            let values = self.spec.iter().flat_map(|spec| spec.containers[0].env.values());
            let told: Vec<&str> = values.chain(&self.secrets).map(String::as_str).collect();
            Life::Crashed { words: format!("exited with code 1: bad password {}", told.join(" ")) }
        };
        match (self.variant(), started) {
            _ if self.crashed => words(),
            _ if self.sick => Life::Sick,
            (Some(Variant::Failing | Variant::SecretFailing), true) => words(),
            (Some(Variant::Unhealthy), _) | (_, false) => Life::Starting,
            (_, true) => Life::Well,
        }
    }

    pub(super) fn crashed(&self) -> bool {
        matches!(self.life(), Life::Crashed { .. })
    }
}

/// The variant that a spec's image names.
pub(super) fn variant(spec: &Spec) -> Option<Variant> {
    VARIANTS.into_iter().find(|variant| image(*variant) == spec.containers[0].image)
}

pub(super) const VARIANTS: [Variant; 10] = [
    Variant::First,
    Variant::Changed,
    Variant::Failing,
    Variant::Unhealthy,
    Variant::Invalid,
    Variant::TooLarge,
    Variant::BadImage,
    Variant::AddressTaken,
    Variant::Secret,
    Variant::SecretFailing,
];

pub(super) fn image(variant: Variant) -> &'static str {
    match variant {
        Variant::First => "first",
        Variant::Changed => "changed",
        Variant::Failing => "failing",
        Variant::Unhealthy => "unhealthy",
        Variant::Invalid => "forbidden",
        Variant::TooLarge => "too-large",
        Variant::BadImage => "no image",
        Variant::AddressTaken => "taken",
        Variant::Secret => "secret",
        Variant::SecretFailing => "secret-failing",
    }
}

/// The platform. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Cloud(Arc<Mutex<Rows>>);

#[derive(Default)]
pub(super) struct Rows {
    pub(super) all: Vec<Row>,
    last_id: u64,
    stalled: BTreeSet<TenantId>,
    outages: BTreeSet<TenantId>,
    /// Whose log has no room for another line.
    full_logs: BTreeSet<TenantId>,
    logs: BTreeMap<TenantId, Log>,
    /// Whom a provider has destroyed; what only a broken one asks about.
    pub(super) destroyed: BTreeSet<TenantId>,
    /// What is left on purpose of tenants that were destroyed, by their tags.
    pub(super) retained: BTreeMap<TenantId, Subject>,
}

/// What a tenant's apps wrote.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    /// How many lines were lost since one was kept.
    lost: u64,
}

/// Whether it answers.
pub(super) enum Mood {
    Answers,
    Stalls,
    Refuses,
}

impl Cloud {
    pub(super) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().expect("no panic in here")
    }

    pub(super) fn mood(&self, tenant: &TenantId) -> Mood {
        let rows = self.rows();
        match (rows.stalled.contains(tenant), rows.outages.contains(tenant)) {
            (true, _) => Mood::Stalls,
            (false, true) => Mood::Refuses,
            (false, false) => Mood::Answers,
        }
    }

    pub(super) fn create(
        &self,
        made_for: &TenantId,
        name: String,
        part: Part,
        tags: Option<Subject>,
        spec: Option<Spec>,
        secrets: Vec<String>,
    ) -> u64 {
        let mut rows = self.rows();
        rows.last_id += 1;
        let id = rows.last_id;
        rows.all.push(Row {
            id,
            name,
            part,
            tags,
            made_for: made_for.clone(),
            spec,
            rollout: Rollout::default(),
            secrets,
            relabelled: false,
            born: Instant::now(),
            crashed: false,
            sick: false,
        });
        id
    }

    pub(super) fn has_full_log(&self, tenant: &TenantId) -> bool {
        self.rows().full_logs.contains(tenant)
    }

    /// An app writes a line, before which the log may say how many were lost.
    pub(super) fn write(&self, tenant: &TenantId, line: &str, says_what_was_lost: bool) {
        let rows = &mut *self.rows();
        let log = rows.logs.entry(tenant.clone()).or_default();
        if rows.full_logs.contains(tenant) {
            log.lost += 1;
            return;
        }
        let lost = std::mem::take(&mut log.lost);
        if lost > 0 && says_what_was_lost {
            log.lines.push(format!("{lost} lines were lost"));
        }
        log.lines.push(line.to_owned());
    }

    pub(super) fn log(&self, tenant: &TenantId) -> Vec<String> {
        self.rows().logs.get(tenant).map(|log| log.lines.clone()).unwrap_or_default()
    }

    pub(super) fn delete(&self, id: u64) {
        self.rows().all.retain(|row| row.id != id);
    }

    pub(super) fn change(&self, id: u64, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows().all.iter_mut().find(|row| row.id == id) {
            change(row);
        }
    }

    /// What the kit sees.
    pub(super) fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
        let rows = self.rows();
        let theirs = rows.all.iter().filter(|row| row.made_for == *tenant);
        theirs
            .map(|row| Resource { id: format!("{} {}", row.name, row.id), made_from: row.variant() })
            .collect()
    }

    /// How many apps it has.
    pub(super) fn apps(&self, tenant: &TenantId) -> usize {
        let is_app = |row: &&Row| row.made_for == *tenant && row.part == Part::App;
        self.rows().all.iter().filter(is_app).count()
    }

    pub(super) fn serves(&self, tenant: &TenantId) -> bool {
        let rows = self.rows();
        rows.all
            .iter()
            .any(|row| row.made_for == *tenant && row.part == Part::App && row.life() == Life::Well)
    }

    /// What runs of the tenant leaves a child, which the platform knows by its parent.
    fn escape(&self, tenant: &TenantId) {
        let apps = self.rows().all.clone().into_iter();
        for app in apps.filter(|row| row.made_for == *tenant && row.part == Part::App) {
            let name = format!("{}-child", app.name);
            self.create(tenant, name, Part::Child, app.tags, None, Vec::new());
        }
    }

    pub(super) fn harm(&self, tenant: &TenantId, harm: Harm) {
        if harm == Harm::Escape {
            return self.escape(tenant);
        }
        let mut rows = self.rows();
        let theirs = |row: &&mut Row| row.made_for == *tenant && row.part == Part::App;
        match harm {
            Harm::Crash => rows.all.iter_mut().filter(theirs).for_each(|row| row.crashed = true),
            Harm::Escape => {}
            Harm::Sicken | Harm::Hang => rows.all.iter_mut().filter(theirs).for_each(|row| row.sick = true),
            Harm::Remove => rows.all.retain(|row| row.made_for != *tenant || row.part != Part::Net),
            Harm::FullLogDisk => {
                rows.full_logs.insert(tenant.clone());
            }
            Harm::Stall => {
                rows.stalled.insert(tenant.clone());
            }
            Harm::Outage | Harm::Obstruct => {
                rows.outages.insert(tenant.clone());
            }
        }
    }

    pub(super) fn heal(&self, tenant: &TenantId) {
        let mut rows = self.rows();
        rows.stalled.remove(tenant);
        rows.outages.remove(tenant);
        rows.full_logs.remove(tenant);
    }
}
