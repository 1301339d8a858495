//! Health checks, as commands that ECS runs in a container.

use super::problems::Problems;
use crate::planner::ecs::ContainerCheck;
use crate::spec::{ContainerSpec, HealthCheckConfig, Scheme, path};

/// The shortest timeout that ECS has; a spec may say 1.
const LEAST_TIMEOUT: i64 = 2;

/// A container's check. `healthy_threshold` has no counterpart: one check that passes is enough for ECS.
pub(super) fn check(problems: &mut Problems, at: &str, check: &HealthCheckConfig) -> ContainerCheck {
    let timeout = check.timeout_seconds.max(LEAST_TIMEOUT);
    ContainerCheck {
        command: command(problems, at, check),
        interval_seconds: problems.number(
            &path::field(at, "interval_seconds"),
            check.interval_seconds,
            5..=300,
        ),
        timeout_seconds: problems.number(&path::field(at, "timeout_seconds"), timeout, 2..=60),
        retries: problems.number(&path::field(at, "unhealthy_threshold"), check.unhealthy_threshold, 1..=10),
        start_period_seconds: check
            .start_period_seconds
            .map(|seconds| problems.number(&path::field(at, "start_period_seconds"), seconds, 0..=300)),
    }
}

/// How long a task's containers may take to start: a load balancer's checks count as late as theirs.
pub(super) fn longest_start_period(containers: &[ContainerSpec]) -> Option<u32> {
    let checks = containers.iter().filter_map(|container| container.health_check.as_ref());
    checks.filter_map(|check| u32::try_from(check.start_period_seconds?).ok()).max()
}

fn command(problems: &mut Problems, at: &str, check: &HealthCheckConfig) -> Vec<String> {
    let shell = |line: String| vec!["CMD-SHELL".to_owned(), line];
    // Only a spec that was stored under other rules can lack a port, or have another kind.
    let port = check.port.unwrap_or_default();
    if check.port.is_none() && matches!(check.kind.as_str(), "http" | "tcp") {
        problems.add(path::field(at, "port"), format!("missing; a check of type {} needs one", check.kind));
    }
    match check.kind.as_str() {
        "http" => {
            let given = check.http_path.as_deref().unwrap_or("/");
            if !given.bytes().all(|b| b.is_ascii_graphic()) {
                problems.add(
                    path::field(at, "http_path"),
                    "holds a space or another character that a URL cannot have; write it as %20 and the like",
                );
            }
            shell(http(port, given, check))
        }
        "tcp" => shell(tcp(port)),
        "exec" => std::iter::once("CMD".to_owned()).chain(check.command.iter().cloned()).collect(),
        other => {
            problems.add(
                path::field(at, "type"),
                format!("{} is unknown; use http, tcp or exec", path::quoted(other)),
            );
            Vec::new()
        }
    }
}

/// A GET that answers 200 to 399. Images have curl or wget, if any: BusyBox brings wget. No option is used that one of
/// a wget lacks or (`-T` of BusyBox 1.35) crashes on: ECS's timeout ends what hangs. Wget follows a
/// redirection, where curl takes it for an answer. A proxy of the tenant's is not asked for what is in the container,
/// and `localhost` may be an address that the program does not listen on.
///
/// A certificate is not verified: it is for another name than the address in the task.
fn http(port: i64, path: &str, check: &HealthCheckConfig) -> String {
    let (scheme, curl, proxy, wget) = match check.scheme {
        Some(Scheme::Http) | None => ("http", "", "http_proxy=", ""),
        Some(Scheme::Https) => ("https", " -k", "https_proxy=", " --no-check-certificate"),
    };
    let url = quoted(&format!("{scheme}://127.0.0.1:{port}{path}"));
    let headers = |option: &str, text: fn(&str, &str) -> String| -> String {
        let header = |(name, value): (&String, &String)| format!(" {option} {}", quoted(&text(name, value)));
        check.headers.iter().map(header).collect()
    };
    // To curl `Name:` takes a header away, and `Name;` is one without a value.
    let for_curl = headers("-H", |name, value| match value.trim() {
        "" => format!("{name};"),
        _ => format!("{name}: {value}"),
    });
    let for_wget = headers("--header", |name, value| format!("{name}: {value}"));
    format!(
        "if command -v curl >/dev/null 2>&1; \
         then curl -gfsS{curl} --noproxy '*'{for_curl} -o /dev/null {url}; \
         else {proxy} wget -q{wget}{for_wget} -O /dev/null {url}; \
         fi || exit 1"
    )
}

/// A connection that is accepted. An nc that does not know `-z` fails, and then it is bash's turn.
fn tcp(port: i64) -> String {
    format!(
        "nc -z 127.0.0.1 {port} 2>/dev/null \
         || bash -c ': </dev/tcp/127.0.0.1/{port}' 2>/dev/null \
         || exit 1"
    )
}

/// A text that a shell takes as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Problem;

    fn config(kind: &str) -> HealthCheckConfig {
        HealthCheckConfig {
            kind: kind.to_owned(),
            http_path: Some("/healthz".to_owned()),
            port: Some(8080),
            command: vec!["check".to_owned(), "it's".to_owned()],
            interval_seconds: 10,
            timeout_seconds: 3,
            healthy_threshold: 2,
            unhealthy_threshold: 4,
            start_period_seconds: None,
            ..HealthCheckConfig::default()
        }
    }

    fn mapped(config: &HealthCheckConfig) -> (ContainerCheck, Vec<Problem>) {
        let mut problems = Problems::default();
        let mapped = check(&mut problems, "containers[0].health_check", config);
        (mapped, problems.into_vec())
    }

    #[test]
    fn each_kind_has_its_command() {
        let (exec, problems) = mapped(&config("exec"));
        assert_eq!(exec.command, ["CMD", "check", "it's"]);
        assert_eq!((exec.interval_seconds, exec.timeout_seconds, exec.retries), (10, 3, 4));
        assert_eq!(problems, []);
        insta::assert_snapshot!(mapped(&config("http")).0.command.join("\n"), @r"
        CMD-SHELL
        if command -v curl >/dev/null 2>&1; then curl -gfsS --noproxy '*' -o /dev/null 'http://127.0.0.1:8080/healthz'; else http_proxy= wget -q -O /dev/null 'http://127.0.0.1:8080/healthz'; fi || exit 1
        ");
        insta::assert_snapshot!(mapped(&config("tcp")).0.command.join("\n"), @r"
        CMD-SHELL
        nc -z 127.0.0.1 8080 2>/dev/null || bash -c ': </dev/tcp/127.0.0.1/8080' 2>/dev/null || exit 1
        ");
    }

    #[test]
    fn a_check_speaks_tls_and_sends_headers() {
        let headers = [("Host", "it's.example"), ("X-Empty", ""), ("X-Probe", "$(id) `id`")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let check = HealthCheckConfig { scheme: Some(Scheme::Https), headers, ..config("http") };
        insta::assert_snapshot!(mapped(&check).0.command.join("\n"), @r"
        CMD-SHELL
        if command -v curl >/dev/null 2>&1; then curl -gfsS -k --noproxy '*' -H 'Host: it'\''s.example' -H 'X-Empty;' -H 'X-Probe: $(id) `id`' -o /dev/null 'https://127.0.0.1:8080/healthz'; else https_proxy= wget -q --no-check-certificate --header 'Host: it'\''s.example' --header 'X-Empty: ' --header 'X-Probe: $(id) `id`' -O /dev/null 'https://127.0.0.1:8080/healthz'; fi || exit 1
        ");
    }

    /// What the programs get, where there is only one of them.
    #[test]
    fn a_header_reaches_the_program_as_it_is() {
        let headers = [("X-Probe", "it's $(id) `id` \"x\" \\ ; exit 0")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let check = HealthCheckConfig { headers, ..config("http") };
        let line = mapped(&check).0.command.remove(1);
        for program in ["curl", "wget"] {
            let bin = std::env::temp_dir().join(format!("landlord-headers-{}-{program}", std::process::id()));
            std::fs::create_dir_all(&bin).unwrap();
            let (path, got) = (bin.join(program), bin.join("got"));
            std::fs::write(&path, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\n", got.display())).unwrap();
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            let ended =
                std::process::Command::new("/bin/sh").args(["-c", &line]).env("PATH", &bin).status().unwrap();
            let got = std::fs::read_to_string(got).unwrap();
            std::fs::remove_dir_all(&bin).unwrap();
            assert!(ended.success());
            assert!(got.lines().any(|word| word == "X-Probe: it's $(id) `id` \"x\" \\ ; exit 0"), "{got}");
        }
    }

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let evil = HealthCheckConfig { http_path: Some("/';reboot;'".to_owned()), ..config("http") };
        let line = mapped(&evil).0.command.remove(1);
        assert_eq!(line.matches(r"'http://127.0.0.1:8080/'\'';reboot;'\'''").count(), 2, "{line}");
        let spaced = HealthCheckConfig { http_path: Some("/a b".to_owned()), ..config("http") };
        assert_eq!(mapped(&spaced).1[0].path, "containers[0].health_check.http_path");
    }

    /// As only a spec can have it that was stored under other rules.
    #[test]
    fn a_check_of_another_kind_or_without_a_port_is_refused() {
        let problems = |check| mapped(&check).1.iter().map(ToString::to_string).collect::<Vec<_>>();
        let other = problems(config("grpc"));
        assert_eq!(other, [r#"containers[0].health_check.type: "grpc" is unknown; use http, tcp or exec"#]);
        let nowhere = problems(HealthCheckConfig { port: None, ..config("tcp") });
        assert_eq!(nowhere, ["containers[0].health_check.port: missing; a check of type tcp needs one"]);
    }

    #[test]
    fn a_start_period_is_passed_on() {
        let slow = |seconds| HealthCheckConfig { start_period_seconds: Some(seconds), ..config("tcp") };
        assert_eq!(mapped(&config("tcp")).0.start_period_seconds, None);
        assert_eq!(mapped(&slow(300)).0.start_period_seconds, Some(300));
        assert_eq!(mapped(&slow(300)).1, []);
        assert_eq!(
            mapped(&slow(301)).1.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["containers[0].health_check.start_period_seconds: 301 is out of range; ECS takes 0 to 300"]
        );
    }

    #[test]
    fn a_timeout_of_one_becomes_two() {
        let short = HealthCheckConfig { timeout_seconds: 1, ..config("tcp") };
        let (check, problems) = mapped(&short);
        assert_eq!((check.timeout_seconds, problems), (2, vec![]));
    }

    #[test]
    fn what_ecs_does_not_take_is_told_with_its_path() {
        let slow = HealthCheckConfig {
            interval_seconds: 301,
            timeout_seconds: 61,
            unhealthy_threshold: 11,
            ..config("exec")
        };
        let problems: Vec<String> = mapped(&slow).1.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "containers[0].health_check.interval_seconds: 301 is out of range; ECS takes 5 to 300",
                "containers[0].health_check.timeout_seconds: 61 is out of range; ECS takes 2 to 60",
                "containers[0].health_check.unhealthy_threshold: 11 is out of range; ECS takes 1 to 10",
            ]
        );
        let edge = HealthCheckConfig {
            interval_seconds: 300,
            timeout_seconds: 60,
            unhealthy_threshold: 10,
            ..config("exec")
        };
        assert_eq!(mapped(&edge).1, []);
    }

    /// Runs a check's line where only these programs are, each of which ends with its code.
    fn passes(config: &HealthCheckConfig, programs: &[(&str, i32)]) -> bool {
        use std::os::unix::fs::PermissionsExt;
        let names: Vec<String> = programs.iter().map(|(name, code)| format!("{name}{code}")).collect();
        let bin = std::env::temp_dir().join(format!(
            "landlord-checks-{}-{}-{}",
            std::process::id(),
            config.kind,
            names.join("-")
        ));
        std::fs::create_dir_all(&bin).unwrap();
        for (name, code) in programs {
            let program = bin.join(name);
            std::fs::write(&program, format!("#!/bin/sh\nexit {code}\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let line = mapped(config).0.command.remove(1);
        let mut shell = std::process::Command::new("/bin/sh");
        let ended = shell.args(["-c", &line]).env("PATH", &bin).stderr(std::process::Stdio::null()).status();
        std::fs::remove_dir_all(&bin).unwrap();
        match ended.unwrap().code() {
            Some(0) => true,
            Some(1) => false,
            other => panic!("{other:?}, where a check ends with 0 or 1"),
        }
    }

    #[test]
    fn the_first_program_that_is_there_decides() {
        let http = |programs: &[(&str, i32)]| passes(&config("http"), programs);
        assert!(http(&[("curl", 0)]) && http(&[("wget", 0)]) && http(&[("curl", 0), ("wget", 8)]));
        assert!(!http(&[("curl", 22), ("wget", 0)]) && !http(&[("wget", 8)]) && !http(&[]));
        let tcp = |programs: &[(&str, i32)]| passes(&config("tcp"), programs);
        assert!(tcp(&[("nc", 0)]) && tcp(&[("bash", 0)]) && tcp(&[("nc", 2), ("bash", 0)]));
        assert!(!tcp(&[("nc", 1), ("bash", 1)]) && !tcp(&[("nc", 1)]) && !tcp(&[]));
    }
}
