//! `migrate`: the tables of a store on PostgreSQL.

use landlord_store_postgres::{MigrationPlan, PostgresStore};
use serde::Serialize;

use super::configuration::Configuration;
use super::failure::Failure;
use super::kept;
use super::screen::Screen;
use super::store_at::StoreAt;

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

/// Makes the tables, or says what it would do.
pub(crate) async fn migrate(
    screen: &Screen,
    store: Option<&StoreAt>,
    configuration: &Configuration,
    only_plan: bool,
) -> Result<(), Failure> {
    let Some(StoreAt::Database(url)) = store else {
        let message = "`migrate` is for a store on PostgreSQL: --store postgres://user@host/database. A file needs none: whatever \
                       opens it makes its tables";
        return Err(Failure::Usage(message.to_owned()));
    };
    let options = kept::database(url, configuration)?;
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
