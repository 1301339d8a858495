//! What the demo's tenants run: this program again, as a small web server.

use std::time::Duration;

use landlord_compute::machines::id::TenantId;
use serde_json::{Value, json};

use super::super::args::DemoTenant;
use super::super::failure::Failure;
use super::http;

/// The container's port; which port of the machine that is, the provider decides.
const PORT: u16 = 80;

/// A version of a tenant's software.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// What it answers.
    pub(super) greeting: &'static str,
    /// How long it takes until it listens.
    pub(super) slow: Duration,
    /// It ends before it listens.
    pub(super) broken: bool,
}

impl Version {
    pub(super) const fn good(greeting: &'static str) -> Self {
        Self { greeting, slow: Duration::ZERO, broken: false }
    }

    /// The spec that makes a tenant run it.
    pub(super) fn spec(self, program: &str, tenant: &TenantId) -> Value {
        let mut command = vec![program.to_owned(), "demo-tenant".to_owned()];
        command.extend(["--greeting".to_owned(), self.greeting.to_owned()]);
        command.extend(["--slow".to_owned(), self.slow.as_millis().to_string()]);
        if self.broken {
            command.push("--broken".to_owned());
        }
        json!({
            "tenant_id": tenant,
            "provider_type": "process",
            "containers": [{
                "name": "web",
                "image": "host",
                "command": command,
                "ports": [{ "container_port": PORT, "protocol": "tcp", "name": "http" }],
                "health_check": {
                    "type": "http", "http_path": "/health", "port": PORT,
                    "interval_seconds": 5, "timeout_seconds": 2,
                    "healthy_threshold": 1, "unhealthy_threshold": 2,
                },
            }],
            "resources": { "cpu": 128, "memory": 512 },
            "networking": { "public_ip": false },
            "provider_config": { "stop_grace_seconds": 2 },
        })
    }
}

/// Runs as a tenant of the demo.
pub(crate) async fn tenant(args: DemoTenant) -> Result<(), Failure> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok());
    let Some(port) = port else {
        return Err(Failure::Usage("PORT must name the port to listen on; `demo` starts this".to_owned()));
    };
    if args.broken {
        return Err(Failure::Usage("this version of the demo's tenant is broken on purpose".to_owned()));
    }
    tokio::time::sleep(Duration::from_millis(args.slow)).await;
    let text = format!("{} from process {}", args.greeting, std::process::id());
    http::serve(port, text).await.map_err(|source| Failure::System { doing: "listen", source })
}
