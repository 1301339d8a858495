//! Every shared rule, broken alone and all at once.

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::spec::{
    Condition, ContainerSpec, Dependency, DnsConfig, Exposure, ExposureLevel, FileSpec, HealthCheckConfig,
    ImagePull, Invalid, MAX_PROBLEMS, MountSpec, PortMapping, Problem, Replicas, ResourceRequests,
    ResourceRequirements, Role, Scheme, SecretReference, Spec, StopConfig, TenantComputeSpec, UpdateConfig,
    VolumeSpec,
};
use serde_json::{Value, json};

use super::{checked, http_check, secret, valid, web};

/// What the rules say of the valid spec after a change.
fn broken(change: impl FnOnce(&mut TenantComputeSpec)) -> String {
    let mut spec = valid();
    change(&mut spec);
    match spec.check() {
        Ok(_) => "valid".to_owned(),
        Err(invalid) => invalid.to_string(),
    }
}

fn check(spec: &mut TenantComputeSpec) -> &mut HealthCheckConfig {
    spec.containers[0].health_check.as_mut().unwrap()
}

fn own(spec: &mut TenantComputeSpec) -> &mut ResourceRequirements {
    spec.containers[0].resources.as_mut().unwrap()
}

fn stop(spec: &mut TenantComputeSpec) -> &mut StopConfig {
    spec.containers[0].stop.get_or_insert_default()
}

fn depend(spec: &mut TenantComputeSpec, container: &str, condition: Condition) {
    spec.containers[0].depends_on.push(Dependency { container: container.into(), condition });
}

fn content(text: &str) -> FileSpec {
    FileSpec { path: "/etc/x".into(), content: Some(text.into()), ..FileSpec::default() }
}

fn file(spec: &mut TenantComputeSpec, file: FileSpec) {
    spec.containers[0].files.push(file);
}

fn volume(name: &str) -> VolumeSpec {
    VolumeSpec { name: name.into(), persistent: true, ..VolumeSpec::default() }
}

fn mount(spec: &mut TenantComputeSpec, volume: &str, path: &str) {
    let mount = MountSpec { volume: volume.into(), path: path.into(), read_only: false };
    spec.containers[0].mounts.push(mount);
}

fn set_env(spec: &mut TenantComputeSpec, name: &str, value: &str) {
    spec.containers[0].env.insert(name.to_owned(), value.to_owned());
}

pub(super) type Change = fn(&mut TenantComputeSpec);

/// Each row breaks one rule and nothing else, so the row fails when the rule is removed.
pub(super) const RULES: &[(&str, Change)] = &[
    ("tenant_id missing", |s| s.tenant_id.clear()),
    ("tenant_id with other characters", |s| s.tenant_id = "Acme_1".into()),
    ("tenant_id starts with a hyphen", |s| s.tenant_id = "-acme".into()),
    ("tenant_id too long", |s| s.tenant_id = "a".repeat(64)),
    ("provider_type missing", |s| s.provider_type.clear()),
    ("provider_type with other characters", |s| s.provider_type = "aws-ecs".into()),
    ("no container", |s| s.containers.clear()),
    ("too many containers", |s| {
        s.containers =
            (0..65).map(|n| ContainerSpec { name: format!("c{n}"), ports: vec![], ..web() }).collect();
    }),
    ("container name missing", |s| s.containers[0].name.clear()),
    ("container name with other characters", |s| s.containers[0].name = "web.1".into()),
    ("container name twice", |s| s.containers[1].name = "web".into()),
    ("image missing", |s| s.containers[0].image.clear()),
    ("image too long", |s| s.containers[0].image = "a".repeat(2049)),
    ("image over two lines", |s| s.containers[0].image = "nginx\nforged: line".into()),
    ("command too many", |s| s.containers[0].command = vec!["x".into(); 1025]),
    ("command too long", |s| s.containers[0].command = vec!["x".repeat(32_769)]),
    ("command with NUL", |s| s.containers[0].command = vec!["a\0b".into()]),
    ("args with NUL", |s| s.containers[0].args = vec!["a\0b".into()]),
    ("env too many", |s| (0..1025).for_each(|n| set_env(s, &format!("V{n}"), ""))),
    ("env name empty", |s| set_env(s, "", "x")),
    ("env name starts with a digit", |s| set_env(s, "1ST", "x")),
    ("env name with other characters", |s| set_env(s, "A=B", "x")),
    ("env name over two lines", |s| set_env(s, "A\nB", "x")),
    ("env name too long", |s| set_env(s, &"A".repeat(256), "x")),
    ("env value too long", |s| set_env(s, "A", &"x".repeat(32_769))),
    ("env value with NUL", |s| set_env(s, "A", "hunter2\0")),
    ("too many ports", |s| {
        s.containers[0].ports = (1..=257)
            .map(|n| PortMapping { container_port: n, protocol: "tcp".into(), ..PortMapping::default() })
            .collect();
    }),
    ("container_port missing", |s| s.containers[0].ports[0].container_port = 0),
    ("container_port negative", |s| s.containers[0].ports[0].container_port = -1),
    ("container_port too high", |s| s.containers[0].ports[0].container_port = 65_536),
    ("container_port twice", |s| {
        let port = PortMapping { host_port: None, ..s.containers[0].ports[0].clone() };
        s.containers[0].ports.push(port);
    }),
    ("host_port too high", |s| s.containers[0].ports[0].host_port = Some(65_536)),
    ("host_port twice in the tenant", |s| {
        s.containers[1].ports = vec![PortMapping { container_port: 81, ..s.containers[0].ports[0].clone() }];
    }),
    ("protocol unknown", |s| s.containers[0].ports[0].protocol = "TCP".into()),
    ("port name too long", |s| s.containers[0].ports[0].name = Some("n".repeat(256))),
    ("port name over two lines", |s| s.containers[0].ports[0].name = Some("a\nb".into())),
    ("check type missing", |s| check(s).kind.clear()),
    ("check type unknown", |s| check(s).kind = "grpc".into()),
    ("http check without path", |s| check(s).http_path = None),
    ("http check with a relative path", |s| check(s).http_path = Some("healthz".into())),
    ("http check with a path that is too long", |s| check(s).http_path = Some("/".repeat(2049))),
    ("http check without port", |s| check(s).port = None),
    ("tcp check without port", |s| {
        check(s).kind = "tcp".into();
        check(s).port = None;
    }),
    ("check port too high", |s| check(s).port = Some(65_536)),
    ("exec check without command", |s| check(s).kind = "exec".into()),
    ("check command with NUL", |s| check(s).command = vec!["\0".into()]),
    ("interval missing", |s| check(s).interval_seconds = 0),
    ("interval too long", |s| check(s).interval_seconds = 86_401),
    ("timeout missing", |s| check(s).timeout_seconds = 0),
    ("timeout more than interval", |s| check(s).timeout_seconds = 11),
    ("scheme of a check that is not http", |s| {
        check(s).kind = "tcp".into();
        check(s).scheme = Some(Scheme::Https);
    }),
    ("headers of a check that is not http", |s| {
        check(s).kind = "tcp".into();
        check(s).headers = [("host".to_owned(), "x".to_owned())].into();
    }),
    ("header name with other characters", |s| {
        check(s).headers = [("a b".to_owned(), "x".to_owned())].into();
    }),
    ("header value over two lines", |s| check(s).headers = [("a".to_owned(), "x\r\ny".to_owned())].into()),
    ("too many headers", |s| check(s).headers = (0..65).map(|n| (format!("h{n}"), "x".to_owned())).collect()),
    ("liveness without type", |s| {
        s.containers[0].liveness = Some(HealthCheckConfig { kind: String::new(), ..http_check() });
    }),
    ("stop grace too long", |s| stop(s).grace_seconds = Some(86_401)),
    ("stop grace negative", |s| stop(s).grace_seconds = Some(-1)),
    ("user over two lines", |s| s.containers[0].user = Some("a\nb".into())),
    ("working_dir relative", |s| s.containers[0].working_dir = Some("srv".into())),
    ("working_dir with dots", |s| s.containers[0].working_dir = Some("/srv/../etc".into())),
    ("app_protocol too long", |s| s.containers[0].ports[0].app_protocol = Some("a".repeat(256))),
    ("exposure of nobody with a host", |s| {
        s.containers[0].ports[0].exposure =
            Some(Exposure { host: Some("a.b".into()), ..Exposure::default() });
    }),
    ("exposure path relative", |s| {
        s.containers[0].ports[0].exposure =
            Some(Exposure { level: ExposureLevel::Public, path: Some("app".into()), ..Exposure::default() });
    }),
    ("no main container", |s| s.containers.iter_mut().for_each(|container| container.role = Role::Sidecar)),
    ("init container with a check", |s| {
        s.containers[0].role = Role::Init;
    }),
    ("dependency missing", |s| depend(s, "nosuch", Condition::Started)),
    ("dependency on itself", |s| depend(s, "web", Condition::Started)),
    ("dependency twice", |s| {
        depend(s, "worker", Condition::Started);
        depend(s, "worker", Condition::Started);
    }),
    ("dependencies in a circle", |s| {
        depend(s, "worker", Condition::Started);
        s.containers[1].depends_on =
            vec![Dependency { container: "web".into(), condition: Condition::Started }];
    }),
    ("dependency on the health of what has no check", |s| depend(s, "worker", Condition::Healthy)),
    ("dependency on the end of what does not end", |s| depend(s, "worker", Condition::Completed)),
    ("dependency on the start of what ends", |s| {
        s.containers[1].role = Role::Init;
        depend(s, "worker", Condition::Started);
    }),
    ("dependency on what starts later", |s| {
        s.containers[0].role = Role::Sidecar;
        depend(s, "worker", Condition::Started);
    }),
    ("file path relative", |s| file(s, FileSpec { path: "etc/x".into(), ..content("x") })),
    ("file path twice", |s| {
        file(s, content("x"));
        file(s, content("y"));
    }),
    ("file of nothing", |s| file(s, FileSpec { content: None, ..content("x") })),
    ("file of content and secret", |s| file(s, FileSpec { secret: Some("db".into()), ..content("hunter2") })),
    ("file of an unknown secret", |s| {
        file(s, FileSpec { content: None, secret: Some("nosuch".into()), ..content("") });
    }),
    ("file too long", |s| file(s, content(&"x".repeat(262_145)))),
    ("file mode not octal", |s| file(s, FileSpec { mode: Some("0888".into()), ..content("x") })),
    ("file mode too long", |s| file(s, FileSpec { mode: Some("01777".into()), ..content("x") })),
    ("volume name with other characters", |s| s.volumes = vec![volume("Data")]),
    ("volume name twice", |s| s.volumes = vec![volume("data"), volume("data")]),
    ("volume size negative", |s| s.volumes = vec![VolumeSpec { size_mb: Some(-1), ..volume("data") }]),
    ("volume retained and not persistent", |s| {
        s.volumes = vec![VolumeSpec { persistent: false, retain: true, ..volume("data") }];
    }),
    ("mount of an unknown volume", |s| mount(s, "nosuch", "/data")),
    ("mount path relative", |s| {
        s.volumes = vec![volume("data")];
        mount(s, "data", "data");
    }),
    ("mount path twice", |s| {
        s.volumes = vec![volume("data")];
        mount(s, "data", "/data");
        mount(s, "data", "/data");
    }),
    ("credentials of an unknown secret", |s| {
        s.containers[0].image_pull = Some(ImagePull { credentials: Some("nosuch".into()), policy: None });
    }),
    ("replicas negative", |s| s.replicas = Some(Replicas::Count(-1))),
    ("replicas too many", |s| s.replicas = Some(Replicas::Count(10_001))),
    ("update deadline too long", |s| {
        s.update = Some(UpdateConfig { deadline_seconds: Some(86_401), ..UpdateConfig::default() });
    }),
    ("requests beyond the limit", |s| {
        s.resources.requests = Some(ResourceRequests { cpu: Some(1025), memory: None });
    }),
    ("requests negative", |s| own(s).requests = Some(ResourceRequests { cpu: None, memory: Some(-1) })),
    ("secret for an unknown container", |s| s.secrets[0].containers = vec!["nosuch".into()]),
    ("args with an unknown variable", |s| s.containers[0].args = vec!["--port=$(NOSUCH)".into()]),
    ("command with a variable of another container", |s| {
        s.containers[1].command = vec!["$(PORT)".into()];
    }),
    ("env with an unknown variable", |s| set_env(s, "A", "$(NOSUCH)")),
    ("env that stands for itself", |s| {
        set_env(s, "A", "$(B)");
        set_env(s, "B", "$(A)");
    }),
    ("healthy_threshold missing", |s| check(s).healthy_threshold = 0),
    ("healthy_threshold too high", |s| check(s).healthy_threshold = 1001),
    ("unhealthy_threshold missing", |s| check(s).unhealthy_threshold = 0),
    ("start_period negative", |s| check(s).start_period_seconds = Some(-1)),
    ("start_period too long", |s| check(s).start_period_seconds = Some(86_401)),
    ("cpu missing", |s| s.resources.cpu = 0),
    ("cpu too low", |s| {
        s.resources.cpu = 127;
        s.containers.iter_mut().for_each(|container| container.resources = None);
    }),
    ("cpu absurd", |s| s.resources.cpu = i64::MAX),
    ("memory too low", |s| {
        s.resources.memory = 127;
        s.containers.iter_mut().for_each(|container| container.resources = None);
    }),
    ("memory absurd", |s| s.resources.memory = i64::MAX),
    ("storage negative", |s| s.resources.storage = Some(-1)),
    ("container cpu missing", |s| own(s).cpu = 0),
    ("container memory missing", |s| own(s).memory = 0),
    ("container storage negative", |s| own(s).storage = Some(-1)),
    ("container cpu beyond the tenant's", |s| own(s).cpu = 1025),
    ("container memory beyond the tenant's", |s| own(s).memory = 2049),
    ("container storage beyond the tenant's", |s| own(s).storage = Some(4097)),
    ("too many security groups", |s| s.networking.security_groups = vec!["sg".into(); 65]),
    ("security group empty", |s| s.networking.security_groups = vec![String::new()]),
    ("too many subnets", |s| s.networking.subnets = vec!["subnet".into(); 65]),
    ("subnet too long", |s| s.networking.subnets = vec!["s".repeat(256)]),
    ("hostname too long", |s| {
        s.networking.dns = Some(DnsConfig { hostname: Some("h".repeat(256)), domain: None });
    }),
    ("domain over two lines", |s| {
        s.networking.dns = Some(DnsConfig { hostname: None, domain: Some("a\nb".into()) });
    }),
    ("too many secrets", |s| s.secrets = vec![SecretReference { env_var: None, ..secret() }; 257]),
    ("secret name missing", |s| s.secrets[0].name.clear()),
    ("secret source missing", |s| s.secrets[0].source.clear()),
    ("secret key missing", |s| s.secrets[0].key.clear()),
    ("secret env_var invalid", |s| s.secrets[0].env_var = Some("DB PASSWORD".into())),
    ("secret env_var also in env", |s| s.secrets[0].env_var = Some("MODE".into())),
    ("secret env_var twice", |s| s.secrets.push(secret())),
    ("too many labels", |s| {
        s.labels = (0..1025).map(|n| (n.to_string(), String::new())).collect();
    }),
    ("label name empty", |s| s.labels = [(String::new(), String::new())].into()),
    ("label name too long", |s| s.labels = [("n".repeat(256), String::new())].into()),
    ("label value too long", |s| s.labels = [("n".to_owned(), "v".repeat(2049))].into()),
    ("label value over two lines", |s| s.labels = [("n".to_owned(), "a\nb".to_owned())].into()),
    ("provider_config nested too deeply", |s| {
        s.provider_config = Some((0..32).fold(Value::Null, |inner, _| json!([inner])));
    }),
    ("spec too long as a whole", |s| s.provider_config = Some("x".repeat(1024 * 1024).into())),
];

#[test]
fn every_rule_is_reported_with_its_path() {
    let mut listing = String::new();
    for (rule, change) in RULES {
        let said = broken(change);
        assert_ne!(said, "valid", "{rule}");
        assert!(!said.contains("hunter2"), "{rule}");
        listing += &format!("{rule}\n  {}\n", said.replace('\n', "\n  "));
    }
    insta::assert_snapshot!(listing);
}

#[test]
fn the_edges_of_every_range_are_valid() {
    let edges: &[Change] = &[
        |s| s.tenant_id = "a".repeat(63),
        |s| s.containers[0].ports[0].container_port = 65_535,
        |s| s.containers[0].ports[0].container_port = 1,
        |s| {
            s.resources = ResourceRequirements {
                cpu: 1_000_000_000,
                memory: 1_000_000_000,
                ..ResourceRequirements::default()
            }
        },
        |s| {
            s.resources = ResourceRequirements {
                cpu: 128,
                memory: 128,
                storage: Some(1),
                ..ResourceRequirements::default()
            };
            s.containers.truncate(1);
            s.containers[0].resources = Some(ResourceRequirements {
                cpu: 128,
                memory: 1,
                storage: Some(1),
                ..ResourceRequirements::default()
            });
        },
        |s| {
            check(s).interval_seconds = 1;
            check(s).timeout_seconds = 1;
            check(s).healthy_threshold = 1;
            check(s).unhealthy_threshold = 1;
            check(s).start_period_seconds = Some(86_400);
        },
        |s| check(s).kind = "tcp".into(),
        |s| {
            s.containers[0].health_check = Some(HealthCheckConfig {
                kind: "exec".into(),
                command: vec!["true".into()],
                port: None,
                http_path: None,
                ..http_check()
            })
        },
        // The same number for tcp and udp is two ports; two containers may listen on the same.
        |s| {
            let port = s.containers[0].ports[0].clone();
            s.containers[0].ports.push(PortMapping { protocol: "udp".into(), ..port.clone() });
            s.containers[1].ports = vec![PortMapping { host_port: None, ..port }];
        },
        |s| set_env(s, "_spring.data-source.URL2", &"x".repeat(32_768)),
        |s| set_env(s, "MULTILINE", "a\nb"),
        |s| s.provider_config = Some((0..31).fold(Value::Null, |inner, _| json!([inner]))),
    ];
    for (n, edge) in edges.iter().enumerate() {
        assert_eq!(broken(edge), "valid", "edge {n}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let all = broken(|spec| {
        spec.tenant_id = "Acme".into();
        spec.provider_type.clear();
        let web = &mut spec.containers[0];
        web.image.clear();
        web.env = [("A B".to_owned(), String::new())].into();
        web.ports.push(PortMapping {
            container_port: 70_000,
            protocol: "sctp".into(),
            ..PortMapping::default()
        });
        web.health_check = Some(HealthCheckConfig { kind: "http".into(), ..HealthCheckConfig::default() });
        web.resources =
            Some(ResourceRequirements { cpu: 5000, memory: 5000, ..ResourceRequirements::default() });
        spec.containers[1].name = "web".into();
        spec.resources.storage = Some(-1);
        spec.networking.subnets = vec![String::new()];
        spec.secrets[0].env_var = Some("MODE".into());
        spec.labels = [(String::new(), String::new())].into();
    });
    insta::assert_snapshot!(all);
}

#[test]
fn absurdly_many_problems_are_counted_rather_than_listed() {
    let problems = (0..MAX_PROBLEMS + 7).map(|n| Problem::new(format!("p[{n}]"), "wrong")).collect();
    let invalid = Invalid::unless_empty(problems).unwrap_err();
    assert_eq!(invalid.problems().len(), MAX_PROBLEMS);
    assert!(invalid.to_string().ends_with("p[99]: wrong\nand 7 more"));
}

#[test]
fn an_invalid_spec_is_a_permanent_provider_error() {
    let mut spec = valid();
    spec.resources.cpu = 1;
    spec.tenant_id.clear();
    let error = ProviderError::from(spec.check().unwrap_err());
    assert_eq!(error.kind, ErrorKind::InvalidSpec);
    assert_eq!(error.remedy, Remedy::Permanent);
    assert_eq!(error.code, ErrorCode::InvalidConfiguration);
    assert!(
        error.message.contains("tenant_id: missing") && error.message.contains("\nresources.cpu: 1 is out"),
        "{error}"
    );
}

/// What an embedder hands over is checked once, or has been.
#[test]
fn a_checked_spec_and_one_that_is_not_are_taken_by_one_bound() {
    fn take(spec: impl TryInto<Spec, Error: Into<Invalid>>) -> Result<Spec, Invalid> {
        spec.try_into().map_err(Into::into)
    }
    let spec = checked(|_| ());
    assert_eq!(take(valid()).as_ref(), Ok(&spec));
    assert_eq!(take(spec.clone()).as_ref(), Ok(&spec));
    let broken = TenantComputeSpec { tenant_id: "Acme_1".into(), ..valid() };
    assert_eq!(take(broken.clone()), broken.check());
}

#[test]
fn a_checked_spec_knows_its_tenant_and_provider() {
    let spec = checked(|_| {});
    assert_eq!((spec.tenant().as_str(), spec.provider().as_str()), ("acme", "ecs"));
}

/// What a caller may write in two ways is one spec.
#[test]
fn what_means_the_same_is_the_same_spec() {
    let same: &[(&str, Change, Change)] = &[
        ("protocol", |s| s.containers[0].ports[0].protocol.clear(), |_| {}),
        (
            "host_port",
            |s| s.containers[0].ports[0].host_port = Some(0),
            |s| s.containers[0].ports[0].host_port = None,
        ),
        (
            "port name",
            |s| s.containers[0].ports[0].name = Some(String::new()),
            |s| s.containers[0].ports[0].name = None,
        ),
        ("storage", |s| s.resources.storage = Some(0), |s| s.resources.storage = None),
        ("container storage", |s| own(s).storage = Some(0), |s| own(s).storage = None),
        (
            "container resources",
            |s| *own(s) = ResourceRequirements { storage: Some(0), ..ResourceRequirements::default() },
            |s| s.containers[0].resources = None,
        ),
        (
            "start period",
            |s| check(s).start_period_seconds = Some(0),
            |s| check(s).start_period_seconds = None,
        ),
        (
            "health check",
            |s| {
                let empty = HealthCheckConfig {
                    port: Some(0),
                    http_path: Some(String::new()),
                    ..HealthCheckConfig::default()
                };
                s.containers[0].health_check = Some(empty);
            },
            |s| s.containers[0].health_check = None,
        ),
        (
            "dns",
            |s| {
                s.networking.dns =
                    Some(DnsConfig { hostname: Some(String::new()), domain: Some(String::new()) })
            },
            |s| s.networking.dns = None,
        ),
        ("env_var", |s| s.secrets[0].env_var = Some(String::new()), |s| s.secrets[0].env_var = None),
        ("provider_config", |s| s.provider_config = Some(Value::Null), |s| s.provider_config = None),
        ("scheme", |s| check(s).scheme = Some(Scheme::Http), |_| {}),
        ("stop", |s| stop(s).grace_seconds = Some(0), |_| {}),
        (
            "requests",
            |s| s.resources.requests = Some(ResourceRequests { cpu: Some(0), memory: None }),
            |_| {},
        ),
        ("user", |s| s.containers[0].user = Some(String::new()), |_| {}),
        ("image_pull", |s| s.containers[0].image_pull = Some(ImagePull::default()), |_| {}),
        (
            "update",
            |s| s.update = Some(UpdateConfig { rollback: Some(true), ..UpdateConfig::default() }),
            |_| {},
        ),
        ("app_protocol", |s| s.containers[0].ports[0].app_protocol = Some(String::new()), |_| {}),
    ];
    for (what, one, other) in same {
        assert_eq!(checked(one), checked(other), "{what}");
    }
}
