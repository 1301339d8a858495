//! Nodes without containers, in a process of their own: a pod that is put on one of them is ready at once, and one that is to
//! end is gone at once.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::StreamExt as _;
use http::{Method, Request};
use jiff::Timestamp;
use kube::Client;
use kube::core::WatchEvent;
use serde_json::{Value, json};

use super::cluster::Admin;

/// The option by which this program is the nodes, with the way to the cluster.
pub(crate) const ROLE: &str = "--nodes";
/// How many there are. Each takes as many pods as Kubernetes recommends, and a bit.
const NODES: usize = 20;
const PODS: u32 = 125;
/// All pods that have a node.
const ASSIGNED: &str = "/api/v1/pods?fieldSelector=spec.nodeName!%3D";
/// What they say once they are there.
const THERE: &str = "ready";

/// The nodes, until this is dropped.
pub(crate) struct Nodes(Child);

impl Nodes {
    /// Starts them.
    pub(crate) fn start(kubeconfig: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let mut child = command
            .arg(ROLE)
            .arg(kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the nodes start");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let said = stdout.lines().map_while(Result::ok).find(|line| line == THERE);
        assert!(said.is_some(), "the nodes do not come up");
        Self(child)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Is the nodes, until stdin closes.
pub(crate) async fn run(kubeconfig: &Path) {
    let admin = Admin::new(kubeconfig).await;
    for n in 0..NODES {
        register(&admin, &format!("node-{n}")).await;
    }
    println!("{THERE}");
    // When whoever started them is killed, they end.
    std::thread::spawn(|| {
        let _closed = std::io::stdin().lines().last();
        std::process::exit(0);
    });
    loop {
        if let Err(error) = look_after_pods(&admin.client).await {
            eprintln!("nodes: {error}");
        }
    }
}

async fn register(admin: &Admin, name: &str) {
    let labels =
        json!({ "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" });
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels } });
    admin.create("/api/v1/nodes", &node).await;
    let room =
        json!({ "cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": PODS.to_string() });
    let now = Timestamp::now().to_string();
    let status = json!({
        "capacity": room,
        "allocatable": room,
        "addresses": [{ "type": "InternalIP", "address": "192.0.2.1" }],
        "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "",
            "lastHeartbeatTime": now, "lastTransitionTime": now }],
    });
    admin.patch(&format!("/api/v1/nodes/{name}/status"), &json!({ "status": status })).await;
}

/// Looks after all pods that are there, and those that come, until the API server ends the watch.
async fn look_after_pods(client: &Client) -> Result<(), kube::Error> {
    let ask = |path: String| Request::get(path).body(Vec::new()).expect("a request");
    let list: Value = client.request(ask(ASSIGNED.to_owned())).await?;
    let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    for pod in list.get("items").and_then(Value::as_array).into_iter().flatten() {
        look_after(client, pod.clone());
    }
    let watch = ask(format!("{ASSIGNED}&watch=true&resourceVersion={version}"));
    let events = client.request_events::<Value>(watch).await?;
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event? {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => look_after(client, pod),
            WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
        }
    }
    Ok(())
}

/// Does what a kubelet does, in the end.
fn look_after(client: &Client, pod: Value) {
    let request = match (&pod["metadata"]["deletionTimestamp"], pod["status"]["phase"].as_str()) {
        (Value::String(_), _) => end(&pod),
        (_, Some("Pending")) => begin(&pod),
        (_, _) => return,
    };
    let client = client.clone();
    tokio::spawn(async move {
        match client.request::<Value>(request).await {
            Ok(_) => {}
            // It has changed meanwhile, or is gone: another event says so.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => eprintln!("nodes: {error}"),
        }
    });
}

fn path(pod: &Value) -> String {
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
    format!("/api/v1/namespaces/{}/pods/{}", text("namespace"), text("name"))
}

fn end(pod: &Value) -> Request<Vec<u8>> {
    let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
        "preconditions": { "uid": pod["metadata"]["uid"] } });
    request(Method::DELETE, path(pod), "application/json", &options)
}

fn begin(pod: &Value) -> Request<Vec<u8>> {
    static PODS: AtomicU32 = AtomicU32::new(1);
    let n = PODS.fetch_add(1, Ordering::Relaxed);
    let ip = format!("10.{}.{}.{}", 128 + n / 62_500 % 100, n / 250 % 250, n % 250 + 1);
    let now = Timestamp::now().to_string();
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(
        |kind| json!({ "type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": now }),
    );
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten().map(|container| {
        json!({ "name": container["name"], "image": container["image"], "imageID": container["image"],
            "containerID": format!("none://{n}"), "ready": true, "started": true, "restartCount": 0,
            "state": { "running": { "startedAt": now } } })
    });
    let status = json!({
        "phase": "Running",
        "conditions": conditions,
        "containerStatuses": containers.collect::<Vec<Value>>(),
        "hostIP": "192.0.2.1",
        "podIP": ip,
        "podIPs": [{ "ip": ip }],
        "startTime": now,
    });
    let patch = json!({ "metadata": { "uid": pod["metadata"]["uid"] }, "status": status });
    request(Method::PATCH, format!("{}/status", path(pod)), "application/strategic-merge-patch+json", &patch)
}

fn request(method: Method, path: String, content: &str, body: &Value) -> Request<Vec<u8>> {
    let request = Request::builder().method(method).uri(path).header("content-type", content);
    request.body(body.to_string().into_bytes()).expect("a request")
}
