//! A provider over the fake, and what it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use landlord_compute::clock::SystemClock;
use landlord_compute::provider::Context;
use landlord_compute::provider::converge::Api;
use landlord_provider_kubernetes::{KubernetesOptions, KubernetesProvider};
use landlord_state_machines::id::{Incarnation, ProviderName, TenantId};
use landlord_state_machines::planner::kubernetes::{
    KubernetesCall, KubernetesReply, Look, Make, Object, ObjectId, ObjectKind, Place, Sharing, tags,
};
use landlord_state_machines::planner::{CallError, Subject};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fake::{Fake, Kind, Settings, User};

/// The token of the engine.
pub(crate) const TOKEN: &str = "engine-token";
/// How long a request may take: much longer than any does.
const WITHIN: Duration = Duration::from_secs(20);
/// How long it may take where none is answered.
pub(crate) const SHORT: Duration = Duration::from_millis(500);

/// A cluster and a provider that knows the way to it.
pub(crate) struct Site {
    pub(crate) fake: Fake,
    pub(crate) provider: KubernetesProvider,
    pub(crate) dir: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(Settings::new_cluster(), &json!({}))
    }

    /// A cluster like this, in which the engine may do everything, and a provider with this under all configurations.
    pub(crate) fn with(mut settings: Settings, defaults: &Value) -> Self {
        if settings.users.is_empty() {
            settings.users.insert(TOKEN.to_owned(), User::admin("engine"));
        }
        let fake = Fake::start(settings);
        let dir = tempfile::tempdir().expect("a directory");
        write_kubeconfig(&dir, &fake.url(), &json!({ "token": TOKEN }));
        let provider = provider(&dir, defaults);
        Self { fake, provider, dir }
    }

    /// The same, with the namespace of the tenant `acme`.
    pub(crate) fn prepared() -> Self {
        let site = Self::new();
        site.plant_namespace();
        site
    }

    pub(crate) fn plant_namespace(&self) {
        let namespace = json!({ "metadata": { "name": "acme", "labels": tags::of(&subject()) } });
        self.fake.plant(Kind::Namespace, "", namespace).expect("a namespace");
    }

    /// The engine's credentials become these.
    pub(crate) fn renew(&self, token: &str) {
        write_kubeconfig(&self.dir, &self.fake.url(), &json!({ "token": token }));
    }

    pub(crate) async fn call(&self, call: &KubernetesCall) -> Result<KubernetesReply, CallError> {
        let (api, cx) = (self.provider.api(), cx());
        api.turn(&cx, call).await?;
        api.call(&cx, call).await
    }

    /// The same, for a call that is not answered in time. Its client is made already, which takes a while.
    pub(crate) async fn impatient(self) -> Self {
        let site = Self { provider: provider_within(&self.dir, &json!({}), SHORT), ..self };
        while site.call(&KubernetesCall::Survey).await.is_err() {}
        site
    }

    /// Makes one call that is answered.
    pub(crate) async fn reply(&self, call: &KubernetesCall) -> KubernetesReply {
        self.call(call).await.unwrap_or_else(|error| panic!("{call:?}: {error:?}"))
    }

    /// Makes one call that is answered with an object.
    pub(crate) async fn object(&self, call: &KubernetesCall) -> Object {
        let reply = self.reply(call).await;
        let KubernetesReply::Is(object) = reply.clone() else { panic!("{call:?}: {reply:?}") };
        *object
    }

    /// Makes an object, and says which one it is.
    pub(crate) async fn created(&self, make: Make) -> Object {
        self.object(&KubernetesCall::Create(Box::new(make))).await
    }

    /// Looks at these kinds of the tenant; what there is, by id.
    pub(crate) async fn look(&self, look: Look) -> BTreeMap<String, Object> {
        let KubernetesReply::Objects(objects) = self.reply(&KubernetesCall::Look(look)).await else {
            panic!("another answer")
        };
        objects.into_iter().map(|object| (object.id.to_string(), object)).collect()
    }
}

/// A provider whose way to the cluster is the kubeconfig of a directory.
pub(crate) fn provider(dir: &TempDir, defaults: &Value) -> KubernetesProvider {
    provider_within(dir, defaults, WITHIN)
}

/// The same, whose requests may take so long.
pub(crate) fn provider_within(dir: &TempDir, defaults: &Value, within: Duration) -> KubernetesProvider {
    let path = dir.path().join("kubeconfig");
    let mut config = json!({ "cluster": { "kubeconfig": { "path": path, "context": "fake" } } });
    if let (Some(under), Some(over)) = (config.as_object_mut(), defaults.as_object()) {
        under.extend(over.clone());
    }
    let options = KubernetesOptions::new(config).request_timeout(within).requests_per_second(100_000);
    KubernetesProvider::new(options).expect("good options")
}

pub(crate) fn write_kubeconfig(dir: &TempDir, url: &str, user: &Value) {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "fake", "cluster": { "server": url } }],
        "users": [{ "name": "engine", "user": user }],
        "contexts": [{ "name": "fake", "context": { "cluster": "fake", "user": "engine" } }],
    });
    std::fs::write(dir.path().join("kubeconfig"), config.to_string()).expect("a kubeconfig");
}

pub(crate) fn subject() -> Subject {
    Subject {
        engine: "test".into(),
        provider: ProviderName::new("kubernetes").expect("a name"),
        tenant: TenantId::new("acme").expect("an id"),
        incarnation: Incarnation(1),
    }
}

pub(crate) fn cx() -> Context {
    Context::alone(subject(), Arc::new(SystemClock))
}

pub(crate) fn place() -> Place {
    Place { namespace: "acme".to_owned(), sharing: Sharing::Own }
}

pub(crate) fn id(kind: ObjectKind, name: &str) -> ObjectId {
    ObjectId { kind, name: name.to_owned() }
}

/// An object of the tenant, with this beside its metadata.
pub(crate) fn make(kind: ObjectKind, name: &str, rest: Value) -> Make {
    let mut body = json!({
        "apiVersion": kind.api_versions().first(),
        "kind": kind.name(),
        "metadata": { "name": name, "labels": tags::of(&subject()), "annotations": { tags::CONTENT: "c1" } },
    });
    if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
        body.extend(rest);
    }
    Make { place: place(), id: id(kind, name), body, content: "c1".to_owned() }
}

pub(crate) fn config_map(name: &str, data: Value) -> Make {
    make(ObjectKind::ConfigMap, name, json!({ "data": data }))
}

/// The workload of the tenant, with a container of this image.
pub(crate) fn workload(image: &str) -> Make {
    let (labels, all) = (tags::stable(&subject()), tags::of(&subject()));
    let container = json!({ "name": "main", "image": format!("registry.test/{image}:1") });
    make(
        ObjectKind::Deployment,
        "web",
        json!({ "spec": {
            "replicas": 2,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": all }, "spec": { "containers": [container] } },
        } }),
    )
}

pub(crate) fn look(kinds: impl IntoIterator<Item = ObjectKind>) -> Look {
    let kinds: BTreeSet<ObjectKind> = kinds.into_iter().collect();
    Look { place: place(), kinds, named: BTreeSet::new(), subject: subject(), since: 0 }
}

/// A look at nothing by label, but at this by its name.
pub(crate) fn look_at(named: ObjectId) -> Look {
    Look { named: [named].into(), ..look([]) }
}

pub(crate) fn watch() -> KubernetesCall {
    KubernetesCall::Watch {
        place: place(),
        workload: id(ObjectKind::Deployment, "web"),
        awaited: None,
        since: 0,
    }
}

pub(crate) fn own(object: &Object) -> KubernetesCall {
    let api_version = object.text("/apiVersion").unwrap_or("v1").to_owned();
    KubernetesCall::Own { place: place(), id: object.id.clone(), uid: object.uid.clone(), api_version }
}

pub(crate) fn apply(make: Make, uid: &str, force: bool) -> KubernetesCall {
    KubernetesCall::Apply { make: Box::new(make), uid: uid.to_owned(), force, instead: None }
}
