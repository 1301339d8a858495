//! What a request is about.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::HeaderMap;
use serde_json::Value;

use super::kinds::{Key, Kind};
use super::settings::Settings;
use super::status::Refusal;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    /// As a role's rule says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// What it is about.
#[derive(Clone, Debug)]
pub(super) enum Route {
    Version,
    Health,
    /// A list of versions, groups or kinds.
    Discovery(String),
    Resource(Target),
}

/// A resource that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) verb: Verb,
    /// Its name is empty for a list.
    pub(super) key: Key,
    /// Of the API that it is asked through.
    pub(super) api_version: String,
    pub(super) sub: Option<&'static str>,
}

impl Request {
    /// Takes a path with its query in.
    pub(super) fn new(method: &str, uri: &hyper::Uri, headers: HeaderMap, body: Vec<u8>) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self { method: method.to_owned(), path: decode(uri.path()), query: query.collect(), headers, body }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn asks(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        matches!(self.query.get(name).map(String::as_str), Some("true" | "1"))
    }

    pub(super) fn seconds(&self, name: &str) -> Option<Duration> {
        self.asks(name)?.parse().ok().map(Duration::from_secs)
    }

    /// The body; nothing is `null`.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        let read = serde_json::from_slice(&self.body);
        read.map_err(|error| Refusal::bad_request(format!("the object provided is unrecognized: {error}")))
    }

    /// Who writes: as the request says, or else as the client calls itself.
    pub(super) fn manager(&self) -> String {
        let agent = self.header("user-agent").split('/').next().filter(|agent| !agent.is_empty());
        self.asks("fieldManager").or(agent).unwrap_or("unknown").to_owned()
    }

    /// Whether it is only to be tried.
    pub(super) fn is_dry(&self) -> bool {
        self.asks("dryRun") == Some("All")
    }

    /// What it is about.
    pub(super) fn route(&self, settings: &Settings) -> Result<Route, Refusal> {
        let parts: Vec<&str> = self.path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["version"] => return Ok(Route::Version),
            ["healthz" | "livez" | "readyz"] => return Ok(Route::Health),
            ["api" | "apis"] | ["api", _] | ["apis", _] | ["apis", _, _] => {
                return Ok(Route::Discovery(parts.join("/")));
            }
            _ => {}
        }
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Refusal::no_page()),
        };
        let find = |plural: &str| {
            Kind::ALL.into_iter().find(|kind| {
                let info = kind.info();
                info.plural == plural && info.group == group && kind.versions(settings).contains(&version)
            })
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, more @ ..] if find(plural).is_some_and(Kind::is_namespaced) => {
                (*namespace, [&[*plural], more].concat())
            }
            _ => ("", rest.to_vec()),
        };
        let (plural, name, sub) = match rest.as_slice() {
            [plural] => (*plural, "", None),
            [plural, name] => (*plural, *name, None),
            [plural, name, sub] => (*plural, *name, Some(*sub)),
            _ => return Err(Refusal::no_page()),
        };
        let kind = find(plural).ok_or_else(Refusal::no_page)?;
        let sub = match sub {
            None => None,
            Some(sub) => {
                let known = kind.info().subs.iter().find(|one| **one == sub);
                Some(*known.ok_or_else(Refusal::no_page)?)
            }
        };
        let verb = match (self.method.as_str(), name) {
            ("GET", "") if self.is_on("watch") => Verb::Watch,
            ("GET", "") => Verb::List,
            ("GET", _) => Verb::Get,
            ("POST", "") => Verb::Create,
            ("PUT", _) => Verb::Update,
            ("PATCH", _) => Verb::Patch,
            ("DELETE", name) if !name.is_empty() => Verb::Delete,
            _ => {
                let message = "the server does not allow this method on the requested resource";
                return Err(Refusal::status(405, "MethodNotAllowed", message));
            }
        };
        let api_version = super::kinds::api_version(group, version);
        Ok(Route::Resource(Target { verb, key: Key::new(kind, namespace, name), api_version, sub }))
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
