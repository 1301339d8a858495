//! What is asked of the tenants: any command to any tenant at any time, of programs good and bad.

use std::time::Duration;

use landlord_compute::machines::id::TenantId;
use serde_json::{Value, json};

use super::ledger::Ledger;
use super::machine::{RUN, SPEC};
use super::protocol::{Ask, Verb};
use landlord_testing::server;

const TENANTS: usize = 50;

/// Where a run's random numbers come from, and which numbers it gave away.
pub(super) struct Mix {
    seed: u64,
    random: fastrand::Rng,
    run: String,
    tenants: Vec<TenantId>,
    requests: u64,
    specs: u64,
}

/// When the engine is killed.
pub(super) enum Moment {
    /// So long after its process was started, whatever it does by then.
    AfterStart(Duration),
    /// So long after the commands were sent.
    AfterCommands(Duration),
    /// So long after it was told to shut down, with commands on their way.
    InShutdown(Duration),
}

/// What a tenant's program does.
enum Program {
    Sleeps,
    PassesItsCheck,
    HasASlowCheck,
    Listens,
    RunsTwice,
    IgnoresTerm,
    IsNeverHealthy,
    EndsAtOnce,
    IsNotThere,
}

impl Mix {
    /// `run` marks every process that comes of it.
    pub(super) fn new(seed: u64, run: String) -> Self {
        let tenant = |number| TenantId::new(&format!("tenant-{number:02}")).expect("a valid id");
        let tenants = (0..TENANTS).map(tenant).collect();
        Self { seed, random: fastrand::Rng::with_seed(seed), run, tenants, requests: 0, specs: 0 }
    }

    pub(super) fn tenants(&self) -> &[TenantId] {
        &self.tenants
    }

    /// Each kill has random numbers of its own, so that a kill that goes differently does not change later ones.
    pub(super) fn begin(&mut self, kill: u64) {
        self.random = fastrand::Rng::with_seed(self.seed.wrapping_add(kill));
    }

    pub(super) fn moment(&mut self) -> Moment {
        let within = |random: &mut fastrand::Rng, longest| Duration::from_millis(random.u64(0..=longest));
        match self.random.u8(0..100) {
            0..25 => Moment::AfterStart(within(&mut self.random, 80)),
            25..70 => Moment::AfterCommands(within(&mut self.random, 400)),
            70..75 => Moment::InShutdown(within(&mut self.random, 400)),
            // Long enough that something is done.
            _ => Moment::AfterCommands(within(&mut self.random, 3_000)),
        }
    }

    /// What is sent between two kills: new requests, and some again that were sent before.
    pub(super) fn asks(&mut self, ledger: &Ledger) -> Vec<Ask> {
        let new = self.random.usize(10..50);
        let mut asks: Vec<Ask> = (0..new).map(|_| self.ask()).collect();
        let again = self.random.usize(0..4);
        asks.extend((0..again).filter_map(|_| ledger.repeatable(&mut self.random)));
        self.random.shuffle(&mut asks);
        asks
    }

    /// How many programs crash by themselves between two kills.
    pub(super) fn crashes(&mut self) -> usize {
        self.random.usize(0..3)
    }

    /// One of some, if there are any.
    pub(super) fn one_of<'a, T>(&mut self, some: &'a [T]) -> Option<&'a T> {
        self.random.choice(some)
    }

    pub(super) fn request(&mut self, tenant: TenantId, verb: Verb) -> Ask {
        self.requests += 1;
        Ask { request: self.requests, tenant, verb }
    }

    fn ask(&mut self) -> Ask {
        let tenant = self.tenants[self.random.usize(0..TENANTS)].clone();
        let verb = match self.random.u8(0..100) {
            0..38 => Verb::Provision { spec: self.spec(&tenant), deadline_ms: self.deadline() },
            38..62 => Verb::Update { spec: self.spec(&tenant), deadline_ms: self.deadline() },
            62..70 => Verb::Restart { deadline_ms: self.deadline() },
            70..79 => Verb::Destroy,
            79..86 => Verb::Cancel,
            86..90 => Verb::Retry,
            90..94 => Verb::Pause,
            _ => Verb::Resume,
        };
        self.request(tenant, verb)
    }

    fn deadline(&mut self) -> Option<u64> {
        (self.random.u8(0..10) == 0).then(|| self.random.u64(100..3_000))
    }

    /// A spec with a number of its own, which its processes show.
    fn spec(&mut self, tenant: &TenantId) -> Value {
        self.specs += 1;
        let program = match self.random.u8(0..100) {
            0..20 => Program::Sleeps,
            20..40 => Program::PassesItsCheck,
            40..50 => Program::HasASlowCheck,
            50..58 => Program::Listens,
            58..68 => Program::RunsTwice,
            68..80 => Program::IgnoresTerm,
            80..87 => Program::IsNeverHealthy,
            87..94 => Program::EndsAtOnce,
            _ => Program::IsNotThere,
        };
        let mut containers = containers(&program);
        for container in &mut containers {
            container["image"] = json!("host");
            container["env"][SPEC] = json!(self.specs.to_string());
            container["env"][RUN] = json!(self.run);
        }
        json!({
            "tenant_id": tenant,
            "provider_type": "process",
            "containers": containers,
            "resources": { "cpu": 128, "memory": 512 },
            "networking": { "public_ip": false },
            "provider_config": { "stop_grace_seconds": 1 },
        })
    }
}

fn containers(program: &Program) -> Vec<Value> {
    let shell = |script: &str| json!(["/bin/sh", "-c", script]);
    let checked = |check: Value| {
        json!({ "type": "exec", "command": check, "interval_seconds": 5, "timeout_seconds": 2,
            "healthy_threshold": 1, "unhealthy_threshold": 1 })
    };
    let sleeps = shell("exec sleep 3000");
    match program {
        Program::Sleeps => vec![json!({ "name": "web", "command": sleeps })],
        Program::PassesItsCheck => {
            vec![json!({ "name": "web", "command": sleeps, "health_check": checked(json!(["true"])) })]
        }
        Program::HasASlowCheck => {
            vec![json!({ "name": "web", "command": sleeps, "health_check": checked(shell("sleep 0.3")) })]
        }
        Program::Listens => {
            let (command, args, (name, value)) = server::program("kills::serves_when_asked");
            vec![json!({ "name": "web", "command": [command], "args": args, "env": { name: value },
                "ports": [{ "container_port": 80, "protocol": "tcp" }],
                "health_check": { "type": "tcp", "port": 80, "interval_seconds": 5, "timeout_seconds": 1,
                    "healthy_threshold": 1, "unhealthy_threshold": 1 } })]
        }
        Program::RunsTwice => vec![
            json!({ "name": "web", "command": sleeps, "health_check": checked(json!(["true"])) }),
            json!({ "name": "worker", "command": shell("sleep 3000 & sleep 3001 & wait") }),
        ],
        Program::IgnoresTerm => vec![json!({ "name": "web",
            "command": shell("trap '' TERM; while :; do sleep 1000; done"),
            "health_check": checked(json!(["true"])) })],
        Program::IsNeverHealthy => {
            vec![json!({ "name": "web", "command": sleeps, "health_check": checked(json!(["false"])) })]
        }
        Program::EndsAtOnce => vec![json!({ "name": "web", "command": shell("exit 3") })],
        Program::IsNotThere => vec![json!({ "name": "web", "command": ["/nowhere/program"] })],
    }
}
