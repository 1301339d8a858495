//! The rules of one container.

use std::collections::BTreeMap;

use super::{
    CONTAINER_SHARE, ENTRIES, ENV_RULE, NAME, PORT, PORTS, REFERENCE, Rules, SECONDS, THRESHOLD, is_env_name,
};
use crate::id::{NAME_RULE, is_valid_name};
use crate::spec::path::{self, Place};
use crate::spec::{
    ContainerSpec, Exposure, ExposureLevel, HealthCheckConfig, PortMapping, ResourceRequirements, Role,
};

/// The most headers of a check.
const HEADERS: usize = 64;
/// The longest path that Linux takes.
pub(super) const PATH: usize = 4096;
const START_PERIOD_SECONDS: std::ops::RangeInclusive<i64> = 0..=86_400;

impl Rules {
    pub(super) fn container_name(&mut self, at: &Place<'_>, name: &str) {
        if !is_valid_name(name) {
            let what = if name.is_empty() {
                "missing".to_owned()
            } else {
                format!("{} is not valid", path::quoted(name))
            };
            self.add(&at.field("name"), format!("{what}; {NAME_RULE}"));
        }
    }

    pub(super) fn container(&mut self, at: &Place<'_>, container: &ContainerSpec) {
        self.required(&at.field("image"), &container.image, REFERENCE);
        self.arguments(&at.field("command"), &container.command);
        self.arguments(&at.field("args"), &container.args);
        let env = at.field("env");
        self.count(&env, container.env.len(), ENTRIES);
        for (name, value) in &container.env {
            let at = env.key(name);
            if !is_env_name(name) {
                self.add(&at, format!("not a valid name for an environment variable; {ENV_RULE}"));
            }
            self.value(&at, value);
        }
        for (field, check) in [("health_check", &container.health_check), ("liveness", &container.liveness)] {
            let Some(check) = check else { continue };
            let at = at.field(field);
            self.health_check(&at, check);
            if container.role == Role::Init {
                self.add(&at, "an init container is waited for until it has ended; remove the check");
            }
        }
        if let Some(stop) = &container.stop
            && let Some(seconds) = stop.grace_seconds
        {
            self.number(&at.field("stop").field("grace_seconds"), seconds, SECONDS);
        }
        if let Some(user) = &container.user {
            self.required(&at.field("user"), user, NAME);
        }
        if let Some(directory) = &container.working_dir {
            self.absolute(&at.field("working_dir"), directory);
        }
    }

    /// A path that means one file, wherever it is looked at from.
    pub(super) fn absolute(&mut self, at: &Place<'_>, given: &str) {
        self.required(at, given, PATH);
        let is_plain = given.starts_with('/') && !given.split('/').any(|part| matches!(part, "." | ".."));
        if !given.is_empty() && !is_plain {
            self.add(at, "give an absolute path without '.' and '..'");
        }
    }

    pub(super) fn ports<'s>(
        &mut self,
        container: &Place<'_>,
        ports: &'s [PortMapping],
        host_ports: &mut BTreeMap<(i64, &'s str), String>,
    ) {
        let list = container.field("ports");
        self.count(&list, ports.len(), PORTS);
        let mut container_ports = BTreeMap::new();
        for (n, port) in ports.iter().enumerate() {
            let at = list.index(n);
            let protocol = port.protocol.as_str();
            if !matches!(protocol, "tcp" | "udp") {
                self.add(
                    &at.field("protocol"),
                    format!("{} is unknown; use tcp or udp", path::quoted(protocol)),
                );
            }
            let number = port.container_port;
            if self.number(&at.field("container_port"), number, PORT) {
                let shown = || format!("{number}/{protocol}");
                self.unique(&mut container_ports, (number, protocol), &at, "container_port", shown);
            }
            if let Some(number) = port.host_port
                && self.number(&at.field("host_port"), number, PORT)
            {
                let shown = || format!("{number}/{protocol}");
                self.unique(host_ports, (number, protocol), &at, "host_port", shown);
            }
            self.optional(&at.field("name"), port.name.as_deref(), NAME);
            self.optional(&at.field("app_protocol"), port.app_protocol.as_deref(), NAME);
            if let Some(exposure) = &port.exposure {
                self.exposure(&at.field("exposure"), exposure);
            }
        }
    }

    fn exposure(&mut self, at: &Place<'_>, exposure: &Exposure) {
        let Exposure { level, host, path, tls } = exposure;
        let given = [("host", host.is_some()), ("path", path.is_some()), ("tls", *tls)];
        for (field, _) in given.into_iter().filter(|(_, given)| *given && *level == ExposureLevel::None) {
            self.add(
                &at.field(field),
                "nobody reaches the port; remove it, or set level to internal or public",
            );
        }
        self.optional(&at.field("host"), host.as_deref(), NAME);
        let at = at.field("path");
        self.optional(&at, path.as_deref(), REFERENCE);
        if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            self.add(&at, "must start with '/'");
        }
    }

    fn health_check(&mut self, at: &Place<'_>, check: &HealthCheckConfig) {
        let [http_path, port, command, timeout] =
            ["http_path", "port", "command", "timeout_seconds"].map(|name| at.field(name));
        match check.kind.as_str() {
            "http" => {
                match check.http_path.as_deref() {
                    None => self.add(&http_path, "missing; an http check needs a path, like /healthz"),
                    Some(given) if !given.starts_with('/') => self.add(&http_path, "must start with '/'"),
                    Some(_) => {}
                }
                self.needed_port(&port, check);
            }
            "tcp" => self.needed_port(&port, check),
            "exec" if check.command.is_empty() => {
                self.add(&command, "missing; an exec check needs a command")
            }
            "exec" => {}
            "" => self.add(&at.field("type"), "missing; use http, tcp or exec"),
            other => {
                let other = path::quoted(other);
                self.add(&at.field("type"), format!("{other} is unknown; use http, tcp or exec"));
            }
        }
        self.optional(&http_path, check.http_path.as_deref(), REFERENCE);
        if let Some(number) = check.port {
            self.number(&port, number, PORT);
        }
        self.arguments(&command, &check.command);
        self.number(&at.field("interval_seconds"), check.interval_seconds, SECONDS);
        let (given, interval) = (check.timeout_seconds, check.interval_seconds);
        let is_comparable = self.number(&timeout, given, SECONDS) && interval != 0;
        if is_comparable && given > interval {
            self.add(&timeout, format!("{given} is more than interval_seconds ({interval})"));
        }
        self.number(&at.field("healthy_threshold"), check.healthy_threshold, THRESHOLD);
        self.number(&at.field("unhealthy_threshold"), check.unhealthy_threshold, THRESHOLD);
        if let Some(seconds) = check.start_period_seconds {
            self.number(&at.field("start_period_seconds"), seconds, START_PERIOD_SECONDS);
        }
        for (field, given) in [("scheme", check.scheme.is_some()), ("headers", !check.headers.is_empty())] {
            if given && check.kind != "http" {
                self.add(&at.field(field), "only an http check has one; remove it");
            }
        }
        let headers = at.field("headers");
        self.count(&headers, check.headers.len(), HEADERS);
        for (name, value) in &check.headers {
            let at = headers.key(name);
            if !is_token(name) {
                self.add(&at, "not the name of a header; use letters, digits and '-'");
            }
            self.text(&at, value, REFERENCE);
        }
    }

    fn needed_port(&mut self, at: &Place<'_>, check: &HealthCheckConfig) {
        if check.port.is_none() {
            self.add(at, format!("missing; a check of type {} needs a port", check.kind));
        }
    }

    pub(super) fn container_resources(
        &mut self,
        at: &Place<'_>,
        own: &ResourceRequirements,
        tenant: &ResourceRequirements,
    ) {
        self.resources(at, own, CONTAINER_SHARE);
        self.within(&at.field("cpu"), own.cpu, tenant.cpu, "resources.cpu");
        self.within(&at.field("memory"), own.memory, tenant.memory, "resources.memory");
        if let (Some(own), Some(tenant)) = (own.storage, tenant.storage) {
            self.within(&at.field("storage"), own, tenant, "resources.storage");
        }
    }
}

/// What HTTP takes as a header's name (RFC 9110, "Tokens").
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
