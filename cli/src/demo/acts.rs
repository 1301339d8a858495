//! The scenes of a demo while they are played, and what is said of them in the end.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::super::failure::Failure;
use super::super::screen::{Screen, table};
use super::stage::Seen;

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

/// The scenes that were played so far.
pub(super) struct Acts {
    screen: Screen,
    begun: Instant,
    played: Vec<Played>,
}

impl Acts {
    pub(super) fn new(screen: &Screen) -> Self {
        Self { screen: screen.clone(), begun: Instant::now(), played: Vec::new() }
    }

    /// Plays a scene, says what was seen, and whether it went as it should.
    pub(super) async fn play(&mut self, scene: &'static str, plays: impl Future<Output = Seen>) -> bool {
        let begun = Instant::now();
        let (ok, seen) = match tokio::time::timeout(WITHIN, plays).await {
            Ok(Ok(seen)) => (true, seen),
            Ok(Err(trouble)) => (false, trouble.to_string()),
            Err(_elapsed) => (false, format!("it did not happen within {} s", WITHIN.as_secs())),
        };
        let seconds = seconds(begun);
        self.screen.note(&format!("{} {scene} ({seconds:.1} s)\n    {seen}", mark(ok)));
        self.played.push(Played { scene, ok, seconds, seen });
        ok
    }

    /// Says what happened with times. Fails unless all of so many scenes did.
    pub(super) fn end(self, scenes: usize) -> Result<(), Failure> {
        let Self { screen, begun, played } = self;
        let ok = played.len() == scenes && played.iter().all(|scene| scene.ok);
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
}

fn mark(ok: bool) -> &'static str {
    if ok { "✓" } else { "✗" }
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_millis() as f64 / 1000.0
}
