//! I8: what is too much is answered at once, and memory stays bounded.

use landlord_compute::machines::tenant::{Method, Settled};
use landlord_compute::{CommandError, Limits, Options};
use landlord_testing::scripted::Step;

use super::{engine, memory, scripted, spec, tenant};

#[tokio::test(start_paused = true)]
async fn i8_too_many_operations_are_refused_and_a_destroy_is_not() {
    let provider = scripted();
    let limits = Limits::default().calls(2);
    let engine = engine(memory(), &provider).limits(limits).start().await.expect("starts");
    for id in ["a", "b"] {
        provider.script(&tenant(id), Method::Provision, [Step::HangUntilStopped]);
        engine.tenant(tenant(id)).provision(spec(id, "v1"), Options::default()).await.expect("accepted");
    }
    let refused = engine
        .tenant(tenant("c"))
        .provision(spec("c", "v1"), Options::default())
        .await
        .expect_err("one too many");
    assert!(matches!(refused, CommandError::Overloaded(_)), "{refused}");
    let destroyed = engine.tenant(tenant("a")).destroy(Options::default()).await.expect("accepted");
    assert_eq!(destroyed.await.expect("settles"), Settled::Done);
    engine.tenant(tenant("c")).provision(spec("c", "v1"), Options::default()).await.expect("there is room");
}

#[tokio::test(start_paused = true)]
async fn i8_too_many_unanswered_commands_are_refused() {
    let provider = scripted();
    let limits = Limits::default().commands(3);
    let engine = engine(memory(), &provider).limits(limits).start().await.expect("starts");
    let commands = (0..10).map(|n| {
        let id = format!("t{n}");
        let handle = engine.tenant(tenant(&id));
        async move { handle.provision(spec(&id, "v1"), Options::default()).await }
    });
    let answers = futures_util::future::join_all(commands).await;
    let refused = answers.iter().filter(|answer| matches!(answer, Err(CommandError::Overloaded(_)))).count();
    assert_eq!(refused, 7);
}
