//! JSON and YAML documents, good and bad.

use landlord_state_machines::spec::{
    Draft, Format, MAX_DEPTH, MAX_DOCUMENT_BYTES, Spec, SpecError, TenantComputeSpec,
};
use serde_json::json;

const GO: &str = include_str!("fixtures/go.json");

fn json_error(text: &str) -> String {
    TenantComputeSpec::from_json(text).unwrap_err().to_string()
}

fn yaml_error(text: &str) -> String {
    TenantComputeSpec::from_yaml(text).unwrap_err().to_string()
}

/// The smallest spec, with `more` fields.
fn with(more: &str) -> String {
    let least = "tenant_id: acme
provider_type: ecs
containers: [{name: web, image: nginx}]
resources: {cpu: 128, memory: 128}";
    format!("{least}\n{more}")
}

#[test]
fn a_spec_that_go_wrote_is_read_and_written_back_without_what_is_empty() {
    let spec = TenantComputeSpec::from_json(GO).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&spec).unwrap());
    assert_eq!(spec, TenantComputeSpec::from_yaml(GO).unwrap());
    assert_eq!(spec.check().unwrap().containers[0].ports[1].protocol, "tcp");
}

#[test]
fn null_counts_as_absent_for_every_field_of_a_spec() {
    let all_null = json!({ "tenant_id": null, "provider_type": null, "containers": null, "resources": null,
        "networking": null, "secrets": null, "labels": null, "provider_config": null });
    assert_eq!(TenantComputeSpec::from_json(&all_null.to_string()).unwrap(), TenantComputeSpec::default());
    let deep = r#"{ "containers": [{ "env": { "A": null, "B": "" }, "resources": { "cpu": null } }] }"#;
    let spec = TenantComputeSpec::from_json(deep).unwrap();
    assert_eq!(spec.containers[0].env, [("B".to_owned(), String::new())].into());
    assert_eq!(spec.containers[0].resources.as_ref().map(|own| own.cpu), Some(0));
}

#[test]
fn the_providers_own_nulls_stay() {
    let spec = TenantComputeSpec::from_json(GO).unwrap();
    assert_eq!(spec.provider_config, Some(json!({ "cluster": "blue", "weight": 0.1, "note": null })));
}

#[test]
fn networking_may_be_left_out_and_is_then_private() {
    let spec = TenantComputeSpec::from_yaml(&with("")).unwrap().check().unwrap();
    assert!(!spec.networking.public_ip);
}

#[test]
fn missing_fields_are_reported_at_once() {
    let bare =
        r#"{ "containers": [{ "ports": [{}], "health_check": { "type": "tcp" } }, {}], "secrets": [{}] }"#;
    for empty in ["{}", bare] {
        let invalid = TenantComputeSpec::from_json(empty).unwrap().check().unwrap_err();
        insta::assert_snapshot!(invalid);
    }
}

#[test]
fn unknown_fields_and_wrong_types_are_reported_at_once_without_their_values() {
    let text = r#"{
        "tenant_id": 7, "tenantId": "acme", "provider_type": ["ecs"],
        "containers": [
            { "name": "web", "image": {}, "imagee": "nginx", "command": "run", "args": [1, true, null, "ok"],
              "env": { "PASSWORD": 123456789, "FLAG": true, "LIST": ["hunter2"], "odd name\n": 1 },
              "ports": [{ "container_port": "80", "host_port": 80.5 }, 443, null],
              "health_check": "http" },
            "hunter2"
        ],
        "resources": { "cpu": 99999999999999999999, "memory": 18446744073709551615, "gpu": 1 },
        "networking": { "public_ip": "yes", "dns": { "hostname": 1, "zone": "z" } },
        "secrets": { "value": "hunter2" },
        "labels": ["hunter2"],
        "extra": "hunter2"
    }"#;
    let json = json_error(text);
    insta::assert_snapshot!(json);
    assert!(!json.contains("hunter2") && !json.contains("123456789"));
    assert_eq!(yaml_error(text), json);
}

#[test]
fn a_document_that_is_no_object_is_refused() {
    assert_eq!(json_error("[]"), "must be an object, not a list");
    assert_eq!(json_error("null"), "must be an object, not null");
    assert_eq!(yaml_error("just a text"), "must be an object, not a text");
}

#[test]
fn a_malformed_document_says_line_and_column() {
    let mut listing = String::new();
    let json = [
        "",
        "{",
        "{\"tenant_id\": \"acme\",\n}",
        "{} {}",
        "{\"a\": 1, \"a\": 2}",
        "{\"labels\": {\"a\": 1e999}}",
    ];
    let yaml = [
        "",
        "tenant_id: acme\n  provider_type: ecs\n",
        "labels: {a: b\n",
        "a: 1\na: 2\n",
        "a: 1\n---\nb: 2\n",
        "provider_config: *unknown\n",
        "provider_config: .nan\n",
        "tenant_id: \"hunter2\n",
        "containers:\n\t- name: web\n",
        "provider_config: !!int hunter2\n",
    ];
    for text in json {
        listing += &format!("JSON {text:?}\n  {}\n", json_error(text).replace('\n', "\n  "));
    }
    for text in yaml {
        listing += &format!("YAML {text:?}\n  {}\n", yaml_error(text).replace('\n', "\n  "));
    }
    insta::assert_snapshot!(listing);
    let at = |error| match error {
        SpecError::Malformed { line, column, .. } => (line, column),
        SpecError::TooLarge { .. } | SpecError::Invalid(_) => (0, 0),
    };
    assert_eq!(at(TenantComputeSpec::from_json("{\"a\": 1,\n}").unwrap_err()), (2, 1));
    assert_eq!(at(TenantComputeSpec::from_yaml("a: 1\nb: [\n").unwrap_err()), (2, 4));
}

#[test]
fn an_absurd_length_is_refused_before_it_is_read() {
    let text = " ".repeat(MAX_DOCUMENT_BYTES + 1);
    assert_eq!(json_error(&text), "the document is 1048577 bytes long; at most 1048576 are read");
    assert_eq!(yaml_error(&text), json_error(&text));
}

#[test]
fn absurd_nesting_is_refused() {
    let nested = |levels: usize| {
        format!("{{\"provider_config\": {}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
    };
    assert!(TenantComputeSpec::from_json(&nested(MAX_DEPTH)).is_ok());
    assert!(TenantComputeSpec::from_yaml(&nested(MAX_DEPTH)).is_ok());
    for levels in [MAX_DEPTH + 1, 100_000] {
        assert!(json_error(&nested(levels)).contains("nested deeper than 32 levels at line 1"));
    }
    assert!(yaml_error(&nested(MAX_DEPTH + 1)).contains("nested deeper than 32 levels"));
    insta::assert_snapshot!(yaml_error(&nested(100_000)));
}

/// Each level holds the one before ten times: nine lines that mean a billion texts.
fn billion_laughs() -> String {
    let mut text = "a0: &a0 lol\n".to_owned();
    for level in 1..10 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{before}]\n");
    }
    text
}

#[test]
fn an_alias_bomb_is_refused() {
    insta::assert_snapshot!(yaml_error(&billion_laughs()));
}

/// Read as part of a larger document, no length of the text is known beforehand.
#[test]
fn every_kind_of_value_counts_towards_the_size() {
    let many = |piece: &str| format!("{{\"args\": [{}0]}}", format!("{piece},").repeat(MAX_DOCUMENT_BYTES));
    let keys = (0..11).map(|n| format!("\"{n}{}\": 0", "k".repeat(100_000))).collect::<Vec<_>>();
    for text in [many("0"), many("[]"), many("{}"), format!("{{{}}}", keys.join(","))] {
        let error = serde_json::from_str::<TenantComputeSpec>(&text).unwrap_err().to_string();
        assert!(error.contains("expands to more than 1048576 bytes"), "{error}");
    }
}

#[test]
fn a_few_aliases_of_an_absurdly_long_text_are_refused() {
    let text = format!("a: &a {}\nb: [*a, *a]\n", "x".repeat(MAX_DOCUMENT_BYTES / 2));
    insta::assert_snapshot!(yaml_error(&text));
}

#[test]
fn aliases_and_merge_keys_of_an_honest_size_work() {
    let text = "
tenant_id: acme
provider_type: ecs
containers:
  - &base {name: web, image: nginx, env: &env {MODE: fast}}
  - {<<: *base, name: worker}
  - {name: cron, image: cron, env: *env}
resources: {cpu: 128, memory: 128}
";
    let spec = TenantComputeSpec::from_yaml(text).unwrap().check().unwrap();
    assert_eq!(spec.containers[1].image, "nginx");
    assert_eq!(spec.containers[2].env, spec.containers[0].env);
}

#[test]
fn yaml_texts_that_older_yaml_took_for_something_else_stay_texts() {
    let text = with("labels: {country: NO, on: yes, mode: 0755, big: 1_000, version: '1.10'}\n");
    let labels = TenantComputeSpec::from_yaml(&text).unwrap().labels;
    let expected =
        [("country", "NO"), ("on", "yes"), ("mode", "0755"), ("big", "1_000"), ("version", "1.10")];
    assert_eq!(labels, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn a_stored_spec_is_read_back_and_a_broken_one_is_not() {
    let spec = TenantComputeSpec::from_json(GO).unwrap().check().unwrap();
    let stored = serde_json::to_string(&spec).unwrap();
    let read = Spec::from_stored_json(&stored).unwrap();
    assert_eq!(read, spec);
    assert_eq!((read.tenant(), read.provider()), (spec.tenant(), spec.provider()));
    assert!(Spec::from_stored_json("[]").is_err());
    assert!(Spec::from_stored_json("{").is_err());
}

#[test]
fn a_spec_inside_a_larger_document_follows_the_same_rules() {
    #[derive(serde::Deserialize)]
    struct Request {
        spec: TenantComputeSpec,
    }
    let request: Request = serde_json::from_str(&format!("{{\"spec\": {GO}}}")).unwrap();
    assert_eq!(request.spec, TenantComputeSpec::from_json(GO).unwrap());
    let error = serde_json::from_str::<Request>(r#"{"spec": {"tenantid": "hunter2"}}"#).err().unwrap();
    assert!(error.to_string().starts_with("tenantid: unknown field"), "{error}");
}

#[test]
fn a_number_with_too_many_digits_is_out_of_range() {
    for number in ["9223372036854775808", "18446744073709551616", "-18446744073709551616", "1e99"] {
        let json = json_error(&format!("{{\"resources\": {{\"cpu\": {number}}}}}"));
        let yaml = yaml_error(&format!("resources: {{ cpu: {number} }}"));
        for error in [json, yaml] {
            assert!(error.contains("resources.cpu: out of range; give a whole number"), "{number}: {error}");
        }
    }
    let fraction = json_error("{\"resources\": {\"cpu\": 1.5}}");
    assert!(fraction.contains("not a number with a fraction"), "{fraction}");
}

#[test]
fn a_draft_tells_what_cannot_be_read_and_what_breaks_a_rule() {
    let text = "tenant_id: acme\nprovider_type: process\ncontainers: [7, { name: web, image: host, command: [1] }]\n\
                resources: { cpu: lots, memory: 1 }";
    let problems = Draft::read(text, Format::Yaml).unwrap().check().unwrap_err();
    let paths: Vec<&str> = problems.problems().iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["containers[0]", "containers[1].command[0]", "resources.cpu", "resources.memory"]);
}
