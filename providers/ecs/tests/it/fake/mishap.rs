//! What goes wrong because a test wants it to.

use std::time::Duration;

use super::wire::Refusal;

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    /// It is refused; nothing is done.
    Refuse(Refusal),
    /// The connection is reset.
    Reset {
        /// After it was done.
        done: bool,
    },
    /// Nobody ever answers.
    Hang {
        /// It was done all the same.
        done: bool,
    },
    /// It is answered that much later.
    Delay(Duration),
}

/// Which requests something happens to.
#[derive(Clone, Debug)]
pub(crate) struct Trap {
    /// The API; none: any.
    pub(crate) api: Option<&'static str>,
    /// The name of the service or family; none: any.
    pub(crate) name: Option<String>,
    /// How often; none: until it is taken away.
    pub(crate) times: Option<u32>,
    pub(crate) mishap: Mishap,
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

    /// Takes away those for this name.
    pub(super) fn clear(&mut self, name: &str) {
        self.set.retain(|trap| trap.name.as_deref() != Some(name));
    }

    /// What happens to a request, where something does.
    pub(super) fn spring(&mut self, api: &str, body: &str) -> Option<Mishap> {
        let fits = |trap: &Trap| {
            trap.api.is_none_or(|of| of == api) && trap.name.as_ref().is_none_or(|name| names(body, name))
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

/// Whether a request names this service or family, and not one whose name only contains it.
fn names(body: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    body.match_indices(name)
        .any(|(at, _)| !body[..at].ends_with(part) && !body[at + name.len()..].starts_with(part))
}
