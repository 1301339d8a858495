//! `demo`: the engine on real processes, in a folder of its own, scene by scene; or several engines on one PostgreSQL.

mod acts;
mod engines;
mod http;
mod processes;
mod scenes;
mod stage;
mod tenant;

use super::failure::Failure;
use super::screen::Screen;
use super::signals::Signals;
use acts::Acts;
use scenes::Scene;
use stage::Stage;

pub(crate) use engines::demo as several;
pub(crate) use engines::engine::run as engine;
pub(crate) use tenant::tenant;

/// Plays all scenes, and says what happened with times. Fails unless all of it did.
pub(crate) async fn demo(screen: &Screen) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut acts = Acts::new(screen);
    let mut stage = Stage::set(screen).await?;
    screen.note(&format!("the demo plays in {}\n", stage.folder().display()));
    let plays = async {
        for scene in Scene::ALL {
            if !acts.play(scene.title(), scene.play(&mut stage)).await {
                return;
            }
        }
    };
    let interrupted = tokio::select! {
        () = plays => false,
        _ = signals.next() => true,
    };
    screen.end_progress();
    // Whatever is still there is killed now.
    drop(stage);
    if interrupted {
        screen.note("interrupted; the demo's tenants are killed");
    }
    acts.end(Scene::ALL.len())
}
