//! How a tenant is, as its status says.

use std::time::Duration;

use landlord_compute::Options;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::observation::Seen;
use landlord_compute::machines::status::{ComputeState, ComputeStatus, Health};
use landlord_compute::machines::tenant::Settled;

use super::counts::{counted, scale};
use super::fake::Pace;
use super::provider::spec;
use super::world::{World, failure, service};

/// How a tenant is, as the engine asks.
async fn status(world: &World) -> ComputeStatus {
    world.engine.tenant(TenantId::new("acme").expect("a valid id")).status().await.expect("a status")
}

#[tokio::test(start_paused = true)]
async fn what_has_a_check_is_ready_when_the_check_has_passed() {
    let world = World::new().await;
    let begun = tokio::time::Instant::now();
    let acme = world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    let provision = acme.provision(spec("acme", "checked-late"), Options::default()).await.expect("accepted");
    tokio::time::sleep(Duration::from_secs(50)).await;
    let service = service(&world.fake, "landlord-acme").await;
    assert_eq!(service.deployments()[0].rollout_state().map(|state| state.as_str()), Some("COMPLETED"));
    let early = status(&world).await;
    assert_eq!((early.state, early.health), (ComputeState::Running, Health::Unknown));
    assert_eq!(early.containers.iter().map(|web| web.ready).collect::<Vec<_>>(), [false]);
    let waits = world.waits("acme").await;
    assert!(waits.iter().any(|(what, _)| what.contains("1 with a health check that has not")), "{waits:?}");
    assert_eq!(provision.await.expect("settles"), Settled::Done);
    assert!(begun.elapsed() >= Pace::real().unhealthy, "{:?}", begun.elapsed());
    let late = status(&world).await;
    assert_eq!((late.state, late.health), (ComputeState::Running, Health::Healthy));
    assert!(late.containers[0].ready);
}

#[tokio::test(start_paused = true)]
async fn a_service_of_no_tasks_is_stopped_and_nothing_of_it_has_failed() {
    let world = World::new().await;
    assert_eq!(world.provision(counted(0, "red")).await, Settled::Done);
    let settled = status(&world).await;
    assert_eq!(
        (settled.state, settled.health, settled.containers.len()),
        (ComputeState::Stopped, Health::Healthy, 0)
    );
    assert_eq!(world.update(counted(1, "red")).await, Settled::Done);
    assert_eq!(status(&world).await.state, ComputeState::Running);
    assert_eq!(world.update(counted(0, "red")).await, Settled::Done);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let scaled = status(&world).await;
    assert_eq!((scaled.state, scaled.health), (ComputeState::Stopped, Health::Healthy));
    assert_eq!(Seen::from_status(&scaled), Seen::Healthy, "there is nothing to repair");
    let [web] = &scaled.containers[..] else { panic!("{scaled:?}") };
    assert_eq!((web.state, web.ready, web.restart_count), (ComputeState::Stopped, false, 0), "{web:?}");
    // Somebody else's nothing is not what was asked for.
    assert_eq!(world.update(counted(1, "red")).await, Settled::Done);
    scale(&world.fake, 0).await;
    assert!(matches!(Seen::from_status(&status(&world).await), Seen::Broken(_)));
}

/// A task that made way for another one is no failure of its container.
#[tokio::test(start_paused = true)]
async fn a_task_that_the_scheduler_stopped_is_no_restart() {
    let world = World::new().await;
    assert_eq!(world.provision(counted(1, "red")).await, Settled::Done);
    assert_eq!(world.update(counted(1, "green")).await, Settled::Done);
    let [web] = &status(&world).await.containers[..] else { panic!("one container") };
    assert_eq!((web.state, web.ready, web.restart_count), (ComputeState::Running, true, 0), "{web:?}");
}

/// ECS gives the same words for the task and for the container.
#[tokio::test(start_paused = true)]
async fn why_a_container_does_not_start_is_said_once() {
    let world = World::new().await;
    let acme = world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    let provision = acme.provision(spec("acme", "missing"), Options::default()).await.expect("accepted");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let message = status(&world).await.containers.remove(0).message.unwrap_or_default();
    assert_eq!(message.matches("CannotPullContainerError").count(), 1, "{message}");
    failure(provision.await.expect("settles"));
}
