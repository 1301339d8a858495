//! The tables, and how those of an older version become those of this one: only when somebody asks for it.

use std::fmt;
use std::sync::Arc;

use landlord_compute::store::{StoreError, new_engine_name};
use landlord_state_machines::members::SHARDS;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::error::Failed;
use super::link::{Links, Server};
use super::options::PostgresOptions;
use super::session::{column, one};

/// A step from one version to the next.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// What leads to each version, the first to version 1. What was released is never changed.
const MIGRATIONS: [Migration; 2] = [
    Migration { name: "first tables", sql: include_str!("migrations/1_first.sql") },
    Migration { name: "several engines", sql: include_str!("migrations/2_engines.sql") },
];

/// A number of our own, so that two do not migrate at the same time.
const LOCK: i64 = 0x6c61_6e64_6c6f_7264;

/// What a migration does, or has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationPlan {
    /// Where the store is.
    pub store: String,
    /// The version that its tables have; 0: there are none.
    pub found: usize,
    /// What is to be done, in this order. Nothing, where the tables are of this version.
    pub steps: Vec<MigrationStep>,
}

/// One step of it, which is made whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStep {
    /// The version that it leads to.
    pub version: usize,
    /// What it is about.
    pub name: &'static str,
    /// What the server is asked.
    pub sql: String,
}

impl fmt::Display for MigrationPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, found, steps } = self;
        if steps.is_empty() {
            return write!(f, "{store} has version {found}, which is this program's");
        }
        write!(f, "{store} has version {found}")?;
        for MigrationStep { version, name, sql: _ } in steps {
            write!(f, "\nto version {version}: {name}")?;
        }
        Ok(())
    }
}

/// What a migration would do.
pub(crate) async fn plan(options: PostgresOptions) -> Result<MigrationPlan, StoreError> {
    planned(&Links::new(Server::new(options), 1)).await
}

/// Makes the tables those of this version; answers with what it did.
pub(crate) async fn migrate(options: PostgresOptions) -> Result<MigrationPlan, StoreError> {
    let links = Links::new(Server::new(options), 1);
    let plan = planned(&links).await?;
    for MigrationStep { version, name, sql } in &plan.steps {
        let told =
            |failed: Failed| failed.told(links.server().place(), &format!("migrate to version {version}"));
        let made = async { links.take().await?.run(sql).await };
        if let Err(failed) = made.await {
            // Somebody else may have been faster: then this step is done.
            if found(&links).await? < Some(*version) {
                return Err(told(failed));
            }
        }
        tracing::info!(version, name, "migrated");
    }
    Ok(plan)
}

async fn planned(links: &Arc<Links>) -> Result<MigrationPlan, StoreError> {
    let place = links.server().place().to_owned();
    let rows = links.read("SELECT current_setting('server_encoding')", &[]).await?;
    let encoding: &str = column(&place, one(&place, &rows)?, 0)?;
    if encoding != "UTF8" {
        let message = format!("{place} keeps text as {encoding}; create the database with ENCODING 'UTF8'");
        return Err(StoreError::Unavailable { message, source: None });
    }
    let found = found(links).await?.unwrap_or(0);
    if found > MIGRATIONS.len() {
        return Err(newer(&place, found));
    }
    let steps = MIGRATIONS.iter().enumerate().skip(found);
    let steps = steps.map(|(before, migration)| step(before + 1, migration)).collect();
    Ok(MigrationPlan { store: place, found, steps })
}

/// One transaction: a second one that runs at the same time waits, and then finds its version there.
fn step(version: usize, Migration { name, sql }: &Migration) -> MigrationStep {
    let sql = sql.replace("{engine}", &new_engine_name()).replace("{shards}", &SHARDS.to_string());
    let sql = format!(
        "SELECT pg_advisory_xact_lock({LOCK});
CREATE SCHEMA IF NOT EXISTS landlord;
CREATE TABLE IF NOT EXISTS landlord.migrations (
    version    bigint PRIMARY KEY,
    name       text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE landlord.migrations IS 'The versions that these tables have had.';
INSERT INTO landlord.migrations (version, name) VALUES ({version}, '{name}');
{sql}"
    );
    MigrationStep { version, name, sql }
}

/// The version of the tables. None where there are none.
async fn found(links: &Arc<Links>) -> Result<Option<usize>, StoreError> {
    let version = "SELECT coalesce(max(version), 0) FROM landlord.migrations WHERE version >= $1";
    match links.ask(version, &[(&0_i64, Type::INT8)]).await {
        Ok(rows) => {
            let place = links.server().place();
            let version: i64 = column(place, one(place, &rows)?, 0)?;
            Ok(Some(usize::try_from(version).unwrap_or(usize::MAX)))
        }
        Err(failed) => match failed.code() {
            Some(code) if [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code) => {
                Ok(None)
            }
            Some(_) | None => Err(failed.told(links.server().place(), "read")),
        },
    }
}

/// Whether the tables are of this version.
pub(crate) async fn check(links: &Arc<Links>) -> Result<(), StoreError> {
    let place = links.server().place();
    match found(links).await?.unwrap_or(0) {
        // The tables go before the engines, which are upgraded one after the other: a version may add, and take away only what
        // the version before it does not use any more.
        version if (MIGRATIONS.len()..=MIGRATIONS.len() + 1).contains(&version) => Ok(()),
        version if version > MIGRATIONS.len() => Err(newer(place, version)),
        version => Err(older(place, version)),
    }
}

fn older(place: &str, version: usize) -> StoreError {
    let has = match version {
        0 => "has no tables of this store".to_owned(),
        version => format!("has tables of version {version}, and this program needs {}", MIGRATIONS.len()),
    };
    StoreError::Corrupt {
        message: format!(
            "{place} {has}; run `landlord-compute migrate --store {place}` once (with --plan it only says what it would \
             do), or call PostgresStore::migrate"
        ),
        source: None,
    }
}

fn newer(place: &str, version: usize) -> StoreError {
    let problem = format!("this program knows versions up to {}", MIGRATIONS.len());
    StoreError::Corrupt {
        message: format!(
            "{place} has tables of version {version}, which a newer program made; use that one, or a database of its own"
        ),
        source: Some(problem.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_transaction_that_notes_its_version_first() {
        let [first, ..] = &MIGRATIONS;
        let step = step(1, first);
        let at = |part: &str| step.sql.find(part).expect(part);
        assert!(at("pg_advisory_xact_lock") < at("INSERT INTO landlord.migrations"));
        assert!(at("INSERT INTO landlord.migrations") < at("CREATE TABLE landlord.tenants"));
        assert!(!step.sql.contains('{'), "every value is there");
        assert!(!step.sql.contains("COMMIT"));
    }

    #[test]
    fn tables_of_another_version_say_what_to_run() {
        for version in [0, 3] {
            let told = older("postgres://db/tenants", version).to_string();
            assert!(told.contains("landlord-compute migrate --store postgres://db/tenants"), "{told}");
        }
        assert!(newer("postgres://db/tenants", 9).to_string().contains("a newer program"));
    }
}
