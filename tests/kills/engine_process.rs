//! The engine that the test kills: SQLite and processes, commands in and answers out, a JSON line each.
//!
//! Run as `engine-process <store> <state directory> <cursor>`; its subscriber begins after the cursor. When its
//! input ends, it shuts down in order.

mod protocol;

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use landlord_compute::machines::id::Revision;
use landlord_compute::machines::spec::TenantComputeSpec;
use landlord_compute::machines::tenant::{Backoff, Policy, RepairPolicy};
use landlord_compute::store::{Position, Scope, StoreError};
use landlord_compute::{Delivery, Engine, ObservePolicy, Options, TenantHandle};
use landlord_provider_process::{ProcessOptions, ProcessProvider};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

use protocol::{Answer, Ask, Told, Verb};

type Failure = Box<dyn Error + Send + Sync>;

/// Impatient, so that much happens between two kills.
fn policy() -> Policy {
    let backoff = Backoff { first: Duration::from_millis(20), cap: Duration::from_millis(500) };
    Policy {
        attempts: 8,
        retry: backoff,
        stop_grace: Duration::from_secs(2),
        repair: RepairPolicy::On { backoff, quiet: Duration::from_secs(10) },
    }
}

fn main() -> Result<(), Failure> {
    landlord_provider_process::keeper::run_if_asked();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |what: &str| arguments.next().ok_or_else(|| format!("{what} is missing"));
    let store = SqliteStore::new(SqliteOptions::new(argument("the store")?));
    let provider = ProcessProvider::new(ProcessOptions::new(argument("the state directory")?));
    let since = Position(argument("the cursor")?.parse()?);

    let observe = ObservePolicy::On { every: Duration::from_secs(5), per_second: 20 };
    let engine = Engine::builder(store).provider(provider).policy(policy()).observe(observe).start().await?;
    let engine = Arc::new(engine);
    say(&Told::Started)?;
    let subscriber = tokio::spawn(tell_events(engine.subscribe(since, Scope::All)));

    let mut answering = JoinSet::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let ask: Ask = serde_json::from_str(&line)?;
        let engine = Arc::clone(&engine);
        answering.spawn(async move {
            let request = ask.request;
            let answer = obey(&engine, ask).await.unwrap_or_else(|error| Answer::Refused(error.to_string()));
            say(&Told::Answered { request, answer })
        });
    }
    while let Some(answered) = answering.join_next().await {
        answered??;
    }
    let engine = Arc::into_inner(engine).ok_or("somebody still uses the engine")?;
    engine.shutdown(Duration::from_secs(30)).await?;
    subscriber.await?
}

/// Writes a line in one piece, so that a kill leaves it whole or not there.
fn say(told: &Told) -> Result<(), Failure> {
    let line = format!("{}\n", serde_json::to_string(told)?);
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}

async fn tell_events(events: impl Stream<Item = Result<Delivery, StoreError>>) -> Result<(), Failure> {
    let mut events = std::pin::pin!(events);
    while let Some(delivery) = events.next().await {
        say(&match delivery? {
            Delivery::Event { cursor, event } => {
                Told::Seen { cursor, tenant: event.tenant_id.clone(), revision: event.revision }
            }
            Delivery::Gap { resume } => Told::Gap { resume },
        })?;
    }
    Ok(())
}

async fn obey(engine: &Engine, ask: Ask) -> Result<Answer, Failure> {
    let tenant = engine.tenant(ask.tenant);
    let options = |deadline_ms: Option<u64>| {
        let options = Options::default().request_id(ask.request.to_string());
        match deadline_ms {
            Some(within) => options.deadline(Duration::from_millis(within)),
            None => options,
        }
    };
    let read = |spec: serde_json::Value| TenantComputeSpec::from_json(&spec.to_string());
    let before = tenant.snapshot().await?.revision();
    let operation = match ask.verb {
        Verb::Provision { spec, deadline_ms } => {
            tenant.provision(read(spec)?, options(deadline_ms)).await?.id()
        }
        Verb::Update { spec, deadline_ms } => tenant.update(read(spec)?, options(deadline_ms)).await?.id(),
        Verb::Restart { deadline_ms } => tenant.restart(options(deadline_ms)).await?.id(),
        Verb::Cancel => tenant.cancel(options(None)).await?.id(),
        Verb::Destroy => tenant.destroy(options(None)).await?.id(),
        Verb::Retry => {
            tenant.retry(options(None)).await?;
            None
        }
        Verb::Pause => {
            tenant.pause(options(None)).await?;
            None
        }
        Verb::Resume => {
            tenant.resume(options(None)).await?;
            None
        }
    };
    Ok(match operation {
        Some(operation) => Answer::Operation(operation),
        None => noted(&tenant, before).await?,
    })
}

async fn noted(tenant: &TenantHandle, before: Revision) -> Result<Answer, Failure> {
    Ok(Answer::Noted { before, after: tenant.snapshot().await?.revision() })
}
