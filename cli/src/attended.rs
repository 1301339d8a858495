//! Whether an engine looks after the tenants of a store, in words.

use jiff::Timestamp;
use landlord_api::{Attendance, Attended};
use landlord_store_postgres as postgres;
use landlord_store_sqlite::{self as sqlite, Owner};

use super::words;

/// What the files of a store say.
pub(crate) fn of_file(attendance: sqlite::Attendance) -> Attended {
    let looked_at = attendance.looked_at;
    let (owner, state) = match attendance.owner {
        Owner::Engine { who, looks: true } => (Some(who), Attendance::LooksAfter),
        Owner::Engine { who, looks: false } => (Some(who), Attendance::Runs),
        Owner::Nobody => (None, Attendance::None),
        Owner::Unknown | _ => (None, Attendance::Unknown),
    };
    Attended { owner, state, looked_at }
}

/// What the tables of a store say.
pub(crate) fn of_database(attendance: postgres::Attendance) -> Attended {
    match attendance {
        postgres::Attendance::Engine { who, looked_at, looks } => {
            let state = if looks { Attendance::LooksAfter } else { Attendance::Runs };
            Attended { owner: Some(who), state, looked_at }
        }
        postgres::Attendance::Nobody { looked_at } => {
            Attended { owner: None, state: Attendance::None, looked_at }
        }
        _ => unknown(),
    }
}

/// The store does not say it.
pub(crate) fn unknown() -> Attended {
    Attended { owner: None, state: Attendance::Unknown, looked_at: None }
}

/// What a person has to know about how old what is known is; none where an engine looks after the tenants.
/// `settled` is when the last operation of the tenant it is about settled.
pub(crate) fn note(attended: &Attended, now: Timestamp, settled: Option<Timestamp>) -> Option<String> {
    let who = match (attended.state, &attended.owner) {
        (Attendance::LooksAfter, _) => return None,
        (Attendance::Runs, Some(owner)) => format!("{owner} has the store, and has not looked"),
        (Attendance::Runs, None) => "an engine has the store, and has not looked".to_owned(),
        (Attendance::None, _) => "no engine runs".to_owned(),
        (Attendance::Unknown, _) => {
            "whether an engine runs cannot be seen: what the store says of it cannot be read".to_owned()
        }
    };
    Some(match attended.looked_at.max(settled) {
        Some(at) => {
            format!("{who}: nobody has looked since {} ({})", words::clock(at), words::when(now, at))
        }
        None => format!("{who}: nobody has looked since the last operations"),
    })
}
