//! What a spec must be to run as processes of this machine. Reads the machine, changes nothing.

use std::path::Path;

use landlord_state_machines::planner::process::{ProcessConfig, replicas, support};
use landlord_state_machines::spec::{
    ContainerSpec, Invalid, PortMapping, Problem, Replicas, SecretReference, Spec,
};
use rustix::process::geteuid;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::cgroup::{Groups, NoGroups};
use super::keeper::namespace::is_kernels;
use super::program::Root;
use super::{mounts, procfs, secrets, tags, user};

/// What no machine keeps, each with the reason.
pub(super) const NOT_ENFORCED: [&str; 1] =
    ["storage: enforced as the size of each file that a process writes; its logs have limits of their own"];

/// What a machine without groups of processes does not keep either.
const WITHOUT_GROUPS: [&str; 3] = [
    "memory of a process: what is private and writable counts, used or not",
    "a program can end its keeper, and end, trace and read the environment of what else runs as its user, other tenants \
     included: where the engine runs as root, give each tenant a user",
    "a process that leaves its parent, its session and its environment is found by its keeper; when that was killed, it \
     is not",
];

/// What is not enforced on this machine.
pub(super) fn not_enforced_here(groups: &Result<Groups, NoGroups>) -> Vec<String> {
    let missing: Vec<String> = match groups {
        Ok(groups) => groups
            .not_enforced()
            .iter()
            .map(|missing| format!("{}: {}", missing.limit, missing.reason))
            .collect(),
        Err(why) => {
            let why = std::iter::once(format!("cpu, pids, memory (but for each process alone): {why}"));
            why.chain(WITHOUT_GROUPS.map(str::to_owned)).collect()
        }
    };
    missing.into_iter().chain(NOT_ENFORCED.map(str::to_owned)).collect()
}

/// Every problem of the spec, each with its path. `has_views` says why launches cannot have a view of their own of the
/// machine's files, where they cannot.
pub(super) fn check(spec: &Spec, has_views: &dyn Fn() -> Result<(), String>) -> Result<(), Invalid> {
    let mut problems = Problems(Vec::new());
    problems.memory(spec.resources.memory);
    if let Err(why) = replicas(spec) {
        problems.add("replicas", why);
    }
    let config = problems.config(spec.provider_config.as_ref());
    for (n, container) in spec.containers.iter().enumerate() {
        let at = format!("containers[{n}]");
        problems.twice(&at, container, spec.provider_config.as_ref());
        problems.own_view(&at, container, has_views);
        problems.container(&at, container, &config_of(container, &config));
    }
    for (n, secret) in spec.secrets.iter().enumerate() {
        problems.secret(&format!("secrets[{n}]"), secret, &spec.containers);
    }
    Invalid::unless_empty(problems.0)
}

/// What the spec alone tells of how it is run, and a person should know. A program that listens on a fixed port itself is
/// only recognised once it runs.
pub(super) fn remarks(spec: &Spec) -> Vec<String> {
    let containers = spec.containers.iter().enumerate();
    let ports = containers.flat_map(|(n, container)| {
        let ports = container.ports.iter().enumerate();
        ports.map(move |(m, port)| (format!("containers[{n}].ports[{m}].host_port"), port))
    });
    let fixed = ports.filter(|(_, port)| port.protocol != "udp").filter_map(|(at, port)| {
        let port = port.host_port?;
        let then = match replicas(spec) {
            Ok(2..) => "it cannot have replicas",
            Ok(_) | Err(_) => "an update ends it before the new one starts",
        };
        Some(format!("{at}: if the program listens on {port} itself, not on PORT, {then}"))
    });
    let auto = (spec.replicas == Some(Replicas::Auto))
        .then(|| "replicas: auto is 1 here; nothing scales a tenant on a machine".to_owned());
    fixed.chain(auto).collect()
}

/// What this spec asks for and does not get, as a line for a person.
pub(super) fn not_enforced(spec: &Spec, groups: &Result<Groups, NoGroups>) -> Option<String> {
    let storage = spec.resources.storage.is_some();
    let limits =
        not_enforced_here(groups).into_iter().filter(|limit| storage || !limit.starts_with("storage"));
    spec.asked_of(&support).not_enforced_beside(limits)
}

/// The configuration as it holds for a container, whose own fields win.
fn config_of(container: &ContainerSpec, config: &ProcessConfig) -> ProcessConfig {
    let user = container.user.as_ref().or(config.user.as_ref()).cloned();
    let working_dir = container.working_dir.as_ref().unwrap_or(&config.working_dir).clone();
    ProcessConfig { user, working_dir, ..config.clone() }
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::new(path, message));
    }

    /// A container has at most what its tenant has, so only the tenant's share is checked. Where the machine does not
    /// say how much it has, there is no limit.
    fn memory(&mut self, wanted: i64) {
        let Ok(there_is) = procfs::memory() else { return };
        if u64::try_from(wanted).is_ok_and(|wanted| wanted > there_is) {
            self.add("resources.memory", format!("this machine has {there_is} MB; ask for less"));
        }
    }

    /// The configuration, or the defaults where it is not right.
    fn config(&mut self, given: Option<&Value>) -> ProcessConfig {
        let config = match given {
            None => ProcessConfig::default(),
            Some(Value::Object(fields)) => {
                self.fields::<ProcessConfig>(fields);
                serde_json::from_value(Value::Object(fields.clone())).unwrap_or_default()
            }
            Some(_) => {
                self.add("provider_config", "give an object, like {\"stop_grace_seconds\": 10}");
                ProcessConfig::default()
            }
        };
        if !config.working_dir.starts_with('/') {
            self.add("provider_config.working_dir", "give an absolute path");
        }
        config
    }

    /// Every field that `T` does not know or cannot read. Each is read alone, so that all problems are reported at
    /// once.
    fn fields<T: DeserializeOwned>(&mut self, fields: &Map<String, Value>) {
        for (name, value) in fields {
            let alone = Map::from_iter([(name.clone(), value.clone())]);
            if let Err(error) = serde_json::from_value::<T>(Value::Object(alone)) {
                self.add(format!("provider_config.{name}"), error.to_string());
            }
        }
    }

    /// What the container and the configuration both say.
    fn twice(&mut self, at: &str, container: &ContainerSpec, config: Option<&Value>) {
        for (field, given) in [("user", &container.user), ("working_dir", &container.working_dir)] {
            if given.is_some() && config.is_some_and(|config| config.get(field).is_some()) {
                self.add(
                    format!("{at}.{field}"),
                    format!("provider_config.{field} says it too; remove one of them"),
                );
            }
        }
    }

    /// What only a launch with a view of its own of the machine's files can have.
    fn own_view(&mut self, at: &str, container: &ContainerSpec, has_views: &dyn Fn() -> Result<(), String>) {
        let Some(field) = mounts::needed_for(container) else { return };
        if let Err(why) = has_views() {
            self.add(
                format!("{at}.{field}"),
                format!("needs a mount namespace, which this engine may not make ({why}); run it as root"),
            );
        }
        let volumes = container.mounts.iter().enumerate();
        let volumes = volumes.map(|(n, mount)| (format!("{at}.mounts[{n}].path"), &mount.path, true));
        let files = container.files.iter().enumerate();
        let files = files.map(|(n, file)| (format!("{at}.files[{n}].path"), &file.path, false));
        for (at, path, wants_directory) in volumes.chain(files).collect::<Vec<_>>() {
            let path = Path::new(path);
            if is_kernels(path) || path == Path::new("/") {
                self.add(at, "is the system's; choose another path");
                continue;
            }
            // In a root directory a link leads elsewhere than here.
            if Root::of_image(&container.image) != Ok(Root::Host)
                || mounts::covers_from_outside(container, path)
            {
                continue;
            }
            match (path.metadata().map(|found| found.is_dir()), wants_directory) {
                (Ok(true), true) | (Ok(false), false) | (Err(_), true | false) => {}
                (Ok(false), true) => self.add(at, "is no directory on this machine; choose another path"),
                (Ok(true), false) => self.add(at, "is a directory on this machine; choose another path"),
            }
        }
    }

    fn container(&mut self, at: &str, container: &ContainerSpec, config: &ProcessConfig) {
        for name in container.env.keys().filter(|name| name.starts_with(tags::PREFIX)) {
            self.add(format!("{at}.env.{name}"), format!("names that begin with {} are taken", tags::PREFIX));
        }
        for (n, port) in container.ports.iter().enumerate() {
            self.port(&format!("{at}.ports[{n}]"), port);
        }
        match Root::of_image(&container.image) {
            Err(error) => self.add(format!("{at}.image"), error.to_string()),
            Ok(root) => {
                self.root(at, &root, container, config);
                self.user(at, &root, container, config);
                self.programs(at, container, &root, config);
            }
        }
    }

    fn root(&mut self, at: &str, root: &Root, container: &ContainerSpec, config: &ProcessConfig) {
        match root {
            Root::Host => {
                let working_dir = Path::new(&config.working_dir);
                if !mounts::covers(container, working_dir) && !working_dir.is_dir() {
                    let shown = &config.working_dir;
                    let at = match &container.working_dir {
                        Some(_) => format!("{at}.working_dir"),
                        None => "provider_config.working_dir".to_owned(),
                    };
                    self.add(at, format!("{shown:?} is not a directory of this machine"));
                }
            }
            Root::Directory(directory) => {
                if !directory.is_dir() {
                    self.add(
                        format!("{at}.image"),
                        format!("{directory:?} is not a directory of this machine"),
                    );
                }
                if !geteuid().is_root() {
                    self.add(
                        format!("{at}.image"),
                        "a root directory needs an engine that runs as root; use \"host\", or run it as root",
                    );
                }
                if container.working_dir.is_none()
                    && config.working_dir != ProcessConfig::default().working_dir
                {
                    self.add(
                        "provider_config.working_dir",
                        format!("{at} has a root directory, where processes begin in /; leave it out"),
                    );
                }
            }
        }
    }

    fn user(&mut self, at: &str, root: &Root, container: &ContainerSpec, config: &ProcessConfig) {
        let Some(user) = &config.user else { return };
        let at = match &container.user {
            Some(_) => format!("{at}.user"),
            None => "provider_config.user".to_owned(),
        };
        if !geteuid().is_root() {
            self.add(at, "another user needs an engine that runs as root; leave it out, or run it as root");
        } else if let Err(error) = user::find(user, root.path()) {
            self.add(at, error.to_string());
        }
    }

    fn programs(&mut self, at: &str, container: &ContainerSpec, root: &Root, config: &ProcessConfig) {
        match container.command.iter().chain(&container.args).next() {
            None => self.add(format!("{at}.command"), "missing; give the program to run and its arguments"),
            Some(program) => {
                let shown = !container.command.is_empty();
                self.program(format!("{at}.command"), (program, shown), container, root, config);
            }
        }
        let check = container.health_check.as_ref().and_then(|check| check.command.first());
        if let Some(program) = check {
            let at = format!("{at}.health_check.command");
            self.program(at, (program, true), container, root, config);
        }
    }

    fn program(
        &mut self,
        at: String,
        (program, shown): (&str, bool),
        container: &ContainerSpec,
        root: &Root,
        config: &ProcessConfig,
    ) {
        // What it stands for is known when it starts.
        if program.contains("$(") {
            return;
        }
        let base = root.base();
        let path = container.env.get("PATH").unwrap_or(&base.path);
        let own = |path: &Path| mounts::covers(container, path);
        if let Err(error) = root.locate(program, path, Path::new(&config.working_dir), own) {
            // The program is the first word of a command; any other word may hold a secret.
            let program = if shown { format!("the program {program:?}") } else { "the program".to_owned() };
            self.add(at, format!("{program} cannot be run: {error}"));
        }
    }

    fn port(&mut self, at: &str, port: &PortMapping) {
        let Some(host_port) = port.host_port else { return };
        let first = first_unprivileged_port();
        if !geteuid().is_root() && host_port < first {
            self.add(
                format!("{at}.host_port"),
                format!("below {first}, which needs an engine that runs as root"),
            );
        }
    }

    fn secret(&mut self, at: &str, secret: &SecretReference, containers: &[ContainerSpec]) {
        let mut files = containers.iter().flat_map(|container| &container.files);
        match &secret.env_var {
            None if files.any(|file| file.secret.as_ref() == Some(&secret.name)) => {}
            None => self.add(
                format!("{at}.env_var"),
                "missing; a process gets a secret in its environment or in a file",
            ),
            Some(name) if name.starts_with(tags::PREFIX) => {
                self.add(
                    format!("{at}.env_var"),
                    format!("names that begin with {} are taken", tags::PREFIX),
                );
            }
            Some(_) => {}
        }
        if let Err(error) = secrets::resolve(secret) {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            self.add(at, format!("{error}{cause}"));
        }
    }
}

/// The lowest port that every user may listen on.
fn first_unprivileged_port() -> i64 {
    let setting = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    setting.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024)
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::spec::TenantComputeSpec;
    use serde_json::json;

    use super::*;

    fn spec(change: impl FnOnce(&mut Value)) -> Spec {
        let mut spec = json!({
            "tenant_id": "acme", "provider_type": "process",
            "containers": [{ "name": "web", "image": "host", "command": ["sleep"], "args": ["60"] }],
            "resources": { "cpu": 256, "memory": 256 },
            "networking": { "public_ip": false },
        });
        change(&mut spec);
        TenantComputeSpec::from_json(&spec.to_string()).unwrap().check().unwrap()
    }

    fn checked(spec: &Spec) -> Result<(), Invalid> {
        check(spec, &|| Ok(()))
    }

    fn paths(result: Result<(), Invalid>) -> Vec<String> {
        result.unwrap_err().problems().iter().map(|problem| problem.path.clone()).collect()
    }

    #[test]
    fn files_and_volumes_are_checked_with_their_paths() {
        let asks = |paths: [&str; 3]| {
            spec(|spec| {
                spec["volumes"] = json!([{ "name": "data" }]);
                spec["secrets"] = json!([{ "name": "path", "source": "environment", "key": "PATH" }]);
                spec["containers"][0]["working_dir"] = json!("/data/work");
                spec["containers"][0]["command"] = json!(["/data/bin/server"]);
                spec["containers"][0]["mounts"] =
                    json!([{ "volume": "data", "path": paths[0] }, { "volume": "data", "path": paths[1] }]);
                spec["containers"][0]["files"] = json!([{ "path": paths[2], "secret": "path" }]);
            })
        };
        assert_eq!(checked(&asks(["/data", "/srv/more", "/data/etc/path"])), Ok(()));
        let wrong = checked(&asks(["/proc/data", "/etc/passwd", "/etc"]));
        assert_eq!(
            paths(wrong),
            [
                "containers[0].mounts[0].path",
                "containers[0].mounts[1].path",
                "containers[0].files[0].path",
                "containers[0].working_dir",
                "containers[0].command",
            ]
        );
        let may_not = check(&asks(["/data", "/srv/more", "/data/path"]), &|| Err("no".to_owned()));
        assert_eq!(paths(may_not), ["containers[0].files"]);
    }

    #[test]
    fn what_a_container_and_the_configuration_say_is_said_twice() {
        let twice = spec(|spec| {
            spec["provider_config"] = json!({ "working_dir": "/" });
            spec["containers"][0]["working_dir"] = json!("/tmp");
        });
        assert_eq!(paths(checked(&twice)), ["containers[0].working_dir"]);
        assert_eq!(checked(&spec(|spec| spec["containers"][0]["working_dir"] = json!("/tmp"))), Ok(()));
        let nobody = spec(|spec| spec["containers"][0]["user"] = json!("no-such-user"));
        assert_eq!(paths(checked(&nobody)), ["containers[0].user"]);
    }

    #[test]
    fn a_plain_spec_passes() {
        assert_eq!(checked(&spec(|_| ())), Ok(()));
        assert_eq!(
            checked(&spec(|spec| spec["provider_config"] = json!({ "stop_grace_seconds": 3 }))),
            Ok(())
        );
    }

    #[test]
    fn every_problem_is_told_with_its_path() {
        let bad = spec(|spec| {
            spec["provider_config"] =
                json!({ "stop_grace_seconds": -1, "grace": 1, "working_dir": "nowhere" });
            spec["containers"] = json!([
                { "name": "a", "image": "nginx:1.27", "command": ["sleep"] },
                { "name": "b", "image": "/nowhere", "command": ["sleep"] },
                { "name": "c", "image": "host", "env": { "LANDLORD_OWNER": "me" } },
                { "name": "d", "image": "host", "command": ["no-such-program"],
                  "health_check": { "type": "exec", "command": ["/nowhere/check"], "interval_seconds": 5,
                    "timeout_seconds": 1, "healthy_threshold": 1, "unhealthy_threshold": 1 } },
            ]);
            spec["secrets"] = json!([
                { "name": "x", "source": "aws-secrets-manager", "key": "k", "env_var": "X" },
                { "name": "y", "source": "environment", "key": "LL_NOT_SET" },
            ]);
        });
        let invalid = checked(&bad).unwrap_err();
        let paths: Vec<&str> = invalid.problems().iter().map(|problem| problem.path.as_str()).collect();
        for path in [
            "provider_config.grace",
            "provider_config.stop_grace_seconds",
            "containers[0].image",
            "containers[1].image",
            "containers[1].command",
            "containers[2].env.LANDLORD_OWNER",
            "containers[2].command",
            "containers[3].command",
            "containers[3].health_check.command",
            "secrets[0]",
            "secrets[1].env_var",
            "secrets[1]",
        ] {
            assert!(paths.contains(&path), "{path} is not in {paths:?}");
        }
    }

    #[test]
    fn more_memory_than_the_machine_has_is_refused() {
        let asks = |memory: u64| spec(|spec| spec["resources"]["memory"] = json!(memory));
        let there_is = procfs::memory().unwrap();
        assert_eq!(checked(&asks(there_is)), Ok(()));
        let invalid = checked(&asks(there_is + 1)).unwrap_err();
        assert_eq!(invalid.problems()[0].path, "resources.memory");
    }

    #[test]
    fn wishes_that_are_not_kept_are_named() {
        let asked = spec(|spec| {
            spec["networking"] = json!({ "public_ip": true, "security_groups": ["sg-1"] });
            spec["volumes"] = json!([{ "name": "data", "size_mb": 100 }]);
        });
        let without_groups = Err(NoGroups::NotMounted);
        let words = not_enforced(&asked, &without_groups).unwrap();
        assert!(words.contains("networking.security_groups") && words.contains("cpu"), "{words}");
        for hostile in ["a program can end its keeper", "leaves its parent, its session and its environment"]
        {
            assert!(words.contains(hostile), "{words}");
        }
        assert!(words.contains("volumes[0].size_mb: a volume has what its disk has"), "{words}");
        assert!(!words.contains("subnets") && !words.contains("public_ip"), "{words}");
    }

    #[test]
    fn replicas_are_at_least_one_and_as_many_as_a_machine_runs() {
        let with = |replicas: Value| spec(|spec| spec["replicas"] = replicas);
        for fine in [json!(1), json!(100), json!("auto")] {
            assert_eq!(checked(&with(fine)), Ok(()));
        }
        for refused in [json!(0), json!(101)] {
            let invalid = checked(&with(refused)).unwrap_err();
            assert_eq!(invalid.problems()[0].path, "replicas");
        }
        assert_eq!(
            remarks(&with(json!("auto"))),
            ["replicas: auto is 1 here; nothing scales a tenant on a machine"]
        );
    }

    #[test]
    fn a_fixed_port_of_a_stream_has_a_remark() {
        let with = |port: Value| remarks(&spec(|spec| spec["containers"][0]["ports"] = json!([port])));
        let fixed = with(json!({ "container_port": 80, "host_port": 8080 }));
        assert!(fixed[0].starts_with("containers[0].ports[0].host_port: ") && fixed.len() == 1, "{fixed:?}");
        // The keeper listens there, always.
        assert!(with(json!({ "container_port": 80 })).is_empty());
        assert!(with(json!({ "container_port": 53, "host_port": 5353, "protocol": "udp" })).is_empty());
    }
}
