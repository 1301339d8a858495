//! The page of the tenant machine: what [`step`] decides for every sample.

use super::matrix::matrix;
use super::{Edge, OUTSIDE, fold, state_diagram, table, words};
use crate::error::ErrorKind;
use crate::tenant::samples::{Configuration, Name, Sample, configurations, inputs};
use crate::tenant::{Change, Decision, Direction, Input, Outcome, Record, Run, State, step};

const OPENING: &str = "\
# The tenant machine

What an input (a row) does to a tenant in a state (a column). A word with a capital is the state that follows; the other
words say what happens within the state. Where a cell has several, the rest of the record decides which one it is.
";

const INTRODUCTION: &str = "\
What happens:

- *call*: the provider is called, or called again. *wait*: it is called again later. *stop*: the call in flight is asked
  to stop. *undo*: the change is undone; a repair has nothing to undo, it fails and the tenant is Running again.
- *queue*: the update or restart begins when the current operation is over. *begin*: it begins at once, in place of an
  undo that fails. *join*: it is on its way already. *done*: it is so already, or needs no call.
- *note*: it is recorded, and an event says so. *gone*: the tenant no longer lives. *refuse*: the caller gets an error.
  *–*: nothing changes, and there is no event. An empty cell cannot occur.

What the inputs are:

- *Its spec* is the one that runs, or that the current operation works towards. *Either* is a provision or an update,
  and *each* is one of them or a restart. *Elsewhere* is another provider than the tenant's. *Destroy waits* while a call
  is stopped for it. *Protected*: by the `deletion_protection` of the spec that runs, or, before anything ran, of the one
  that should. *Update, protection*: to the spec that runs, but for `deletion_protection`. No platform knows of that.
- *Call* is a call towards the target, *undo* one that goes back. *Found nothing*: the provider has no such tenant. *Call
  stopped*: a call that was asked to stop is over, or has not stopped in time. *Call lost*: the engine was started again.
- *Time to go on*: a pause between two tries is over, or a repair is due. *Stale or unclear*: an outcome of another call
  than the one in flight, a timer that fires early, a look that began before the last operation settled or showed
  nothing, a start of the engine while no call was in flight.

Tenants with something queued are left to the tables: it begins once the operation before it leaves a running tenant.

## The states

Generated from `landlord_state_machines::tenant::step`; `UPDATE_PAGES=1 cargo test -p landlord-state-machines`
writes it again, and a test compares. A change of this page is a change of behaviour.

The diagram has the five states and what leads from one to another, or from one operation to the next. Failure,
undo, retry and pause are not states but facts that are kept beside them; the tables below tell these apart.

How to read the tables: each has one configuration, and every input that can reach it, even if it is refused. An input
is applied (something changes), joined (it is on its way already, as that operation), ignored (nothing changes; for a
command: what it wants is already so), or rejected. *Then* is the configuration that follows, where it is another.
Inputs with the same consequences share a row. Below a table stands what is decided differently while the tenant is
also paused, an update or a restart is queued, repair is switched off, or the tenant is protected; everything else is as
in the table. Protection stands by itself: what else the tenant is makes no difference to it. Times, attempts, and the
whole record and event are in `snapshots/`.
";

const HEAD: [&str; 5] = ["input", "decision", "then", "effects", "settled"];

/// The page `tenant.md`: the matrix of inputs and states, the diagram, and the table of every configuration and input.
pub fn tenant_page() -> String {
    let mut page = format!(
        "{OPENING}\n```text\n{}```\n\n{INTRODUCTION}\n```mermaid\n{}```\n",
        matrix(),
        tenant_diagram()
    );
    let mut state = None;
    let mut plain = Vec::new();
    for configuration in configurations() {
        let here = configuration.state().map_or("No tenant", words::state);
        if state != Some(here) {
            page += &format!("\n## {here}\n");
            state = Some(here);
        }
        let rows = rows(&configuration);
        let conditions = configuration.name.conditions();
        if conditions.is_empty() {
            page += &format!("\n### {}\n\n{}", configuration.name, folded(&rows));
            plain = rows;
            continue;
        }
        let others: Vec<_> = rows.into_iter().filter(|row| !is_among(&plain, row)).collect();
        let besides = conditions.join(" and ");
        page += &match others.as_slice() {
            [] => format!("\n*Also {besides}*: nothing is decided otherwise.\n"),
            [..] => format!("\n*Also {besides}*:\n\n{}", folded(&others)),
        };
    }
    page
}

/// The five states and what leads from one to another, as a Mermaid state diagram.
pub fn tenant_diagram() -> String {
    let mut edges = Vec::new();
    for configuration in configurations() {
        for sample in inputs(&configuration.record) {
            let Decision::Apply(transition) = decide(&configuration, &sample) else { continue };
            let (before, after) = (&configuration.record, &transition.record);
            let (from, to) = (state(before), state(after));
            let another_operation = match (before.operation(), after.operation()) {
                (Some(before), Some(after)) => before != after,
                (Some(_) | None, Some(_) | None) => false,
            };
            if from != to || another_operation {
                edges.push((from, to, cause(before, &sample)));
            }
        }
    }
    let edges: Vec<_> = edges.iter().map(|(from, to, cause)| Edge { from, to, cause }).collect();
    state_diagram(&edges)
}

fn decide(configuration: &Configuration, sample: &Sample) -> Decision {
    step(&configuration.policy, &configuration.record, sample.stamp, sample.input.clone())
}

/// An input, and the cells that say what is decided.
type Row = (Sample, [String; 4]);

fn rows(configuration: &Configuration) -> Vec<Row> {
    inputs(&configuration.record)
        .into_iter()
        .map(|sample| {
            let decision = decide(configuration, &sample);
            let [then, effects, settled] = match &decision {
                Decision::Apply(transition) => [
                    then(configuration, &transition.record),
                    transition.effects.iter().map(words::effect).collect::<Vec<_>>().join("; "),
                    transition.event.settled.iter().map(words::settlement).collect::<Vec<_>>().join("; "),
                ],
                Decision::Join(_) | Decision::Ignore | Decision::Reject(_) => Default::default(),
            };
            (sample, [words::decision(&decision), then, effects, settled])
        })
        .collect()
}

/// Whether an input of that name has these consequences there.
fn is_among(rows: &[Row], (sample, cells): &Row) -> bool {
    let same = |other: &Sample| (other.name, other.detail) == (sample.name, sample.detail);
    rows.iter().any(|(other, others)| same(other) && others == cells)
}

/// The table of these rows, those with the same consequences in one.
fn folded(rows: &[Row]) -> String {
    let strays = rows.iter().filter(|(sample, _)| is_stray_outcome(sample)).count();
    let rows: Vec<_> = fold(rows.iter().map(|(sample, cells)| (sample, cells.clone())))
        .into_iter()
        .map(|(samples, [decision, then, effects, settled])| {
            [listed(&samples, strays), decision, then, effects, settled]
        })
        .collect();
    table(HEAD, &rows)
}

fn is_stray_outcome(sample: &Sample) -> bool {
    matches!(sample.input, Input::Outcome { .. }) && !sample.detail.is_empty()
}

/// The inputs by name; all the outcomes of another call together, when all `strays` of them are here.
fn listed(samples: &[&Sample], strays: usize) -> String {
    let together = strays > 1 && samples.iter().filter(|sample| is_stray_outcome(sample)).count() == strays;
    let (stray, named): (Vec<&Sample>, Vec<&Sample>) =
        samples.iter().copied().partition(|sample| together && is_stray_outcome(sample));
    let named =
        fold(named.into_iter().map(|sample| (sample.detail, (sample.name, sample.detail.is_empty()))));
    named
        .into_iter()
        .map(|(details, (name, plain))| match plain {
            true => name.to_owned(),
            false => format!("{name} ({})", details.join(", ")),
        })
        .chain(stray.first().map(|sample| format!("every outcome {}", sample.detail)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What is another in the configuration that follows.
fn then(configuration: &Configuration, after: &Record) -> String {
    let before = Name::of(configuration.policy.attempts, &configuration.record);
    let after = Name::of(configuration.policy.attempts, after);
    let (had, has) = (before.conditions(), after.conditions());
    let gained = has.iter().filter(|condition| !had.contains(condition)).map(|name| format!("+ {name}"));
    let lost = had.iter().filter(|condition| !has.contains(condition)).map(|name| format!("− {name}"));
    let base = Some(after.base.clone()).filter(|base| *base != before.base);
    base.into_iter().chain(gained).chain(lost).collect::<Vec<_>>().join(", ")
}

fn state(record: &Record) -> &'static str {
    match record {
        Record::Absent(_) | Record::Gone(_) => OUTSIDE,
        Record::Live(tenant) => words::state(tenant.state.name()),
    }
}

/// What causes a transition, for its arrow: while a call is being stopped it is the stop, whatever ends it. What
/// comes of a call towards a target, of one that repairs and of one that undoes are told apart.
fn cause(before: &Record, sample: &Sample) -> String {
    let came = match &sample.input {
        Input::Command(_) | Input::Progressed { .. } | Input::Observed(_) => return sample.name.to_owned(),
        Input::Outcome { outcome, .. } => match outcome {
            Outcome::Failed(error) => match error.kind {
                ErrorKind::TenantNotFound => sample.name,
                ErrorKind::InvalidSpec
                | ErrorKind::ProvisionFailed
                | ErrorKind::UpdateFailed
                | ErrorKind::DestroyFailed
                | ErrorKind::StatusFailed => "failed",
            },
            Outcome::TimedOut(_) | Outcome::Lost(_) => "failed",
            Outcome::Succeeded { .. } | Outcome::Held(_) => sample.name,
        },
        Input::TimerFired | Input::HandedOver { .. } | Input::Recovered => sample.name,
    };
    let Some(change) = change(before) else { return came.to_owned() };
    let came = match &change.run {
        Run::Stopping { .. } => "stopped",
        Run::Calling(_) | Run::Waiting { .. } => came,
    };
    match &change.direction {
        Direction::Forward { .. } => came.to_owned(),
        Direction::Repair => format!("repair {came}"),
        Direction::Undo(_) => format!("undo {came}"),
    }
}

pub(super) fn change(record: &Record) -> Option<&Change> {
    match record {
        Record::Absent(_) | Record::Gone(_) => None,
        Record::Live(tenant) => match &tenant.state {
            State::Pending | State::Running { .. } | State::Destroying(_) => None,
            State::Provisioning(change) | State::Updating { change, .. } => Some(change),
        },
    }
}
