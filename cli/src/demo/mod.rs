//! `demo`: the engine on real processes, in a folder of its own, scene by scene.

mod http;
mod processes;
mod scenes;
mod stage;
mod tenant;

use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure::Failure;
use super::screen::{Screen, table};
use super::signals::Signals;
use scenes::Scene;
use stage::Stage;

pub(crate) use tenant::tenant;

/// How long one scene may take.
const WITHIN: Duration = Duration::from_secs(60);

/// One scene, as it was played.
#[derive(Debug, Serialize)]
struct Played {
    scene: &'static str,
    ok: bool,
    seconds: f64,
    seen: String,
}

/// Plays all scenes, and says what happened with times. Fails unless all of it did.
pub(crate) async fn demo(screen: &Screen) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let begun = Instant::now();
    let mut stage = Stage::set(screen).await?;
    screen.note(&format!("the demo plays in {}\n", stage.folder().display()));
    let mut played = Vec::new();
    let interrupted = tokio::select! {
        () = play(&mut stage, &mut played) => false,
        _ = signals.next() => true,
    };
    screen.end_progress();
    // Whatever is still there is killed now.
    drop(stage);
    if interrupted {
        screen.note("interrupted; the demo's tenants are killed");
    }
    let ok = !interrupted && played.len() == Scene::ALL.len() && played.iter().all(|scene| scene.ok);
    let seconds = seconds(begun);
    let document = serde_json::json!({ "ok": ok, "seconds": seconds, "scenes": played });
    screen.show(&document, || {
        let rows = played.iter().map(|scene| {
            [mark(scene.ok).to_owned(), scene.scene.to_owned(), format!("{:.1} s", scene.seconds)]
        });
        let verdict = if ok { "all of it happened" } else { "not all of it happened" };
        format!("\n{}\n{verdict}, in {seconds:.1} s", table(["", "SCENE", "TOOK"], rows))
    })?;
    if ok { Ok(()) } else { Err(Failure::Demo) }
}

/// Plays one scene after the other, up to the first that goes wrong.
async fn play(stage: &mut Stage, played: &mut Vec<Played>) {
    for scene in Scene::ALL {
        let begun = Instant::now();
        let (ok, seen) = match tokio::time::timeout(WITHIN, scene.play(stage)).await {
            Ok(Ok(seen)) => (true, seen),
            Ok(Err(trouble)) => (false, trouble.to_string()),
            Err(_elapsed) => (false, format!("it did not happen within {} s", WITHIN.as_secs())),
        };
        let (scene, seconds) = (scene.title(), seconds(begun));
        stage.screen.note(&format!("{} {scene} ({seconds:.1} s)\n    {seen}", mark(ok)));
        played.push(Played { scene, ok, seconds, seen });
        if !ok {
            return;
        }
    }
}

fn mark(ok: bool) -> &'static str {
    if ok { "✓" } else { "✗" }
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_millis() as f64 / 1000.0
}
