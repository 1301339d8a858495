//! `migrate`: the tables of a store on PostgreSQL.

use std::path::Path;

use landlord_store_postgres::{MigrationPlan, PostgresOptions, PostgresStore};
use serde::Serialize;

use super::failure::Failure;
use super::screen::Screen;

#[derive(Serialize)]
struct Migrated<'p> {
    store: &'p str,
    /// The version before.
    found: usize,
    steps: Vec<Step<'p>>,
    /// Whether they were made.
    made: bool,
}

#[derive(Serialize)]
struct Step<'p> {
    version: usize,
    name: &'p str,
    sql: &'p str,
}

/// The URL of a database, where the store is one and no file.
pub(crate) fn database(store: &Path) -> Option<&str> {
    let text = store.to_str()?;
    ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)).then_some(text)
}

/// Makes the tables, or says what it would do.
pub(crate) async fn migrate(screen: &Screen, store: &Path, only_plan: bool) -> Result<(), Failure> {
    let url = database(store).ok_or_else(|| {
        let message = "`migrate` is for a store on PostgreSQL: --store postgres://user@host/database. A file needs none: whatever \
                       opens it makes its tables";
        Failure::Usage(message.to_owned())
    })?;
    let options = PostgresOptions::new(url)?;
    let plan = match only_plan {
        true => PostgresStore::plan(&options).await?,
        false => PostgresStore::migrate(&options).await?,
    };
    screen.show(&document(&plan, !only_plan), || text(&plan, only_plan))
}

fn document(plan: &MigrationPlan, made: bool) -> Migrated<'_> {
    let steps = plan.steps.iter().map(|step| Step { version: step.version, name: step.name, sql: &step.sql });
    Migrated { store: &plan.store, found: plan.found, steps: steps.collect(), made }
}

/// For people: of a plan, all that the server would be asked.
fn text(plan: &MigrationPlan, only_plan: bool) -> String {
    if !only_plan {
        return plan.to_string();
    }
    let sql = plan
        .steps
        .iter()
        .map(|step| format!("\n\n-- to version {}: {}\n{}", step.version, step.name, step.sql));
    format!("{plan}{}", sql.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_database() {
        for (store, is_database) in [
            ("postgres://me@db/tenants", true),
            ("postgresql:///tenants", true),
            ("landlord.db", false),
            ("postgres", false),
        ] {
            assert_eq!(database(Path::new(store)).is_some(), is_database, "{store}");
        }
    }
}
