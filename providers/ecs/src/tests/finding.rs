//! Tenants are found by their tags.

use landlord_state_machines::error::{ErrorCode, ErrorKind};
use landlord_state_machines::id::{Incarnation, ProviderName, TenantId};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::planner::ecs::{EcsCall, EcsReply, Search};
use landlord_state_machines::spec::TenantComputeSpec;
use serde_json::{Value, json};

use crate::testing::{Answer, Seen, Server, credentials, cx, marks, ok, refuse, service, subject};
use crate::{EcsOptions, EcsOptionsError, EcsProvider, SharedCredentialsProvider};
use landlord_compute::provider::{OwnedTenant, Provider};

/// A cluster with these services, a page each, and these families with one active revision of these tags each.
fn cluster(services: Vec<Value>, families: Vec<(&'static str, Value)>) -> impl Fn(&Seen) -> Answer {
    move |seen| {
        let family = seen.body["familyPrefix"].as_str().unwrap_or_default();
        match &*seen.operation {
            "ListServices" => {
                let page: usize = seen.body["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
                let mut answer = json!({ "serviceArns": [] });
                if let Some(service) = services.get(page) {
                    answer["serviceArns"] = json!([service["serviceArn"]]);
                    answer["nextToken"] = (page + 1).to_string().into();
                }
                ok(answer)
            }
            "DescribeServices" => {
                let asked = seen.body["services"].as_array().unwrap();
                let is = |service: &&Value| {
                    asked.contains(&service["serviceArn"]) || asked.contains(&service["serviceName"])
                };
                ok(json!({ "services": services.iter().filter(is).collect::<Vec<_>>() }))
            }
            "ListTaskDefinitionFamilies" => {
                let names: Vec<&str> = families.iter().map(|(name, _)| *name).collect();
                ok(json!({ "families": names }))
            }
            "ListTaskDefinitions" => {
                let there =
                    families.iter().any(|(name, _)| *name == family) && seen.body["status"] == "ACTIVE";
                let arns = if there { vec![format!("arn:td/{family}:1")] } else { Vec::new() };
                ok(json!({ "taskDefinitionArns": arns }))
            }
            "DescribeTaskDefinition" => {
                let arn = seen.body["taskDefinition"].as_str().unwrap();
                let (_, tags) = families.iter().find(|(name, _)| arn == format!("arn:td/{name}:1")).unwrap();
                ok(
                    json!({ "taskDefinition": { "taskDefinitionArn": arn, "status": "ACTIVE" }, "tags": tags }),
                )
            }
            other => panic!("{other} is not expected"),
        }
    }
}

fn of(tenant: &str, engine: &str, incarnation: u64) -> Subject {
    let tenant = TenantId::new(tenant).unwrap();
    Subject {
        engine: engine.into(),
        provider: ProviderName::new("ecs").unwrap(),
        tenant,
        incarnation: Incarnation(incarnation),
    }
}

fn provider(server: &Server) -> EcsProvider {
    let defaults = json!({ "cluster_arn": "main", "region": "eu-west-1", "endpoint_url": server.url, "subnets": ["subnet-1"] });
    let credentials = Some(SharedCredentialsProvider::new(credentials()));
    EcsProvider::new(EcsOptions { credentials, ..EcsOptions::new(defaults) }).unwrap()
}

async fn located(server: &Server) -> Option<String> {
    let EcsReply::Located(site) = server.call(&EcsCall::Locate(Search::Everything)).await.unwrap() else {
        panic!("no site")
    };
    site.map(|site| site.name)
}

#[tokio::test]
async fn a_tenant_is_found_where_the_configuration_puts_it_with_one_request() {
    let server = Server::start(cluster(vec![service("landlord-acme", &subject())], Vec::new())).await;
    assert_eq!(located(&server).await.as_deref(), Some("landlord-acme"));
    assert_eq!(server.operations(), ["DescribeServices"]);
}

#[tokio::test]
async fn a_tenant_is_found_under_another_name_and_by_its_family_alone() {
    let services = vec![service("one", &of("other", "test", 1)), service("legacy", &subject())];
    let server = Server::start(cluster(services, Vec::new())).await;
    assert_eq!(located(&server).await.as_deref(), Some("legacy"));
    let server = Server::start(cluster(Vec::new(), vec![("landlord-acme", marks(&subject()))])).await;
    assert_eq!(located(&server).await.as_deref(), Some("landlord-acme"));
    let server = Server::start(cluster(Vec::new(), vec![("landlord-old", marks(&subject()))])).await;
    assert_eq!(located(&server).await.as_deref(), Some("landlord-old"));
}

#[tokio::test]
async fn what_another_engine_or_another_life_has_is_not_the_tenants() {
    let services =
        vec![service("landlord-acme", &of("acme", "another", 1)), service("earlier", &of("acme", "test", 7))];
    let server = Server::start(cluster(services, Vec::new())).await;
    assert_eq!(located(&server).await, None);
    let earlier = vec![service("landlord-acme", &of("acme", "test", 7))];
    let server = Server::start(cluster(earlier, Vec::new())).await;
    assert_eq!(located(&server).await, None);
}

#[tokio::test]
async fn who_has_no_time_is_not_told_of_a_family_alone() {
    let server = Server::start(cluster(Vec::new(), vec![("landlord-acme", marks(&subject()))])).await;
    assert_eq!(server.call(&EcsCall::Locate(Search::Service)).await.unwrap(), EcsReply::Located(None));
    assert_eq!(server.operations(), ["DescribeServices", "ListServices"]);
}

#[tokio::test]
async fn all_tenants_are_listed_also_those_with_a_family_alone() {
    let services: Vec<Value> = (0..12)
        .map(|n| service(&format!("landlord-t{n}"), &of(&format!("t{n}"), "test", 1)))
        .chain([service("landlord-theirs", &of("theirs", "another", 1))])
        .collect();
    let families = vec![
        ("landlord-t0", marks(&of("t0", "test", 1))),
        ("landlord-left", marks(&of("left", "test", 2))),
        ("landlord-foreign", json!([])),
    ];
    let server = Server::start(cluster(services, families)).await;
    let listed = provider(&server).list_tenants("test").await.unwrap();
    assert_eq!(listed.len(), 13);
    let left = listed.iter().find(|owned| owned.tenant.as_str() == "left").unwrap();
    let resources = [("task definition landlord-left:1".to_owned(), "arn:td/landlord-left:1".to_owned())];
    let expected = OwnedTenant::new(TenantId::new("left").unwrap(), Incarnation(2), resources.into());
    assert_eq!(*left, expected);
    let described = server.seen().into_iter().filter(|seen| seen.operation == "DescribeServices");
    let most = described.map(|seen| seen.body["services"].as_array().unwrap().len()).max();
    assert_eq!(most, Some(10));
}

fn spec(config: Value) -> landlord_state_machines::spec::Spec {
    let spec = json!({
        "tenant_id": "acme", "provider_type": "ecs", "networking": {},
        "containers": [{ "name": "web", "image": "nginx:1", "ports": [{ "container_port": 80 }] }],
        "resources": { "cpu": 256, "memory": 512 },
        "provider_config": config,
    });
    TenantComputeSpec::from_json(&spec.to_string()).unwrap().check().unwrap()
}

#[tokio::test]
async fn a_spec_is_valid_when_its_cluster_is_there_and_active() {
    for (answer, code) in [
        (json!({ "clusters": [{ "status": "ACTIVE" }] }), None),
        (json!({ "clusters": [{ "status": "INACTIVE" }] }), Some(ErrorCode::ResourceNotFound)),
        (json!({ "failures": [{ "arn": "main", "reason": "MISSING" }] }), Some(ErrorCode::ResourceNotFound)),
    ] {
        let server = Server::start(move |_| ok(answer.clone())).await;
        let error = provider(&server).validate(&cx(), &spec(json!({}))).await.err();
        assert_eq!(error.as_ref().map(|error| error.code), code, "{error:?}");
        assert!(error.is_none_or(|error| error.kind == ErrorKind::InvalidSpec));
        assert_eq!(server.seen()[0].body, json!({ "clusters": ["main"] }));
    }
}

#[tokio::test]
async fn a_cluster_that_was_seen_is_not_asked_for_again_at_once() {
    let server = Server::start(|_| ok(json!({ "clusters": [{ "status": "ACTIVE" }] }))).await;
    let provider = provider(&server);
    for _ in 0..2 {
        provider.validate(&cx(), &spec(json!({}))).await.unwrap();
    }
    assert_eq!(server.operations(), ["DescribeClusters"]);
}

#[tokio::test]
async fn a_spec_that_does_not_fit_is_refused_without_a_request() {
    let server = Server::start(|_| refuse(500, "ServerException", "")).await;
    let error = provider(&server).validate(&cx(), &spec(json!({ "no_such_field": 1 }))).await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::InvalidSpec, ErrorCode::InvalidConfiguration));
    assert_eq!(server.operations(), [] as [&str; 0]);
}

#[tokio::test]
async fn an_existing_definition_has_to_exist() {
    let server = Server::start(|seen| match &*seen.operation {
        "DescribeClusters" => ok(json!({ "clusters": [{ "status": "ACTIVE" }] })),
        _ => refuse(400, "ClientException", "Unable to describe task definition."),
    })
    .await;
    let config = json!({ "task_definition_arn": "web:7" });
    let error = provider(&server).validate(&cx(), &spec(config)).await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::InvalidSpec, ErrorCode::ResourceNotFound));
    assert!(error.message.contains("web:7"), "{}", error.message);
}

#[test]
fn defaults_have_to_be_every_tenants() {
    let new = |defaults| EcsProvider::new(EcsOptions::new(defaults)).map(|_| ()).unwrap_err();
    assert_eq!(new(json!({ "service_name": "one" })), EcsOptionsError::SharedName);
    assert!(matches!(new(json!({ "clutser": "main" })), EcsOptionsError::EcsConfig(_)));
    assert!(matches!(new(json!([])), EcsOptionsError::EcsConfig(_)));
}

#[tokio::test]
async fn the_defaults_lie_under_what_the_tenant_says() {
    let server = Server::start(|_| ok(json!({ "clusters": [{ "status": "ACTIVE" }] }))).await;
    provider(&server).validate(&cx(), &spec(json!({ "cluster": "theirs" }))).await.unwrap();
    assert_eq!(server.seen()[0].body, json!({ "clusters": ["theirs"] }));
    let applied = spec(json!({}));
    let mut cx = cx();
    cx.applied = Some(applied);
    let again = spec(json!({ "cluster": "main" }));
    // No field differs, so the platform is looked at, where this tenant has nothing.
    let missing = provider(&server).plan(&cx, again.tenant(), &again).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::TenantNotFound);
}
