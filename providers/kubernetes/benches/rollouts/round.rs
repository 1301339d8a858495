//! The rounds: both sides on one cluster, one after the other, in turns, and nothing of the one is left when the other begins.

use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::Asked;
use super::cluster::{Admin, Cluster, Kind};
use super::cost::{self, Cost};
use super::kubectl::Kubectl;
use super::manifests::{self, Manifest};
use super::nodes::Nodes;
use super::ours;
use super::site::{Site, token};
use super::summary;

/// The API server's counter of requests, but watches, by a rule that tells who asks. Both sides are service accounts, and nobody
/// else is.
const REQUESTS: &str = "apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"service-accounts\"";

/// What one side did in a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) cost: Cost,
    pub(crate) requests: u64,
}

/// What both did in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) ours: Side,
    pub(crate) kubectl: Side,
}

pub(crate) async fn all(asked: &Asked) {
    let cluster = Cluster::start(Kind::Objects);
    let site = Site::alone(&cluster, "kubectl").await;
    let nodes = Nodes::start(&cluster.kubeconfig);
    let (engine, operator) = (site.dir.path().join("engine"), site.dir.path().join("operator"));
    allow_everything(&site.admin).await;
    site.write_kubeconfig(&cluster, "operator", &token(&site.admin, "landlord", "operator").await);
    let kubectl = Kubectl::new(&operator, site.dir.path(), asked.apply);
    let files = tempfile::tempdir().expect("a directory");
    let manifests = manifests::write(&site, files.path(), asked.tenants).await;
    let objects = manifests.first().map_or(0, |one| one.objects);
    println!(
        "{} tenants of {objects} objects, {} at a time; {}\n",
        asked.tenants,
        asked.concurrency,
        kubectl.name()
    );

    let mut rounds = Vec::new();
    for n in 0..asked.rounds {
        let ours = async || run_ours(asked, &site.admin, &engine).await;
        let theirs = async || run_theirs(asked, &site.admin, &kubectl, &manifests).await;
        let round = match n % 2 {
            0 => Round { ours: ours().await, kubectl: theirs().await },
            _ => {
                let kubectl = theirs().await;
                Round { ours: ours().await, kubectl }
            }
        };
        summary::tell(asked, &round);
        rounds.push(round);
    }
    summary::tell_all(asked, &rounds);
    let again = kubectl.again();
    if again > 0 {
        println!("kubectl was run again {again} times, as it had failed");
    }
    drop(nodes);
}

async fn run_ours(asked: &Asked, admin: &Admin, engine: &Path) -> Side {
    run(asked, admin, || ours::provision(asked, engine)).await
}

async fn run_theirs(asked: &Asked, admin: &Admin, kubectl: &Kubectl, manifests: &[Manifest]) -> Side {
    run(asked, admin, || kubectl.roll_out(manifests, asked.concurrency)).await
}

/// Removes what the other side has left, runs this one, and checks that a pod of each tenant is ready.
async fn run(asked: &Asked, admin: &Admin, side: impl FnOnce()) -> Side {
    remove_all(admin).await;
    let before = requests(admin).await;
    let cost = tokio::task::block_in_place(|| cost::of(side));
    let requests = requests(admin).await - before;
    let pods = admin.list("/api/v1/pods").await;
    assert_eq!(pods.iter().filter(|pod| is_ready(pod)).count(), asked.tenants, "a pod each is ready");
    Side { cost, requests }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.filter(|one| one["type"] == "Ready").any(|one| one["status"] == "True")
}

async fn requests(admin: &Admin) -> u64 {
    let metrics = admin.text("/metrics").await.expect("metrics");
    let lines = metrics.lines().filter(|line| line.starts_with(REQUESTS));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).map(|count| count as u64).sum()
}

/// Removes all tenants, and waits until nothing of them is left.
async fn remove_all(admin: &Admin) {
    let left = async || {
        let all = admin.list("/api/v1/namespaces").await.into_iter();
        let names = all.filter_map(|it| it["metadata"]["name"].as_str().map(str::to_owned));
        names.filter(|name| name.starts_with("landlord-")).collect::<Vec<String>>()
    };
    let names = left().await;
    let deleted = stream::iter(&names)
        .map(async |name| admin.delete(&format!("/api/v1/namespaces/{name}")).await)
        .buffer_unordered(16);
    deleted.collect::<Vec<()>>().await;
    while !left().await.is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Makes the service account of an operator who may do everything.
async fn allow_everything(admin: &Admin) {
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "operator" } });
    admin.create("/api/v1/namespaces/landlord/serviceaccounts", &account).await;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": "operator" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": "operator", "namespace": "landlord" }],
    });
    admin.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await;
}
