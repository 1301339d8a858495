//! The engines that share a store, for people.

use landlord_client::api::{EngineDocument, EngineStanding};

use super::failure::Failure;
use super::operate::With;
use super::place::{Missing, Place};
use super::screen::{self, Screen};

pub(crate) async fn engines(screen: &Screen, place: &Place) -> Result<(), Failure> {
    let with = With::engine(screen, place, Missing::Refuse).await?;
    let engines = with.client.engines().await.map_err(Failure::from);
    let engines = with.end(engines).await?;
    screen.show(&engines, || {
        let rows = engines.engines.iter().map(|engine| {
            let EngineDocument { epoch, owner, standing, shards, beat: _, answers } = engine;
            let mark = if *answers { "*" } else { "" };
            [
                format!("{epoch}{mark}"),
                standing_words(*standing).to_owned(),
                shards.to_string(),
                owner.clone(),
            ]
        });
        screen::list(["ENGINE", "STANDING", "SHARDS", "WHO"], rows)
    })?;
    if engines.unclaimed > 0 {
        screen.note(&format!("{} shards are nobody's yet; they are taken within seconds", engines.unclaimed));
    }
    Ok(())
}

fn standing_words(standing: EngineStanding) -> &'static str {
    match standing {
        EngineStanding::Open => "open",
        EngineStanding::Alone => "alone",
        EngineStanding::Leaving => "leaving",
    }
}
