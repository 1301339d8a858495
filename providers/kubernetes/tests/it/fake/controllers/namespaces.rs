//! The controller of namespaces.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::fake::deletes::Propagation;
use crate::fake::kinds::{Key, Kind};
use crate::fake::world::{World, condition, is_deleting};

impl World {
    pub(super) fn look_at_namespace(&mut self, key: &Key, namespace: &Value) {
        let name = key.name.as_str();
        if !is_deleting(namespace) {
            let given = [
                Key::new(Kind::ServiceAccount, name, "default"),
                Key::new(Kind::ConfigMap, name, "kube-root-ca.crt"),
            ];
            for key in given.into_iter().filter(|key| self.get(key).is_none()).collect::<Vec<_>>() {
                self.later(key, self.settings.pace.account);
            }
            return;
        }
        let mut left: BTreeMap<Kind, usize> = BTreeMap::new();
        let mut holders: BTreeMap<String, usize> = BTreeMap::new();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_namespaced()) {
            for (key, object) in self.in_namespace(kind, name) {
                if !is_deleting(&object) {
                    self.delete(&key, Propagation::Background, None);
                }
                let Some(object) = self.get(&key) else { continue };
                *left.entry(kind).or_default() += 1;
                for holder in object["metadata"]["finalizers"].as_array().into_iter().flatten() {
                    *holders.entry(holder.as_str().unwrap_or_default().to_owned()).or_default() += 1;
                }
            }
        }
        if left.is_empty() && !self.dead_api {
            let takes = self.settings.pace.namespace;
            if self.is_over(format!("namespace/{}", namespace["metadata"]["uid"]), key, takes) {
                self.empty(key);
            }
            return;
        }
        let mut status = namespace["status"].clone();
        status["conditions"] = self.obstacles(namespace, &left, &holders);
        self.set_status(key, status);
    }

    /// Nothing is in it any more.
    fn empty(&mut self, key: &Key) {
        let Some(namespace) = self.get(key) else { return };
        let mut namespace = (*namespace).clone();
        if let Some(holders) = namespace["spec"]["finalizers"].as_array_mut() {
            holders.retain(|one| one != "kubernetes");
        }
        if crate::fake::writes::is_free(&namespace) {
            self.vanish(key);
        } else {
            self.commit(key, namespace);
        }
    }

    fn obstacles(
        &self,
        namespace: &Value,
        left: &BTreeMap<Kind, usize>,
        holders: &BTreeMap<String, usize>,
    ) -> Value {
        let kinds = left.iter().map(|(kind, count)| {
            let info = kind.info();
            format!("{}.{} has {count} resource instances", info.plural, info.group)
        });
        let kinds = format!("Some resources are remaining: {}", kinds.collect::<Vec<_>>().join(", "));
        let named = holders.iter().map(|(holder, count)| format!("{holder} in {count} resource instances"));
        let named = format!(
            "Some content in the namespace has finalizers remaining: {}",
            named.collect::<Vec<_>>().join(", ")
        );
        let dead = "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server \
                    APIs: metrics.k8s.io/v1beta1: the server is currently unable to handle the request";
        let all = [
            (
                "NamespaceDeletionDiscoveryFailure",
                self.dead_api,
                ["DiscoveryFailed", dead],
                ["ResourcesDiscovered", "All resources successfully discovered"],
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure",
                false,
                ["", ""],
                ["ParsedGroupVersions", "All legacy kube types successfully parsed"],
            ),
            (
                "NamespaceDeletionContentFailure",
                false,
                ["", ""],
                ["ContentDeleted", "All content successfully deleted, may be waiting on finalization"],
            ),
            (
                "NamespaceContentRemaining",
                !left.is_empty(),
                ["SomeResourcesRemain", &kinds],
                ["ContentRemoved", "All content successfully removed"],
            ),
            (
                "NamespaceFinalizersRemaining",
                !holders.is_empty(),
                ["SomeFinalizersRemain", &named],
                ["ContentHasNoFinalizers", "All content-preserving finalizers finished"],
            ),
        ];
        let shown = all.into_iter().map(|(named, holds, bad, good)| {
            let is = if holds { "True" } else { "False" };
            let [reason, message] = if holds { bad } else { good };
            let before = condition(namespace, named).filter(|before| before["status"] == is);
            let since = before.map_or_else(|| json!(self.stamp_now()), |it| it["lastTransitionTime"].clone());
            json!({ "type": named, "status": is, "reason": reason, "message": message,
                "lastTransitionTime": since })
        });
        shown.collect()
    }
}
