//! What goes wrong because a test wants it to.

use std::time::Duration;

use super::request::{Request, Verb};
use super::status::Refusal;

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    /// It is refused; nothing is done.
    Refuse(Refusal),
    /// It is done, and refused all the same.
    RefuseDone(Refusal),
    /// The connection is dropped.
    Cut {
        /// After it was done.
        done: bool,
    },
    /// Nobody ever answers.
    Hang {
        /// It was done all the same.
        done: bool,
    },
    /// It is done at once and answered that much later.
    Delay(Duration),
    /// It is done only that much later.
    Late(Duration),
    /// A watch begins, and says at once that its revision is too old.
    WatchExpires,
}

/// Which requests something happens to.
#[derive(Clone, Debug)]
pub(crate) struct Trap {
    /// None: any.
    pub(crate) verb: Option<Verb>,
    /// What the path has in it, such as `/deployments/acme`; none: anything.
    pub(crate) path: Option<String>,
    /// How often; none: until it is taken away.
    pub(crate) times: Option<u32>,
    pub(crate) mishap: Mishap,
}

impl Trap {
    /// For the next request.
    pub(crate) fn once(mishap: Mishap) -> Self {
        Self { verb: None, path: None, times: Some(1), mishap }
    }

    /// For the next such request.
    pub(crate) fn on(verb: Verb, path: &str, mishap: Mishap) -> Self {
        Self { verb: Some(verb), path: Some(path.to_owned()), times: Some(1), mishap }
    }

    /// For so many of them.
    pub(crate) fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Until it is taken away.
    pub(crate) fn always(self) -> Self {
        Self { times: None, ..self }
    }
}

/// The traps that are set.
#[derive(Debug, Default)]
pub(super) struct Traps {
    set: Vec<Trap>,
}

impl Traps {
    pub(super) fn set(&mut self, trap: Trap) {
        self.set.push(trap);
    }

    pub(super) fn clear(&mut self) {
        self.set.clear();
    }

    /// Takes those away whose path has this in it.
    pub(super) fn clear_on(&mut self, path: &str) {
        self.set.retain(|trap| !trap.path.as_ref().is_some_and(|on| on.contains(path)));
    }

    /// What happens to a request, where something does. A verb of `None` is a request for what is no object.
    pub(super) fn spring(&mut self, verb: Option<Verb>, request: &Request) -> Option<Mishap> {
        let fits = |trap: &Trap| {
            (trap.verb.is_none() || trap.verb == verb)
                && trap.path.as_ref().is_none_or(|path| request.path.contains(path.as_str()))
        };
        let at = self.set.iter().position(fits)?;
        let mishap = self.set[at].mishap.clone();
        if let Some(times) = &mut self.set[at].times {
            *times -= 1;
            if *times == 0 {
                self.set.remove(at);
            }
        }
        Some(mishap)
    }
}
