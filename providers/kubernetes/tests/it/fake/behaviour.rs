//! What a container does, by its image.

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It runs, and takes requests.
    Good,
    /// Its image cannot be pulled.
    BadImage,
    /// The name of its image is none.
    InvalidImage,
    /// It ends after a moment, with status 1.
    Crash,
    /// It is killed for its memory.
    Oom,
    /// It cannot be made.
    ConfigError,
    /// It cannot be started.
    CannotRun,
    /// What is to be run after its start fails.
    HookFails,
    /// It runs and takes no requests.
    NeverReady,
    /// It takes requests after a while.
    Slow,
    /// It does not stop when it is told.
    Stubborn,
    /// No node takes it.
    Unschedulable,
}

/// What images are called that do something else than run.
const NAMES: [(&str, Behaviour); 12] = [
    ("bad-image", Behaviour::BadImage),
    ("crash", Behaviour::Crash),
    ("init-fails", Behaviour::Crash),
    ("secret-crash", Behaviour::Crash),
    ("oom", Behaviour::Oom),
    ("config-error", Behaviour::ConfigError),
    ("cannot-run", Behaviour::CannotRun),
    ("hook-fails", Behaviour::HookFails),
    ("never-ready", Behaviour::NeverReady),
    ("slow", Behaviour::Slow),
    ("stubborn", Behaviour::Stubborn),
    ("unschedulable", Behaviour::Unschedulable),
];

impl Behaviour {
    /// What an image does, by its last part: `registry.test/crash:1`.
    pub(super) fn of(image: &str) -> Self {
        if image.contains(char::is_whitespace) || image.contains(|c: char| c.is_ascii_uppercase()) {
            return Self::InvalidImage;
        }
        let name = image.rsplit('/').next().unwrap_or_default();
        let named = NAMES.iter().find(|(start, _)| name.starts_with(start));
        named.map_or(Self::Good, |(_, behaviour)| *behaviour)
    }
}
