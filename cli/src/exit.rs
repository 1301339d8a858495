//! What the program ends with: a code for scripts.

use landlord_api::Code;

/// The exit codes. `--help` lists them from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    Rejected,
    NotFound,
    Store,
    Overloaded,
    Platform,
    Unclean,
    WouldChange,
    Protected,
    NotOver,
    Denied,
    Unwell,
    Defect,
    Output,
    Interrupted,
}

impl Exit {
    const ALL: [Self; 17] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Rejected,
        Self::NotFound,
        Self::Store,
        Self::Overloaded,
        Self::Platform,
        Self::Unclean,
        Self::WouldChange,
        Self::Protected,
        Self::NotOver,
        Self::Denied,
        Self::Unwell,
        Self::Defect,
        Self::Output,
        Self::Interrupted,
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Rejected => 3,
            Self::NotFound => 4,
            Self::Store => 5,
            Self::Overloaded => 6,
            Self::Platform => 7,
            Self::Unclean => 8,
            Self::WouldChange => 9,
            Self::Protected => 10,
            Self::NotOver => 11,
            Self::Denied => 12,
            Self::Unwell => 13,
            Self::Defect => 70,
            Self::Output => 74,
            Self::Interrupted => 130,
        }
    }

    /// Its name in JSON errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "invalid",
            Self::Rejected => "rejected",
            Self::NotFound => "not_found",
            Self::Store => "store",
            Self::Overloaded => "overloaded",
            Self::Platform => "platform",
            Self::Unclean => "unclean",
            Self::WouldChange => "would_change",
            Self::Protected => "protected",
            Self::NotOver => "not_over",
            Self::Denied => "denied",
            Self::Unwell => "unwell",
            Self::Defect => "defect",
            Self::Output => "output",
            Self::Interrupted => "interrupted",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Done => "what was asked for is so",
            Self::Failed => "the operation ended otherwise: failed, cancelled, superseded, abandoned",
            Self::Usage => "the command line or the spec is not valid",
            Self::Rejected => "the tenant's state does not allow it",
            Self::NotFound => "there is no such tenant or operation, or none that the filter asks for",
            Self::Store => "the store is missing, in use by another engine, or cannot be used",
            Self::Overloaded => "too much is on its way already",
            Self::Platform => "the platform did not say how the tenant is, or what it holds",
            Self::Unclean => "a sweep found what should not be so, and it still is",
            Self::WouldChange => "what was planned would change something; it is no error",
            Self::Protected => "the tenant is protected from deletion",
            Self::NotOver => "--timeout came before the end of the operation, which is recorded and goes on",
            Self::Denied => "the server does not know the token, or the token does not allow it",
            Self::Unwell => "`doctor` found something that does not work",
            Self::Defect => "a defect of landlord-compute",
            Self::Output => "the output could not be written",
            Self::Interrupted => "Ctrl-C: the operation is recorded and goes on when an engine runs",
        }
    }

    /// The end of `--help`.
    pub(crate) fn help() -> String {
        let mut help = String::from(
            "RUST_LOG=info shows the engine's log on stderr; NO_COLOR=1 means no colours.\n\nExit codes:",
        );
        for exit in Self::ALL {
            help += &format!("\n  {:>3}  {:<12} {}", exit.code(), exit.name(), exit.meaning());
        }
        help
    }
}

/// What a program ends with whose request was not done.
pub(super) fn of(code: Code) -> Exit {
    match code {
        Code::InvalidRequest | Code::InvalidSpec | Code::TooLarge => Exit::Usage,
        Code::ProviderNotFound | Code::UnknownCursor => Exit::Usage,
        Code::TenantNotFound
        | Code::TenantGone
        | Code::OperationNotFound
        | Code::SpecNotFound
        | Code::NothingRuns => Exit::NotFound,
        Code::Rejected | Code::RevisionMismatch | Code::KeyReused | Code::TokenExists => Exit::Rejected,
        Code::Protected => Exit::Protected,
        Code::Unauthorized | Code::Forbidden | Code::ForeignOrigin | Code::Misdirected => Exit::Denied,
        Code::TokenNotFound | Code::SubscriptionNotFound | Code::WebhookNotFound => Exit::NotFound,
        Code::NotSupported | Code::Platform | Code::PlatformTimeout => Exit::Platform,
        Code::Overloaded | Code::RateLimited => Exit::Overloaded,
        Code::Store | Code::Closed | Code::TimedOut => Exit::Store,
        Code::NoSuchPath | Code::MethodNotAllowed | Code::UnsupportedMediaType | Code::Defect => Exit::Defect,
    }
}
