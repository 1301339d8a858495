//! I2, I3, I6: the engine is killed again and again while it works, and nothing is lost, left over or done twice.
//!
//! The engine runs in a process of its own (`engine_process`), on SQLite and real processes. A run gets a seed,
//! which decides what is asked and when the engine is killed; what the engine gets done between two kills depends
//! on the machine, so a seed repeats a run only about as it was. `LANDLORD_SEED` gives it, `LANDLORD_KILLS` says
//! how often the engine is killed.

mod checks;
mod driver;
mod history;
mod ledger;
mod machine;
mod mix;
mod protocol;

use std::sync::Arc;
use std::time::{Duration, Instant};

use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::tenant::Tenant;
use landlord_compute::provider::Provider;
use landlord_provider_process::{ProcessOptions, ProcessProvider};
use tokio::time::sleep;

use checks::{Problem, general};
use driver::{EngineProcess, Files};
use history::History;
use ledger::Ledger;
use machine::Cleanup;
use mix::{Mix, Moment};
use protocol::Verb;

/// After so many kills an engine gets the time to finish, so that what is left over can be seen.
const REST: u64 = 10;
/// How long an engine gets until everything is at rest. Only an engine that hangs takes so long.
const SETTLES: Duration = Duration::from_secs(180);
/// How often the condition is checked meanwhile.
const LOOK: Duration = Duration::from_millis(200);

/// Not a test: the program of a tenant.
#[test]
fn serves_when_asked() {
    landlord_testing::server::serve_if_asked();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_an_engine_that_is_killed_again_and_again_loses_nothing() {
    let kills = given("LANDLORD_KILLS").unwrap_or(20);
    let mut run = Run::new(given("LANDLORD_SEED").unwrap_or_else(|| fastrand::u64(..)), kills);
    eprintln!("to repeat: {}", run.command());
    for kill in 1..=kills {
        run.mix.begin(kill);
        run.work_until_killed().await;
        if kill % REST == 0 && kill < kills {
            let engine = run.rest().await;
            engine.kill(&run.files, &mut run.ledger).await;
            eprintln!("{kill} kills after {:?}: {}", run.begun.elapsed(), run.ledger.summary());
        }
    }
    let mut engine = run.rest().await;
    run.is_destroyed(&mut engine).await;
    engine.shut_down(&run.files, &mut run.ledger).await;
    run.leaves_nothing().await;
    eprintln!("done after {:?}: {}", run.begun.elapsed(), run.ledger.summary());
}

/// A number from the environment; empty is the same as not given.
fn given(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

/// One run over one store.
struct Run {
    seed: u64,
    kills: u64,
    begun: Instant,
    mix: Mix,
    ledger: Ledger,
    cleanup: Cleanup,
    files: Files,
}

impl Run {
    fn new(seed: u64, kills: u64) -> Self {
        let files = Files::new();
        let run = files.dir.path().display().to_string();
        let mix = Mix::new(seed, run.clone());
        let (begun, ledger) = (Instant::now(), Ledger::default());
        Self { seed, kills, begun, mix, ledger, cleanup: Cleanup { run }, files }
    }

    fn command(&self) -> String {
        let Self { seed, kills, .. } = self;
        format!(
            "LANDLORD_SEED={seed} LANDLORD_KILLS={kills} cargo test --all-features kills:: -- --nocapture"
        )
    }

    /// One engine, from its start to its kill.
    async fn work_until_killed(&mut self) {
        let mut engine = EngineProcess::start(&self.files, &self.ledger);
        match self.mix.moment() {
            Moment::AfterStart(pause) => sleep(pause).await,
            Moment::AfterCommands(pause) => {
                self.send_commands(&mut engine).await;
                sleep(pause).await;
            }
            Moment::InShutdown(pause) => {
                self.send_commands(&mut engine).await;
                engine.end_input();
                sleep(pause).await;
            }
        }
        engine.kill(&self.files, &mut self.ledger).await;
    }

    async fn send_commands(&mut self, engine: &mut EngineProcess) {
        engine.started(&self.files, &mut self.ledger).await;
        let asks = self.mix.asks(&self.ledger);
        self.let_some_crash();
        for ask in asks {
            engine.ask(&ask, &mut self.ledger).await;
        }
    }

    fn let_some_crash(&mut self) {
        let processes = machine::processes(&self.cleanup.run);
        for _ in 0..self.mix.crashes() {
            if let Some(process) = self.mix.one_of(&processes) {
                machine::crash(process);
            }
        }
    }

    /// An engine that has finished everything.
    async fn rest(&mut self) -> EngineProcess {
        let mut engine = EngineProcess::start(&self.files, &self.ledger);
        engine.started(&self.files, &mut self.ledger).await;
        self.comes_to_rest(&mut engine).await;
        engine
    }

    /// Everything settles, the machine runs what is applied and nothing else, and the store tells the same.
    async fn comes_to_rest(&mut self, engine: &mut EngineProcess) {
        for tenant in self.mix.tenants().to_vec() {
            let resume = self.mix.request(tenant, Verb::Resume);
            engine.ask(&resume, &mut self.ledger).await;
        }
        let deadline = Instant::now() + SETTLES;
        loop {
            engine.catch_up(&mut self.ledger);
            let unrest = self.unrest().await;
            if unrest.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                self.fail(format!("not at rest after {SETTLES:?}"), unrest).await;
            }
            sleep(LOOK).await;
        }
    }

    /// What still has to come to rest: tenants with something on their way or, once there are none, programs that
    /// do not run. A program too many is a leak at once.
    async fn unrest(&self) -> Vec<Problem> {
        let store = self.files.store();
        let before = history::living(&store).await;
        let busy: Vec<Problem> = before.iter().filter(|tenant| !checks::rests(tenant)).map(working).collect();
        if !busy.is_empty() {
            return busy;
        }
        let differences = checks::of_machine(&before, &machine::processes(&self.cleanup.run));
        if history::living(&store).await != before {
            return vec![general("the tenants change while they are looked at")];
        }
        if !differences.extra.is_empty() {
            self.fail("a process is left over".to_owned(), differences.extra).await;
        }
        differences.missing
    }

    async fn is_destroyed(&mut self, engine: &mut EngineProcess) {
        for tenant in self.mix.tenants().to_vec() {
            let destroy = self.mix.request(tenant, Verb::Destroy);
            engine.ask(&destroy, &mut self.ledger).await;
        }
        let deadline = Instant::now() + SETTLES;
        loop {
            engine.catch_up(&mut self.ledger);
            let living = history::living(&self.files.store()).await;
            if living.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                let left = living.iter().map(working).collect();
                self.fail(format!("not destroyed after {SETTLES:?}"), left).await;
            }
            sleep(LOOK).await;
        }
    }

    /// The store and the ledger agree, and neither machine nor store holds anything of a tenant.
    async fn leaves_nothing(&self) {
        let store = self.files.store();
        let history = History::read(&store, self.mix.tenants()).await;
        let mut problems = checks::of_history(&history, &self.ledger);

        let processes = machine::processes(&self.cleanup.run);
        problems.extend(checks::of_machine(&[], &processes).extra);
        let (engine, specs, tenants) = history::leftovers(&store);
        if (specs, tenants) != (0, 0) {
            problems.push(general(format!("the store still has {specs} specs and {tenants} living tenants")));
        }
        let provider = ProcessProvider::new(ProcessOptions::new(self.files.state()));
        let owned = provider.list_tenants(&engine).await.expect("the machine can be looked at");
        problems.extend(owned.into_iter().map(|owned| Problem {
            what: format!("the provider still has {:?}", owned.resources),
            tenant: Some(owned.tenant),
        }));
        let errors = driver::said(&self.files.errors());
        if !errors.is_empty() {
            problems.push(general(format!("an engine wrote errors: {errors}")));
        }
        if !problems.is_empty() {
            self.fail("something was lost or left over".to_owned(), problems).await;
        }
        eprintln!("all is well: {}", history.summary());
    }

    /// Shows all there is about what is wrong, and ends the test.
    async fn fail(&self, summary: String, problems: Vec<Problem>) -> ! {
        let history = History::read(&self.files.store(), self.mix.tenants()).await;
        let processes = machine::processes(&self.cleanup.run);
        eprintln!("{summary}; {} problems", problems.len());
        for problem in problems.iter().take(20) {
            eprintln!("- {}: {}", problem.tenant.as_ref().map_or("all", TenantId::as_str), problem.what);
        }
        let mut tenants: Vec<&TenantId> =
            problems.iter().filter_map(|problem| problem.tenant.as_ref()).collect();
        tenants.sort();
        tenants.dedup();
        for tenant in tenants.into_iter().take(3) {
            eprintln!("\n{tenant}: {:?}", history.records.get(tenant));
            for event in history.of(tenant) {
                eprintln!("  {}", serde_json::to_string(event).unwrap_or_else(|error| error.to_string()));
            }
            for process in processes.iter().filter(|process| process.tenant == tenant.as_str()) {
                eprintln!("  {process}");
            }
        }
        eprintln!("\nengines wrote as errors: {}", driver::said(&self.files.errors()));
        panic!("{summary}; repeat with {}", self.command());
    }
}

fn working(tenant: &Arc<Tenant>) -> Problem {
    let what = format!("{:?}, next {:?}, repair {:?}", tenant.state, tenant.next, tenant.repair);
    Problem { tenant: Some(tenant.id.clone()), what }
}
