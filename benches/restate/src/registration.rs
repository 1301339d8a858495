//! Restate is told where the service is, once both have started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use hyper::Method;

use crate::http::Connection;
use crate::parameters::Parameters;
use crate::tenant::Command;

/// How long Restate may take to start.
const START: Duration = Duration::from_secs(60);

/// From one try to the next.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn run(parameters: &Parameters) -> anyhow::Result<()> {
    let (admin, ingress): (PathBuf, PathBuf) = (parameters.get("admin")?, parameters.get("ingress")?);
    let address_file: PathBuf = parameters.get("address_file")?;
    let mut last = None;
    let ready = tokio::time::timeout(START, async {
        while let Err(error) = register(&admin, &ingress, &address_file).await {
            last = Some(error);
            tokio::time::sleep(PAUSE).await;
        }
    });
    let in_time = ready.await;
    in_time.map_err(|elapsed| last.unwrap_or(elapsed.into())).context("Restate or the service did not start")
}

async fn register(admin: &Path, ingress: &Path, address_file: &Path) -> anyhow::Result<()> {
    let address = tokio::fs::read_to_string(address_file).await.context("the service does not listen")?;
    let mut ingress = Connection::open(ingress).await?;
    ingress.request(Method::GET, "/restate/health", Bytes::new()).await?;
    let deployment = serde_json::json!({ "uri": format!("http://{address}"), "force": true }).to_string();
    Connection::open(admin).await?.request(Method::POST, "/deployments", deployment.into()).await?;
    // The ingress knows of the service a moment after it is registered.
    ingress.call("probe", Command::Destroy, "v1").await?;
    Ok(())
}
