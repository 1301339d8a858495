//! Deployments: what takes time, what fails, what is rolled back.

use aws_sdk_ecs::types::{DeploymentConfiguration, HealthStatus, Service, TaskStopCode};

use super::{Bare, circuit_breaker, rollout};

fn primary(service: &Service) -> (&str, &str, &str) {
    let primary =
        service.deployments().iter().find(|one| one.status() == Some("PRIMARY")).expect("a deployment");
    let definition = primary.task_definition().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
    let state = primary.rollout_state().map_or("", |state| state.as_str());
    (definition, state, primary.rollout_state_reason().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_rollout_takes_time() {
    let bare = Bare::new();
    bare.create("acme", "app").await;
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..40 {
        bare.pass(1.0).await;
        for task in bare.tasks("acme", false).await {
            let health = task.health_status().map_or("", HealthStatus::as_str);
            seen.push(format!("{} {health}", task.last_status().unwrap_or_default()));
        }
    }
    seen.dedup();
    assert_eq!(seen, ["PROVISIONING UNKNOWN", "PENDING UNKNOWN", "RUNNING UNKNOWN", "RUNNING HEALTHY"]);
    let service = bare.service("acme").await.expect("a service");
    assert_eq!((rollout(&service), service.running_count()), (vec!["COMPLETED"], 1));
    assert_eq!(service.current_service_deployment(), None);
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_enough_tasks_and_not_too_many() {
    let bare = Bare::new();
    bare.run("acme").await;
    bare.ecs.update_service().service("acme").desired_count(4).send().await.expect("it is scaled");
    bare.pass(60.0).await;
    let two = bare.register("acme", "app").await;
    let percents =
        DeploymentConfiguration::builder().minimum_healthy_percent(100).maximum_percent(150).build();
    let update = bare.ecs.update_service().service("acme").task_definition(&two);
    update.deployment_configuration(percents).send().await.expect("it is updated");
    let (mut most, mut least) = (0, 4);
    for _ in 0..240 {
        bare.pass(1.0).await;
        let service = bare.service("acme").await.expect("a service");
        most = most.max(bare.tasks("acme", false).await.len());
        least = least.min(service.running_count());
    }
    assert_eq!((most, least), (6, 4));
    let service = bare.service("acme").await.expect("a service");
    assert_eq!(primary(&service).0, "acme:2");
    assert_eq!(rollout(&service), ["COMPLETED"], "the older deployment is not listed any more");
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_whose_image_is_missing_fails_and_stands_still() {
    let bare = Bare::new();
    bare.create("acme", "missing").await;
    bare.pass(120.0).await;
    let service = bare.service("acme").await.expect("a service");
    let reason = "ECS deployment circuit breaker: tasks failed to start.";
    assert_eq!(primary(&service), ("acme:1", "FAILED", reason));
    assert_eq!(service.deployments()[0].failed_tasks(), 3);
    assert!(bare.tasks("acme", false).await.is_empty());
    let stopped = bare.tasks("acme", true).await;
    assert_eq!(stopped.len(), 3);
    assert_eq!(stopped[0].stop_code(), Some(&TaskStopCode::TaskFailedToStart));
    let words = stopped[0].stopped_reason().unwrap_or_default();
    assert!(
        words.starts_with("CannotPullContainerError: ") && words.contains("registry.test/missing:1"),
        "{words}"
    );
    assert_eq!(stopped[0].containers()[0].reason(), Some(words));
}

#[tokio::test(start_paused = true)]
async fn an_update_that_crashes_is_rolled_back() {
    let bare = Bare::new();
    bare.run("acme").await;
    let crash = bare.register("acme", "crash").await;
    bare.ecs.update_service().service("acme").task_definition(&crash).send().await.expect("it is updated");
    bare.pass(2.0).await;
    let before = bare.service("acme").await.expect("a service");
    let current = before.current_service_deployment().expect("a service deployment").to_owned();
    bare.pass(80.0).await;
    let service = bare.service("acme").await.expect("a service");
    let (definition, state, reason) = primary(&service);
    assert_eq!(definition, "acme:1", "the old one is PRIMARY again");
    assert!(state == "COMPLETED" || reason.contains("rolling back to deploymentId"), "{state} {reason}");
    bare.pass(60.0).await;
    let service = bare.service("acme").await.expect("a service");
    assert_eq!((primary(&service).0, primary(&service).1), ("acme:1", "COMPLETED"));
    assert!(service.task_definition().is_some_and(|arn| arn.ends_with("acme:1")));
    let stopped = bare.tasks("acme", true).await;
    let crashed =
        stopped.iter().find(|task| task.stop_code() == Some(&TaskStopCode::EssentialContainerExited));
    let crashed = crashed.expect("one that crashed");
    assert_eq!(crashed.stopped_reason(), Some("Essential container in task exited"));
    assert_eq!(crashed.containers()[0].exit_code(), Some(3));
    let told = bare.ecs.describe_service_deployments().service_deployment_arns(&current).send().await;
    let told = told.expect("a description").service_deployments.unwrap_or_default();
    assert_eq!(told[0].status().map(|status| status.as_str()), Some("ROLLBACK_SUCCESSFUL"));
    let events: Vec<_> = service.events().iter().filter_map(|event| event.message()).collect();
    assert!(
        events.iter().any(|event| event.contains("deployment failed: tasks failed to start.")),
        "{events:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_never_gets_healthy_fails_late() {
    let bare = Bare::new();
    bare.create("acme", "never-healthy").await;
    bare.pass(60.0).await;
    assert_eq!(rollout(&bare.service("acme").await.expect("a service")), ["IN_PROGRESS"]);
    assert_eq!(bare.tasks("acme", false).await[0].health_status(), Some(&HealthStatus::UnknownValue));
    bare.pass(600.0).await;
    assert_eq!(rollout(&bare.service("acme").await.expect("a service")), ["FAILED"]);
    let stopped = bare.tasks("acme", true).await;
    assert_eq!(stopped[0].stopped_reason(), Some("Task failed container health checks"));
}

#[tokio::test(start_paused = true)]
async fn a_service_deployment_is_stopped_and_goes_back() {
    let bare = Bare::new();
    bare.run("acme").await;
    let two = bare.register("acme", "never-healthy").await;
    let update = bare.ecs.update_service().service("acme").task_definition(&two);
    let service = update.send().await.expect("it is updated").service.expect("a service");
    let current = service.current_service_deployment().expect("a service deployment");
    bare.pass(5.0).await;
    let stop = || bare.ecs.stop_service_deployment().service_deployment_arn(current).send();
    stop().await.expect("it is stopped");
    assert!(stop().await.is_err(), "it is stopped once");
    bare.pass(60.0).await;
    let service = bare.service("acme").await.expect("a service");
    assert_eq!((primary(&service).0, rollout(&service)), ("acme:1", vec!["COMPLETED"]));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_is_replaced() {
    let bare = Bare::new();
    bare.run("acme").await;
    let before = bare.tasks("acme", false).await[0].task_arn().map(str::to_owned);
    bare.fake.kill_tasks("acme");
    bare.pass(40.0).await;
    let after = bare.tasks("acme", false).await;
    assert_eq!(after.len(), 1);
    assert_ne!(after[0].task_arn().map(str::to_owned), before);
    assert_eq!(after[0].health_status(), Some(&HealthStatus::Healthy));
    assert_eq!(bare.tasks("acme", true).await[0].containers()[0].exit_code(), Some(137));
}

#[tokio::test(start_paused = true)]
async fn an_update_to_what_runs_deploys_nothing_unless_it_is_forced() {
    let bare = Bare::new();
    bare.run("acme").await;
    let update = || bare.ecs.update_service().service("acme").deployment_configuration(circuit_breaker());
    let same = update().send().await.expect("it is updated").service.expect("a service");
    assert_eq!(rollout(&same), ["COMPLETED"]);
    let forced =
        update().force_new_deployment(true).send().await.expect("it is updated").service.expect("one");
    assert_eq!(rollout(&forced), ["IN_PROGRESS", "COMPLETED"]);
}
