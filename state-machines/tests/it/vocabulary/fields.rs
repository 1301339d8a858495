//! The fields of a spec by name, and its schema.

use std::collections::BTreeSet;

use landlord_state_machines::spec::{
    Condition, Dependency, Exposure, ExposureLevel, Field, FileSpec, ImagePull, MountSpec, Problem,
    PullPolicy, Replicas, ResourceRequests, Role, Scheme, Spec, StopConfig, StopSignal, Support,
    TenantComputeSpec, UpdateConfig, UpdateOrder, VolumeSpec, schema,
};
use serde_json::{Value, json};

use super::{http_check, valid, web};

/// A spec that has every field.
pub(super) fn full() -> TenantComputeSpec {
    let mut spec = valid();
    spec.resources.requests = Some(ResourceRequests { cpu: Some(512), memory: Some(1024) });
    spec.networking.public_ip = true;
    spec.networking.security_groups = vec!["sg-1".into()];
    spec.networking.subnets = vec!["subnet-1".into()];
    spec.networking.dns = Some(landlord_state_machines::spec::DnsConfig {
        hostname: Some("web".into()),
        domain: Some("example.com".into()),
    });
    spec.secrets[0].containers = vec!["web".into()];
    spec.provider_config = Some(json!({ "cluster": "blue" }));
    spec.replicas = Some(Replicas::Count(2));
    spec.volumes =
        vec![VolumeSpec { name: "data".into(), size_mb: Some(10), persistent: true, retain: true }];
    spec.update = Some(UpdateConfig {
        order: Some(UpdateOrder::StopFirst),
        deadline_seconds: Some(60),
        rollback: Some(false),
    });
    spec.deletion_protection = true;
    let web = &mut spec.containers[0];
    web.command = vec!["server".into()];
    web.ports[0].app_protocol = Some("http".into());
    web.ports[0].exposure = Some(Exposure {
        level: ExposureLevel::Public,
        host: Some("example.com".into()),
        path: Some("/app".into()),
        tls: true,
    });
    let check = web.health_check.as_mut().unwrap();
    check.start_period_seconds = Some(30);
    check.scheme = Some(Scheme::Https);
    check.headers = [("host".to_owned(), "hunter2".to_owned())].into();
    web.liveness = Some(http_check());
    web.resources.as_mut().unwrap().requests = Some(ResourceRequests { cpu: Some(128), memory: Some(128) });
    web.role = Role::Sidecar;
    web.stop = Some(StopConfig { grace_seconds: Some(20), signal: Some(StopSignal::Int) });
    web.files = vec![
        FileSpec {
            path: "/etc/app.toml".into(),
            content: Some("hunter2".into()),
            mode: Some("0640".into()),
            ..FileSpec::default()
        },
        FileSpec { path: "/etc/key".into(), secret: Some("db".into()), ..FileSpec::default() },
    ];
    web.mounts = vec![MountSpec { volume: "data".into(), path: "/data".into(), read_only: true }];
    web.image_pull = Some(ImagePull { policy: Some(PullPolicy::Always), credentials: Some("db".into()) });
    web.user = Some("app".into());
    web.working_dir = Some("/srv".into());
    web.read_only_root = true;
    spec.containers[1].depends_on =
        vec![Dependency { container: "web".into(), condition: Condition::Healthy }];
    let check = spec.containers[0].health_check.as_mut().unwrap();
    check.command = vec!["hunter2".into()];
    spec
}

fn leaves(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    if Field::ALL.iter().any(|field| field.path() == path) {
        into.insert(path.to_owned());
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, &format!("{path}[]"), into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            panic!("{path} has no name among the fields")
        }
    }
}

/// With the type's own destructuring in `printing`, a field that is added to a type is added here, in [`full`]; and then
/// each provider has to say what it makes of it, or it does not compile.
#[test]
fn every_field_of_a_spec_has_a_name() {
    let spec = full().check().unwrap();
    let mut found = BTreeSet::new();
    leaves(&serde_json::to_value(&spec).unwrap(), "", &mut found);
    let named: BTreeSet<String> = Field::ALL.iter().map(|field| field.path().to_owned()).collect();
    assert_eq!(found, named);
}

#[test]
fn a_spec_with_every_field_is_read_back_and_shows_no_secret() {
    let spec = full().check().unwrap();
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(TenantComputeSpec::from_json(&json).unwrap().check().unwrap(), spec);
    assert_eq!(Spec::from_stored_json(&json).unwrap(), spec);
    assert!(!format!("{spec:?}").contains("hunter2"));
}

#[test]
fn a_provider_is_asked_about_each_field_that_a_spec_has() {
    let spec = full().check().unwrap();
    let says = |field: Field| {
        if field == Field::FilePath {
            Support::refused("no files")
        } else if field == Field::UpdateRollback || field == Field::MountReadOnly {
            Support::not_enforced("no")
        } else {
            Support::Mapped
        }
    };
    let asked = spec.asked_of(&says);
    let at = |path: &str, why: &str| Problem::new(path, why);
    assert_eq!(
        asked.refused,
        [at("containers[0].files[0].path", "no files"), at("containers[0].files[1].path", "no files")]
    );
    let mut not_enforced = asked.not_enforced;
    not_enforced.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(not_enforced, [at("containers[0].mounts[0].read_only", "no"), at("update.rollback", "no")]);
    let plain = valid().check().unwrap().asked_of(&says);
    assert_eq!((plain.refused, plain.not_enforced), (vec![], vec![]));
}

/// What a provider that knows nothing of new fields refuses is what the specification has not.
#[test]
fn a_provider_that_does_not_say_maps_the_specification_alone() {
    let spec = valid().check().unwrap();
    assert_eq!(spec.asked_of(&Field::of_a_provider_that_does_not_say).refused, []);
    assert!(!full().check().unwrap().asked_of(&Field::of_a_provider_that_does_not_say).refused.is_empty());
}

#[test]
fn names_that_begin_with_x_are_for_others() {
    let with = |more: &str| {
        format!(
            r#"{{"tenant_id": "acme", "provider_type": "ecs", "containers": [{{"name": "web", "image": "nginx"{more}}}],
                "resources": {{"cpu": 128, "memory": 128}}, "x-team": {{"on-call": true}}}}"#
        )
    };
    let spec = TenantComputeSpec::from_json(&with("")).unwrap().check().unwrap();
    assert!(!serde_json::to_string(&spec).unwrap().contains("x-team"));
    let deeper = TenantComputeSpec::from_json(&with(r#", "x-inside": 1"#)).unwrap_err().to_string();
    assert!(deeper.contains("containers[0].x-inside: unknown field"), "{deeper}");
}

#[test]
fn a_choice_says_which_words_there_are() {
    let text = r#"{"containers": [{"role": "boss", "stop": {"signal": "SIGFOO"}, "depends_on": [{"condition": 1}]}],
        "update": {"order": "start_first"}, "replicas": "many"}"#;
    let said = TenantComputeSpec::from_json(text).unwrap_err().to_string();
    assert_eq!(
        said,
        "containers[0].role: \"boss\" is unknown; use one of: main, sidecar, init\n\
         containers[0].depends_on[0].condition: must be a text in quotes, not a number\n\
         containers[0].stop.signal: \"SIGFOO\" is unknown; use one of: SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, \
         SIGUSR2, SIGWINCH, SIGKILL\n\
         replicas: must be a whole number of at most 18 digits, not a text"
    );
}

/// What the schema takes, for editors, is what the rules take.
#[test]
fn the_bounds_of_the_schema_are_those_of_the_rules() {
    let mut tried = 0;
    let full = serde_json::to_value(full()).unwrap();
    bounds(&schema(), &schema(), "", &mut |path, number, fits| {
        let mut spec = full.clone();
        let Some(place) = spec.pointer_mut(path) else { return };
        *place = number.into();
        let said = TenantComputeSpec::from_json(&spec.to_string()).unwrap().check();
        let wrong = said.err().map(|invalid| invalid.to_string()).unwrap_or_default();
        let told = wrong.contains("is out of range") || wrong.contains("missing or 0");
        // Zero reads as absent where a field may be absent.
        if fits || number != 0 {
            assert_eq!(told, !fits, "{path} = {number}: {wrong}");
        }
        tried += 1;
    });
    assert!(tried > 40, "{tried}");
}

fn bounds(root: &Value, schema: &Value, path: &str, check: &mut dyn FnMut(&str, i64, bool)) {
    let refers = schema["$ref"].as_str().or_else(|| schema["anyOf"][0]["$ref"].as_str());
    if let Some(name) = refers.and_then(|reference| reference.strip_prefix("#/$defs/")) {
        return bounds(root, &root["$defs"][name], path, check);
    }
    let ranges = schema["anyOf"].as_array().into_iter().flatten().chain([schema]);
    for range in ranges {
        // The tenant's own share begins at 128, which no share of a container has to.
        let whole = path == "/resources/cpu" || path == "/resources/memory";
        if let (Some(least), Some(most), false) =
            (range["minimum"].as_i64(), range["maximum"].as_i64(), whole)
        {
            check(path, least, true);
            check(path, least - 1, false);
            check(path, most, true);
            check(path, most + 1, false);
        }
    }
    if schema["items"].is_object() {
        bounds(root, &schema["items"], &format!("{path}/0"), check);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        bounds(root, property, &format!("{path}/{name}"), check);
    }
}

#[test]
fn the_schema_is_what_it_is() {
    insta::assert_json_snapshot!(schema());
}

/// So that [`web`] stays what most tests stand on.
#[test]
fn a_spec_without_new_fields_is_written_without_them() {
    let json = serde_json::to_value(web()).unwrap();
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["args", "env", "health_check", "image", "name", "ports", "resources"]);
}
