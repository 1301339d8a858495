//! The whole platform as a state machine: a request and the time come in, what becomes of it goes out.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::Instant;

use super::home::{Home, Now, service_name};
use super::mishap::{Mishap, Traps};
use super::pace::Pace;
use super::quota::Calls;
use super::sts::{Caller, Keys};
use super::wire::{Answer, EcsReply, Outcome, Refusal, Request, text, texts};

/// What CloudWatch's requests begin with.
const LOGS: &str = "Logs_20140328.";
const TARGET: &str = "AmazonEC2ContainerServiceV20141113.";

/// All accounts and regions.
#[derive(Debug)]
pub(super) struct Platform {
    pub(super) pace: Pace,
    /// Whether the quotas count.
    pub(super) quotas: bool,
    began: Instant,
    epoch: f64,
    requests: u64,
    pub(super) homes: BTreeMap<(String, String), Home>,
    pub(super) keys: Keys,
    pub(super) traps: Traps,
    pub(super) calls: BTreeMap<String, Calls>,
}

impl Platform {
    pub(super) fn new(pace: Pace, now: Instant) -> Self {
        let epoch = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
        Self {
            pace,
            quotas: true,
            began: now,
            epoch,
            requests: 0,
            homes: BTreeMap::new(),
            keys: Keys::default(),
            traps: Traps::default(),
            calls: BTreeMap::new(),
        }
    }

    pub(super) fn now(&self, at: Instant) -> Now {
        Now { at, pace: self.pace, epoch: self.epoch, began: self.began }
    }

    /// Sets the clock on the wall, and says when that is.
    pub(super) fn reads_now(&mut self, at: Instant, wall: f64) -> Now {
        self.epoch = wall - self.now(at).since(self.began).as_secs_f64();
        self.now(at)
    }

    pub(super) fn home(&mut self, account: &str, region: &str) -> &mut Home {
        let key = (account.to_owned(), region.to_owned());
        self.homes.entry(key).or_insert_with(|| Home {
            account: account.to_owned(),
            region: region.to_owned(),
            ..Home::default()
        })
    }

    /// What becomes of a request.
    pub(super) fn answer(&mut self, at: Instant, request: &Request) -> Outcome {
        self.requests += 1;
        let id = format!("{:08x}-fake-4000-8000-{:012x}", self.requests, self.requests);
        let latency = self.pace.latency;
        let now = self.now(at);
        let api = request.header("x-amz-target").and_then(|target| target.strip_prefix(TARGET));
        let logs = request.header("x-amz-target").and_then(|target| target.strip_prefix(LOGS));
        let Some(api) = api.or(logs).map(str::to_owned) else {
            let wall = self.epoch + now.since(self.began).as_secs_f64();
            return Outcome::Answer(latency, self.keys.answer(request, at, wall, id));
        };
        let refused = |refusal: Refusal| Outcome::Answer(latency, EcsReply::of(Err(refusal), id.clone()));
        let caller = match self.keys.caller(request, at) {
            Ok(caller) => caller,
            Err(refusal) => return refused(refusal),
        };
        let calls = self.calls.entry(api.clone()).or_default();
        calls.made += 1;
        let body_text = String::from_utf8_lossy(&request.body);
        let mishap = self.traps.spring(&api, &body_text);
        let Ok(body) = serde_json::from_str::<Value>(&body_text) else {
            return refused(Refusal::new("SerializationException", "The body is no JSON."));
        };
        let act = |platform: &mut Self| {
            let answer = platform.act(&now, &caller, &api, &body);
            EcsReply::of(answer, id.clone())
        };
        match mishap {
            None => Outcome::Answer(latency, act(self)),
            Some(Mishap::Delay(more)) => Outcome::Answer(latency + more, act(self)),
            Some(Mishap::Refuse(refusal)) => refused(refusal),
            Some(Mishap::Reset { done }) => {
                if done {
                    act(self);
                }
                Outcome::Reset
            }
            Some(Mishap::Hang { done }) => {
                if done {
                    act(self);
                }
                Outcome::Hang
            }
        }
    }

    fn act(&mut self, now: &Now, caller: &Caller, api: &str, body: &Value) -> Answer {
        let quotas = self.quotas;
        let home = self.home(&caller.account, &caller.region);
        if quotas && !home.buckets.take(api, now.at) {
            self.calls.entry(api.to_owned()).or_default().throttled += 1;
            return Err(Refusal::throttled());
        }
        home.pass_time(now, body);
        match api {
            "FilterLogEvents" => home.filter_log_events(now, body),
            "CreateCluster" => home.create_cluster(now, body),
            "DescribeClusters" => home.describe_clusters(now, body),
            "RegisterTaskDefinition" => home.register_task_definition(now, body),
            "DescribeTaskDefinition" => home.describe_task_definition(now, body),
            "ListTaskDefinitions" => home.list_task_definitions(now, body),
            "ListTaskDefinitionFamilies" => home.list_task_definition_families(now, body),
            "DeregisterTaskDefinition" => home.deregister_task_definition(now, body),
            "DeleteTaskDefinitions" => home.delete_task_definitions(now, body),
            "CreateService" => home.create_service(now, body),
            "DescribeServices" => home.describe_services(now, body),
            "ListServices" => home.list_services(now, body),
            "UpdateService" => home.update_service(now, body),
            "DeleteService" => home.delete_service(now, body),
            "ListTasks" => home.list_tasks(now, body),
            "DescribeTasks" => home.describe_tasks(now, body),
            "TagResource" => home.tag_resource(now, body),
            "UntagResource" => home.untag_resource(now, body),
            "ListTagsForResource" => home.list_tags_for_resource(now, body),
            "ListServiceDeployments" => home.list_service_deployments(now, body),
            "DescribeServiceDeployments" => home.describe_service_deployments(now, body),
            "StopServiceDeployment" => home.stop_service_deployment(now, body),
            other => Err(Refusal::new("InvalidAction", format!("Unknown ECS action: {other}"))),
        }
    }
}

impl Home {
    /// Lets time pass for the services that a request is about; for all where it names none.
    fn pass_time(&mut self, now: &Now, body: &Value) {
        self.forget_definitions(now);
        let Ok(cluster) = self.cluster(body) else { return };
        let name = cluster.name.clone();
        let mut named: Vec<String> =
            texts(body, "services").into_iter().map(|one| service_name(one).to_owned()).collect();
        named.extend(
            ["service", "serviceName"]
                .iter()
                .filter_map(|field| text(body, field))
                .map(|one| service_name(one).to_owned()),
        );
        if named.is_empty() {
            named = cluster.services.keys().cloned().collect();
        }
        self.schedule(now, &name, &named);
    }
}
