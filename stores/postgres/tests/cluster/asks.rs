//! A provider that asks the cloud for what it is to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::ledger::Ledger;
use landlord_compute::machines::spec::Spec;
use landlord_compute::machines::status::{
    ComputeState, ComputeStatus, Health, ProvisionResult, ProvisionStatus, UpdateResult, UpdateStatus,
};
use landlord_compute::provider::{Context, Destroyed, Draw, Guarded, Lease, Provider, Quotas, Ration};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::quota;

/// How many tokens are drawn at a time: what nobody waits for may be used a little later, or is lost.
const DRAWN: u32 = 10;
/// The shortest pause until it is drawn again where there was nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// What a provider leaves out, so that the judge has to find something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lacks {
    Nothing,
    /// Its connections do not look at the lease.
    Guard,
    /// It asks without drawing from the quota.
    Draws,
}

impl Lacks {
    /// By the environment.
    pub(crate) fn read() -> Self {
        match std::env::var("LANDLORD_CLUSTER_LACKS").as_deref() {
            Err(_) | Ok("") => Self::Nothing,
            Ok("guard") => Self::Guard,
            Ok("draws") => Self::Draws,
            Ok(other) => panic!("LANDLORD_CLUSTER_LACKS: guard or draws, and not {other}"),
        }
    }
}

/// A provider that asks the cloud, over connections that look at the lease, for no more than all engines may together.
pub(crate) struct Asks {
    port: u16,
    lacks: Lacks,
    lease: OnceLock<Lease>,
    quotas: OnceLock<Arc<dyn Quotas>>,
    ration: Mutex<Ration>,
    /// The turn to take a token, or to draw.
    turn: Semaphore,
}

impl Asks {
    pub(crate) fn new(port: u16, lacks: Lacks) -> Self {
        let (lease, quotas) = (OnceLock::new(), OnceLock::new());
        Self { port, lacks, lease, quotas, ration: Mutex::default(), turn: Semaphore::new(1) }
    }

    /// Returns when a request may go out.
    async fn token(&self) {
        let _turn = self.turn.acquire().await.expect("it is never closed");
        let ration = || self.ration.lock().unwrap_or_else(PoisonError::into_inner);
        while !ration().take(Instant::now()) {
            let (burst, per_second) = (quota::BURST, quota::PER_SECOND);
            let draw = Draw { quota: "cloud", burst, per_second, leave: 0, wanted: DRAWN };
            let asked = Instant::now();
            let drawn = self.quotas.get().expect("the engine shares its store").draw(&draw).await;
            ration().add(drawn.tokens, asked);
            if drawn.tokens == 0 {
                sleep(drawn.next.max(PAUSE)).await;
            }
        }
    }

    /// One request on a connection of its own: what runs then.
    async fn ask(&self, method: &str, tenant: &TenantId, body: &str) -> Result<String, ProviderError> {
        if self.lacks != Lacks::Draws {
            self.token().await;
        }
        let asked = async {
            let connection = TcpStream::connect(("127.0.0.1", self.port)).await?;
            connection.set_nodelay(true)?;
            let lease = self.lease.get().expect("the engine shares its store");
            let epoch = lease.engine().0;
            let length = body.len();
            let request =
                format!("{method} /{tenant}/{epoch} HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}");
            match self.lacks {
                Lacks::Guard => exchange(connection, &request).await,
                Lacks::Nothing | Lacks::Draws => {
                    exchange(Guarded::new(connection, lease.clone()), &request).await
                }
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
            sleep(Duration::from_millis(fastrand::u64(5..60))).await;
            if self.ask("GET", tenant, "").await? != wanted {
                let (kind, code) = (ErrorKind::UpdateFailed, ErrorCode::Conflict);
                return Err(ProviderError::new(kind, Remedy::Retry, code, "somebody else changed it"));
            }
        }
        Ok(())
    }
}

/// Sends a request, and reads its answer. It goes in two parts, as a large one does, or one on a slow network: an engine that is
/// stopped between them would send the rest when it wakes.
async fn exchange(
    connection: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    request: &str,
) -> std::io::Result<String> {
    let mut connection = BufReader::new(connection);
    let (first, rest) = request.split_at(request.find('\n').map_or(0, |line| line + 1));
    connection.get_mut().write_all(first.as_bytes()).await?;
    sleep(Duration::from_millis(fastrand::u64(0..25))).await;
    connection.get_mut().write_all(rest.as_bytes()).await?;
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

    fn rationed(&self, quotas: Arc<dyn Quotas>) {
        let _ = self.quotas.set(quotas);
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
