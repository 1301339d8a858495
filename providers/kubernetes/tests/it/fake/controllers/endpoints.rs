//! The addresses behind services, and in front of them.

use serde_json::{Value, json};

use super::replica_sets::reference;
use crate::fake::kinds::{Key, Kind};
use crate::fake::settings::Balancers;
use crate::fake::world::{World, is_deleting, is_ready};

const CLEANUP: &str = "service.kubernetes.io/load-balancer-cleanup";

impl World {
    pub(super) fn look_at_service(&mut self, key: &Key, service: &Value) {
        if is_deleting(service) {
            return self.release(key, CLEANUP);
        }
        self.balance(key, service);
        let selector = &service["spec"]["selector"];
        if !selector.is_object() {
            return;
        }
        let mut endpoints = Vec::new();
        let mut ports = None;
        for (pod_key, pod) in self.in_namespace(Kind::Pod, &key.namespace) {
            let selected = crate::fake::selector::matches(selector, &pod["metadata"]["labels"]);
            let Some(ip) = pod["status"]["podIP"].as_str().filter(|_| selected) else { continue };
            if pod["status"]["phase"] == "Failed" || (is_deleting(&pod) && !self.settings.since(22)) {
                continue;
            }
            ports = ports.or_else(|| Some(ports_of(service, &pod)));
            let (serving, terminating) = (is_ready(&pod), is_deleting(&pod));
            let mut conditions = json!({ "ready": serving && !terminating });
            if self.settings.since(22) {
                conditions["serving"] = json!(serving);
                conditions["terminating"] = json!(terminating);
            }
            endpoints.push(json!({
                "addresses": [ip], "conditions": conditions,
                "targetRef": { "kind": "Pod", "namespace": key.namespace, "name": pod_key.name,
                    "uid": pod["metadata"]["uid"] },
            }));
        }
        let slice = Key::new(Kind::EndpointSlice, &key.namespace, &format!("{}-slice", key.name));
        let labels = json!({
            "kubernetes.io/service-name": key.name,
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        });
        match self.get(&slice) {
            None => {
                let metadata = json!({ "labels": labels, "ownerReferences": [reference(service)] });
                let body = json!({ "metadata": metadata, "addressType": "IPv4", "endpoints": endpoints,
                    "ports": ports });
                self.make(&slice, body);
            }
            Some(there) => {
                let mut new = (*there).clone();
                new["endpoints"] = json!(endpoints);
                if let Some(ports) = ports {
                    new["ports"] = ports;
                }
                if new != *there {
                    self.commit(&slice, new);
                }
            }
        }
    }

    fn balance(&mut self, key: &Key, service: &Value) {
        let uid = service["metadata"]["uid"].as_str().unwrap_or_default();
        let has = service["status"]["loadBalancer"]["ingress"].is_array();
        if service["spec"]["type"] != "LoadBalancer" || has || self.settings.balancers == Balancers::None {
            return;
        }
        if !self.is_over(format!("balancer/{uid}"), key, self.settings.pace.binding) {
            return;
        }
        self.alter(key, |service| service["metadata"]["finalizers"] = json!([CLEANUP]));
        let address = match self.settings.balancers {
            Balancers::Ip => json!({ "ip": format!("203.0.113.{}", self.give() % 250 + 1) }),
            Balancers::Hostname | Balancers::None => json!({ "hostname": format!("{}.lb.test", key.name) }),
        };
        self.set_status(key, json!({ "loadBalancer": { "ingress": [address] } }));
    }
}

/// A service's ports as a pod has them.
fn ports_of(service: &Value, pod: &Value) -> Value {
    let containers = || pod["spec"]["containers"].as_array().into_iter().flatten();
    let named = |name: &Value| {
        let mut ports = containers().flat_map(|one| one["ports"].as_array()).flatten();
        ports.find(|port| &port["name"] == name).map(|port| port["containerPort"].clone())
    };
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let shown = ports.map(|port| {
        let target = &port["targetPort"];
        let number = if target.is_string() { named(target).unwrap_or_default() } else { target.clone() };
        json!({ "name": port["name"].as_str().unwrap_or_default(), "port": number, "protocol": port["protocol"] })
    });
    shown.collect()
}
