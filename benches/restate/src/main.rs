//! The fleet benchmark's tenants on Restate: the service, and the driver that loads it over Restate's ingress.
//! `run.sh` starts Restate and both; the words are `lifecycle`, `latency`, `serve` or `register`, then `key=value`.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

mod figure;
mod http;
mod latency;
mod lifecycle;
mod parameters;
mod registration;
mod tenant;

use anyhow::bail;
use restate_sdk::prelude::{Endpoint, HttpServer};

use parameters::Parameters;

/// The same as in the fleet benchmark.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many as in the fleet benchmark.
const WORKERS: usize = 2;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let work = words.next().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(async {
        match work.as_str() {
            "serve" => serve(&Parameters::of(words, &["address_file"])?).await,
            "register" => {
                let keys = ["admin", "ingress", "address_file"];
                registration::run(&Parameters::of(words, &keys)?).await
            }
            "lifecycle" => {
                let parameters = Parameters::of(words, lifecycle::PARAMETERS)?;
                figure::print(&lifecycle::run(&parameters).await?)
            }
            "latency" => {
                let parameters = Parameters::of(words, latency::PARAMETERS)?;
                figure::print(&latency::run(&parameters).await?)
            }
            other => bail!("{other:?} is none of lifecycle, latency, serve and register"),
        }
    })
}

/// Serves tenants until the process is stopped.
async fn serve(parameters: &Parameters) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::fs::write(parameters.get::<std::path::PathBuf>("address_file")?, address).await?;
    HttpServer::new(Endpoint::builder().bind(tenant::Tenant).build()).serve(listener).await;
    Ok(())
}
