//! Embedding the engine: one tenant as a real process, from nothing to gone. `cargo run --example embed`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use futures_util::StreamExt;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::spec::TenantComputeSpec;
use landlord_compute::store::Scope;
use landlord_compute::{Delivery, Engine, Options};
use landlord_provider_process::{ProcessOptions, ProcessProvider};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};

const SPEC: &str = "
tenant_id: acme
provider_type: process
containers:
  - { name: worker, image: host, command: [sleep, '1000'] }
resources: { cpu: 128, memory: 128 }
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The process provider starts this program again as the keeper of each tenant.
    landlord_provider_process::keeper::run_if_asked();
    tokio::runtime::Runtime::new()?.block_on(live())
}

async fn live() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::new(SqliteOptions::new(folder.path().join("landlord.db")));
    let provider = ProcessProvider::new(ProcessOptions::new(folder.path().join("processes")));
    let engine = Engine::builder(store).provider(provider).start().await?;
    let mut events = Box::pin(engine.subscribe(engine.head(), Scope::All));

    let acme = engine.tenant(TenantId::new("acme")?);
    let operation = acme.provision(TenantComputeSpec::from_yaml(SPEC)?, Options::default()).await?;
    if let Some(id) = operation.id() {
        println!("operation {id} is durable");
    }
    println!("it settled: {}", operation.await?);
    println!("the platform says: {:?}", acme.status().await?.state);
    println!("destroyed: {}", acme.destroy(Options::default()).await?.await?);

    engine.shutdown(std::time::Duration::from_secs(10)).await?;
    while let Some(Ok(Delivery::Event { event, .. })) = events.next().await {
        if event.to != Some(event.from) {
            println!("event: {} → {}", event.from, event.to.map_or("gone", |state| state.as_str()));
        }
    }
    Ok(())
}
