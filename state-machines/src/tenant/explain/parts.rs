//! What explanations are put together from.

use jiff::Timestamp;

use super::super::{Change, Direction, Removal, State};
use super::past::Tries;
use super::telling::Telling;
use super::{Advice, Attention, Coming, Explanation};
use crate::error::{ErrorCode, Remedy};
use crate::id::{OperationId, TenantId};
use crate::ledger::Waiting;

impl Explanation {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), since: None, tried: Vec::new(), next: Vec::new(), todo: Vec::new() }
    }

    pub(super) fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }

    pub(super) fn tried(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.tried.extend(lines);
        self
    }

    pub(super) fn comes(mut self, at: Option<Timestamp>, what: impl Into<String>) -> Self {
        self.next.push(Coming { at, what: what.into() });
        self
    }

    pub(super) fn todo(mut self, command: impl AsRef<str>, what: impl Into<String>) -> Self {
        let command = format!("landlord-compute {}", command.as_ref());
        self.todo.push(Advice { command, what: what.into() });
        self
    }
}

impl<'a> Telling<'a> {
    /// Whether what waits does so because its provider is not there.
    pub(super) fn is_held(self) -> bool {
        self.tenant.last_failure.as_ref().is_some_and(|failure| {
            let error = &failure.error;
            Some(failure.operation) == self.tenant.operation()
                && (error.remedy, error.code) == (Remedy::NeedsPerson, ErrorCode::ProviderUnavailable)
        })
    }

    pub(super) fn id(self) -> &'a TenantId {
        &self.tenant.id
    }

    /// What a change does, as the subject of a sentence.
    pub(super) fn doing(self, change: &Change) -> String {
        let version = change.target.version;
        match (&change.direction, &self.tenant.state) {
            (Direction::Repair, _) => "Its repair".to_owned(),
            (Direction::Forward { .. } | Direction::Undo(_), State::Updating { applied, .. }) => {
                match change.target.restarts(applied) {
                    true => format!("Its restart of spec {version}"),
                    false => format!("Its update to spec {version}"),
                }
            }
            (
                Direction::Forward { .. } | Direction::Undo(_),
                State::Pending | State::Provisioning(_) | State::Running { .. } | State::Destroying(_),
            ) => format!("Its provision of spec {version}"),
        }
    }

    /// Since when an operation is on its way. One that waited for its turn begins when the one before it ends.
    pub(super) fn began(self, operation: OperationId) -> Option<Timestamp> {
        let before = || self.past.ended().map(|ended| ended.at).or(self.tenant.settled_at);
        self.past.of(operation).map_or_else(before, |course| Some(course.began))
    }

    /// The same sentence, and what is waited for.
    pub(super) fn with_wait(self, why: String) -> String {
        match self.waits() {
            Some(waits) => format!("{why} It waits until {}.", waits.what.trim_end_matches('.')),
            None => why,
        }
    }

    /// What the call in flight waits for.
    fn waits(self) -> Option<&'a Waiting> {
        let waits = self.tenant.ledger.as_deref()?.waits.as_ref()?;
        (self.tenant.call() == Some(waits.call)).then_some(waits)
    }

    /// The tries towards the target that failed, before this one.
    pub(super) fn tries(self, change: &Change, attempt: u32) -> Vec<String> {
        let course = self.past.of(change.operation);
        self.lines(course.map(|course| &course.forward), attempt, "")
    }

    pub(super) fn undo_tries(self, change: &Change) -> Vec<String> {
        let course = self.past.of(change.operation);
        self.lines(course.map(|course| &course.undo), change.attempt, " of the undo")
    }

    pub(super) fn removal_tries(self, removal: &Removal) -> Vec<String> {
        let course = self.past.of(removal.operation);
        self.lines(course.map(|course| &course.forward), removal.attempt, "")
    }

    /// A line for each kind of failure; where events are no longer kept, how many there were before try `attempt`.
    fn lines(self, tries: Option<&Tries>, attempt: u32, of: &str) -> Vec<String> {
        let count = |times: u32| match times {
            1 => format!("1 try{of}"),
            times => format!("{times} tries{of}"),
        };
        let Some(Tries { failed, otherwise, cut_off }) = tries else {
            return (attempt > 1).then(|| format!("{} before", count(attempt - 1))).into_iter().collect();
        };
        let shown = self.tenant.last_failure.as_ref().map(|failure| failure.error.words());
        let mut lines = Vec::new();
        for failed in failed {
            let step = failed.step.as_ref().map(|step| format!(" at the step \u{201c}{step}\u{201d}"));
            let step = step.unwrap_or_default();
            lines.push(match shown.as_ref() == Some(&failed.why) {
                true => format!("{} failed so{step}", count(failed.times)),
                false => format!("{} failed{step}: {}", count(failed.times), failed.why),
            });
        }
        if *otherwise > 0 {
            lines.push(format!("{} failed otherwise", count(*otherwise)));
        }
        if *cut_off > 0 {
            lines.push(format!("{} ended with the engine", count(*cut_off)));
        }
        lines
    }

    /// How often it was repaired.
    pub(super) fn repairs(self) -> Option<String> {
        match self.tenant.repair.count {
            0 => None,
            1 => Some("1 repair, without a quiet time since".to_owned()),
            more => Some(format!("{more} repairs, without a quiet time between them")),
        }
    }

    /// What failed last, of a tenant on which nothing is on its way.
    pub(super) fn last_failed(self) -> Option<String> {
        let failure = self.tenant.last_failure.as_ref()?;
        Some(format!("operation {}, which failed: {}", failure.operation, failure.error.words()))
    }

    pub(super) fn failed_at(self) -> Option<Timestamp> {
        self.tenant.last_failure.as_ref().map(|failure| failure.at)
    }

    /// Why the last call failed.
    pub(super) fn failure(self) -> String {
        let failure = self.tenant.last_failure.as_ref();
        failure.map_or("why is not known".to_owned(), |failure| failure.error.words())
    }

    /// What was seen of a tenant that is unhealthy.
    pub(super) fn seen(self) -> String {
        let reason = self.past.trouble().and_then(|trouble| trouble.reason.as_ref());
        reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
    }

    pub(super) fn trouble_since(self) -> Option<Timestamp> {
        self.past.trouble().map(|trouble| trouble.since).or(self.failed_at())
    }

    pub(super) fn broken_since(self, change: &Change) -> Option<Timestamp> {
        self.past.trouble().map(|trouble| trouble.since).or(self.began(change.operation))
    }

    /// What an undo leads to.
    pub(super) fn undone(self) -> String {
        match self.tenant.applied() {
            Some(applied) => format!("once it is undone, spec {} runs as before", applied.version),
            None => "once it is undone, nothing of it runs, and it is pending".to_owned(),
        }
    }

    /// What waits for its turn.
    pub(super) fn with_queue(self, told: Explanation) -> Explanation {
        let Some(queued) = &self.tenant.next else { return told };
        let what = match queued.wish.spec() {
            Some(waiting) => format!("then update {} to spec {} begins", queued.operation, waiting.version),
            None => format!("then restart {} begins", queued.operation),
        };
        told.comes(None, what)
    }

    pub(super) fn resumable(self, told: Explanation) -> Explanation {
        told.todo(format!("resume {}", self.id()), "lets it go on")
    }

    pub(super) fn destroyable(self, told: Explanation, what: &str) -> Explanation {
        match self.tenant.is_protected() {
            false => told.todo(format!("destroy {}", self.id()), what),
            true => told.todo(
                "update -f FILE",
                "with deletion_protection: false, lifts its protection: only then it can be destroyed",
            ),
        }
    }

    /// Where no engine runs, nothing happens by itself.
    pub(super) fn unattended(self, told: Explanation) -> Explanation {
        match self.attention {
            Attention::Engine | Attention::EngineWithoutRepairs => told,
            Attention::Nobody => told
                .comes(None, "no engine runs: nothing of this happens until one does")
                .todo("serve", "keeps an engine running, which goes on with it"),
        }
    }
}

pub(super) fn with_deadline(told: Explanation, deadline: Option<Timestamp>) -> Explanation {
    match deadline {
        Some(at) => told.comes(Some(at), "its deadline: what is not done by then is undone"),
        None => told,
    }
}
