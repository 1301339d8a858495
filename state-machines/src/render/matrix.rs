//! The first screen of the tenant machine's page: what each input leads to in each state.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;

use super::words;
use crate::error::{ErrorKind, Remedy};
use crate::id::ProviderName;
use crate::observation::Seen;
use crate::tenant::samples::{Configuration, Sample, configurations, inputs};
use crate::tenant::{
    Change, Command, Decision, Direction, Effect, EventKind, Input, Outcome, Record, Request, Run, StateName,
    Tenant, Transition, Why, step,
};

/// Samples that one row shows together, in the order of the rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    ProvisionItsSpec,
    ProvisionAnother,
    Update,
    Protection,
    Restart,
    WhilePaused,
    Elsewhere,
    Destroy,
    DestroyProtected,
    Cancel,
    Retry,
    Pause,
    Resume,
    Reclaim,
    Abandon,
    BeforeDestroy,
    Outdated,
    Succeeded,
    FailedForNow,
    FailedForGood,
    FoundNothing,
    UndoSucceeded,
    UndoFailed,
    UndoFoundNothing,
    Stopped,
    Lost,
    Progressed,
    PauseOver,
    Deadline,
    SeenRunning,
    SeenBroken,
    Stale,
}

impl Row {
    fn label(self) -> &'static str {
        match self {
            Self::ProvisionItsSpec => "provision, its spec",
            Self::ProvisionAnother => "provision, another",
            Self::Update => "update",
            Self::Protection => "update, protection",
            Self::Restart => "restart",
            Self::WhilePaused => "each, while paused",
            Self::Elsewhere => "either, elsewhere",
            Self::Destroy => "destroy",
            Self::DestroyProtected => "destroy, protected",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Reclaim => "reclaim, release",
            Self::Abandon => "abandon",
            Self::BeforeDestroy => "any, destroy waits",
            Self::Outdated => "any, old revision",
            Self::Succeeded => "call succeeded",
            Self::FailedForNow => "call failed for now",
            Self::FailedForGood => "call failed for good",
            Self::FoundNothing => "call found nothing",
            Self::UndoSucceeded => "undo succeeded",
            Self::UndoFailed => "undo failed",
            Self::UndoFoundNothing => "undo found nothing",
            Self::Stopped => "call stopped",
            Self::Lost => "lost or handed over",
            Self::Progressed => "call progressed",
            Self::PauseOver => "time to go on",
            Self::Deadline => "deadline",
            Self::SeenRunning => "seen healthy or not",
            Self::SeenBroken => "seen broken",
            Self::Stale => "stale or unclear",
        }
    }
}

/// The matrix as lines of text. Tenants that have something queued are left to the tables.
pub(super) fn matrix() -> String {
    let mut states = BTreeSet::new();
    let mut cells: BTreeMap<Row, BTreeMap<Option<StateName>, Vec<&str>>> = BTreeMap::new();
    for configuration in configurations().into_iter().filter(|each| each.name.queued.is_none()) {
        let state = configuration.state();
        states.insert(state);
        for sample in inputs(&configuration.record) {
            let row = row(&configuration.record, &sample);
            let cell = cells.entry(row).or_default().entry(state).or_default();
            let word = word(&configuration, sample);
            if !cell.contains(&word) {
                cell.push(word);
            }
        }
    }
    let head = states.iter().map(|state| state.map_or("No tenant", words::state).to_owned());
    let head: Vec<String> = once(String::new()).chain(head).collect();
    let rows = cells.iter().map(|(row, cells)| {
        let cells =
            states.iter().map(|state| cells.get(state).map_or_else(String::new, |words| listed(words)));
        once(row.label().to_owned()).chain(cells).collect()
    });
    let rows: Vec<Vec<String>> = once(head).chain(rows).collect();
    aligned(&rows)
}

/// What changes something comes first.
fn listed(words: &[&str]) -> String {
    let (rest, first): (Vec<&str>, Vec<&str>) =
        words.iter().partition(|word| matches!(**word, "join" | "refuse" | "–"));
    first.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
}

/// Rows of cells as lines with columns, the first one ruled off.
fn aligned(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let rule = widths.iter().map(|width| "─".repeat(*width)).collect();
    rows.iter().take(1).chain([&rule]).chain(rows.iter().skip(1)).map(line).collect()
}

fn row(record: &Record, sample: &Sample) -> Row {
    let tenant = match record {
        Record::Absent(_) | Record::Gone(_) => None,
        Record::Live(tenant) => Some(&**tenant),
    };
    let change = super::tenant::change(record);
    let stopping = change.is_some_and(|change| matches!(change.run, Run::Stopping { .. }));
    let in_flight = |call| record.call() == Some(call);
    match &sample.input {
        Input::Command(given) => command(tenant, change, given),
        Input::Outcome { call, .. } | Input::Progressed { call, .. } | Input::HandedOver { call }
            if !in_flight(*call) =>
        {
            Row::Stale
        }
        Input::Progressed { .. } => Row::Progressed,
        Input::Outcome { .. } | Input::HandedOver { .. } | Input::Recovered if stopping => Row::Stopped,
        Input::Outcome { outcome, .. } => came(change, outcome),
        Input::HandedOver { .. } => Row::Lost,
        Input::Recovered if record.call().is_some() => Row::Lost,
        Input::Recovered => Row::Stale,
        Input::TimerFired => match tenant.and_then(Tenant::wake_at) {
            Some(due) if due <= sample.stamp.now => ticked(change, sample),
            Some(_) | None => Row::Stale,
        },
        Input::Observed(observation) => {
            match (&observation.seen, tenant.and_then(|tenant| tenant.settled_at)) {
                (Seen::Unclear, _) => Row::Stale,
                (_, Some(settled_at)) if observation.begun < settled_at => Row::Stale,
                (Seen::Broken(_), _) => Row::SeenBroken,
                (Seen::Healthy | Seen::Unhealthy(_), _) => Row::SeenRunning,
            }
        }
    }
}

fn command(tenant: Option<&Tenant>, change: Option<&Change>, command: &Command) -> Row {
    let paused = tenant.is_some_and(|tenant| tenant.paused.is_some());
    let wanted = tenant.and_then(|tenant| tenant.target().or(tenant.applied()));
    let elsewhere = |provider: &ProviderName| tenant.is_some_and(|tenant| tenant.provider != *provider);
    if command.expected.is_some() {
        return Row::Outdated;
    }
    if change.is_some_and(|change| matches!(change.run, Run::Stopping { why: Why::Destroy(_), .. })) {
        return Row::BeforeDestroy;
    }
    match &command.request {
        Request::Provision { provider, .. } | Request::Update { provider, .. } if elsewhere(provider) => {
            Row::Elsewhere
        }
        Request::Provision { .. } | Request::Update { .. } | Request::Restart { .. } if paused => {
            Row::WhilePaused
        }
        Request::Provision { spec, .. } if wanted.is_some_and(|wanted| wanted.spec == *spec) => {
            Row::ProvisionItsSpec
        }
        Request::Provision { .. } => Row::ProvisionAnother,
        Request::Update { spec, .. }
            if tenant
                .and_then(Tenant::applied)
                .is_some_and(|applied| spec.differs_in_protection_alone(&applied.spec)) =>
        {
            Row::Protection
        }
        Request::Update { .. } => Row::Update,
        Request::Restart { .. } => Row::Restart,
        Request::Destroy if tenant.is_some_and(Tenant::is_protected) => Row::DestroyProtected,
        Request::Destroy => Row::Destroy,
        Request::Cancel => Row::Cancel,
        Request::Retry => Row::Retry,
        Request::Pause => Row::Pause,
        Request::Resume => Row::Resume,
        Request::Reclaim { .. } | Request::Release { .. } => Row::Reclaim,
        Request::Abandon { .. } => Row::Abandon,
    }
}

/// What came of the call in flight, which nobody asked to stop.
fn came(change: Option<&Change>, outcome: &Outcome) -> Row {
    let undoing = change.is_some_and(|change| matches!(change.direction, Direction::Undo(_)));
    match outcome {
        Outcome::Succeeded { .. } if undoing => Row::UndoSucceeded,
        Outcome::Succeeded { .. } => Row::Succeeded,
        Outcome::Failed(error) if error.kind == ErrorKind::TenantNotFound && undoing => Row::UndoFoundNothing,
        Outcome::Failed(error) if error.kind == ErrorKind::TenantNotFound => Row::FoundNothing,
        Outcome::Failed(_) | Outcome::TimedOut(_) | Outcome::Lost(_) | Outcome::Held(_) if undoing => {
            Row::UndoFailed
        }
        Outcome::Failed(error) if error.remedy != Remedy::Retry => Row::FailedForGood,
        Outcome::Failed(_) | Outcome::TimedOut(_) | Outcome::Lost(_) | Outcome::Held(_) => Row::FailedForNow,
    }
}

/// What a timer that is due is for.
fn ticked(change: Option<&Change>, sample: &Sample) -> Row {
    match change.map(|change| (&change.run, &change.direction)) {
        Some((Run::Stopping { .. }, _)) => Row::Stopped,
        Some((_, Direction::Forward { deadline: Some(deadline) })) if *deadline <= sample.stamp.now => {
            Row::Deadline
        }
        Some((Run::Calling(_) | Run::Waiting { .. }, _)) | None => Row::PauseOver,
    }
}

/// The state that follows, or else what happens.
fn word(configuration: &Configuration, sample: Sample) -> &'static str {
    match step(&configuration.policy, &configuration.record, sample.stamp, sample.input) {
        Decision::Apply(transition) => applied(configuration, &transition),
        Decision::Join(_) => "join",
        Decision::Ignore => "–",
        Decision::Reject(_) => "refuse",
    }
}

fn applied(configuration: &Configuration, transition: &Transition) -> &'static str {
    let what = &transition.event.what;
    let after = match &transition.record {
        Record::Absent(_) | Record::Gone(_) => return "gone",
        Record::Live(tenant) => tenant.state.name(),
    };
    let ends = matches!(what, EventKind::RepairFailed { .. } | EventKind::NotUndone { .. });
    if configuration.state() != Some(after) && !ends {
        return words::state(after);
    }
    let calls = transition.effects.iter().any(|effect| matches!(effect, Effect::StartCall(_)));
    match what {
        EventKind::Began { .. } => "begin",
        EventKind::Queued { .. } => "queue",
        EventKind::Progressed { .. } | EventKind::Waits { .. } | EventKind::HealthChanged { .. } => "note",
        EventKind::WillRetry { .. } | EventKind::HandedOver => "wait",
        EventKind::Retried | EventKind::FoundNothing | EventKind::Recovered if calls => "call",
        EventKind::Retried | EventKind::FoundNothing | EventKind::Recovered => "wait",
        EventKind::Stopping { .. } => "stop",
        // A repair has nothing that could be undone; it only ends.
        EventKind::Undoing { .. } | EventKind::RepairFailed { .. } | EventKind::NotUndone { .. } => "undo",
        EventKind::Paused => "pause",
        EventKind::Resumed => "resume",
        EventKind::QueueCancelled => "unqueue",
        EventKind::AlreadyRunning
        | EventKind::Succeeded { .. }
        | EventKind::Undone
        | EventKind::Abandoned { .. } => "done",
    }
}
