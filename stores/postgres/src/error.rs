//! What PostgreSQL and the way to it say, as [`StoreError`]s: by their codes, never by their words.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_rustls::rustls;

use landlord_compute::store::StoreError;

/// Why a statement has no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The server, or the way to it.
    Postgres(Error),
    /// It took longer than it may.
    Late(Duration),
    /// No connection could be made, so nothing was sent.
    Unreached(StoreError),
    /// It was answered, and is durable on the primary, but the wait for the synchronous standby was cut short.
    Unconfirmed,
}

impl From<Error> for Failed {
    fn from(cause: Error) -> Self {
        Self::Postgres(cause)
    }
}

/// What a failure says of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing of it was made, and the same may work at once.
    Again,
    /// Nothing of it was made, because of what it says.
    Unfit,
    /// Nothing of it was made.
    NotMade,
    /// It may have been made.
    InDoubt,
}

impl Failed {
    /// What it says of a statement that writes.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Unreached(_) => Verdict::NotMade,
            Self::Late(_) | Self::Unconfirmed => Verdict::InDoubt,
            Self::Postgres(cause) => match cause.as_db_error() {
                Some(refusal) => judge(refusal.code(), refusal.parsed_severity()),
                None => Verdict::InDoubt,
            },
        }
    }

    /// Whether the connection was lost, or its session forgot what it was told, so that a question may be asked again on another
    /// one.
    pub(crate) fn is_of_the_connection(&self) -> bool {
        match self {
            Self::Postgres(cause) => match cause.as_db_error() {
                Some(refusal) => {
                    matches!(class(refusal.code()), "08" | "57")
                        || *refusal.code() == SqlState::INVALID_SQL_STATEMENT_NAME
                }
                None => true,
            },
            Self::Late(_) | Self::Unreached(_) | Self::Unconfirmed => false,
        }
    }

    /// The code of the server's refusal, if it is one.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(cause) => cause.code(),
            Self::Late(_) | Self::Unreached(_) | Self::Unconfirmed => None,
        }
    }

    /// As the store's error.
    pub(crate) fn told(self, place: &str, doing: &str) -> StoreError {
        match self {
            Self::Postgres(cause) => postgres(place, doing, cause),
            Self::Late(patience) => StoreError::Unavailable {
                message: format!(
                    "cannot {doing} {place}: it took longer than {patience:?}; look for locks and for a standby that \
                     does not answer (pg_stat_activity, pg_stat_replication)"
                ),
                source: None,
            },
            Self::Unreached(error) => error,
            Self::Unconfirmed => StoreError::Unavailable {
                message: format!(
                    "cannot {doing} {place}: the wait for the synchronous standby was cut short, so it is durable on \
                     the primary alone; look at pg_stat_replication"
                ),
                source: None,
            },
        }
    }
}

/// The first two characters, which say what kind of thing happened.
fn class(code: &SqlState) -> &str {
    code.code().get(..2).unwrap_or_default()
}

/// What a refusal says of the statement that was refused. An error of this severity has undone it. A fatal one ended the session,
/// also one of a pooler between, which may not know what the server did.
fn judge(code: &SqlState, severity: Option<Severity>) -> Verdict {
    let undone = match severity {
        Some(Severity::Error) => true,
        Some(Severity::Fatal | Severity::Panic) | None => false,
        Some(Severity::Warning | Severity::Notice | Severity::Debug | Severity::Info | Severity::Log) => {
            false
        }
    };
    match class(code) {
        _ if !undone => Verdict::InDoubt,
        // Connection exceptions; the statement's completion is unknown.
        "08" => Verdict::InDoubt,
        _ if *code == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN => Verdict::InDoubt,
        // Serialization, deadlock.
        "40" => Verdict::Again,
        // The session knows no statement of this name: it forgot it, or is another one.
        _ if *code == SqlState::INVALID_SQL_STATEMENT_NAME => Verdict::Again,
        _ if *code == SqlState::UNIQUE_VIOLATION => Verdict::Again,
        // There is no partition for it, which is not the write's fault.
        _ if *code == SqlState::CHECK_VIOLATION => Verdict::NotMade,
        // What is written does not fit: data, constraints, limits.
        "22" | "23" | "54" => Verdict::Unfit,
        _ => Verdict::NotMade,
    }
}

/// Whether the server says that it did not wait for the synchronous standby. The name of the server's function is not
/// translated, as the words are; where it is missing, a warning is taken for this one.
pub(crate) fn is_unconfirmed(notice: &DbError) -> bool {
    match notice.parsed_severity() {
        Some(Severity::Warning) | None => {
            notice.routine().is_none_or(|routine| routine == "SyncRepWaitForLSN")
        }
        Some(
            Severity::Panic
            | Severity::Fatal
            | Severity::Error
            | Severity::Notice
            | Severity::Debug
            | Severity::Info
            | Severity::Log,
        ) => false,
    }
}

/// PostgreSQL, or the way to it, refused something.
pub(crate) fn postgres(place: &str, doing: &str, cause: Error) -> StoreError {
    let hint = match (cause.code(), cause.source().and_then(<dyn StdError>::downcast_ref::<io::Error>)) {
        (Some(code), _) => hint(code),
        (None, Some(way)) if way.get_ref().is_some_and(<dyn StdError + Send + Sync>::is::<rustls::Error>) => {
            "TLS was not agreed on; where an authority of your own signed the server's certificate, name it: `[postgres] ca` of \
             the configuration, or PostgresOptions::ca"
        }
        (None, None) if !cause.is_closed() => {
            "it lets nobody in so: a password that is missing, TLS that only one side has, or no server of PostgreSQL at all"
        }
        (None, Some(_) | None) => {
            "its connection was lost, or was not made; look whether the server runs and can be reached"
        }
    };
    let message = match cause.code() {
        Some(code) => format!("cannot {doing} {place}: {hint} (PostgreSQL's code {})", code.code()),
        None => format!("cannot {doing} {place}: {hint}"),
    };
    StoreError::Unavailable { message, source: Some(Box::new(cause)) }
}

/// What a code means, and what to do.
fn hint(code: &SqlState) -> &'static str {
    let known = [
        (&SqlState::INVALID_PASSWORD, "the password is wrong"),
        (
            &SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            "the server lets this user not in; look at pg_hba.conf",
        ),
        (&SqlState::INVALID_CATALOG_NAME, "there is no such database; create it first"),
        (&SqlState::INSUFFICIENT_PRIVILEGE, "this user lacks a right; it has to own the schema landlord"),
        (&SqlState::TOO_MANY_CONNECTIONS, "the server has no room for a connection; raise max_connections"),
        (&SqlState::DISK_FULL, "the server's disk is full; free some space"),
        (
            &SqlState::READ_ONLY_SQL_TRANSACTION,
            "the server only reads: it is a standby, or its disk is nearly full; connect to the primary",
        ),
        (&SqlState::QUERY_CANCELED, "somebody, or statement_timeout, ended the statement"),
        (&SqlState::LOCK_NOT_AVAILABLE, "somebody holds a lock on it"),
        (&SqlState::ADMIN_SHUTDOWN, "the server shuts down"),
        (&SqlState::CRASH_SHUTDOWN, "the server ends after a crash"),
        (&SqlState::CANNOT_CONNECT_NOW, "the server is only just starting"),
    ];
    let found = known.iter().find(|(known, _)| **known == *code);
    found.map_or("the server refused it", |(_, hint)| hint)
}

/// A row says something that this version cannot understand.
pub(crate) fn row(place: &str, what: &str, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> StoreError {
    StoreError::Corrupt {
        message: format!(
            "{what} in {place} cannot be understood; it was changed by hand or by another version"
        ),
        source: Some(cause.into()),
    }
}

/// The database has lost what it had answered.
pub(crate) fn went_back(place: &str, saw: i64, found: i64) -> StoreError {
    StoreError::Corrupt {
        message: format!(
            "{place} went back: its last event was at {saw}, and is at {found} now. A standby without the last commits \
             was promoted, or a backup was restored. Bring the newer database back; or accept the loss and start the \
             engine again"
        ),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_of_the_server_says_that_nothing_was_made() {
        let error = Some(Severity::Error);
        let fatal = Some(Severity::Fatal);
        for (code, severity, verdict) in [
            (SqlState::T_R_DEADLOCK_DETECTED, error, Verdict::Again),
            (SqlState::T_R_SERIALIZATION_FAILURE, error, Verdict::Again),
            (SqlState::UNIQUE_VIOLATION, error, Verdict::Again),
            (SqlState::INVALID_SQL_STATEMENT_NAME, error, Verdict::Again),
            (SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN, error, Verdict::InDoubt),
            (SqlState::PROGRAM_LIMIT_EXCEEDED, error, Verdict::Unfit),
            (SqlState::CHARACTER_NOT_IN_REPERTOIRE, error, Verdict::Unfit),
            (SqlState::QUERY_CANCELED, error, Verdict::NotMade),
            (SqlState::DISK_FULL, error, Verdict::NotMade),
            (SqlState::ADMIN_SHUTDOWN, fatal, Verdict::InDoubt),
            (SqlState::CRASH_SHUTDOWN, fatal, Verdict::InDoubt),
            // As pgbouncer tells of a server that it lost.
            (SqlState::PROTOCOL_VIOLATION, fatal, Verdict::InDoubt),
            (SqlState::CONNECTION_FAILURE, error, Verdict::InDoubt),
            (SqlState::DISK_FULL, None, Verdict::InDoubt),
        ] {
            assert_eq!(judge(&code, severity), verdict, "{code:?} {severity:?}");
        }
        assert_eq!(Failed::Late(Duration::ZERO).verdict(), Verdict::InDoubt);
        assert_eq!(Failed::Unconfirmed.verdict(), Verdict::InDoubt);
    }
}
