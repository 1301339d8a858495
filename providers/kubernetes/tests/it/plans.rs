//! What the API server says about an update that is not made.

use std::sync::Arc;

use landlord_compute::clock::SystemClock;
use landlord_compute::provider::{Context, Plan, PlannedAction, PlannedAnswer, PlannedObject, Provider};
use landlord_state_machines::spec::{
    ContainerSpec, MountSpec, PortMapping, Replicas, ResourceRequirements, Spec, TenantComputeSpec,
    VolumeSpec,
};
use serde_json::{Value, json};

use super::fake::{Kind, Mishap, Refusal, Settings, Trap, Verb};
use super::site::{Site, subject};

const SECRET: &str = "hunter2";

fn tenant(image: &str) -> TenantComputeSpec {
    let web = ContainerSpec {
        name: "web".to_owned(),
        image: format!("registry.test/{image}"),
        ports: vec![PortMapping { container_port: 80, ..PortMapping::default() }],
        env: [("WORD".to_owned(), SECRET.to_owned())].into(),
        ..ContainerSpec::default()
    };
    TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "kubernetes".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    }
}

fn checked(spec: TenantComputeSpec) -> Spec {
    spec.check().expect("a valid spec")
}

/// A cluster on which a tenant runs.
async fn running(spec: TenantComputeSpec) -> (Site, Context) {
    let site = Site::with(Settings::new_cluster(), &json!({}));
    let mut cx = Context::alone(subject(), Arc::new(SystemClock));
    let spec = checked(spec);
    site.provider.provision(&cx, &spec).await.expect("a provision");
    cx.applied = Some(spec);
    (site, cx)
}

async fn plan(site: &Site, cx: &Context, spec: TenantComputeSpec) -> Plan {
    let specs = || -> Vec<Value> {
        let all = [Kind::Deployment, Kind::StatefulSet].map(|kind| site.fake.objects(kind, ""));
        all.into_iter().flatten().map(|mut object| object["spec"].take()).collect()
    };
    let before = specs();
    let planned = site.provider.plan(cx, &subject().tenant, &checked(spec)).await.expect("a plan");
    assert!(specs() == before, "a plan changes nothing");
    planned
}

fn of<'p>(plan: &'p Plan, kind: &str) -> &'p PlannedObject {
    let found = plan.objects.iter().find(|one| one.object.starts_with(kind));
    found.unwrap_or_else(|| panic!("no {kind} in {plan:?}"))
}

fn fields(object: &PlannedObject) -> Vec<String> {
    object.fields.iter().map(ToString::to_string).collect()
}

const WORKLOAD: &str = "Deployment/";
const CONTAINER: &str = ".spec.template.spec.containers[web]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_field_by_field_what_would_change_and_shows_no_secret() {
    let (site, mut cx) = running(tenant("first:1")).await;
    // The first update is of an object as it was created, the second of one as it was applied.
    for (before, after) in [("first:1", "second:1"), ("second:1", "third:1")] {
        let mut new = tenant(after);
        new.containers[0].env = [("OTHER".to_owned(), "swordfish".to_owned())].into();
        site.fake.take_counts();
        let planned = plan(&site, &cx, new.clone()).await;
        let workload = of(&planned, WORKLOAD);
        assert_eq!((workload.action, &workload.answer), (PlannedAction::Change, &PlannedAnswer::Accepted));
        let was = if before == "first:1" { "WORD" } else { "OTHER" };
        let mut expected = vec![
            format!("{CONTAINER}.image: registry.test/{before} → registry.test/{after}"),
            format!("{CONTAINER}.env[{was}]: removed"),
            format!("{CONTAINER}.env[OTHER]: added"),
        ];
        if was == "OTHER" {
            expected.truncate(1);
        }
        let mut told = fields(workload);
        told.sort();
        expected.sort();
        assert_eq!(told, expected);
        assert_eq!(planned.objects.len(), 1, "{planned:?}");
        assert!(!format!("{planned:?}").contains(SECRET) && !format!("{planned:?}").contains("swordfish"));
        assert!(site.fake.count(Verb::Patch, "/deployments/") > 0, "the API server was asked");
        let new = checked(new);
        site.provider.update(&cx, &subject().tenant, &new).await.expect("an update");
        cx.applied = Some(new.clone());
        let again = site.provider.plan(&cx, &subject().tenant, &new).await.expect("a plan");
        assert_eq!(again, Plan::default());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_of_other_managers_are_named_and_those_that_nobody_asks_for_are_no_change() {
    let (site, cx) = running(tenant("first:1")).await;
    let changed = site.fake.change(Kind::Deployment, "landlord-acme", "acme", |object| {
        object["metadata"]["annotations"]["theirs"] = json!("kept");
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.test/theirs:1");
    });
    changed.expect("a change");
    let planned = plan(&site, &cx, tenant("second:1")).await;
    let workload = of(&planned, WORKLOAD);
    let PlannedAnswer::Refused(words) = &workload.answer else { panic!("{planned:?}") };
    assert!(words.contains("image (kubectl)"), "{words}");
    assert!(!fields(workload).iter().any(|field| field.contains("annotations")), "{workload:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_webhook_refuses_is_told_and_one_that_cannot_be_tried_is_a_note() {
    let (site, cx) = running(tenant("first:1")).await;
    let denied = Refusal::webhook_denied(403, "names.example.com", "no image of that registry");
    site.fake.trap(Trap::on(Verb::Patch, "/deployments/", Mishap::Refuse(denied)));
    let planned = plan(&site, &cx, tenant("second:1")).await;
    let PlannedAnswer::Refused(words) = &of(&planned, WORKLOAD).answer else { panic!("{planned:?}") };
    assert!(words.contains("names.example.com") && words.contains("no image of that registry"), "{words}");

    let unable = Refusal::status(
        400,
        "BadRequest",
        "admission webhook \"counts.example.com\" does not support dry run",
    );
    site.fake.trap(Trap::on(Verb::Patch, "/deployments/", Mishap::Refuse(unable)));
    let planned = plan(&site, &cx, tenant("second:1")).await;
    let workload = of(&planned, WORKLOAD);
    let PlannedAnswer::NotAsked(why) = &workload.answer else { panic!("{planned:?}") };
    assert_eq!(why, "the admission webhook counts.example.com has side effects");
    assert_eq!(
        fields(workload),
        [format!("{CONTAINER}.image: registry.test/first:1 → registry.test/second:1")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_changed_is_replaced_and_what_is_not_wanted_goes() {
    let mut first = tenant("first:1");
    first.volumes =
        vec![VolumeSpec { name: "data".to_owned(), size_mb: Some(10), persistent: true, retain: false }];
    let mount = |volume: &str| MountSpec {
        volume: volume.to_owned(),
        path: format!("/{volume}"),
        ..MountSpec::default()
    };
    first.containers[0].mounts = vec![mount("data")];
    let (site, cx) = running(first.clone()).await;
    let mut second = first.clone();
    second.volumes.push(VolumeSpec { name: "more".to_owned(), ..first.volumes[0].clone() });
    second.containers[0].mounts.push(mount("more"));
    let planned = plan(&site, &cx, second).await;
    let workload = of(&planned, "StatefulSet/");
    assert_eq!(workload.action, PlannedAction::Replace, "{planned:?}");
    let planned = plan(&site, &cx, tenant("first:1")).await;
    assert_eq!(of(&planned, "StatefulSet/").action, PlannedAction::Delete, "{planned:?}");
    let made = of(&planned, WORKLOAD);
    assert_eq!((made.action, &made.answer), (PlannedAction::Create, &PlannedAnswer::Accepted));
    assert_eq!(site.fake.objects(Kind::StatefulSet, "").len(), 1, "nothing was deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_namespace_that_is_not_there_nothing_can_be_asked() {
    let (site, cx) = running(tenant("first:1")).await;
    site.fake.delete(Kind::Namespace, "", "landlord-acme");
    site.fake
        .until("the namespace is gone", |fake| {
            fake.object(Kind::Namespace, "", "landlord-acme").is_none().then_some(())
        })
        .await;
    let planned = plan(&site, &cx, tenant("second:1")).await;
    let namespace = of(&planned, "Namespace/");
    assert_eq!((namespace.action, &namespace.answer), (PlannedAction::Create, &PlannedAnswer::Accepted));
    let workload = of(&planned, WORKLOAD);
    let why = PlannedAnswer::NotAsked("its namespace is not there yet".to_owned());
    assert_eq!((workload.action, &workload.answer), (PlannedAction::Create, &why));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_number_of_pods_is_told() {
    let (site, cx) = running(tenant("first:1")).await;
    let mut more = tenant("first:1");
    more.replicas = Some(Replicas::Count(3));
    let planned = plan(&site, &cx, more).await;
    assert!(fields(of(&planned, WORKLOAD)).contains(&".spec.replicas: 1 → 3".to_owned()), "{planned:?}");
}
