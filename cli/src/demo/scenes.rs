//! The scenes of the demo, in their order.

use std::cell::Cell;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::try_join_all;
use landlord_compute::Options;
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent, OperationKind, Record, Settled};
use landlord_compute::store::{Events, Position, Reads, Scope};
use rustix::process::Pid;
use tokio::process::Command;

use super::super::failure::Failure;
use super::http;
use super::processes;
use super::stage::{Seen, Stage, Trouble, wrong};
use super::tenant::Version;

/// The tenants of the first scenes, and what each answers at first.
const FLEET: [(&str, &str); 3] =
    [("acme", "hello from acme"), ("bravo", "hello from bravo"), ("carol", "hello from carol")];
/// The tenant whose engine is killed while it is made.
const LATE: (&str, &str) = ("dora", "hello from dora");
/// How often a store that another process writes is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// More events than a provision has until its first step.
const EVENTS: usize = 64;

/// What the demo shows, in this order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scene {
    Provision,
    Update,
    Repair,
    Hang,
    RollBack,
    Recover,
    Destroy,
    NothingLeft,
}

impl Scene {
    pub(super) const ALL: [Self; 8] = [
        Self::Provision,
        Self::Update,
        Self::Repair,
        Self::Hang,
        Self::RollBack,
        Self::Recover,
        Self::Destroy,
        Self::NothingLeft,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Provision => "three tenants start and answer HTTP",
            Self::Update => "one is updated while it is asked all the time, and no request fails",
            Self::Repair => "a process is killed, and repaired",
            Self::Hang => "a process hangs, and is replaced",
            Self::RollBack => "a broken update is rolled back",
            Self::Recover => "an engine is killed during a provision, and the next one finishes it",
            Self::Destroy => "all are destroyed",
            Self::NothingLeft => "nothing is left running",
        }
    }

    /// Plays it, and says what was seen.
    pub(super) async fn play(self, stage: &mut Stage) -> Seen {
        match self {
            Self::Provision => provision(stage).await,
            Self::Update => update(stage).await,
            Self::Repair => repair(stage).await,
            Self::Hang => hang(stage).await,
            Self::RollBack => roll_back(stage).await,
            Self::Recover => recover(stage).await,
            Self::Destroy => destroy(stage).await,
            Self::NothingLeft => nothing_is_left(stage).await,
        }
    }
}

/// An operation must have ended well.
fn done(what: &str, settled: Settled) -> Result<(), Trouble> {
    if settled == Settled::Done { Ok(()) } else { wrong(format!("{what} {settled}")) }
}

/// Names that are constants of this file.
fn tenant(name: &str) -> Result<TenantId, Trouble> {
    TenantId::new(name).or_else(|error| wrong(error.to_string()))
}

/// Starts several tenants at once; each answers.
async fn provision(stage: &Stage) -> Seen {
    stage.screen.progress("three tenants are made at the same time");
    let all = FLEET.map(|(name, greeting)| async move {
        let id = tenant(name)?;
        let operation = stage.provision(&id, Version::good(greeting)).await?;
        done(&format!("the provision of {name}"), operation.await.map_err(Failure::from)?)?;
        stage.hear(&id, greeting).await
    });
    Ok(format!("over HTTP: {}", try_join_all(all).await?.join("; ")))
}

/// Updates one while it is asked without a pause; every request is answered, and in the end differently.
async fn update(stage: &Stage) -> Seen {
    stage.screen.progress("acme gets a new version");
    let acme = tenant("acme")?;
    let endpoint = stage.endpoint(&acme).await?;
    let updating = async {
        let settled = stage.update(&acme, Version::good("hello again from acme")).await;
        // Long enough to see that it goes on.
        tokio::time::sleep(Duration::from_millis(200)).await;
        settled
    };
    let (answered, failed) = (Cell::new(0_u32), Cell::new(0_u32));
    let asking = async {
        loop {
            let count = if http::get(&endpoint).await.is_ok() { &answered } else { &failed };
            count.set(count.get() + 1);
        }
    };
    let settled = tokio::select! {
        settled = updating => settled?,
        () = asking => return wrong("nobody asks any more"),
    };
    done("the update of acme", settled)?;
    if failed.get() > 0 {
        return wrong(format!("{} of {} requests failed", failed.get(), failed.get() + answered.get()));
    }
    let answer = stage.hear(&acme, "hello again").await?;
    Ok(format!("{} requests meanwhile, 0 failed; over HTTP now: {answer}", answered.get()))
}

/// Makes a tenant's process hang; its checks fail, and another takes its place.
async fn hang(stage: &Stage) -> Seen {
    let bravo = tenant("bravo")?;
    let hung = processes_of(stage, &bravo)?;
    stage.screen.progress("the process of bravo hangs, which two checks at 5 s each have to see");
    let since = stage.engine()?.head();
    if let Err(answers) = http::hang(&stage.endpoint(&bravo).await?).await {
        return wrong(format!("bravo does not hang: {answers}"));
    }
    let began = |event: &LifecycleEvent| {
        matches!(event.what, EventKind::Began { operation_kind: OperationKind::Repair, .. })
    };
    let began = stage.until(&bravo, since, began).await?;
    stage.until(&bravo, began, |event| event.settled.iter().any(|end| end.settled == Settled::Done)).await?;
    let answer = stage.hear(&bravo, "hello from bravo").await?;
    if processes_of(stage, &bravo)?.iter().any(|pid| hung.contains(pid)) {
        return wrong("bravo still runs in the process that hangs");
    }
    Ok(format!("replaced process {}; over HTTP: {answer}", pids(&hung)))
}

/// Kills a tenant's process; the engine notices and makes it again.
async fn repair(stage: &Stage) -> Seen {
    let bravo = tenant("bravo")?;
    let killed = processes_of(stage, &bravo)?;
    stage.screen.progress("the process of bravo is killed");
    let since = stage.engine()?.head();
    processes::kill(&killed);
    let began = |event: &LifecycleEvent| {
        matches!(event.what, EventKind::Began { operation_kind: OperationKind::Repair, .. })
    };
    let began = stage.until(&bravo, since, began).await?;
    stage.until(&bravo, began, |event| event.settled.iter().any(|end| end.settled == Settled::Done)).await?;
    let answer = stage.hear(&bravo, "hello from bravo").await?;
    let now = processes_of(stage, &bravo)?;
    if now.iter().any(|pid| killed.contains(pid)) {
        return wrong("bravo still runs in the process that was killed");
    }
    Ok(format!("killed process {}; over HTTP: {answer}", pids(&killed)))
}

/// Pushes an update that cannot work; the tenant runs as before.
async fn roll_back(stage: &Stage) -> Seen {
    stage.screen.progress("carol gets a version that is broken");
    let carol = tenant("carol")?;
    let broken = Version { broken: true, ..Version::good("never heard") };
    let settled = stage.update(&carol, broken).await?;
    let Settled::Failed { undone: true, error } = settled else {
        return wrong(format!("the broken update of carol {settled}"));
    };
    let answer = stage.hear(&carol, "hello from carol").await?;
    Ok(format!("refused: {}; over HTTP as before: {answer}", error.message))
}

/// Kills the engine in the middle of a provision; tenants go on, and the next engine finishes it.
async fn recover(stage: &mut Stage) -> Seen {
    let (name, greeting) = LATE;
    let dora = tenant(name)?;
    stage.stop_engine().await?;
    let (operation, engine) = kill_an_engine(stage, &dora, greeting).await?;
    for (name, _) in FLEET {
        stage.hear(&tenant(name)?, "hello").await?;
    }
    stage.start_engine().await?;
    stage.screen.progress("the next engine takes it up");
    let handle = stage.engine()?.operation(operation).await.map_err(Failure::from)?;
    done("the provision that was interrupted", handle.await.map_err(Failure::from)?)?;
    stage.until(&dora, Position(0), |event| matches!(event.what, EventKind::Recovered)).await?;
    let answer = stage.hear(&dora, greeting).await?;
    let running = processes_of(stage, &dora)?;
    if running.len() != 1 {
        return wrong(format!("dora runs {} processes and not one: {}", running.len(), pids(&running)));
    }
    Ok(format!(
        "engine {engine} killed during operation {operation}, the others went on; over HTTP: {answer}"
    ))
}

/// Another process of this program provisions a tenant, and is killed before it is done.
async fn kill_an_engine(
    stage: &Stage,
    dora: &TenantId,
    greeting: &'static str,
) -> Result<(OperationId, u32), Trouble> {
    stage.screen.progress("another process runs an engine, which is killed while it makes dora");
    let slow = Version { slow: Duration::from_secs(2), ..Version::good(greeting) };
    let file = stage.folder().join("dora.json");
    let system = |doing| move |source| Failure::System { doing, source };
    std::fs::write(&file, slow.spec(&stage.program.display().to_string(), dora).to_string())
        .map_err(system("write a spec"))?;
    let mut engine = Command::new(&stage.program)
        .arg("--store")
        .arg(stage.store())
        .arg("provision")
        .arg("--file")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(system("start this program again"))?;
    let pid = engine.id().unwrap_or_default();
    let look = stage.reader()?;
    let scope = Scope::Tenant(dora.clone());
    let operation = loop {
        let events = match look.events(Position(0), &scope, EVENTS).await.map_err(Failure::from)? {
            Events::Page(page) => page,
            Events::Gap { .. } => Vec::new(),
        };
        let progresses = |event: &LifecycleEvent| matches!(event.what, EventKind::Progressed { .. });
        let progressed = events.iter().find(|(_, event)| progresses(event));
        if let Some(operation) = progressed.and_then(|(_, event)| event.operation) {
            break operation;
        }
        if let Ok(Some(ended)) = engine.try_wait() {
            return wrong(format!("the other engine ended too early, with {ended}"));
        }
        tokio::time::sleep(LOOK).await;
    };
    engine.kill().await.map_err(system("kill the other engine"))?;
    let settled = look.operation(operation).await.map_err(Failure::from)?.and_then(|record| record.settled);
    match settled {
        None => Ok((operation, pid)),
        Some(settled) => wrong(format!("the provision {settled} before its engine was killed")),
    }
}

/// Destroys all.
async fn destroy(stage: &Stage) -> Seen {
    stage.screen.progress("all tenants are destroyed");
    let names: Vec<&str> = FLEET.iter().chain([&LATE]).map(|(name, _)| *name).collect();
    let all = names.iter().map(|name| async move {
        let id = tenant(name)?;
        let handle = stage.engine()?.tenant(id.clone());
        let operation = handle.destroy(Options::default()).await.map_err(Failure::from)?;
        done(&format!("the destroy of {name}"), operation.await.map_err(Failure::from)?)?;
        match handle.snapshot().await.map_err(Failure::from)? {
            Record::Gone(_) => Ok(()),
            Record::Live(_) | Record::Absent(_) => wrong(format!("{name} is not recorded as gone")),
        }
    });
    try_join_all(all).await?;
    Ok(format!("gone: {}", names.join(", ")))
}

/// Looks for leftovers: as the provider sees it, and without it.
async fn nothing_is_left(stage: &mut Stage) -> Seen {
    stage.stop_engine().await?;
    let provider = stage.place.default_provider()?;
    let owned = provider.list_tenants(stage.engine_name()).await.map_err(Failure::from)?;
    if !owned.is_empty() {
        return wrong(format!("the provider still finds {owned:?}"));
    }
    let left = find(stage, None)?;
    if !left.is_empty() {
        return wrong(format!("processes still run: {}", pids(&left)));
    }
    Ok("no process, and nothing that the provider knows of".to_owned())
}

fn processes_of(stage: &Stage, tenant: &TenantId) -> Result<Vec<Pid>, Trouble> {
    find(stage, Some(tenant))
}

fn find(stage: &Stage, tenant: Option<&TenantId>) -> Result<Vec<Pid>, Trouble> {
    let found = processes::find(stage.engine_name(), tenant);
    Ok(found.map_err(|source| Failure::System { doing: "look at the machine's processes", source })?)
}

fn pids(pids: &[Pid]) -> String {
    pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
