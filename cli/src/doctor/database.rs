//! A store in a database: whether it answers and is one for a store, and who has it.

use std::time::Duration;

use jiff::Timestamp;
use landlord_api::{Attended, Finding};
use landlord_compute::store::{Events, Position, Reads, Scope, StoreError};
use landlord_store_postgres::{Condition, PostgresReader};

use super::size;
use super::store::{CHECK, whose};
use crate::attended;

/// Older transactions make commits slow.
const OLD: Duration = Duration::from_secs(10 * 60);

/// A database that can be read, as it was found.
#[derive(Clone, Debug)]
pub(super) struct Database {
    place: String,
    condition: Condition,
    attended: Attended,
    /// When its newest event was recorded.
    pub(super) newest: Option<Timestamp>,
}

impl Database {
    pub(super) async fn look(place: String, reader: &PostgresReader) -> Result<Self, StoreError> {
        let condition = reader.condition().await?;
        let attended = attended::of_database(reader.attendance().await?);
        let last = Position(reader.head().await?.0.saturating_sub(1));
        let newest = match reader.events(last, &Scope::All, 1).await? {
            Events::Page(events) => events.last().map(|(_, event)| event.at),
            Events::Gap { .. } => None,
        };
        Ok(Self { place, condition, attended, newest })
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let Self { place, condition, attended, newest: _ } = self;
        let Condition { version, size: bytes, has_standby, oldest_snapshot, .. } = condition;
        let opens = format!(
            "{place} answers (PostgreSQL {version}), with this program's tables, {}; {}",
            size(*bytes),
            whose(attended)
        );
        let mut findings = vec![Finding::ok(CHECK, opens)];
        findings.push(match has_standby {
            true => Finding::ok(CHECK, "a commit reaches a synchronous standby before it is answered"),
            false => Finding::warning(
                CHECK,
                "it has no synchronous standby: the loss of its disk loses tenants",
                "set synchronous_standby_names on the server, or back it up; `[postgres] standby = \"required\"` refuses a server \
                 without",
            ),
        });
        if let Some(age) = oldest_snapshot.filter(|age| *age > OLD) {
            findings.push(Finding::warning(
                CHECK,
                format!("a transaction has been open there for {} minutes", age.as_secs() / 60),
                "end it (pg_stat_activity shows it, with its backend_xmin): until then commits get slower",
            ));
        }
        findings
    }
}
