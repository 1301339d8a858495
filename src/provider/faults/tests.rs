//! The process planner against every single fault.

use landlord_state_machines::spec::{
    ContainerSpec, HealthCheckConfig, PortMapping, ResourceRequirements, Spec, TenantComputeSpec,
};

use super::processes::Processes;
use super::{Ask, By, Explored, Interrupt, Scenario, explore, explore_pairs};

fn container(name: &str, behaviour: &str, version: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.to_owned(),
        image: "host".to_owned(),
        command: vec!["server".to_owned()],
        args: vec![behaviour.to_owned(), version.to_owned()],
        ports: vec![PortMapping {
            container_port: 8080,
            host_port: None,
            protocol: "tcp".to_owned(),
            name: None,
        }],
        health_check: Some(HealthCheckConfig {
            kind: "http".to_owned(),
            http_path: Some("/health".to_owned()),
            port: Some(8080),
            command: Vec::new(),
            interval_seconds: 5,
            timeout_seconds: 1,
            healthy_threshold: 1,
            unhealthy_threshold: 2,
        }),
        ..ContainerSpec::default()
    }
}

fn spec(containers: Vec<ContainerSpec>) -> Spec {
    TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "model".to_owned(),
        containers,
        resources: ResourceRequirements { cpu: 1000, memory: 1024, storage: None },
        ..TenantComputeSpec::default()
    }
    .check()
    .unwrap()
}

fn web(behaviour: &str, version: &str) -> Spec {
    spec(vec![container("web", behaviour, version)])
}

fn fixed(behaviour: &str, version: &str) -> Spec {
    let mut web = container("web", behaviour, version);
    web.ports[0].host_port = Some(8080);
    spec(vec![web])
}

fn unchecked(behaviour: &str, version: &str) -> Spec {
    spec(vec![ContainerSpec { health_check: None, ..container("web", behaviour, version) }])
}

fn pair(version: &str) -> Spec {
    spec(vec![container("web", "fine", version), container("worker", "forks", version)])
}

fn scenarios() -> Vec<Scenario> {
    let provision = |name, spec: Spec| (name, None, Ask::Provision(spec));
    let update = |name, old: Spec, new: Spec| (name, Some(old), Ask::Update(new));
    let operations = vec![
        provision("provision", web("fine", "1")),
        provision("provision without a check", unchecked("fine", "1")),
        provision("provision two containers", pair("1")),
        provision("provision one that is slow", web("slow", "1")),
        provision("provision one that crashes", web("crash", "1")),
        provision("provision one that is never healthy", web("sick", "1")),
        ("provision again", Some(web("fine", "1")), Ask::Provision(web("fine", "1"))),
        ("provision over another spec", Some(web("fine", "1")), Ask::Provision(web("fine", "2"))),
        update("update", web("fine", "1"), web("fine", "2")),
        update("update with the same spec", web("fine", "1"), web("fine", "1")),
        update("update a fixed port", fixed("fine", "1"), fixed("fine", "2")),
        update("update two containers", pair("1"), pair("2")),
        update("update that adds a container", web("fine", "1"), pair("1")),
        update("update that removes a container", pair("1"), web("fine", "1")),
        update("update that crashes", web("fine", "1"), web("crash", "2")),
        update("update that is never healthy", web("fine", "1"), web("sick", "2")),
        update("update a fixed port, never healthy", fixed("fine", "1"), fixed("sick", "2")),
        update("update of one that does not end", web("stubborn", "1"), web("fine", "2")),
        ("destroy", Some(pair("1")), Ask::Destroy),
        ("destroy one that does not end", Some(web("stubborn", "1")), Ask::Destroy),
        ("destroy nothing", None, Ask::Destroy),
    ];
    let mut scenarios = Vec::new();
    for (name, applied, ask) in operations {
        for by in [By::Engine, By::Alone] {
            for interrupt in [None, Some(Interrupt::Cancel), Some(Interrupt::Destroy)] {
                let (applied, ask) = (applied.clone(), ask.clone());
                match (&ask, by, interrupt) {
                    // A destroy is not interrupted, and without the engine nobody makes a destroy of a cancel.
                    (Ask::Destroy, _, Some(_)) | (_, By::Alone, Some(Interrupt::Destroy)) => {}
                    (_, _, _) => scenarios.push(Scenario { name, by, applied, ask, interrupt }),
                }
            }
        }
    }
    scenarios
}

#[test]
fn i1_i3_every_single_fault_leaves_the_applied_spec_or_nothing() {
    let mut all = Explored::default();
    for scenario in scenarios() {
        let explored = explore(Processes::default, &scenario).unwrap_or_else(|breach| panic!("{breach}"));
        let Scenario { name, by, interrupt, .. } = scenario;
        println!("{name}, by {by:?}, {interrupt:?}: {} cases, {} calls", explored.cases, explored.calls);
        all.cases += explored.cases;
        all.calls += explored.calls;
    }
    println!("process planner: {} cases with one fault, {} calls", all.cases, all.calls);
    assert!(all.cases > 1000, "{all:?}");
}

#[test]
fn i3_two_faults_at_random() {
    let seed = std::env::var("FAULT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_123);
    println!("seed {seed}");
    let engine = scenarios().into_iter().filter(|scenario| scenario.by == By::Engine);
    for scenario in engine {
        if let Err(breach) = explore_pairs(Processes::default, &scenario, seed, 40) {
            panic!("seed {seed}: {breach}");
        }
    }
}
