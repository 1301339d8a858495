//! What the cluster's controllers do, each when something changes that it looks at.

mod claims;
mod containers;
mod deployments;
mod endpoints;
mod environment;
mod events;
mod garbage;
mod namespaces;
mod pod_status;
mod pods;
mod replica_sets;
mod rollouts;
mod stateful_sets;

use serde_json::json;

use super::kinds::{Key, Kind};
use super::world::World;

/// How much is looked at before others get their turn.
const AT_ONCE: usize = 16;

impl World {
    /// Looks at what is due. Whether that is not all.
    pub(super) fn run(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            let Some(key) = self.queue.take(self.now) else { return false };
            self.look(&key);
        }
        true
    }

    fn look(&mut self, key: &Key) {
        let Some(object) = self.get(key) else { return self.look_at_nothing(key) };
        if self.collect(key, &object) {
            return;
        }
        match key.kind {
            Kind::Namespace => self.look_at_namespace(key, &object),
            Kind::Pod => self.look_at_pod(key, &object),
            Kind::ReplicaSet => self.look_at_replica_set(key, &object),
            Kind::Deployment => self.look_at_deployment(key, &object),
            Kind::StatefulSet => self.look_at_stateful_set(key, &object),
            Kind::Service => self.look_at_service(key, &object),
            Kind::PersistentVolumeClaim => self.look_at_claim(key, &object),
            Kind::ResourceQuota => self.look_at_quota(key),
            Kind::Node
            | Kind::StorageClass
            | Kind::IngressClass
            | Kind::AccessReview
            | Kind::ServiceAccount
            | Kind::Secret
            | Kind::ConfigMap
            | Kind::LimitRange
            | Kind::Event
            | Kind::NetworkPolicy
            | Kind::Ingress
            | Kind::PodDisruptionBudget
            | Kind::EndpointSlice
            | Kind::HorizontalPodAutoscaler
            | Kind::ExternalSecret
            | Kind::Gateway
            | Kind::HttpRoute => {}
        }
    }

    /// What every namespace has comes a moment after it.
    fn look_at_nothing(&mut self, key: &Key) {
        match (key.kind, key.name.as_str()) {
            (Kind::ServiceAccount, "default") => self.make(key, json!({ "metadata": {} })),
            (Kind::ConfigMap, "kube-root-ca.crt") => {
                let data = json!({ "ca.crt": "-----BEGIN CERTIFICATE-----\n" });
                self.make(key, json!({ "metadata": {}, "data": data }));
            }
            _ => {}
        }
    }
}
