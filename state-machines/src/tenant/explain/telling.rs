//! What is told of each situation.

use jiff::Timestamp;

use super::super::effect::OperationKind;
use super::super::{Change, Failure, Removal, Removes, Rolled, Settled, Tenant, Tombstone, UndoCause};
use super::parts::with_deadline;
use super::past::Past;
use super::{Attention, Explanation};
use crate::error::Remedy;
use crate::id::TenantId;

/// A tenant that is told of.
#[derive(Clone, Copy)]
pub(super) struct Telling<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) past: &'a Past,
    pub(super) attention: Attention,
}

/// Nothing is known of such a tenant.
pub(super) fn never_there(id: &TenantId) -> Explanation {
    Explanation::new(format!("There is no tenant {id} in this store, and there never was."))
        .todo("list", "shows those that there are")
        .todo("provision -f FILE", "makes it, from a spec with its name")
}

/// The tenant lived.
pub(super) fn gone(tombstone: &Tombstone, past: &Past) -> Explanation {
    let Tombstone { id, retained, .. } = tombstone;
    let (at, left) = match past.ended().map(|ended| (ended.at, &ended.settled)) {
        Some((at, Settled::Abandoned { left })) => (Some(at), Some(left)),
        Some((
            at,
            Settled::Done | Settled::Failed { .. } | Settled::Cancelled { .. } | Settled::Superseded { .. },
        )) => (Some(at), None),
        None => (None, None),
    };
    let mut why = match left {
        None => "It is gone: it was destroyed.".to_owned(),
        Some(left) if left.is_empty() => {
            "It is gone: its removal was abandoned, and nothing was known to be left.".to_owned()
        }
        Some(left) => {
            format!("It is gone: its removal was abandoned, and this was left: {}.", left.join(", "))
        }
    };
    if let Some(retained) = retained {
        let things = retained.lines().join(", ");
        why += &format!(" What it retained is still at provider {}: {things}.", retained.provider);
    }
    let mut told = Explanation::new(why).since(at).comes(None, "nothing, until somebody provisions it again");
    if retained.is_some() {
        told = told.todo(format!("release {id}"), "removes what it retained");
    }
    if left.is_some_and(|left| !left.is_empty()) {
        told = told.todo("sweep --delete", "removes what is still there of it");
    }
    told.todo(format!("events {id}"), "shows its history").todo("provision -f FILE", "begins its next life")
}

impl Telling<'_> {
    /// Nothing runs, and nothing is on its way.
    pub(super) fn has_nothing(self) -> Explanation {
        Explanation::new(self.why_nothing_runs())
            .since(self.tenant.settled_at)
            .comes(None, "nothing, until somebody provisions or destroys it")
            .todo(format!("events {}", self.id()), "shows what was tried")
            .todo("provision -f FILE", "provisions it, from a spec with its name")
            .todo(format!("destroy {}", self.id()), "removes its record")
    }

    /// The same, and a provision would be refused.
    pub(super) fn has_nothing_and_is_paused(self, since: Timestamp) -> Explanation {
        let told = Explanation::new(format!("It is paused. {}", self.why_nothing_runs())).since(Some(since));
        self.resumable(told.comes(None, "nothing, until somebody resumes and provisions it, or destroys it"))
            .todo(format!("destroy {}", self.id()), "removes its record")
    }

    fn why_nothing_runs(self) -> String {
        match (self.past.ended().map(|ended| &ended.settled), &self.tenant.last_failure) {
            (Some(Settled::Cancelled { .. }), _) => {
                "Nothing of it runs: its provision was cancelled, and undone.".to_owned()
            }
            (Some(Settled::Failed { error, .. }), _) => {
                format!("Nothing of it runs: its provision failed, and was undone: {}", error.words())
            }
            (
                Some(Settled::Done | Settled::Superseded { .. } | Settled::Abandoned { .. }) | None,
                failure,
            ) => match failure {
                Some(failure) => format!(
                    "Nothing of it runs: its provision came to nothing. The last failure was: {}",
                    failure.error.words()
                ),
                None => "Nothing of it runs: its provision came to nothing.".to_owned(),
            },
        }
    }

    /// A call is to end before something else begins.
    pub(super) fn stops(self, change: &Change, why: &str, until: Timestamp, then: &str) -> Explanation {
        let why = format!("{} {why}. Its call in flight is given time to end.", self.doing(change));
        let since = self.past.of(change.operation).and_then(|course| course.stopping);
        self.unattended(Explanation::new(why).since(since))
            .comes(Some(until), "the call is dropped, if it has not ended before")
            .comes(None, format!("then {then}"))
    }

    /// What somebody asked for is on its way.
    pub(super) fn is_on_its_way(self, change: &Change, deadline: Option<Timestamp>) -> Explanation {
        let attempt = match change.attempt {
            ..=1 => String::new(),
            attempt => format!(", try {attempt}"),
        };
        let why = format!("{} is on its way{attempt}.", self.doing(change));
        let told = Explanation::new(self.with_wait(why)).since(self.began(change.operation));
        let told = self.unattended(told).tried(self.tries(change, change.attempt));
        let told = self.with_queue(with_deadline(told, deadline));
        told.todo(format!("wait {}", change.operation), "waits for its end")
            .todo(format!("cancel {}", self.id()), "stops it, and undoes it")
    }

    /// Something broke, and its repair is on its way.
    pub(super) fn is_being_repaired(self, change: &Change) -> Explanation {
        let why = format!("It broke{}, and is being repaired.", self.seen());
        let told = Explanation::new(self.with_wait(why)).since(self.broken_since(change));
        let told = self.unattended(told).tried(self.tries(change, change.attempt)).tried(self.repairs());
        self.with_queue(told)
            .todo(format!("wait {}", change.operation), "waits for the end of this repair")
            .todo(format!("logs {}", self.id()), "shows what it printed")
    }

    /// It is paused, and a call that was begun before goes on.
    pub(super) fn is_paused_during(self, change: &Change, since: Timestamp) -> Explanation {
        let why = format!("It is paused. {} is on its way all the same.", self.doing(change));
        let told = Explanation::new(self.with_wait(why)).since(Some(since));
        let told = self.unattended(told).tried(self.tries(change, change.attempt));
        let told = told.comes(None, "the call goes on to its end; then nothing, until somebody resumes it");
        self.resumable(self.with_queue(told))
    }

    /// It is paused, and so nothing is tried again.
    pub(super) fn is_paused_before(self, change: &Change, since: Timestamp) -> Explanation {
        let why = match &self.tenant.last_failure {
            Some(failure) => format!(
                "It is paused. {} failed, and is not tried again: {}",
                self.doing(change),
                failure.error.words()
            ),
            None => format!("It is paused. {} goes no further.", self.doing(change)),
        };
        let told = Explanation::new(why).since(Some(since));
        let told = told.tried(self.tries(change, change.attempt).into_iter().chain(self.repairs()));
        self.resumable(told.comes(None, "nothing, until somebody resumes it; deadlines wait, too"))
    }

    /// What somebody asked for fails.
    pub(super) fn fails(self, change: &Change, until: Timestamp, deadline: Option<Timestamp>) -> Explanation {
        let why = format!("{} fails: {}", self.doing(change), self.failure());
        let course = self.past.of(change.operation);
        let since = course.and_then(|course| course.forward.since()).or(self.failed_at());
        let told = self.unattended(Explanation::new(why).since(since));
        let told = told.tried(self.tries(change, change.attempt));
        let told = told.comes(Some(until), format!("try {} begins", change.attempt));
        self.with_queue(with_deadline(told, deadline))
            .todo(format!("retry {}", self.id()), "tries again at once")
            .todo(format!("cancel {}", self.id()), "undoes it")
    }

    /// What broke cannot be made again.
    pub(super) fn cannot_be_repaired(self, change: &Change, until: Timestamp) -> Explanation {
        let why = format!("It broke{}, and its repair fails: {}", self.seen(), self.failure());
        let told = self.unattended(Explanation::new(why).since(self.broken_since(change)));
        let told = told.tried(self.tries(change, change.attempt).into_iter().chain(self.repairs()));
        self.with_queue(told.comes(Some(until), format!("try {} of this repair begins", change.attempt)))
            .todo(format!("retry {}", self.id()), "tries again at once")
            .todo(format!("logs {}", self.id()), "shows what it printed")
            .todo("update -f FILE", "has another spec wait for its turn after this")
    }

    /// What somebody asked for is being undone.
    pub(super) fn is_being_undone(self, change: &Change, because: &UndoCause) -> Explanation {
        let why = match because {
            UndoCause::Failed(error) => {
                format!("{} failed, and is being undone: {}", self.doing(change), error.words())
            }
            UndoCause::Cancelled => {
                format!("{} was cancelled, and is being undone.", self.doing(change))
            }
        };
        let since = self.past.of(change.operation).and_then(|course| course.undoing);
        let told = self.unattended(Explanation::new(self.with_wait(why)).since(since));
        let told = told.tried(self.tries(change, 1)).tried(self.undo_tries(change));
        self.with_queue(told.comes(None, self.undone()))
            .todo(format!("wait {}", change.operation), "waits for its end")
    }

    /// The undo fails, too.
    pub(super) fn cannot_be_undone(
        self,
        change: &Change,
        because: &UndoCause,
        until: Timestamp,
    ) -> Explanation {
        let doing = self.doing(change);
        let why = match because {
            UndoCause::Failed(error) => format!(
                "{doing} failed ({}), and its undo fails, too: {}",
                error.words().trim_end_matches('.'),
                self.failure()
            ),
            UndoCause::Cancelled => format!("{doing} was cancelled, and its undo fails: {}", self.failure()),
        };
        let since =
            self.past.of(change.operation).and_then(|course| course.undo.since()).or(self.failed_at());
        let told = self.unattended(Explanation::new(why).since(since));
        let told = told.tried(self.tries(change, 1)).tried(self.undo_tries(change));
        let told = told.comes(Some(until), format!("try {} of the undo begins", change.attempt));
        let told = self.with_queue(told.comes(None, self.undone()));
        let told = told.todo(format!("retry {}", self.id()), "tries the undo again at once");
        let told = match (self.tenant.applied(), self.tenant.paused) {
            (_, Some(_)) => self.resumable(told),
            (Some(_), None) => {
                told.todo("update -f FILE", "takes the place of the undo, with a spec that can be had")
            }
            (None, None) => told,
        };
        self.destroyable(told, "removes everything of it instead")
    }

    /// No call is made, because nobody here could make it.
    pub(super) fn waits_for_its_provider(self, until: Timestamp) -> Explanation {
        let provider = &self.tenant.provider;
        let why = format!(
            "It is held: the engine has no provider {provider}, so that nothing can be done for it: {}",
            self.failure()
        );
        self.unattended(Explanation::new(why).since(self.failed_at()))
            .comes(Some(until), "the engine looks for the provider again; this costs none of the tries")
            .todo(
                "providers",
                format!("lists the providers that the engine has; {provider} has to be one of them"),
            )
            .todo("doctor", "says what is wrong with those that are configured")
    }

    /// It broke, and is repaired later.
    pub(super) fn is_broken(self, due: Option<Timestamp>) -> Explanation {
        let told = Explanation::new(format!("It is broken{}.", self.seen())).since(self.trouble_since());
        let told = self.unattended(told).tried(self.repairs()).tried(self.last_failed());
        told.comes(due, format!("repair {} begins", self.tenant.repair.count + 1))
            .todo(format!("logs {}", self.id()), "shows what it printed")
            .todo(format!("restart {}", self.id()), "starts it anew at once")
            .todo("update -f FILE", "runs another spec")
    }

    /// It broke, and nobody is to repair it.
    pub(super) fn is_broken_and_paused(self, since: Timestamp) -> Explanation {
        let why = format!("It is broken{}, and it is paused.", self.seen());
        let told = Explanation::new(why).since(Some(since)).tried(self.repairs()).tried(self.last_failed());
        self.resumable(
            self.with_queue(told.comes(None, "nothing, until somebody resumes it: then it is repaired")),
        )
    }

    /// It runs, and its checks fail.
    pub(super) fn is_unhealthy(self) -> Explanation {
        let why = format!("It runs, and is unhealthy{}.", self.seen());
        let told = self.unattended(Explanation::new(why).since(self.trouble_since()));
        let comes = match self.attention {
            Attention::Nobody | Attention::Engine => {
                "it is looked at again and again; a repair begins only when it is broken"
            }
            Attention::EngineWithoutRepairs => {
                "it is looked at again and again; repairs are switched off, so that none begins when it is broken"
            }
        };
        told.tried(self.repairs())
            .tried(self.last_failed())
            .comes(None, comes)
            .todo(format!("status {}", self.id()), "asks its platform how it is now")
            .todo(format!("logs {}", self.id()), "shows what it printed")
            .todo(format!("restart {}", self.id()), "starts it anew")
    }

    /// It runs, its checks fail, and it is paused.
    pub(super) fn is_unhealthy_and_paused(self, since: Timestamp) -> Explanation {
        let why = format!("It runs, and is unhealthy{}. It is paused.", self.seen());
        let told = Explanation::new(why).since(Some(since)).tried(self.repairs()).tried(self.last_failed());
        self.resumable(self.with_queue(told.comes(None, "nothing, until somebody resumes it")))
    }

    /// It runs, and is paused.
    pub(super) fn is_paused(self, applied: &Rolled, since: Timestamp) -> Explanation {
        let told = Explanation::new(format!("It runs spec {}, and is paused.", applied.version));
        let told = told.since(Some(since)).tried(self.last_failed());
        self.resumable(
            self.with_queue(told.comes(None, "nothing, until somebody resumes it: no repair, no update")),
        )
    }

    /// It runs, and nobody has looked.
    pub(super) fn is_not_seen_yet(self, applied: &Rolled) -> Explanation {
        let why = format!("It runs spec {}. Whether it is healthy was not seen yet.", applied.version);
        self.unattended(Explanation::new(why).since(self.tenant.settled_at))
            .comes(None, "it is looked at")
            .todo(format!("status {}", self.id()), "asks its platform how it is now")
    }

    /// It runs and is healthy, though something failed last.
    pub(super) fn runs_after_a_failure(self, applied: &Rolled, failure: &Failure) -> Explanation {
        let ended = self.past.ended().filter(|ended| ended.operation == failure.operation);
        let kind = ended.and_then(|ended| ended.kind);
        let name = kind.map_or("operation", OperationKind::name);
        let how = match ended.map(|ended| &ended.settled) {
            Some(Settled::Failed { undone: true, .. }) => "failed, and was undone: ",
            Some(Settled::Cancelled { .. }) => "was cancelled, and undone; before that it failed: ",
            Some(
                Settled::Failed { undone: false, .. }
                | Settled::Done
                | Settled::Superseded { .. }
                | Settled::Abandoned { .. },
            )
            | None => "failed: ",
        };
        let why = format!(
            "It runs spec {}, and is healthy. Its last {name} {how}{}",
            applied.version,
            failure.error.words()
        );
        let told = Explanation::new(why).since(Some(failure.at)).tried(self.repairs());
        let told = told.comes(None, "nothing, until somebody asks for it again");
        let again = match kind {
            Some(OperationKind::Restart) => format!("restart {}", self.id()),
            Some(
                OperationKind::Provision
                | OperationKind::Update
                | OperationKind::Repair
                | OperationKind::Destroy
                | OperationKind::Release,
            )
            | None => "update -f FILE".to_owned(),
        };
        let when = match failure.error.remedy {
            Remedy::Retry => "asks for it again: it may pass",
            Remedy::Permanent => "asks for it again, once what is wrong was corrected",
            Remedy::NeedsPerson => "asks for it again, once what the platform refuses was changed",
        };
        told.todo(again, when).todo(format!("events {}", self.id()), "shows what was tried")
    }

    /// It runs and is healthy, though it breaks again and again.
    pub(super) fn runs_after_repairs(self, applied: &Rolled) -> Explanation {
        let why = format!("It runs spec {}, and is healthy since it was repaired.", applied.version);
        self.unattended(Explanation::new(why).since(self.tenant.repair.last))
            .tried(self.repairs())
            .comes(
                None,
                match self.attention {
                    Attention::Nobody | Attention::Engine => {
                        "where it breaks again, the next repair waits for longer"
                    }
                    Attention::EngineWithoutRepairs => {
                        "where it breaks again, nothing: repairs are switched off"
                    }
                },
            )
            .todo(format!("logs {}", self.id()), "shows what it printed")
    }

    /// It, or what it retained, is being removed.
    pub(super) fn is_being_removed(self, removal: &Removal) -> Explanation {
        let attempt = match removal.attempt {
            ..=1 => String::new(),
            attempt => format!(", try {attempt}"),
        };
        let why = match &removal.removes {
            Removes::Everything => format!("It is being destroyed{attempt}."),
            Removes::Retained { .. } => format!("What it retained is being removed{attempt}."),
        };
        let told = Explanation::new(self.with_wait(why)).since(self.began(removal.operation));
        self.unattended(told)
            .tried(self.removal_tries(removal))
            .comes(None, "it is tried until its platform says that nothing is left")
            .todo(format!("wait {}", removal.operation), "waits for its end")
    }

    /// A removal that fails.
    pub(super) fn cannot_be_removed(self, removal: &Removal, until: Timestamp) -> Explanation {
        let what = match &removal.removes {
            Removes::Everything => "It is to be destroyed",
            Removes::Retained { .. } => "What it retained is to be removed",
        };
        let course = self.past.of(removal.operation);
        let since = course.and_then(|course| course.forward.since()).or(self.failed_at());
        let told = Explanation::new(format!("{what}, and that fails: {}", self.failure())).since(since);
        self.unattended(told)
            .tried(self.removal_tries(removal))
            .comes(Some(until), format!("try {} begins", removal.attempt))
            .comes(None, "it is tried until its platform says that nothing is left")
            .todo(format!("retry {}", self.id()), "tries again at once")
            .todo(
                format!("abandon {} --reason WHY", self.id()),
                "gives it up, and leaves what is left on the platform",
            )
    }
}
