//! The engines that share the store.

use axum::Json;
use axum::extract::State;
use landlord_api::{EngineDocument, EngineStanding, EnginesDocument};
use landlord_compute::Engine;
use landlord_compute::machines::members::{SHARDS, ShardSet, Standing, View};

use crate::refused::Refused;
use crate::served::Served;

/// Says which engines share the store, and what each has.
pub(crate) async fn engines(State(served): State<Served>) -> Result<Json<EnginesDocument>, Refused> {
    let engine = served.commands()?;
    let view = engine.sharing().await?;
    let head = served.reads().head().await?;
    let behind = head.0.saturating_sub(engine.head().0);
    Ok(Json(match view {
        Some(view) => shared(engine, &view, behind),
        None => EnginesDocument { shared: false, engines: vec![only(engine)], unclaimed: 0, behind },
    }))
}

fn shared(engine: &Engine, view: &View, behind: u64) -> EnginesDocument {
    let claimed = view.engines.values().fold(ShardSet::NONE, |all, member| all.and(&member.shards));
    let engines = view.engines.iter().map(|(epoch, member)| EngineDocument {
        epoch: epoch.0,
        owner: member.owner.to_string(),
        standing: match member.standing {
            Standing::Open => EngineStanding::Open,
            Standing::Alone => EngineStanding::Alone,
            Standing::Leaving => EngineStanding::Leaving,
        },
        shards: count(&member.shards),
        beat: member.beat,
        answers: *epoch == engine.epoch(),
    });
    EnginesDocument { shared: true, engines: engines.collect(), unclaimed: SHARDS - count(&claimed), behind }
}

/// An engine that has its store alone.
fn only(engine: &Engine) -> EngineDocument {
    EngineDocument {
        epoch: engine.epoch().0,
        owner: format!("process {}", std::process::id()),
        standing: EngineStanding::Alone,
        shards: SHARDS,
        beat: None,
        answers: true,
    }
}

fn count(shards: &ShardSet) -> u16 {
    u16::try_from(shards.len()).unwrap_or(SHARDS)
}
