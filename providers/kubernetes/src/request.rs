//! What is asked of an API server, as HTTP.

use std::fmt;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use jiff::Timestamp;
use kube::client::Body;
use landlord_compute::telemetry;
use landlord_state_machines::planner::kubernetes::{MANAGER, ObjectId, ObjectKind, Place, Propagation};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tracing::Span;

use super::reads::Writes;

/// How many objects are listed on a page.
const PAGE: &str = "500";
/// What a part of a path or of a query may have as it is.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Whole objects.
const WHOLE: &str = "application/json";
/// Their metadata alone, where the API server can leave the rest out.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
/// The same, for a list.
const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// Where the API server has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) api_version: String,
    pub(super) plural: &'static str,
    /// None: in all namespaces, or in none.
    pub(super) namespace: Option<String>,
    /// None: all of them.
    pub(super) name: Option<String>,
    pub(super) subresource: Option<&'static str>,
}

/// How much of an object is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// Only its metadata: its values do not even come here.
    Metadata,
}

/// Which lines of a container's log are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogPart {
    pub(super) container: String,
    pub(super) since: Option<Timestamp>,
    pub(super) run: Run,
}

/// Which run of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// The one before the current one.
    Before,
    /// The current one, as far as it wrote.
    Current,
    /// The current one, and what it writes from now on.
    Followed,
}

/// What is wanted. It has no `Debug`, because manifests may hold secrets.
#[derive(Clone)]
pub(super) enum What {
    Get(Part),
    List {
        /// By labels; empty: all.
        labels: String,
        /// By fields; empty: all.
        fields: String,
        part: Part,
        /// Where the page before ended.
        after: Option<String>,
    },
    /// What becomes of those of a list, from its version on.
    Watch {
        /// By labels.
        labels: String,
        part: Part,
        from: String,
        /// For how long.
        seconds: u64,
    },
    Logs(LogPart),
    /// A question in the form of an object, which is stored nowhere.
    Review(Value),
    Create(Value),
    Apply {
        body: Value,
        force: bool,
    },
    /// A JSON patch.
    Patch {
        operations: Value,
        manager: &'static str,
    },
    Delete {
        uid: String,
        propagation: Option<Propagation>,
    },
}

/// One request.
#[derive(Clone)]
pub(super) struct Ask {
    target: Target,
    what: What,
    writes: Writes,
}

#[derive(Clone)]
enum Target {
    Resource(Resource),
    /// What tells of the server itself.
    Path(String),
}

impl Resource {
    /// Everything of a kind in a namespace, or in all of them.
    pub(super) fn all(api_version: &str, plural: &'static str, namespace: Option<&str>) -> Self {
        let namespace = namespace.map(str::to_owned);
        Self { api_version: api_version.to_owned(), plural, namespace, name: None, subresource: None }
    }

    /// One object.
    pub(super) fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// An object of a tenant.
    pub(super) fn of(place: &Place, id: &ObjectId, api_version: &str) -> Self {
        let namespace = (id.kind != ObjectKind::Namespace).then_some(place.namespace.as_str());
        Self::all(api_version, id.kind.plural(), namespace).named(&id.name)
    }

    /// The namespace of this name.
    pub(super) fn namespace(name: &str) -> Self {
        Self::all("v1", ObjectKind::Namespace.plural(), None).named(name)
    }

    /// A pod.
    pub(super) fn pod(namespace: &str, name: &str) -> Self {
        Self::all("v1", "pods", Some(namespace)).named(name)
    }

    /// The group of its API; empty for the oldest one.
    pub(super) fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    fn path(&self) -> String {
        let root = if self.api_version.contains('/') { "/apis/" } else { "/api/" };
        let mut path = format!("{root}{}", self.api_version);
        if let Some(namespace) = &self.namespace {
            path += &format!("/namespaces/{}", encoded(namespace));
        }
        path += &format!("/{}", self.plural);
        if let Some(name) = &self.name {
            path += &format!("/{}", encoded(name));
        }
        if let Some(subresource) = self.subresource {
            path += &format!("/{subresource}");
        }
        path
    }
}

/// As a rule of RBAC names it, and which one.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural)?;
        if let Some(subresource) = self.subresource {
            write!(f, "/{subresource}")?;
        }
        if !self.group().is_empty() {
            write!(f, ".{}", self.group())?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

impl Ask {
    /// Something of a resource.
    pub(super) fn new(resource: Resource, what: What) -> Self {
        Self { target: Target::Resource(resource), what, writes: Writes::Kept }
    }

    /// The same, where this becomes of what it writes.
    pub(super) fn with(self, writes: Writes) -> Self {
        Self { writes, ..self }
    }

    /// Whether the engine may do what these attributes say.
    pub(super) fn review(spec: Value) -> Self {
        let reviews = Resource::all("authorization.k8s.io/v1", "selfsubjectaccessreviews", None);
        let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec });
        Self::new(reviews, What::Review(review))
    }

    /// What a path of the server says.
    pub(super) fn path(path: impl Into<String>) -> Self {
        Self { target: Target::Path(path.into()), what: What::Get(Part::Whole), writes: Writes::Kept }
    }

    /// A list, from its beginning.
    pub(super) fn list(resource: Resource, labels: impl Into<String>, part: Part) -> Self {
        let what = What::List { labels: labels.into(), fields: String::new(), part, after: None };
        Self::new(resource, what)
    }

    /// The same list, from where a page ended.
    pub(super) fn following(&self, token: String) -> Self {
        let mut next = self.clone();
        if let What::List { after, .. } = &mut next.what {
            *after = Some(token);
        }
        next
    }

    /// The resource, where it is about one.
    pub(super) fn resource(&self) -> Option<&Resource> {
        match &self.target {
            Target::Resource(resource) => Some(resource),
            Target::Path(_) => None,
        }
    }

    /// As a rule of RBAC names it.
    pub(super) fn verb(&self) -> &'static str {
        match &self.what {
            What::Get(_) | What::Logs(_) => "get",
            What::List { .. } => "list",
            What::Watch { .. } => "watch",
            What::Review(_) | What::Create(_) => "create",
            What::Apply { .. } | What::Patch { .. } => "patch",
            What::Delete { .. } => "delete",
        }
    }

    /// Its span, as a part of the call that it is made for.
    pub(super) fn span(&self) -> Span {
        match &self.target {
            Target::Resource(resource) => telemetry::request_span(self.verb(), &resource),
            Target::Path(path) => telemetry::request_span(self.verb(), &path),
        }
    }

    /// Questions about all the rights that it needs.
    pub(super) fn reviews(&self) -> Vec<Self> {
        let of = |resource: &Resource, verb: &str| {
            json!({ "resourceAttributes": {
                "verb": verb,
                "group": resource.group(),
                "resource": resource.plural,
                "subresource": resource.subresource.unwrap_or_default(),
                "namespace": resource.namespace.as_deref().unwrap_or_default(),
                "name": resource.name.as_deref().unwrap_or_default(),
            } })
        };
        let specs = match &self.target {
            Target::Path(path) => {
                vec![json!({ "nonResourceAttributes": { "verb": self.verb(), "path": path } })]
            }
            // It makes what is not there.
            Target::Resource(resource) if self.is_apply() => {
                vec![of(resource, self.verb()), of(resource, "create")]
            }
            Target::Resource(resource) => vec![of(resource, self.verb())],
        };
        specs.into_iter().map(Self::review).collect()
    }

    /// Whether it is a question about rights.
    pub(super) fn is_review(&self) -> bool {
        match &self.what {
            What::Review(_) => true,
            What::Get(_)
            | What::List { .. }
            | What::Watch { .. }
            | What::Logs(_)
            | What::Create(_)
            | What::Apply { .. }
            | What::Patch { .. }
            | What::Delete { .. } => false,
        }
    }

    /// Whether it is a server-side apply.
    pub(super) fn is_apply(&self) -> bool {
        match &self.what {
            What::Apply { .. } => true,
            What::Get(_)
            | What::List { .. }
            | What::Watch { .. }
            | What::Logs(_)
            | What::Review(_)
            | What::Create(_)
            | What::Patch { .. }
            | What::Delete { .. } => false,
        }
    }

    /// What a write to a Secret answers has no values.
    fn accept(&self, asked: &'static str) -> &'static str {
        let secrets = self.resource().is_some_and(|resource| resource.plural == ObjectKind::Secret.plural());
        match &self.what {
            What::Create(_) | What::Apply { .. } | What::Patch { .. } if secrets => METADATA,
            What::Create(_)
            | What::Apply { .. }
            | What::Patch { .. }
            | What::Get(_)
            | What::List { .. }
            | What::Watch { .. }
            | What::Logs(_)
            | What::Review(_)
            | What::Delete { .. } => asked,
        }
    }

    /// As HTTP.
    ///
    /// # Errors
    /// When it cannot be put together.
    pub(super) fn http(&self) -> Result<Request<Body>, http::Error> {
        let path = match &self.target {
            Target::Resource(resource) => resource.path(),
            Target::Path(path) => path.clone(),
        };
        let mut asked = self.what.asked();
        match self.writes {
            Writes::Kept => {}
            Writes::Tried => {
                asked.query.push(("dryRun", "All".to_owned()));
                // Of a deletion the options in its body count, and no others.
                if let (What::Delete { .. }, Some((_, options))) = (&self.what, &mut asked.body) {
                    options["dryRun"] = json!(["All"]);
                }
            }
        }
        let mut uri = path;
        for (n, (key, value)) in asked.query.iter().enumerate() {
            uri += &format!("{}{key}={}", if n == 0 { '?' } else { '&' }, encoded(value));
        }
        let request =
            Request::builder().method(asked.method).uri(uri).header(ACCEPT, self.accept(asked.accept));
        match asked.body {
            None => request.body(Body::empty()),
            Some((kind, body)) => {
                request.header(CONTENT_TYPE, kind).body(Body::from(body.to_string().into_bytes()))
            }
        }
    }
}

/// For the words of an error.
impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Resource(resource) => write!(f, "{} {resource}", self.verb()),
            Target::Path(path) => write!(f, "get {path}"),
        }
    }
}

/// The parts of a request beside its path.
struct Asked {
    method: Method,
    accept: &'static str,
    query: Vec<(&'static str, String)>,
    body: Option<(&'static str, Value)>,
}

impl What {
    fn asked(&self) -> Asked {
        let get = |accept, query| Asked { method: Method::GET, accept, query, body: None };
        let manager = |name: &str| ("fieldManager", name.to_owned());
        // A field that the server does not know is refused, and not left out.
        let strict = || ("fieldValidation", "Strict".to_owned());
        match self {
            Self::Get(Part::Whole) => get(WHOLE, Vec::new()),
            Self::Get(Part::Metadata) => get(METADATA, Vec::new()),
            Self::List { labels, fields, part, after } => {
                let mut query = vec![("limit", PAGE.to_owned())];
                let some = |text: &String| (!text.is_empty()).then(|| text.clone());
                query.extend(some(labels).map(|labels| ("labelSelector", labels)));
                query.extend(some(fields).map(|fields| ("fieldSelector", fields)));
                query.extend(after.clone().map(|after| ("continue", after)));
                let accept = match part {
                    Part::Whole => WHOLE,
                    Part::Metadata => METADATA_LIST,
                };
                get(accept, query)
            }
            Self::Watch { labels, part, from, seconds } => {
                let accept = match part {
                    Part::Whole => WHOLE,
                    Part::Metadata => METADATA,
                };
                let query = vec![
                    ("watch", true.to_string()),
                    ("allowWatchBookmarks", true.to_string()),
                    ("labelSelector", labels.clone()),
                    ("resourceVersion", from.clone()),
                    ("timeoutSeconds", seconds.to_string()),
                ];
                get(accept, query)
            }
            Self::Logs(LogPart { container, since, run }) => {
                let mut query = vec![("container", container.clone()), ("timestamps", true.to_string())];
                query.extend(since.map(|since| ("sinceTime", since.to_string())));
                match run {
                    Run::Before => query.push(("previous", true.to_string())),
                    Run::Current => {}
                    Run::Followed => query.push(("follow", true.to_string())),
                }
                get("*/*", query)
            }
            Self::Review(body) => Asked {
                method: Method::POST,
                accept: WHOLE,
                query: Vec::new(),
                body: Some((WHOLE, body.clone())),
            },
            Self::Create(body) => Asked {
                method: Method::POST,
                accept: WHOLE,
                query: vec![manager(MANAGER), strict()],
                body: Some((WHOLE, body.clone())),
            },
            Self::Apply { body, force } => Asked {
                method: Method::PATCH,
                accept: WHOLE,
                query: vec![manager(MANAGER), ("force", force.to_string()), strict()],
                // JSON is YAML.
                body: Some(("application/apply-patch+yaml", body.clone())),
            },
            Self::Patch { operations, manager: name } => Asked {
                method: Method::PATCH,
                accept: WHOLE,
                query: vec![manager(name)],
                body: Some(("application/json-patch+json", operations.clone())),
            },
            Self::Delete { uid, propagation } => Asked {
                method: Method::DELETE,
                accept: WHOLE,
                query: Vec::new(),
                body: Some((WHOLE, deletion(uid, *propagation))),
            },
        }
    }
}

/// The body of a deletion.
fn deletion(uid: &str, propagation: Option<Propagation>) -> Value {
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": { "uid": uid },
    });
    let policy = propagation.map(|propagation| match propagation {
        Propagation::Background => "Background",
        Propagation::Foreground => "Foreground",
    });
    if let Some(policy) = policy {
        options["propagationPolicy"] = policy.into();
    }
    options
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &PLAIN).to_string()
}
