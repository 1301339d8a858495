//! `demo --engines 3`: several engines on one PostgreSQL. One is killed and one is stopped, and the tenants notice little.

mod cloud;
pub(super) mod engine;
mod fleet;
mod scenes;

use landlord_compute::store::{Reads, TenantFilter};
use landlord_store_postgres::{Attendance, PostgresOptions, PostgresReader, PostgresStore};

use super::super::configuration::Configuration;
use super::super::failure::Failure;
use super::super::kept;
use super::super::screen::Screen;
use super::super::signals::Signals;
use super::super::store_at::StoreAt;
use super::acts::Acts;
use fleet::Fleet;
use scenes::Scene;

/// Plays all scenes on an empty database, and says what happened with times. Fails unless all of it did.
pub(crate) async fn demo(
    screen: &Screen,
    store: Option<&StoreAt>,
    configuration: &Configuration,
    engines: usize,
) -> Result<(), Failure> {
    let Some(StoreAt::Database(url)) = store else {
        let message = "engines share a store on PostgreSQL: demo --engines 3 --store postgres://user@host/database, with a \
                       database that is empty";
        return Err(Failure::Usage(message.to_owned()));
    };
    let mut signals = Signals::listen()?;
    make_ready(kept::database(url, configuration)?).await?;
    screen.note(&format!("{engines} engines play on {url}, with a platform that is made up\n"));
    let mut acts = Acts::new(screen);
    let mut fleet = Fleet::start(screen, url, engines).await?;
    let plays = async {
        for scene in Scene::ALL {
            if !acts.play(scene.title(), scene.play(&mut fleet)).await {
                return;
            }
        }
    };
    let interrupted = tokio::select! {
        () = plays => false,
        _ = signals.next() => true,
    };
    screen.end_progress();
    // Whichever engine still runs is killed now.
    drop(fleet);
    if interrupted {
        screen.note("interrupted; the engines are killed");
    }
    screen.note(&format!("\nThe tables stay in {url}. To remove them: DROP SCHEMA landlord CASCADE"));
    acts.end(Scene::ALL.len())
}

/// Makes the tables, in a database that nobody uses.
async fn make_ready(options: PostgresOptions) -> Result<(), Failure> {
    let plan = PostgresStore::plan(&options).await?;
    if plan.found > 0 {
        let reader = PostgresReader::open(options.clone()).await?;
        let is_empty = reader.list(&TenantFilter::default(), None, 1).await?.items.is_empty();
        let is_attended = matches!(reader.attendance().await?, Attendance::Engine { .. });
        if !is_empty || is_attended {
            let message = format!(
                "{} has tenants, or engines, and the demo kills engines: give it a database of its own (createdb landlord_demo), or \
                 remove what an earlier demo left there: DROP SCHEMA landlord CASCADE",
                plan.store
            );
            return Err(Failure::Usage(message));
        }
    }
    PostgresStore::migrate(&options).await?;
    Ok(())
}
