//! Hashes stand on what runs: in the environment of processes, in the tags of services, in client tokens. Those of a spec
//! that has no new fields stay what they are, or an upgrade would start everybody anew. These are of the build at 1813ea4.

use std::collections::BTreeSet;

use jiff::Timestamp;
use landlord_state_machines::id::{Incarnation, Rollout, TenantId};
use landlord_state_machines::planner::ecs::{self, EcsPlanner, Source, Wanted};
use landlord_state_machines::planner::process::Fingerprint;
use landlord_state_machines::planner::{Goal, Kind, Means, Next, Planner, Subject};
use landlord_state_machines::spec::{Format, Spec, TenantComputeSpec};

const PLAIN: &str = r#"
tenant_id: plain
provider_type: process
containers:
  - { name: main, image: host, command: [sleep, "60"] }
resources: { cpu: 128, memory: 128 }
"#;

const EVERYTHING: &str = r#"
tenant_id: everything
provider_type: process
containers:
  - name: web
    image: host
    command: [server]
    args: [--greeting, hello $(GREETING)]
    env: { GREETING: world, EMPTY: "" }
    ports:
      - { container_port: 80, host_port: 8080, protocol: tcp, name: http }
      - { container_port: 53, protocol: udp }
    health_check:
      { type: http, http_path: "/healthz?full=1", port: 80, interval_seconds: 3600, timeout_seconds: 5,
        healthy_threshold: 1, unhealthy_threshold: 3 }
    resources: { cpu: 250, memory: 1024, storage: 64 }
  - name: worker
    image: host
    command: [worker]
    health_check:
      { type: exec, command: [check, --all], interval_seconds: 5, timeout_seconds: 4,
        healthy_threshold: 2, unhealthy_threshold: 3 }
  - name: side
    image: /srv/side
    command: [side]
    ports: [{ container_port: 9000 }]
    health_check:
      { type: tcp, port: 9000, interval_seconds: 5, timeout_seconds: 4,
        healthy_threshold: 2, unhealthy_threshold: 3 }
resources: { cpu: 500, memory: 2048, storage: 128 }
networking:
  public_ip: true
  security_groups: [sg-1]
  subnets: [subnet-1]
  dns: { hostname: web, domain: example.com }
secrets:
  - { name: token, source: environment, key: TOKEN, env_var: TOKEN }
  - { name: key, source: file, key: /etc/key, env_var: KEY }
labels: { team: red }
provider_config: { stop_grace_seconds: 5, working_dir: /tmp }
"#;

const SERVICE: &str = r#"
tenant_id: service
provider_type: ecs
containers:
  - name: web
    image: registry.test/app:1
    ports: [{ container_port: 80 }]
    health_check:
      { type: exec, command: ["true"], interval_seconds: 10, timeout_seconds: 5,
        healthy_threshold: 1, unhealthy_threshold: 3 }
resources: { cpu: 256, memory: 512 }
provider_config: { subnets: [subnet-1] }
"#;

const FULL_SERVICE: &str = r#"
tenant_id: full
provider_type: ecs
containers:
  - name: web
    image: registry.test/app:1
    command: [app]
    args: [-g, daemon off;]
    env: { COLOUR: red, EMPTY: "" }
    ports:
      - { container_port: 80, host_port: 80, protocol: tcp, name: http }
      - { container_port: 443 }
      - { container_port: 53, protocol: udp }
    health_check:
      { type: http, http_path: "/healthz?full=1", port: 80, interval_seconds: 10, timeout_seconds: 1,
        healthy_threshold: 2, unhealthy_threshold: 3 }
    resources: { cpu: 250, memory: 300 }
  - name: side
    image: registry.test/side:1
    args: [--quiet]
    ports: [{ container_port: 9000 }]
    health_check:
      { type: tcp, port: 9000, interval_seconds: 10, timeout_seconds: 5,
        healthy_threshold: 1, unhealthy_threshold: 3 }
resources: { cpu: 1000, memory: 1000, storage: 30000 }
networking: { public_ip: true, security_groups: [sg-2], subnets: [subnet-b, subnet-a] }
secrets:
  - { name: db, source: aws-ssm, key: /acme/db, env_var: DB }
  - name: token
    source: aws-secrets-manager
    key: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:token-AbCdEf:key::"
    env_var: TOKEN
labels: { team: blue }
provider_config:
  cluster: arn:aws:ecs:eu-west-1:222222222222:cluster/theirs
  capacity_providers: [{ name: FARGATE, base: 1, weight: 1 }, { name: FARGATE_SPOT, weight: 2 }]
  desired_count: 2
  execution_role_arn: arn:aws:iam::123456789012:role/execution
  task_role_arn: arn:aws:iam::123456789012:role/task
  service_name_prefix: tenants
  target_groups:
    - arn: arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/full/0123456789abcdef
      container_name: web
      container_port: 80
      url: https://full.example.com
  service_registries:
    - { arn: "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-0123456789abcdef" }
  log_group: /full
  tags: { team: red, stage: test }
  assume_role: { role_arn: "arn:aws:iam::222222222222:role/tenant", external_id: between-us, session_name: full }
  circuit_breaker: { enable: true, rollback: false }
  minimum_healthy_percent: 50
  maximum_percent: 150
  health_check_grace_period_seconds: 30
  deployment_timeout_seconds: 600
"#;

const HOST_SERVICE: &str = r#"
tenant_id: host
provider_type: ecs
containers:
  - name: web
    image: registry.test/app:1
    ports: [{ container_port: 80 }, { container_port: 53, host_port: 5353, protocol: udp, name: dns }]
resources: { cpu: 256, memory: 512 }
provider_config: { launch_type: EC2 }
"#;

const GIVEN_SERVICE: &str = r#"
tenant_id: given
provider_type: ecs
containers: [{ name: web, image: "registry.test/app:1" }]
resources: { cpu: 256, memory: 512 }
provider_config: { subnets: [subnet-1], task_definition_arn: "given:1" }
"#;

fn spec(text: &str) -> Spec {
    TenantComputeSpec::from_yaml(text).expect("a spec").check().expect("a valid one")
}

fn subject(spec: &Spec) -> Subject {
    let tenant = TenantId::new(&spec.tenant_id).expect("a valid id");
    Subject {
        engine: "engine".into(),
        tenant,
        incarnation: Incarnation(2),
        provider: spec.provider().clone(),
    }
}

#[test]
fn processes_keep_their_fingerprints() {
    let fingerprints = |text: &str| -> Vec<String> {
        let spec = spec(text);
        let of = |resources, container| {
            Fingerprint::of(container, &spec.secrets, &[], resources, spec.provider_config.as_ref())
                .to_string()
        };
        let all = spec.containers.iter();
        all.map(|container| of(container.resources.as_ref().unwrap_or(&spec.resources), container)).collect()
    };
    assert_eq!(fingerprints(PLAIN), ["1233bd92ec3667c8873dd2f1e03fba1a"]);
    assert_eq!(
        fingerprints(EVERYTHING),
        [
            "de45694a52bb4231e38ae67638d1d0ab",
            "e3c381728986b63a1b496cdf29d0b1d6",
            "137b768572c94a38083f0606e929d2e1"
        ]
    );
}

#[test]
fn services_keep_their_hashes() {
    let hashes = |text: &str| {
        let spec = spec(text);
        let wanted = Wanted::of(&subject(&spec), &spec).expect("it can be mapped");
        let content = match wanted.source {
            Source::Own { content, .. } => content,
            Source::Existing(arn) => arn,
        };
        [content, wanted.tags[ecs::tags::SPEC].clone()]
    };
    assert_eq!(
        hashes(SERVICE),
        [
            "f92cd39ac391cfbb7e8462275ae367a57769536f86db389d3f705285b91ec5d9",
            "236032a98e7e508e46fb3d7cada3d0b51c186900340fc980a8cc85cf52a8deb8"
        ]
    );
    assert_eq!(
        hashes(FULL_SERVICE),
        [
            "288891b3718f0ca82aab5b04e6d39117bbac4f66e3c37a6d36d3dcbdbf6b4d2a",
            "40583c2f94dd1771829d3137d9994cde202aac1f0ff299e9fb979b747f0596b6"
        ]
    );
    assert_eq!(
        hashes(HOST_SERVICE),
        [
            "44cad2d88850255bcbc04ffd9e6b39321996e7d392bb2eb37e3d51c598e8f924",
            "676a8a0de49006f0d8e9a12c3df420e17b449dadd49ab4f2e88a84ce44001911"
        ]
    );
    assert_eq!(
        hashes(GIVEN_SERVICE),
        ["given:1", "a3329ce5f805b7dbe4daf4a972fe0e5ffb3aca91ebcf5cbcad2ae1151a1f6585"]
    );
}

/// The content by which the build at 1813ea4 tagged the revision of [`FULL_SERVICE`]: the caller's tags were a part of it.
const WITH_LABELS: &str = "249904c9cbb29f0d293b9801b670ec00d4e6515c5791c3bc3eeef263b0bad700";

/// What is asked of ECS of a tenant that an older build left running, until it runs as wanted.
fn writes_over_an_older_build(wanted: &Spec) -> Vec<ecs::EcsCall> {
    let before = spec(FULL_SERVICE);
    let subject = subject(&before);
    let left = Wanted::of(&subject, &before).expect("it can be mapped");
    let arn = "arn:aws:ecs:eu-west-1:222222222222:task-definition/tenants-full:1";
    let mut tags = left.tags.clone();
    let mut service = ecs::Service {
        arn: "arn:aws:ecs:eu-west-1:222222222222:service/theirs/tenants-full".to_owned(),
        draining: false,
        tags: tags.clone(),
        shown: ecs::Shown { desired_count: 2, ..ecs::Shown::default() },
        running: 2,
        deployments: vec![ecs::Deployment {
            id: "ecs-svc/1".to_owned(),
            primary: true,
            definition: arn.to_owned(),
            rollout: ecs::Rollout::Completed,
            running: 2,
            pending: 0,
            failed_tasks: 0,
            created: None,
        }],
        current_deployment: None,
        event: None,
    };
    let task = |number: u32| ecs::Task {
        arn: format!("task/{number}"),
        definition: arn.to_owned(),
        life: ecs::TaskLife::Running,
        created: None,
        health: ecs::TaskHealth::Healthy,
        address: None,
        containers: Vec::new(),
    };
    tags.remove(ecs::tags::SPEC);
    tags.insert(ecs::tags::CONTENT.to_owned(), WITH_LABELS.to_owned());
    let ledger = serde_json::json!({ "labels": left.tags.keys().collect::<Vec<_>>() });
    let mut facts: ecs::EcsFacts = serde_json::from_value(ledger).expect("a ledger");
    let mut writes = Vec::new();
    let mut now = Timestamp::UNIX_EPOCH;
    let goal = Goal::Present { spec: wanted, applied: None, rollout: Rollout::default(), by: Means::Update };
    for _ in 0..30 {
        let acts = match EcsPlanner::next(&subject, goal, &facts, now) {
            Next::Done => return writes,
            Next::Do(acts) => acts,
            Next::Wait { until, .. } => {
                now = until;
                EcsPlanner::stale(&mut facts);
                continue;
            }
            Next::Fail(error) => panic!("{error}"),
        };
        for act in acts {
            let reply = match &act.call {
                ecs::EcsCall::DescribeService { .. } => ecs::EcsReply::Service(Some(service.clone().into())),
                ecs::EcsCall::ListDefinitions(_, status) => {
                    let active = *status == ecs::DefinitionStatus::Active;
                    ecs::EcsReply::Definitions(*status, active.then(|| arn.to_owned()).into_iter().collect())
                }
                ecs::EcsCall::DescribeDefinition { .. } => {
                    let (arn, status) = (arn.to_owned(), ecs::DefinitionStatus::Active);
                    ecs::EcsReply::Definition(Some(ecs::FoundDefinition { arn, status, tags: tags.clone() }))
                }
                ecs::EcsCall::FindTasks { .. } => ecs::EcsReply::Tasks(vec![task(1), task(2)]),
                ecs::EcsCall::TagService { tags, .. } => {
                    service.tags.extend(tags.clone());
                    ecs::EcsReply::Tagged
                }
                ecs::EcsCall::UntagService { keys, .. } => {
                    service.tags.retain(|key, _| !keys.contains(key));
                    ecs::EcsReply::Tagged
                }
                ecs::EcsCall::TagDefinition { .. } | ecs::EcsCall::UntagDefinition { .. } => {
                    ecs::EcsReply::Tagged
                }
                other @ (ecs::EcsCall::Locate(_)
                | ecs::EcsCall::RegisterDefinition(_)
                | ecs::EcsCall::CreateService(_)
                | ecs::EcsCall::UpdateService(_)
                | ecs::EcsCall::StopDeployment { .. }
                | ecs::EcsCall::DeleteService(_)
                | ecs::EcsCall::DeregisterDefinition { .. }
                | ecs::EcsCall::DeleteDefinitions { .. }) => panic!("it asks for {other:?}"),
            };
            EcsPlanner::intend(&mut facts, &act.call, now);
            EcsPlanner::learn(&mut facts, &act.call, Ok(reply), now);
            if act.kind == Kind::Write {
                writes.push(act.call);
            }
        }
    }
    panic!("it does not end: {writes:?}");
}

#[test]
fn a_revision_that_was_hashed_with_its_labels_is_known() {
    assert_eq!(writes_over_an_older_build(&spec(FULL_SERVICE)), []);
}

#[test]
fn the_label_of_a_revision_that_was_hashed_with_its_labels_changes_where_it_is() {
    let name = |write: &ecs::EcsCall| {
        let document = serde_json::to_value(write).expect("JSON");
        document.as_object().and_then(|it| it.keys().next()).cloned().expect("a variant with its name")
    };
    let tag = ["tag_definition", "tag_service"];
    let untag = ["tag_definition", "untag_definition", "tag_service", "untag_service"];
    for (labels, names) in
        [("{ team: green }", &tag[..]), ("{ team: blue, plan: gold }", &tag), ("{ plan: gold }", &untag)]
    {
        let text = FULL_SERVICE.replace("labels: { team: blue }", &format!("labels: {labels}"));
        let text = text.replace("tags: { team: red, stage: test }", "tags: { stage: test }");
        let changed = spec(&text);
        let wanted = Wanted::of(&subject(&changed), &changed).expect("it can be mapped");
        let Source::Own { content, .. } = &wanted.source else { panic!("it is the tenant's own") };
        let writes = writes_over_an_older_build(&changed);
        assert_eq!(writes.iter().map(name).collect::<Vec<_>>(), names);
        let ecs::EcsCall::TagDefinition { tags, .. } = &writes[0] else { panic!("{writes:?}") };
        assert_eq!(tags.get(ecs::tags::CONTENT), Some(content), "it is known by its new content from now on");
    }
}

/// Else a service that one build asked for, without hearing the answer, would be asked for by the next one with another
/// token.
#[test]
fn creations_keep_their_tokens() {
    let spec = spec(GIVEN_SERVICE);
    let (subject, now) = (subject(&spec), Timestamp::UNIX_EPOCH);
    let goal =
        Goal::Present { spec: &spec, applied: None, rollout: Rollout::default(), by: Means::Provision };
    let mut facts = ecs::EcsFacts::default();
    for _ in 0..10 {
        let Next::Do(acts) = EcsPlanner::next(&subject, goal, &facts, now) else {
            panic!("it does something")
        };
        for act in acts {
            let reply = match &act.call {
                ecs::EcsCall::DescribeService { .. } => ecs::EcsReply::Service(None),
                ecs::EcsCall::ListDefinitions(_, status) => {
                    ecs::EcsReply::Definitions(*status, BTreeSet::new())
                }
                ecs::EcsCall::CreateService(create) => {
                    assert_eq!(create.token, "5c7041a7b62af12fe6306e811430cfdc");
                    return;
                }
                other @ (ecs::EcsCall::Locate(_)
                | ecs::EcsCall::DescribeDefinition { .. }
                | ecs::EcsCall::FindTasks { .. }
                | ecs::EcsCall::RegisterDefinition(_)
                | ecs::EcsCall::UpdateService(_)
                | ecs::EcsCall::TagService { .. }
                | ecs::EcsCall::UntagService { .. }
                | ecs::EcsCall::TagDefinition { .. }
                | ecs::EcsCall::UntagDefinition { .. }
                | ecs::EcsCall::StopDeployment { .. }
                | ecs::EcsCall::DeleteService(_)
                | ecs::EcsCall::DeregisterDefinition { .. }
                | ecs::EcsCall::DeleteDefinitions { .. }) => panic!("it asks for {other:?}"),
            };
            EcsPlanner::learn(&mut facts, &act.call, Ok(reply), now);
        }
    }
    panic!("it creates no service");
}

/// An operator's configuration under a tenant's gives the same hash as the whole in the tenant's own.
#[test]
fn an_operators_configuration_keeps_hashes() {
    let split = SERVICE.replace("provider_config: { subnets: [subnet-1] }", "");
    let operators = Format::Yaml.parse("{ subnets: [subnet-1] }").expect("YAML");
    let split = spec(&split);
    let config = ecs::EcsConfig::merged(&operators, &serde_json::Value::Null).expect("it fits");
    let of = |spec: &Spec| {
        Wanted::of(&subject(spec), spec).expect("it can be mapped").tags[ecs::tags::SPEC].clone()
    };
    assert_eq!(of(&split.with_provider_config(config)), of(&spec(SERVICE)));
}
