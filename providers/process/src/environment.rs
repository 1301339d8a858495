//! The environment of a launch, and `$(NAME)` in its command.

use std::borrow::Cow;
use std::collections::BTreeMap;

use landlord_state_machines::planner::process::{Protocol, Start};
use landlord_state_machines::spec::variables;
use secrecy::{ExposeSecret, SecretString};

use super::secrets::{self, SecretError};
use super::tags::{CHECK, HEADERS, Tags};

/// What a program is found on when it does not run with the engine's own `PATH`.
pub(super) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a launch finds its programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// `PATH`, unless the spec sets it.
    pub(super) path: String,
    /// `HOME`, unless the spec sets it.
    pub(super) home: Option<String>,
}

impl Base {
    /// What the engine itself was started with.
    pub(super) fn of_engine() -> Self {
        let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
        Self { path, home: std::env::var("HOME").ok() }
    }

    /// What holds in another root directory.
    pub(super) fn of_root() -> Self {
        Self { path: DEFAULT_PATH.to_owned(), home: Some("/".to_owned()) }
    }
}

/// The environment of a launch by name, values kept from being printed.
pub(super) type Environment = Vec<(String, SecretString)>;

/// Why a launch has no environment.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvironmentError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the tags cannot be written as JSON")]
    Tags(#[from] serde_json::Error),
}

/// Puts a launch's environment together. Later ones win: where programs are, the ports (udp, then tcp), the spec's
/// variables, its secrets, the tags. Reads secrets, so it belongs on a blocking thread.
pub(super) fn compose(base: Base, start: &Start, tags: &Tags) -> Result<Environment, EnvironmentError> {
    let mut given: BTreeMap<String, SecretString> = BTreeMap::new();
    let mut set = |name: &str, value: &str| given.insert(name.to_owned(), value.into());
    if let Some(first) = start.manifest.ports.first() {
        set(variables::PORT, &first.listens_on().to_string());
    }
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        for port in start.manifest.ports.iter().filter(|port| port.protocol == protocol) {
            let number = port.listens_on().to_string();
            set(&format!("{}_{}", variables::PORT, port.container_port), &number);
            if let Some(name) = &port.name {
                set(&format!("{}_{name}", variables::PORT), &number);
            }
        }
    }
    for reference in &start.secrets {
        if let Some(name) = &reference.env_var {
            set(name, secrets::resolve(reference)?.expose_secret());
        }
    }
    let env = &start.container.env;
    let own = env.keys().filter_map(|name| {
        let mut value = |name: &str| given.get(name).map(|value| Cow::from(value.expose_secret()));
        Some((name.clone(), variables::value(name, &start.container, &mut value)?.into()))
    });
    let own: Vec<(String, SecretString)> = own.collect();
    let programs = [("PATH", Some(base.path)), ("HOME", base.home)];
    let programs = programs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    let of_a_secret =
        |name: &String| start.secrets.iter().any(|secret| secret.env_var.as_ref() == Some(name));
    let (fetched, ports): (Vec<_>, Vec<_>) = given.into_iter().partition(|(name, _)| of_a_secret(name));
    let mut variables: BTreeMap<String, SecretString> =
        programs.chain(ports).chain(own).chain(fetched).collect();
    for (name, value) in tags.variables()? {
        variables.insert(name.to_owned(), value.into());
    }
    if let Some(check) = &start.container.health_check {
        if !check.command.is_empty() {
            variables.insert(CHECK.to_owned(), serde_json::to_string(&check.command)?.into());
        }
        if !check.headers.is_empty() {
            variables.insert(HEADERS.to_owned(), serde_json::to_string(&check.headers)?.into());
        }
    }
    Ok(variables.into_iter().collect())
}

/// Replaces `$(NAME)` by the variable's value ([`variables::expand`]).
pub(super) fn expand(text: &str, environment: &Environment) -> String {
    variables::expand(text, &mut |name| lookup(name, environment).map(Cow::from))
}

fn lookup<'a>(name: &str, environment: &'a Environment) -> Option<&'a str> {
    environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose_secret())
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::planner::process::Port;
    use landlord_state_machines::spec::{
        ContainerSpec, HealthCheckConfig, ResourceRequirements, SecretReference,
    };

    use super::*;
    use crate::testing::tags;

    #[test]
    fn the_spec_wins_over_defaults_and_the_tags_over_all() {
        let mut tags = tags("acme", "web", "1-1");
        let port = |container_port, host_port| Port {
            container_port,
            host_port,
            private_port: None,
            protocol: Protocol::Tcp,
            name: Some("web".to_owned()).filter(|_| container_port == 443),
        };
        tags.manifest.ports = vec![port(80, 20001), port(443, 20002)];
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("db");
        std::fs::write(&file, "hunter2").unwrap();
        let start = Start {
            launch: tags.key.launch,
            manifest: tags.manifest.clone(),
            container: ContainerSpec {
                env: [
                    ("PATH", "/opt"),
                    ("LANDLORD_OWNER", "me"),
                    ("URL", "http://$(HOST_NAME):$(PORT_web)/$(DB)"),
                    ("HOST_NAME", "$$(local)"),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
                health_check: Some(HealthCheckConfig { command: vec!["true".into()], ..Default::default() }),
                ..Default::default()
            },
            secrets: vec![SecretReference {
                name: "db".into(),
                source: "file".into(),
                key: file.to_str().unwrap().into(),
                env_var: Some("DB".into()),
                ..SecretReference::default()
            }],
            volumes: Vec::new(),
            resources: ResourceRequirements::default(),
            working_dir: "/".into(),
            user: None,
            no_new_privileges: true,
        };
        let environment = compose(Base::of_root(), &start, &tags).unwrap();
        let get = |name| lookup(name, &environment);
        assert_eq!(get("PATH"), Some("/opt"));
        assert_eq!(get("HOME"), Some("/"));
        assert_eq!(
            (get("PORT"), get("PORT_80"), get("PORT_443")),
            (Some("20001"), Some("20001"), Some("20002"))
        );
        assert_eq!(get("DB"), Some("hunter2"));
        assert_eq!(get("URL"), Some("http://$(local):20002/hunter2"));
        let told = expand("--url=$(URL) $$(URL)", &environment);
        assert_eq!(told, "--url=http://$(local):20002/hunter2 $(URL)");
        assert_eq!(get("LANDLORD_OWNER"), Some("landlord"));
        assert_eq!(get("LANDLORD_CHECK"), Some(r#"["true"]"#));
        assert!(!format!("{:?}", environment).contains("hunter2"));
    }
}
