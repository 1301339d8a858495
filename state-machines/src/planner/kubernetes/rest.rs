//! What a look at a tenant at rest means: nobody works on it, and it should run as it did.
//!
//! Whoever looks knows no spec: it sees what runs, and which of the tenant's objects somebody else has altered.

use std::collections::BTreeSet;
use std::fmt;

use super::call::{Place, Running};
use super::config::Drift;
use super::facts::{KubernetesFacts, Seen as Known};
use super::kind::ObjectKind;
use super::view;
use crate::observation::Seen;
use crate::planner::Report;
use crate::status::{ComputeState, Health};

/// An object of a tenant that somebody else has altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Altered {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name, where it is known.
    pub name: Option<String>,
    /// What was done to it.
    pub how: Alteration,
}

/// What somebody else has done to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// It is not there any more.
    Deleted,
    /// It has pods, and was told to have none.
    Stopped,
    /// Its labels do not say any more whose it is.
    Disowned,
    /// Fields that the engine had applied are others' now.
    Changed {
        /// The managers that have fields of it besides the engine.
        by: BTreeSet<String>,
    },
}

/// For people.
impl fmt::Display for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name} ", self.kind)?,
            None => write!(f, "a {} ", self.kind)?,
        }
        match &self.how {
            Alteration::Deleted => f.write_str("was deleted"),
            Alteration::Stopped => f.write_str("was scaled to nothing"),
            Alteration::Disowned => f.write_str("has lost the labels that say whose it is"),
            Alteration::Changed { by } if by.is_empty() => f.write_str("was changed by somebody else"),
            Alteration::Changed { by } => {
                let by: Vec<&str> = by.iter().map(String::as_str).collect();
                write!(f, "was changed by {}", by.join(" or "))
            }
        }
    }
}

/// What it means for a tenant at rest that this runs of it and that these objects were altered. Without its workload, with no
/// pods to be, or with pods that have ended, it is broken whatever the policy says. What was altered beside that is told, and repaired where the
/// policy says so.
pub fn at_rest(running: &Running, altered: &[Altered], policy: Drift) -> Seen {
    let runs = runs(running);
    if altered.is_empty() {
        return runs;
    }
    let words = altered.iter().map(Altered::to_string).collect::<Vec<_>>().join("; ");
    if altered.iter().any(|altered| altered.how == Alteration::Stopped) {
        return Seen::Broken(words);
    }
    // Nobody's object that has the name of a tenant's is not touched: a repair would fail.
    let is_repaired = |altered: &Altered| altered.how != Alteration::Disowned;
    let policy = if altered.iter().any(is_repaired) { policy } else { Drift::Report };
    match (runs, policy) {
        (Seen::Broken(why), Drift::Report | Drift::Repair) => Seen::Broken(format!("{why}; {words}")),
        (Seen::Unhealthy(why), Drift::Report) => Seen::Unhealthy(format!("{words}; {why}")),
        (Seen::Healthy | Seen::Unclear, Drift::Report) => Seen::Unhealthy(words),
        (Seen::Healthy | Seen::Unhealthy(_) | Seen::Unclear, Drift::Repair) => Seen::Broken(words),
    }
}

/// What is seen of what runs. Pods that come up are those that somebody or something took the place of others with.
fn runs(running: &Running) -> Seen {
    if running.workload.as_ref().is_some_and(|workload| workload.deleting.is_some()) {
        return Seen::Broken("its workload was told to go".to_owned());
    }
    let seen = Known { running: Some(running.clone()), ..Known::default() };
    let Some(report) = view::report(&KubernetesFacts { seen, ..KubernetesFacts::default() }) else {
        return Seen::Broken("its workload is not there".to_owned());
    };
    match (report.state, report.health) {
        (ComputeState::Running | ComputeState::Stopped, Health::Healthy) => Seen::Healthy,
        (ComputeState::Failed, _) => Seen::Broken(words(&report)),
        (ComputeState::Running | ComputeState::Starting, _) => Seen::Unhealthy(words(&report)),
        (ComputeState::Stopped | ComputeState::Stopping | ComputeState::Unknown, _) => Seen::Unclear,
    }
}

/// How many pods are ready, and what the containers of the others do.
fn words(report: &Report) -> String {
    let ready = report.metadata.get("pods_ready").map(|ready| format!("{ready} pods are ready"));
    let others = report.containers.iter().filter(|container| !container.ready);
    let others = others.filter_map(|container| {
        container.message.as_ref().map(|message| format!("{}: {message}", container.name))
    });
    ready.into_iter().chain(others).collect::<Vec<_>>().join("; ")
}

impl KubernetesFacts {
    /// Where the tenant is, where that is in this cluster, by the uid of its namespace `kube-system`.
    pub fn place_in(&self, cluster: &str) -> Option<&Place> {
        self.place().filter(|_| self.cluster.as_deref() == Some(cluster))
    }
}
