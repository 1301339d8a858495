//! What a test that uses an emulator relies on.

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::http::{self, Answer};
use super::{Emulator, Fault, Kind, Rule, When, credential};

/// One call of the API, as the SDK would put it.
fn ecs(url: &str, operation: &str, parameters: &Value) -> std::io::Result<Answer> {
    let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
    let headers = [
        ("x-amz-target", target.as_str()),
        ("content-type", "application/x-amz-json-1.1"),
        ("authorization", &credential("ecs")),
    ];
    http::send(url, "POST", "/", &headers, parameters.to_string().as_bytes())
}

/// One that is answered with success.
fn done(url: &str, operation: &str, parameters: &Value) -> Value {
    let answer = ecs(url, operation, parameters).unwrap_or_else(|error| panic!("{operation}: {error}"));
    assert_eq!(answer.status, 200, "{operation} of {parameters}: {}", answer.json());
    answer.json()
}

fn cluster(emulator: &Emulator, name: &str) {
    done(emulator.direct_url(), "CreateCluster", &json!({ "clusterName": name }));
}

/// Asks again until it is so. What never comes true fails the test, by a count of looks.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not seen: {what}")
}

fn gone(url: &str) -> bool {
    TcpStream::connect(url.trim_start_matches("http://")).is_err()
}

fn answers_with_and_without_microburst(kind: Kind, name: &str) {
    let emulator = Emulator::shared(kind);
    cluster(emulator, name);
    for url in [emulator.url(), emulator.direct_url()] {
        let described = done(url, "DescribeClusters", &json!({ "clusters": [name] }));
        assert_eq!(described["clusters"][0]["status"], "ACTIVE", "{described}");
    }
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn ministack_answers_with_and_without_microburst() {
    answers_with_and_without_microburst(Kind::MiniStack, "answers-ministack");
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn ministack_with_an_engine_answers_with_and_without_microburst() {
    answers_with_and_without_microburst(Kind::MiniStackWithEngine, "answers-engine");
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn moto_answers_with_and_without_microburst() {
    answers_with_and_without_microburst(Kind::Moto, "answers-moto");
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn a_throttled_call_says_so_as_the_real_service_does() {
    let emulator = Emulator::shared(Kind::MiniStack);
    cluster(emulator, "throttled-one");
    cluster(emulator, "throttled-other");
    let list = |cluster: &str| {
        ecs(emulator.url(), "ListServices", &json!({ "cluster": cluster })).expect("it answers")
    };

    let rule = Rule { operation: Some("ListServices"), fault: Fault::Throttled, when: When::Always };
    let rules = emulator.rules("throttled-one", &[rule]);
    let throttled = list("throttled-one");
    assert_eq!(throttled.status, 400);
    assert_eq!(throttled.json(), json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }));
    assert!(throttled.headers.iter().any(|(name, _)| name == "x-amzn-requestid"));
    assert_eq!(list("throttled-other").status, 200, "another test's calls are left alone");
    assert_eq!(rules.met(), 1);

    drop(rules);
    assert_eq!(list("throttled-one").status, 200, "the rules end with their guard");
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn the_rules_of_two_tests_do_not_end_each_other() {
    let emulator = Emulator::shared(Kind::MiniStack);
    cluster(emulator, "two-guards");
    let status = || {
        ecs(emulator.url(), "ListServices", &json!({ "cluster": "two-guards" })).expect("it answers").status
    };
    let rule = |status| Rule {
        operation: None,
        fault: Fault::Error { status, code: "ServerException", message: "no" },
        when: When::Always,
    };
    let first = emulator.rules("two-guards", &[rule(500)]);
    let second = emulator.rules("two-guards", &[rule(503)]);
    assert_eq!(status(), 500, "the first that fits wins");
    drop(first);
    assert_eq!(status(), 503);
    drop(second);
    assert_eq!(status(), 200);
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn rules_are_for_the_calls_they_say() {
    let emulator = Emulator::shared(Kind::MiniStack);
    cluster(emulator, "which-calls");
    let failed = |when: When, calls: usize| -> Vec<bool> {
        let rule = Rule { operation: Some("ListServices"), fault: Fault::Throttled, when };
        let _rules = emulator.rules("which-calls", &[rule]);
        let parameters = json!({ "cluster": "which-calls" });
        done(emulator.url(), "ListTasks", &parameters);
        let calls =
            (0..calls).map(|_| ecs(emulator.url(), "ListServices", &parameters).expect("it answers").status);
        calls.map(|status| status != 200).collect()
    };
    assert_eq!(failed(When::First(2), 4), [true, true, false, false]);
    assert_eq!(failed(When::Sequence { fail: 1, pass: 2 }, 4), [true, false, false, true]);
    assert_eq!(failed(When::Probability(0.0), 2), [false, false]);
    assert_eq!(failed(When::Probability(1.0), 2), [true, true]);
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn a_reset_call_never_arrives_and_one_whose_answer_is_lost_does() {
    let emulator = Emulator::shared(Kind::MiniStack);
    let exists = |cluster: &str| {
        let described = done(emulator.direct_url(), "DescribeClusters", &json!({ "clusters": [cluster] }));
        described["clusters"].as_array().is_some_and(|clusters| !clusters.is_empty())
    };
    for (name, fault, arrives) in
        [("call-reset", Fault::Reset, false), ("answer-lost", Fault::AnswerLost, true)]
    {
        let rules = emulator.rules(name, &[Rule { operation: None, fault, when: When::Always }]);
        let answer = ecs(emulator.url(), "CreateCluster", &json!({ "clusterName": name }));
        assert!(answer.as_ref().map_or(true, |answer| answer.body.is_empty()), "{name}: {answer:?}");
        assert_eq!(rules.met(), 1, "{name}");
        assert_eq!(exists(name), arrives, "{name}");
    }
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn a_slow_call_is_answered() {
    let emulator = Emulator::shared(Kind::MiniStack);
    let fault = Fault::Slow(Duration::from_millis(7));
    let _rules = emulator.rules("slow-call", &[Rule { operation: None, fault, when: When::Always }]);
    done(emulator.url(), "CreateCluster", &json!({ "clusterName": "slow-call" }));
    let log = http::send(emulator.url(), "GET", "/_microburst/fired", &[], b"").expect("it answers").json();
    let mut actions = log.as_array().into_iter().flatten().map(|event| &event["action"]);
    assert!(actions.any(|action| action == "latency:7ms"), "{log}");
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn an_emulator_is_reset_and_stops_when_dropped() {
    for kind in [Kind::MiniStack, Kind::Moto] {
        let mut emulator = Emulator::start(kind);
        cluster(&emulator, "before-reset");
        emulator.reset();
        let listed = done(emulator.direct_url(), "ListClusters", &json!({}));
        assert_eq!(listed["clusterArns"], json!([]), "{kind:?}");

        let urls = [emulator.url().to_owned(), emulator.emulator.clone()];
        drop(emulator);
        for url in urls {
            assert!(gone(&url), "{kind:?} is still at {url}");
        }
    }
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn an_emulator_ends_with_its_containers_when_its_script_is_killed() {
    let emulator = Emulator::start(Kind::MiniStackWithEngine);
    web_server(&emulator, "killed-script");
    assert!(!processes("killed-script").is_empty(), "it runs");
    let script = Pid::from_raw(i32::try_from(emulator.script.id()).expect("a pid")).expect("not 0");
    kill_process(script, Signal::KILL).expect("it runs");
    for url in [emulator.url(), emulator.direct_url()] {
        until("nobody listens", || gone(url).then_some(()));
    }
    until("its containers end", || processes("killed-script").is_empty().then_some(()));
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn a_task_of_the_engine_is_a_container_with_an_address() {
    let emulator = Emulator::shared(Kind::MiniStackWithEngine);
    let address = web_server(emulator, "web-server");
    let page =
        || http::send(&address, "GET", "/index.html", &[], b"").is_ok_and(|page| page.body == b"hello\n");
    until("the page", || page().then_some(()));
}

/// The processes of this machine that a web server was started as.
fn processes(name: &str) -> Vec<u32> {
    let marked = format!("WEB_SERVER={name}\0");
    let pids = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let environment = |pid: &u32| std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    pids.filter(|pid| environment(pid).windows(marked.len()).any(|window| window == marked.as_bytes()))
        .collect()
}

/// Provisions a web server of one task and says where it listens.
fn web_server(emulator: &Emulator, name: &str) -> String {
    let url = emulator.direct_url();
    cluster(emulator, name);
    let command = ["httpd", "-f", "-p", "8080", "-h", "/www"];
    let environment = json!([{ "name": "WEB_SERVER", "value": name }]);
    let container = json!({
        "name": "web", "image": "busybox:test", "memory": 16, "command": command, "environment": environment,
    });
    let definition = json!({ "family": name, "networkMode": "awsvpc", "containerDefinitions": [container] });
    done(url, "RegisterTaskDefinition", &definition);
    let service = json!({ "cluster": name, "serviceName": name, "taskDefinition": name, "desiredCount": 1 });
    done(url, "CreateService", &service);
    let address = until("an address", || {
        let tasks = done(url, "ListTasks", &json!({ "cluster": name }));
        let described = done(url, "DescribeTasks", &json!({ "cluster": name, "tasks": tasks["taskArns"] }));
        let details = described["tasks"][0]["attachments"][0]["details"].as_array()?.clone();
        let address = details.into_iter().find(|detail| detail["name"] == "privateIPv4Address")?;
        address["value"].as_str().map(str::to_owned)
    });
    format!("http://{address}:8080")
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn a_task_of_the_engine_that_crashes_says_its_exit_code_and_is_replaced() {
    let emulator = Emulator::shared(Kind::MiniStackWithEngine);
    let url = emulator.direct_url();
    let name = "crashing-task";
    cluster(emulator, name);
    let container =
        json!({ "name": "web", "image": "busybox:test", "memory": 16, "command": ["sh", "-c", "exit 3"] });
    done(url, "RegisterTaskDefinition", &json!({ "family": name, "containerDefinitions": [container] }));
    let service = json!({ "cluster": name, "serviceName": name, "taskDefinition": name, "desiredCount": 1 });
    done(url, "CreateService", &service);
    let stopped = until("two stopped tasks", || {
        let stopped = json!({ "cluster": name, "serviceName": name, "desiredStatus": "STOPPED" });
        let tasks = done(url, "ListTasks", &stopped)["taskArns"].clone();
        (tasks.as_array()?.len() > 1).then_some(tasks)
    });
    let described = done(url, "DescribeTasks", &json!({ "cluster": name, "tasks": stopped }));
    let task = &described["tasks"][0];
    assert_eq!(task["containers"][0]["exitCode"], 3, "{task}");
    assert_eq!(task["stopCode"], "EssentialContainerExited", "{task}");
    done(url, "DeleteService", &json!({ "cluster": name, "service": name, "force": true }));
}

/// A service of moto and its scheduler, behind microburst.
struct Scheduled {
    emulator: &'static Emulator,
    name: &'static str,
}

impl Scheduled {
    fn create(name: &'static str, image: &str) -> Self {
        let scheduled = Self { emulator: Emulator::shared(Kind::Moto), name };
        cluster(scheduled.emulator, name);
        let network = scheduled.emulator.network();
        let service = json!({
            "cluster": name, "serviceName": name, "taskDefinition": scheduled.register(image), "desiredCount": 2,
            "launchType": "FARGATE",
            "deploymentConfiguration": { "deploymentCircuitBreaker": { "enable": true, "rollback": true } },
            "networkConfiguration": { "awsvpcConfiguration": {
                "subnets": [network.subnet], "securityGroups": [network.security_group],
            } },
        });
        let created = done(scheduled.emulator.url(), "CreateService", &service);
        assert_eq!(created["service"]["deployments"][0]["rolloutState"], "IN_PROGRESS", "{created}");
        scheduled
    }

    fn register(&self, image: &str) -> String {
        let container = json!({ "name": "web", "image": image, "memory": 16 });
        let definition = json!({
            "family": self.name, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": "256", "memory": "512", "containerDefinitions": [container],
        });
        let registered = done(self.emulator.url(), "RegisterTaskDefinition", &definition);
        registered["taskDefinition"]["taskDefinitionArn"].as_str().expect("an ARN").to_owned()
    }

    fn update(&self, image: &str) {
        let update =
            json!({ "cluster": self.name, "service": self.name, "taskDefinition": self.register(image) });
        done(self.emulator.url(), "UpdateService", &update);
    }

    /// The deployments at another look: status, rollout state, revision and running tasks of each.
    fn look(&self) -> Vec<String> {
        let described = json!({ "cluster": self.name, "services": [self.name] });
        let described = done(self.emulator.url(), "DescribeServices", &described);
        let deployments = described["services"][0]["deployments"].as_array().expect("deployments");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        deployments
            .iter()
            .map(|deployment| {
                let definition = text(&deployment["taskDefinition"]);
                let revision = definition.rsplit(':').next().unwrap_or_default();
                let (status, state) = (text(&deployment["status"]), text(&deployment["rolloutState"]));
                format!("{status} {state} of {revision}, {} running", deployment["runningCount"])
            })
            .collect()
    }

    /// Status, health and exit code of its first task that is wanted so.
    fn task(&self, desired: &str) -> (String, String, Value) {
        let list = json!({ "cluster": self.name, "serviceName": self.name, "desiredStatus": desired });
        let tasks = done(self.emulator.url(), "ListTasks", &list)["taskArns"].clone();
        let tasks =
            done(self.emulator.url(), "DescribeTasks", &json!({ "cluster": self.name, "tasks": tasks }));
        let task = &tasks["tasks"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&task["lastStatus"]), text(&task["healthStatus"]), task["containers"][0]["exitCode"].clone())
    }
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn a_rollout_of_moto_completes_and_an_update_replaces_it() {
    let service = Scheduled::create("completes", "app:1");
    assert_eq!(service.look(), ["PRIMARY IN_PROGRESS of 1, 0 running"]);
    assert_eq!(service.task("RUNNING"), ("PENDING".to_owned(), "UNKNOWN".to_owned(), Value::Null));
    assert_eq!(service.look(), ["PRIMARY COMPLETED of 1, 2 running"]);
    assert_eq!(service.task("RUNNING"), ("RUNNING".to_owned(), "HEALTHY".to_owned(), Value::Null));

    service.update("app:2");
    assert_eq!(service.look(), ["PRIMARY IN_PROGRESS of 2, 0 running", "ACTIVE COMPLETED of 1, 2 running"]);
    assert_eq!(service.look(), ["PRIMARY COMPLETED of 2, 2 running"]);
    assert_eq!(service.look(), ["PRIMARY COMPLETED of 2, 2 running"], "it stays so");

    done(
        service.emulator.url(),
        "DeleteService",
        &json!({ "cluster": "completes", "service": "completes", "force": true }),
    );
    assert_eq!(service.look(), [""; 0], "nothing is left of a deleted service");
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn a_rollout_of_moto_whose_tasks_crash_fails_and_goes_back_when_it_can() {
    let service = Scheduled::create("crashes", "crash:1");
    assert_eq!(service.look(), ["PRIMARY IN_PROGRESS of 1, 0 running"]);
    assert_eq!(service.look(), ["PRIMARY FAILED of 1, 0 running"], "there is nothing to go back to");
    assert_eq!(service.task("STOPPED"), ("STOPPED".to_owned(), "UNKNOWN".to_owned(), json!(1)));

    service.update("app:2");
    service.look();
    assert_eq!(service.look(), ["PRIMARY COMPLETED of 2, 2 running"]);

    service.update("crash:3");
    service.look();
    assert_eq!(
        service.look(),
        [
            "PRIMARY IN_PROGRESS of 2, 0 running",
            "ACTIVE FAILED of 3, 0 running",
            "ACTIVE COMPLETED of 2, 2 running"
        ]
    );
    assert_eq!(service.look(), ["PRIMARY COMPLETED of 2, 2 running"]);
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn a_rollout_of_moto_that_never_gets_healthy_is_stopped() {
    let service = Scheduled::create("unhealthy", "app:1");
    service.look();
    service.look();
    service.update("never-healthy:2");
    for _ in 0..5 {
        service.look();
    }
    assert_eq!(service.look(), ["PRIMARY IN_PROGRESS of 2, 2 running", "ACTIVE COMPLETED of 1, 2 running"]);

    let describe = json!({ "cluster": "unhealthy", "services": ["unhealthy"] });
    let going = done(service.emulator.url(), "DescribeServices", &describe);
    let stop = json!({ "serviceDeploymentArn": going["services"][0]["currentServiceDeployment"] });
    done(service.emulator.url(), "StopServiceDeployment", &stop);
    service.look();
    assert_eq!(service.look(), ["PRIMARY COMPLETED of 1, 2 running"]);
    let again = ecs(service.emulator.url(), "StopServiceDeployment", &stop).expect("it answers");
    assert_eq!(again.json()["__type"], "ServiceDeploymentNotFoundException");
}

#[test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
fn a_service_that_moto_refuses_is_refused() {
    let emulator = Emulator::shared(Kind::Moto);
    let refused = ecs(emulator.url(), "ListTasks", &json!({ "cluster": "no-such", "serviceName": "any" }));
    let refused = refused.expect("it answers");
    assert_eq!((refused.status, refused.json()["__type"].as_str()), (400, Some("ClusterNotFoundException")));
    cluster(emulator, "refuses");
    let refused = ecs(emulator.url(), "ListTasks", &json!({ "cluster": "refuses", "serviceName": "any" }));
    assert_eq!(refused.expect("it answers").json()["__type"], "ServiceNotFoundException");
}
