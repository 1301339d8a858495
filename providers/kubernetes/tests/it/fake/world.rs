//! All that the cluster knows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::behaviour::Behaviour;
use super::kinds::{Key, Kind};
use super::life::Life;
use super::logs::Logs;
use super::managed::Writer;
use super::mishap::Traps;
use super::queue::Queue;
use super::request::Verb;
use super::settings::Settings;
use super::store::{Change, Store};

/// All that the cluster knows.
#[derive(Debug)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) queue: Queue,
    pub(super) traps: Traps,
    /// How often what was asked for, by verb and path.
    pub(super) counts: BTreeMap<(Verb, String), u64>,
    pub(super) now: Instant,
    began: Instant,
    epoch: Timestamp,
    /// What pods do, by uid.
    pub(super) lives: BTreeMap<String, Life>,
    pub(super) logs: Logs,
    /// When a rollout was last seen to move, by the deployment's uid.
    pub(super) moved: BTreeMap<String, Instant>,
    /// The templates of stateful sets, by uid and hash.
    pub(super) revisions: BTreeMap<(String, String), Value>,
    /// What images do that do not do what they are called.
    pub(super) images: BTreeMap<String, Behaviour>,
    /// The event of an object's uid, a reason and a message.
    pub(super) events: BTreeMap<(String, String, String), Key>,
    /// The revision that reads without quorum see, while they are behind.
    pub(super) stale: Option<u64>,
    pub(super) watches: Watches,
    /// When something that takes its time is done, by a name for it.
    timers: BTreeMap<String, Instant>,
    /// Whether an API that somebody added does not answer, so that no namespace can go.
    pub(super) dead_api: bool,
    given: u32,
}

/// What happens to all watches.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// They say nothing of what comes after this revision.
    pub(super) held: Option<u64>,
    /// How often those that were open were told that they are too old.
    pub(super) expired: u64,
    /// How often those that were open were cut.
    pub(super) cut: u64,
    /// How many are open.
    pub(super) open: usize,
    /// How many bookmarks they told.
    pub(super) marks: u64,
}

/// No two objects of any two clusters have the same uid.
static UIDS: AtomicU64 = AtomicU64::new(1);

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let mut world = Self {
            settings,
            store: Store::default(),
            queue: Queue::default(),
            traps: Traps::default(),
            counts: BTreeMap::new(),
            now,
            began: now,
            epoch: Timestamp::now(),
            lives: BTreeMap::new(),
            logs: Logs::default(),
            moved: BTreeMap::new(),
            revisions: BTreeMap::new(),
            images: BTreeMap::new(),
            events: BTreeMap::new(),
            stale: None,
            watches: Watches::default(),
            timers: BTreeMap::new(),
            dead_api: false,
            given: 0,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let namespace = json!({ "metadata": { "name": name } });
            self.make(&Key::new(Kind::Namespace, "", name), namespace);
        }
        let addresses = json!([
            { "type": "InternalIP", "address": "10.9.0.1" }, { "type": "ExternalIP", "address": "198.51.100.1" },
        ]);
        let node = json!({ "metadata": { "name": "node-1",
            "labels": { "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": "node-1" } }, "status": {
            "addresses": addresses, "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }],
        } });
        self.make(&Key::new(Kind::Node, "", "node-1"), node);
        let class = json!({
            "metadata": { "name": "standard",
                "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
            "provisioner": "fake.test/disk", "allowVolumeExpansion": true,
        });
        self.make(&Key::new(Kind::StorageClass, "", "standard"), class);
    }

    /// A controller makes something. What it is refused with it is told.
    pub(super) fn make(&mut self, key: &Key, object: Value) {
        let writer = self.controller(key.kind);
        // Somebody has made it already, or the namespace goes.
        let _ = self.create(key, object, &writer, false);
    }

    pub(super) fn uid(&self) -> String {
        let number = UIDS.fetch_add(1, Ordering::Relaxed);
        let run = u64::from(self.epoch.subsec_nanosecond().unsigned_abs());
        format!("{:08x}-0000-4000-8000-{number:012x}", run & 0xffff_ffff)
    }

    /// Some letters that were not there before, as names end with.
    pub(super) fn suffix(&self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut number = UIDS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        let mut text = String::new();
        for _ in 0..5 {
            text.push(char::from(LETTERS[(number % 27) as usize]));
            number /= 27;
        }
        text
    }

    /// A number that was not given before.
    pub(super) fn give(&mut self) -> u32 {
        self.given += 1;
        self.given
    }

    pub(super) fn time(&self, at: Instant) -> Timestamp {
        self.epoch + at.saturating_duration_since(self.began)
    }

    /// As objects write a time.
    pub(super) fn stamp(&self, at: Instant) -> String {
        let time = self.time(at);
        Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
    }

    pub(super) fn stamp_now(&self) -> String {
        self.stamp(self.now)
    }

    /// So many seconds of a manifest.
    pub(super) fn seconds(&self, count: &Value) -> Duration {
        let count = count.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
        self.settings.pace.second * count
    }

    /// Who writes for the cluster itself.
    pub(super) fn controller(&self, kind: Kind) -> Writer {
        let version = kind.versions(&self.settings).first().copied().unwrap_or("v1");
        Writer {
            manager: "kube-controller-manager".to_owned(),
            api_version: super::kinds::api_version(kind.info().group, version),
            sub: None,
            time: self.stamp_now(),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.store.get(key).cloned()
    }

    pub(super) fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.get(&Key::new(kind, namespace, name))
    }

    /// All of a kind in a namespace.
    pub(super) fn in_namespace(&self, kind: Kind, namespace: &str) -> Vec<(Key, Arc<Value>)> {
        let all = self.store.all(kind, Some(namespace)).into_iter();
        all.map(|((_, name), object)| (Key::new(kind, namespace, name), Arc::clone(object))).collect()
    }

    /// What an object owns, of one kind.
    pub(super) fn owned(&self, owner: &Value, kind: Kind) -> Vec<(Key, Arc<Value>)> {
        let uid = owner["metadata"]["uid"].as_str().unwrap_or_default();
        let keys = self.store.owned_by(uid).into_iter().filter(|key| key.kind == kind);
        keys.filter_map(|key| self.get(&key).map(|object| (key, object))).collect()
    }

    /// Writes an object down, and tells those whom it concerns.
    pub(super) fn commit(&mut self, key: &Key, object: Value) {
        let change = self.store.put(key, object);
        self.touch(&change);
    }

    /// Takes an object away, and tells those whom it concerns.
    pub(super) fn vanish(&mut self, key: &Key) {
        if let Some(change) = self.store.remove(key) {
            let uid = change.before.as_ref().and_then(|object| object["metadata"]["uid"].as_str());
            if let (Kind::Pod, Some(uid)) = (key.kind, uid) {
                self.lives.remove(uid);
                self.logs.forget(uid);
            }
            self.touch(&change);
        }
    }

    pub(super) fn later(&mut self, key: Key, after: Duration) {
        self.queue.add(key, self.now + after);
    }

    pub(super) fn soon(&mut self, key: Key) {
        self.later(key, self.settings.pace.controller);
    }

    /// Whether something that began with the first such question is done; if not, the object is looked at then.
    pub(super) fn is_over(&mut self, name: String, key: &Key, takes: Duration) -> bool {
        let now = self.now;
        let due = *self.timers.entry(name.clone()).or_insert(now + takes);
        if due <= now {
            self.timers.remove(&name);
            return true;
        }
        self.queue.add(key.clone(), due);
        false
    }

    fn touch(&mut self, change: &Change) {
        let key = &change.key;
        match key.kind {
            Kind::Event | Kind::Node | Kind::LimitRange | Kind::StorageClass | Kind::IngressClass => {}
            Kind::Namespace
            | Kind::AccessReview
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::ReplicaSet
            | Kind::Pod
            | Kind::ServiceAccount
            | Kind::Secret
            | Kind::ConfigMap
            | Kind::Service
            | Kind::ResourceQuota
            | Kind::PersistentVolumeClaim
            | Kind::NetworkPolicy
            | Kind::Ingress
            | Kind::PodDisruptionBudget
            | Kind::EndpointSlice
            | Kind::HorizontalPodAutoscaler
            | Kind::ExternalSecret
            | Kind::Gateway
            | Kind::HttpRoute => self.soon(key.clone()),
        }
        let either = [&change.before, &change.after];
        for object in either.into_iter().flatten() {
            for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
                let text = |field: &str| owner[field].as_str().unwrap_or_default();
                if let Some(kind) = Kind::named(text("kind")) {
                    self.soon(Key::new(kind, &key.namespace, text("name")));
                }
            }
        }
        if change.after.is_none() {
            let uid = change.before.as_ref().and_then(|object| object["metadata"]["uid"].as_str());
            for owned in self.store.owned_by(uid.unwrap_or_default()) {
                self.soon(owned);
            }
            if self.find(Kind::Namespace, "", &key.namespace).is_some_and(|it| is_deleting(&it)) {
                self.soon(Key::new(Kind::Namespace, "", &key.namespace));
            }
        }
        if matches!(key.kind, Kind::Pod) {
            let seen = |object: &Option<Arc<Value>>| {
                let object = object.as_ref()?;
                Some((is_ready(object), is_deleting(object), object["status"]["podIP"].clone()))
            };
            if seen(&change.before) != seen(&change.after) {
                self.touch_for_pod(key, change.before.as_deref().or(change.after.as_deref()));
            }
        }
    }

    /// Services, quotas and claims look at pods.
    fn touch_for_pod(&mut self, key: &Key, pod: Option<&Value>) {
        let labels = pod.map_or(Value::Null, |pod| pod["metadata"]["labels"].clone());
        for (service, object) in self.in_namespace(Kind::Service, &key.namespace) {
            if super::selector::matches(&object["spec"]["selector"], &labels) {
                self.soon(service);
            }
        }
        for (quota, _) in self.in_namespace(Kind::ResourceQuota, &key.namespace) {
            self.soon(quota);
        }
        for volume in pod.and_then(|pod| pod["spec"]["volumes"].as_array()).into_iter().flatten() {
            if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
                self.soon(Key::new(Kind::PersistentVolumeClaim, &key.namespace, claim));
            }
        }
    }
}

pub(super) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Whether a pod takes requests.
pub(super) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition["status"] == "True")
}

pub(super) fn condition<'a>(object: &'a Value, named: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == named)
}
