//! One of the demo's engines, in a process of its own: it is told what to do on stdin, and says on stdout what came of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::spec::{ContainerSpec, ResourceRequirements, Spec, TenantComputeSpec};
use landlord_compute::machines::status::{
    ComputeState, ComputeStatus, Health, ProvisionResult, ProvisionStatus, UpdateResult, UpdateStatus,
};
use landlord_compute::provider::{Context, Destroyed, Guarded, Lease, Provider};
use landlord_compute::{CommandError, Engine, ObservePolicy, OperationHandle, Options};
use landlord_store_postgres::PostgresStore;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::super::configuration::Configuration;
use super::super::super::failure::Failure;
use super::super::super::kept;
use super::super::super::screen::Screen;
use super::super::super::store_at::StoreAt;

/// What the platform is called in specs.
const CLOUD: &str = "cloud";

/// What an engine says, a line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// It has started, with this epoch.
    Ready(u64),
    /// An operation began.
    Accepted { tenant: String, operation: String },
    /// None did, because of this.
    Refused(String),
    /// An operation has ended: `done`, or how else.
    Ended { operation: String, how: String },
    /// How many shards the engines have, by their epochs.
    Shards(BTreeMap<u64, usize>),
    /// The engine has ended.
    Closed(String),
}

/// Runs the engine until stdin ends, or it is ended.
pub(crate) async fn run(
    screen: &Screen,
    store: Option<&StoreAt>,
    configuration: &Configuration,
    port: u16,
) -> Result<(), Failure> {
    let Some(StoreAt::Database(url)) = store else {
        return Err(Failure::Usage("`demo --engines` starts this".to_owned()));
    };
    let store = PostgresStore::new(kept::database(url, configuration)?);
    let builder = Engine::builder(store).observe(ObservePolicy::Off);
    let engine = builder.provider(Asks { port, lease: OnceLock::new() }).start().await?;
    let say = |said: Said| {
        let line = serde_json::to_string(&said).map_err(|error| Failure::Output(error.into()))?;
        screen.print(&line)
    };
    say(Said::Ready(engine.epoch().0))?;
    let mut told = BufReader::new(tokio::io::stdin()).lines();
    let mut ends: JoinSet<Option<Said>> = JoinSet::new();
    loop {
        tokio::select! {
            why = engine.closed() => return say(Said::Closed(why.to_string())),
            Some(ended) = ends.join_next() => {
                if let Ok(Some(ended)) = ended {
                    say(ended)?;
                }
            }
            line = told.next_line() => {
                let line = line.map_err(|source| Failure::System { doing: "read what to do", source })?;
                let Some(line) = line else { return Ok(()) };
                let words: Vec<&str> = line.split(' ').collect();
                match *words {
                    ["who"] => say(Said::Shards(shards(&engine).await))?,
                    ["run", tenant, version] => {
                        let asked = begin(&engine, tenant, Some(version)).await;
                        say(answered(tenant, asked, &mut ends))?;
                    }
                    ["destroy", tenant] => {
                        let asked = begin(&engine, tenant, None).await;
                        say(answered(tenant, asked, &mut ends))?;
                    }
                    _ => return Err(Failure::Usage(format!("{line:?} says nothing to do"))),
                }
            }
        }
    }
}

async fn shards(engine: &Engine) -> BTreeMap<u64, usize> {
    let view = engine.sharing().await.ok().flatten().unwrap_or_default();
    view.engines.iter().map(|(epoch, member)| (epoch.0, member.shards.len())).collect()
}

/// Begins to make a tenant run this; none: to destroy it.
async fn begin(
    engine: &Engine,
    tenant: &str,
    version: Option<&str>,
) -> Result<OperationHandle, CommandError> {
    let handle = engine.tenant(TenantId::from_stored(tenant));
    let options = Options::default;
    let Some(version) = version else { return handle.destroy(options()).await };
    let spec = || TenantComputeSpec {
        tenant_id: tenant.to_owned(),
        provider_type: CLOUD.to_owned(),
        containers: vec![ContainerSpec {
            name: "web".to_owned(),
            image: version.to_owned(),
            ..ContainerSpec::default()
        }],
        resources: ResourceRequirements { cpu: 128, memory: 128, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    };
    match handle.update(spec(), options()).await {
        // It does not live yet.
        Err(CommandError::Rejected(_)) => handle.provision(spec(), options()).await,
        updated => updated,
    }
}

fn answered(
    tenant: &str,
    asked: Result<OperationHandle, CommandError>,
    ends: &mut JoinSet<Option<Said>>,
) -> Said {
    let operation = match asked {
        Ok(operation) => operation,
        Err(error) => return Said::Refused(format!("{tenant}: {error}")),
    };
    let Some(id) = operation.id() else { return Said::Refused(format!("{tenant}: nothing began")) };
    ends.spawn(async move {
        let how = operation.await.ok()?.to_string();
        Some(Said::Ended { operation: id.to_string(), how })
    });
    Said::Accepted { tenant: tenant.to_owned(), operation: id.to_string() }
}

/// The provider: it asks the platform over connections that look at the engine's lease.
struct Asks {
    port: u16,
    lease: OnceLock<Lease>,
}

impl Asks {
    /// What runs for the tenant after that.
    async fn ask(&self, method: Method, tenant: &TenantId, body: &str) -> Result<String, ProviderError> {
        let answer = self.exchange(method, tenant, body).await;
        answer.map_err(|error| {
            let (kind, code) = (ErrorKind::UpdateFailed, ErrorCode::ProviderUnavailable);
            ProviderError::new(kind, Remedy::Retry, code, error.to_string()).with_source(error)
        })
    }

    async fn exchange(&self, method: Method, tenant: &TenantId, body: &str) -> io::Result<String> {
        let lease = self.lease.get().ok_or_else(|| io::Error::other("the engine has its store alone"))?;
        let connection = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let guarded = TokioIo::new(Guarded::new(connection, lease.clone()));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(guarded).await.map_err(io::Error::other)?;
        let path = format!("/{tenant}/{}", lease.engine().0);
        let request =
            Request::builder().method(method).uri(path).body(Full::new(Bytes::from(body.to_owned())));
        let request = request.map_err(io::Error::other)?;
        let asks = async {
            let answer = sender.send_request(request).await.map_err(io::Error::other)?;
            let body = answer.into_body().collect().await.map_err(io::Error::other)?;
            Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
        };
        tokio::select! {
            answer = asks => answer,
            ended = connection => Err(io::Error::other(format!("the connection ended: {ended:?}"))),
        }
    }

    /// Whether something had to be changed so that this runs.
    async fn make(&self, cx: &Context, spec: &Spec) -> Result<bool, ProviderError> {
        let tenant = &cx.subject.tenant;
        let wanted = spec.containers.first().map(|container| container.image.as_str()).unwrap_or_default();
        if self.ask(Method::GET, tenant, "").await? == wanted {
            return Ok(false);
        }
        self.ask(Method::PUT, tenant, wanted).await?;
        Ok(true)
    }
}

#[async_trait]
impl Provider for Asks {
    fn name(&self) -> ProviderName {
        ProviderName::from_stored(CLOUD)
    }

    fn leased(&self, lease: Lease) {
        // An engine tells it once.
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
        let status = if self.make(cx, spec).await? { UpdateStatus::Success } else { UpdateStatus::NoChanges };
        Ok(UpdateResult {
            tenant_id: cx.subject.tenant.clone(),
            provider_type: self.name(),
            status,
            changes: Vec::new(),
            message: None,
            updated_at: cx.now(),
        })
    }

    async fn destroy(&self, _: &Context, tenant: &TenantId) -> Result<Destroyed, ProviderError> {
        if !self.ask(Method::GET, tenant, "").await?.is_empty() {
            self.ask(Method::DELETE, tenant, "").await?;
        }
        Ok(Destroyed::default())
    }

    async fn get_status(&self, cx: &Context, tenant: &TenantId) -> Result<ComputeStatus, ProviderError> {
        if self.ask(Method::GET, tenant, "").await?.is_empty() {
            return Err(ProviderError::tenant_not_found(tenant.clone()));
        }
        Ok(ComputeStatus {
            tenant_id: tenant.clone(),
            provider_type: self.name(),
            state: ComputeState::Running,
            containers: Vec::new(),
            health: Health::Healthy,
            last_updated: cx.now(),
            metadata: BTreeMap::new(),
        })
    }

    async fn validate(&self, _: &Context, _: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }
}
