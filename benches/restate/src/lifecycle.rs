//! Tenants through provision, update and destroy: how many transitions a second.

use std::path::PathBuf;
use std::time::Instant;

use crate::figure::{Figure, Unit};
use crate::http::Connection;
use crate::parameters::Parameters;
use crate::tenant::LIFE;

/// `tenants`: how many lives are measured. `clients`: how many at once, each with a connection and one command in
/// flight.
pub(crate) const PARAMETERS: &[&str] = &["ingress", "tenants", "clients"];

/// Each command begins and ends.
const TRANSITIONS: usize = 2 * LIFE.len();

async fn life(connection: &mut Connection, tenant: &str) -> anyhow::Result<()> {
    for command in LIFE {
        connection.call(tenant, command, "v1").await?;
    }
    Ok(())
}

pub(crate) async fn run(parameters: &Parameters) -> anyhow::Result<Vec<Figure>> {
    let ingress: PathBuf = parameters.get("ingress")?;
    let (tenants, clients): (usize, usize) = (parameters.get("tenants")?, parameters.get("clients")?);

    // A client's first life opens its connection, and those of Restate to the service: it is not measured.
    let mut opening = Vec::new();
    for client in 0..clients {
        let ingress = ingress.clone();
        opening.push(tokio::spawn(async move {
            let mut connection = Connection::open(&ingress).await?;
            life(&mut connection, &format!("first-{client}")).await?;
            anyhow::Ok(connection)
        }));
    }
    let mut connections = Vec::new();
    for connection in opening {
        connections.push(connection.await??);
    }

    let began = Instant::now();
    let mut running = Vec::new();
    for (client, mut connection) in connections.into_iter().enumerate() {
        running.push(tokio::spawn(async move {
            for n in (client..tenants).step_by(clients) {
                life(&mut connection, &format!("tenant-{n}")).await?;
            }
            anyhow::Ok(())
        }));
    }
    for client in running {
        client.await??;
    }
    let per_second = (tenants * TRANSITIONS) as f64 / began.elapsed().as_secs_f64();
    Ok(vec![Figure::new("transitions", Unit::PerSecond, per_second)])
}
