//! An engine in a process of its own: it works on tenants of its choice, and says what it was told.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::join_all;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::ledger::Ledger;
use landlord_compute::machines::spec::{ContainerSpec, ResourceRequirements, Spec, TenantComputeSpec};
use landlord_compute::machines::status::{
    ComputeState, ComputeStatus, Health, ProvisionResult, ProvisionStatus, UpdateResult, UpdateStatus,
};
use landlord_compute::provider::{Context, Destroyed, Guarded, Lease, Provider};
use landlord_compute::store::{Position, Scope};
use landlord_compute::{CommandError, Delivery, Engine, ObservePolicy, Options};
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::signal::unix::SignalKind;

use super::{TENANTS, words};

/// How many commands an engine has on their way.
const BUSY: usize = 12;

/// A provider that asks the cloud, over connections that look at the lease.
struct Asks {
    port: u16,
    /// Whether its connections look at the lease.
    guarded: bool,
    lease: OnceLock<Lease>,
}

impl Asks {
    /// One request on a connection of its own: what runs then.
    async fn ask(&self, method: &str, tenant: &TenantId, body: &str) -> Result<String, ProviderError> {
        let asked = async {
            let connection = TcpStream::connect(("127.0.0.1", self.port)).await?;
            let lease = self.lease.get().expect("the engine shares its store");
            let epoch = lease.engine().0;
            let length = body.len();
            let request =
                format!("{method} /{tenant}/{epoch} HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}");
            match self.guarded {
                true => exchange(Guarded::new(connection, lease.clone()), &request).await,
                false => exchange(connection, &request).await,
            }
        };
        asked.await.map_err(|error: std::io::Error| {
            let kind = if method == "DELETE" { ErrorKind::DestroyFailed } else { ErrorKind::UpdateFailed };
            let code = ErrorCode::ProviderUnavailable;
            ProviderError::new(kind, Remedy::Retry, code, error.to_string())
        })
    }

    /// Makes what is wanted run: it looks, says what it is about to do, and does it.
    async fn make(&self, cx: &Context, spec: &Spec) -> Result<bool, ProviderError> {
        let (tenant, wanted) = (&cx.subject.tenant, &spec.containers[0].image);
        if self.ask("GET", tenant, "").await? == *wanted {
            return Ok(false);
        }
        self.note(cx).await?;
        let runs = self.ask("PUT", tenant, wanted).await?;
        self.look_for(tenant, &runs).await?;
        Ok(true)
    }

    async fn note(&self, cx: &Context) -> Result<(), ProviderError> {
        let ledger = Ledger {
            version: 1,
            resources: [("row".to_owned(), cx.subject.tenant.to_string())].into(),
            endpoints: Vec::new(),
            waits: None,
            engine: None,
            facts: serde_json::value::RawValue::NULL.to_owned(),
        };
        let noted = cx.checkpoint(ledger, "writes").await;
        noted.map_err(|error| {
            let (kind, code) = (ErrorKind::UpdateFailed, ErrorCode::ProviderUnavailable);
            ProviderError::new(kind, Remedy::Retry, code, error.to_string())
        })
    }

    /// Waits a while, as for something that becomes healthy.
    async fn look_for(&self, tenant: &TenantId, wanted: &str) -> Result<(), ProviderError> {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(5..60))).await;
            if self.ask("GET", tenant, "").await? != wanted {
                let (kind, code) = (ErrorKind::UpdateFailed, ErrorCode::Conflict);
                return Err(ProviderError::new(kind, Remedy::Retry, code, "somebody else changed it"));
            }
        }
        Ok(())
    }
}

async fn exchange(
    connection: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    request: &str,
) -> std::io::Result<String> {
    let mut connection = BufReader::new(connection);
    connection.get_mut().write_all(request.as_bytes()).await?;
    connection.get_mut().flush().await?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        match line.trim_end().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().map_err(std::io::Error::other)?,
            Some(_) => {}
            None if line.starts_with("HTTP") => {}
            None if line.is_empty() => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            None => break,
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    String::from_utf8(body).map_err(std::io::Error::other)
}

#[async_trait]
impl Provider for Asks {
    fn name(&self) -> ProviderName {
        ProviderName::new("cloud").expect("a valid name")
    }

    fn leased(&self, lease: Lease) {
        let _ = self.lease.set(lease);
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.make(cx, spec).await?;
        Ok(ProvisionResult {
            tenant_id: cx.subject.tenant.clone(),
            provider_type: self.name(),
            status: ProvisionStatus::Success,
            resource_ids: BTreeMap::new(),
            endpoints: Vec::new(),
            message: None,
            provisioned_at: cx.now(),
        })
    }

    async fn update(&self, cx: &Context, _: &TenantId, spec: &Spec) -> Result<UpdateResult, ProviderError> {
        let changed = self.make(cx, spec).await?;
        let status = if changed { UpdateStatus::Success } else { UpdateStatus::NoChanges };
        Ok(UpdateResult {
            tenant_id: cx.subject.tenant.clone(),
            provider_type: self.name(),
            status,
            changes: Vec::new(),
            message: None,
            updated_at: cx.now(),
        })
    }

    async fn destroy(&self, cx: &Context, tenant: &TenantId) -> Result<Destroyed, ProviderError> {
        if !self.ask("GET", tenant, "").await?.is_empty() {
            self.note(cx).await?;
            self.ask("DELETE", tenant, "").await?;
        }
        Ok(Destroyed::default())
    }

    async fn get_status(&self, cx: &Context, tenant: &TenantId) -> Result<ComputeStatus, ProviderError> {
        match self.ask("GET", tenant, "").await?.is_empty() {
            true => Err(ProviderError::tenant_not_found(tenant.clone())),
            false => Ok(ComputeStatus {
                tenant_id: tenant.clone(),
                provider_type: self.name(),
                state: ComputeState::Running,
                containers: Vec::new(),
                health: Health::Healthy,
                last_updated: cx.now(),
                metadata: BTreeMap::new(),
            }),
        }
    }

    async fn validate(&self, _: &Context, _: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }
}

fn spec(tenant: &str, image: String) -> TenantComputeSpec {
    TenantComputeSpec {
        tenant_id: tenant.to_owned(),
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
    let provider = Arc::new(Asks { port, guarded: told("UNGUARDED").is_none(), lease: OnceLock::new() });
    let engine = loop {
        let options = PostgresOptions::new(&url).expect("a good URL");
        let options = PostgresOptions { patience: Duration::from_secs(5), ..options };
        let builder = Engine::builder(PostgresStore::new(options)).observe(ObservePolicy::Off);
        match builder.provider(Arc::clone(&provider)).start().await {
            Ok(engine) => break engine,
            Err(error) => {
                eprintln!("not yet: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    };
    let engine = &engine;
    let works = async {
        let mut over = tokio::signal::unix::signal(SignalKind::user_defined1()).expect("a signal");
        if told("OVER").is_some() {
            over.recv().await;
        }
        tokio::select! {
            _ = join_all((0..BUSY).map(|_| work(engine))) => {}
            // What is on its way is finished.
            _ = over.recv() => std::future::pending().await,
        }
    };
    tokio::select! {
        () = works => {}
        () = tell(engine) => {}
        why = engine.closed() => eprintln!("ended: {why}"),
    }
    true
}

/// Commands tenants for ever.
async fn work(engine: &Engine) {
    loop {
        let tenant = format!("t{}", fastrand::usize(0..TENANTS));
        let handle = engine.tenant(TenantId::new(&tenant).expect("a valid id"));
        let image = format!("v{}", fastrand::u32(0..5));
        let asked = match fastrand::u8(0..10) {
            0..4 => handle.provision(spec(&tenant, image), Options::default()).await,
            4..9 => handle.update(spec(&tenant, image), Options::default()).await,
            _ => handle.destroy(Options::default()).await,
        };
        match asked {
            Ok(operation) => {
                if let Some(id) = operation.id() {
                    say(format_args!("{} {tenant} {id}", words::ACCEPTED));
                    // It is not waited for at all costs: another engine may be asked too.
                    let within = Duration::from_millis(fastrand::u64(0..3000));
                    if let Ok(Ok(_)) = tokio::time::timeout(within, operation).await {
                        say(format_args!("{} {id}", words::SETTLED));
                    }
                }
            }
            Err(CommandError::Store(error)) => {
                say(format_args!("{} {error}", words::FAILED));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(CommandError::Closed(_)) => std::future::pending().await,
            // It was judged: there is nothing to update, or something else runs.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
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
