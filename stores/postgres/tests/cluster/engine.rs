//! An engine in a process of its own: it works on tenants of its choice, and says what it was told.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use landlord_compute::machines::id::{Revision, TenantId};
use landlord_compute::machines::spec::{ContainerSpec, ResourceRequirements, TenantComputeSpec};
use landlord_compute::machines::tenant::{Record, Rejection};
use landlord_compute::store::{Position, Scope};
use landlord_compute::{
    CommandError, Delivery, Engine, ObservePolicy, OperationHandle, Options, TenantHandle,
};
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::signal::unix::SignalKind;
use tokio::sync::Notify;

use super::asks::{Asks, Lacks};
use super::history::{ABSENT, Did, What};
use super::{TENANTS, now, words};

/// How many commands an engine has on their way.
const BUSY: usize = 12;
/// How long it takes to leave in order.
const LEAVES: Duration = Duration::from_secs(10);

fn spec(tenant: &TenantId, image: String) -> TenantComputeSpec {
    TenantComputeSpec {
        tenant_id: tenant.to_string(),
        provider_type: "cloud".to_owned(),
        containers: vec![ContainerSpec { name: "web".to_owned(), image, ..ContainerSpec::default() }],
        resources: ResourceRequirements { cpu: 128, memory: 128, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    }
}

/// What this process is told to do, by its environment.
fn told(name: &str) -> Option<String> {
    std::env::var(format!("LANDLORD_CLUSTER_{name}")).ok()
}

/// Says something to the judge, a line each.
fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    // Nobody listens any more: this process is to end.
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// Runs an engine if this process is to be one.
pub(crate) async fn run_if_told() -> bool {
    let Some(url) = told("STORE") else { return false };
    let port = told("CLOUD").and_then(|port| port.parse().ok()).expect("a port");
    fastrand::seed(told("SEED").and_then(|seed| seed.parse().ok()).expect("a seed"));
    let provider = Arc::new(Asks::new(port, Lacks::read()));
    let engine = loop {
        let options = PostgresOptions::new(&url).expect("a good URL");
        let options = PostgresOptions { patience: Duration::from_secs(5), ..options };
        let builder = Engine::builder(PostgresStore::new(options)).observe(ObservePolicy::Off);
        match builder.provider(Arc::clone(&provider)).start().await {
            Ok(engine) => break Arc::new(engine),
            Err(error) => {
                eprintln!("not yet: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    };
    say(format_args!("{} {}", words::OPEN, engine.epoch().0));
    let over = Notify::new();
    let works = async {
        if told("OVER").is_some() {
            std::future::pending().await
        }
        tokio::select! {
            _ = join_all((0..BUSY).map(|_| work(&engine))) => {}
            // What is on its way is finished.
            () = over.notified() => std::future::pending().await,
        }
    };
    let mut leaves = tokio::signal::unix::signal(SignalKind::terminate()).expect("a signal");
    tokio::select! {
        () = works => {}
        () = listen(&engine, &over) => {}
        () = tell(&engine) => {}
        why = engine.closed() => eprintln!("ended: {why}"),
        _ = leaves.recv() => {
            if let Err(error) = engine.shutdown(LEAVES).await {
                eprintln!("not in order: {error}");
            }
        }
    }
    true
}

/// Does what the judge says: `TENANT IMAGE`, or that it is over.
async fn listen(engine: &Arc<Engine>, over: &Notify) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match line.split_once(' ') {
            Some((tenant, image)) => {
                let (tenant, image) = (tenant.to_owned(), image.to_owned());
                let engine = Arc::clone(engine);
                tokio::spawn(async move { make(&engine, &tenant, image).await });
            }
            None => {
                assert_eq!(line, words::OVER);
                over.notify_one();
            }
        }
    }
    std::future::pending().await
}

/// Makes a tenant run something, whether it runs or not.
async fn make(engine: &Engine, tenant: &str, image: String) {
    let handle = engine.tenant(TenantId::new(tenant).expect("a valid id"));
    let from = now();
    let asked = handle.update(spec(handle.id(), image.clone()), Options::default()).await;
    match asked {
        Err(CommandError::Rejected(Rejection::NotProvisioned)) => {
            let from = now();
            let asked = handle.provision(spec(handle.id(), image), Options::default()).await;
            answered(from, &handle, None, asked).await;
        }
        asked => drop(answered(from, &handle, None, asked).await),
    }
}

/// Commands tenants for ever.
async fn work(engine: &Engine) {
    loop {
        let tenant = format!("t{}", fastrand::usize(0..TENANTS));
        let handle = engine.tenant(TenantId::new(&tenant).expect("a valid id"));
        let image = format!("v{}", fastrand::u32(0..5));
        // One in three looks before, and only changes what it saw.
        let guard = if fastrand::u8(0..3) == 0 { look(&handle).await } else { None };
        let options = Options::default();
        let options = match guard {
            Some(revision) => options.expected_revision(Revision(revision)),
            None => options,
        };
        let from = now();
        let asked = match fastrand::u8(0..10) {
            0..4 => handle.provision(spec(handle.id(), image), options).await,
            4..9 => handle.update(spec(handle.id(), image), options).await,
            _ => handle.destroy(options).await,
        };
        if let Some(operation) = answered(from, &handle, guard, asked).await {
            let id = operation.id();
            // It is not waited for at all costs: another engine may be asked too.
            let within = Duration::from_millis(fastrand::u64(0..3000));
            if let (Some(id), Ok(Ok(_))) = (id, tokio::time::timeout(within, operation).await) {
                say(format_args!("{} {id}", words::SETTLED));
            }
        }
    }
}

/// Looks at a tenant; the revision that it is at.
async fn look(handle: &TenantHandle) -> Option<u64> {
    let from = now();
    let record = handle.snapshot().await.ok()?;
    let revision = record.revision().0;
    let state = match &record {
        Record::Live(tenant) => tenant.state.name().as_str(),
        Record::Absent(_) | Record::Gone(_) => ABSENT,
    };
    did(from, handle, None, What::Saw { revision, state: state.to_owned() });
    Some(revision)
}

fn did(from: Duration, handle: &TenantHandle, guard: Option<u64>, what: What) {
    let did = Did { from, to: now(), tenant: handle.id().to_string(), guard, what };
    say(format_args!("{} {did}", words::DID));
}

/// Says what a command was answered.
async fn answered(
    from: Duration,
    handle: &TenantHandle,
    guard: Option<u64>,
    asked: Result<OperationHandle, CommandError>,
) -> Option<OperationHandle> {
    match asked {
        Ok(operation) => {
            if let Some(id) = operation.id() {
                did(from, handle, guard, What::Began(id.to_string()));
            } else if let Some(revision) = operation.already() {
                did(from, handle, guard, What::Already(revision.0));
            }
            return Some(operation);
        }
        Err(CommandError::Rejected(Rejection::RevisionMismatch { actual, .. })) => {
            did(from, handle, guard, What::Refused(actual.0));
        }
        Err(CommandError::Store(error)) => {
            say(format_args!("{} {} {error}", words::FAILED, now().as_nanos()));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(CommandError::Closed(_)) => std::future::pending().await,
        // It was judged: there is nothing to update, or something else runs.
        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
    }
    None
}

/// Tells the judge every event, as a subscriber hears of it.
async fn tell(engine: &Engine) {
    let mut since = Position(0);
    loop {
        let mut events = Box::pin(engine.subscribe(since, Scope::All));
        while let Some(Ok(delivery)) = events.next().await {
            match delivery {
                Delivery::Event { cursor, event } => {
                    since = cursor;
                    let (tenant, revision) = (&event.tenant_id, event.revision);
                    say(format_args!("{} {} {tenant} {revision}", words::EVENT, cursor.0));
                }
                Delivery::Gap { resume } => since = resume,
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
