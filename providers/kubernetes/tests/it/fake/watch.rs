//! Watches.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::error_event;
use super::reads::Shown;
use super::request::{Request, Target};
use super::selector::Selector;
use super::status::Refusal;
use super::store::Place;
use super::world::World;

/// A watch that is open.
#[derive(Debug)]
pub(super) struct Watching {
    target: Target,
    selector: Selector,
    shown: Shown,
    /// What was told up to here.
    revision: u64,
    /// What it has to tell first.
    first: Vec<Value>,
    bookmarks: bool,
    /// The last revision in a bookmark.
    marked: u64,
    /// How often all watches were told that they are too old, and were cut, when it began.
    expired: u64,
    cut: u64,
    ends: Option<Instant>,
}

/// What a watch tells next.
#[derive(Debug)]
pub(super) enum Told {
    Lines(Vec<u8>),
    /// Nothing before something changes, or this time.
    Nothing(Option<Instant>),
    /// This, and then no more.
    Last(Vec<u8>),
    End,
    Cut,
}

fn line(event: &Value) -> Vec<u8> {
    let mut line = event.to_string().into_bytes();
    line.push(b'\n');
    line
}

impl Watching {
    /// It is too old from the beginning.
    pub(super) fn expires(&mut self) {
        self.expired = u64::MAX;
    }

    fn event(&self, kind: &str, object: &Value) -> Value {
        json!({ "type": kind, "object": self.shown.show(object, &self.target) })
    }

    fn bookmark(&self, revision: u64, annotations: &Value) -> Value {
        let mut metadata = json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
        if !annotations.is_null() {
            metadata["annotations"] = annotations.clone();
        }
        let mut object = self.shown.show(&json!({ "metadata": metadata }), &self.target);
        if self.shown == Shown::Whole {
            object["spec"] = json!({});
        }
        json!({ "type": "BOOKMARK", "object": object })
    }

    fn is_mine(&self, place: &Place) -> bool {
        let key = &self.target.key;
        key.namespace.is_empty() || key.namespace == place.0
    }
}

impl World {
    /// A watch begins.
    pub(super) fn open_watch(&mut self, target: &Target, request: &Request) -> Result<Watching, Refusal> {
        let asked = request.asks("resourceVersion").unwrap_or("0");
        let initial = request.is_on("sendInitialEvents");
        if initial && !self.settings.since(27) {
            let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents \
                           is forbidden for watch unless the WatchList feature gate is enabled";
            return Err(Refusal::status(422, "Invalid", message));
        }
        let bad = |_| Refusal::bad_request("invalid resource version");
        let revision: u64 = asked.parse().map_err(bad)?;
        let mut watching = Watching {
            target: target.clone(),
            selector: Selector::of(request)?,
            shown: Shown::of(request),
            revision,
            first: Vec::new(),
            bookmarks: request.is_on("allowWatchBookmarks"),
            marked: revision,
            expired: self.watches.expired,
            cut: self.watches.cut,
            ends: request.seconds("timeoutSeconds").map(|seconds| self.now + seconds),
        };
        if revision == 0 || initial {
            let seen = self.watches.held.or(self.stale).unwrap_or(self.store.revision());
            let namespace = Some(target.key.namespace.as_str()).filter(|namespace| !namespace.is_empty());
            let all =
                self.store.all_at(target.key.kind, namespace, seen, None).ok_or_else(Refusal::expired)?;
            let selected = all.values().filter(|object| watching.selector.selects(object));
            watching.first = selected.map(|object| watching.event("ADDED", object)).collect();
            watching.revision = seen;
            watching.marked = seen;
            if initial {
                let end = json!({ "k8s.io/initial-events-end": "true" });
                let mark = watching.bookmark(seen, &end);
                watching.first.push(mark);
            }
        }
        self.watches.open += 1;
        Ok(watching)
    }

    /// What a watch tells next.
    pub(super) fn tell(&self, watching: &mut Watching) -> Told {
        if watching.cut != self.watches.cut {
            return Told::Cut;
        }
        if watching.expired != self.watches.expired {
            return Told::Last(line(&error_event(&Refusal::expired())));
        }
        let mut lines: Vec<u8> = watching.first.drain(..).flat_map(|event| line(&event)).collect();
        let upto = self.watches.held.unwrap_or(u64::MAX);
        let Some(changes) = self.store.since(watching.revision) else {
            return Told::Last(line(&error_event(&Refusal::expired())));
        };
        for change in changes.take_while(|change| change.revision <= upto) {
            watching.revision = change.revision;
            let place = (change.key.namespace.clone(), change.key.name.clone());
            if change.key.kind != watching.target.key.kind || !watching.is_mine(&place) {
                continue;
            }
            let selects =
                |object: &Option<Arc<Value>>| object.clone().filter(|it| watching.selector.selects(it));
            let event = match (selects(&change.before), selects(&change.after)) {
                (None, None) => continue,
                (None, Some(after)) => watching.event("ADDED", &after),
                (Some(_), Some(after)) => watching.event("MODIFIED", &after),
                (Some(before), None) => {
                    let mut last = change.after.as_deref().unwrap_or(&before).clone();
                    last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                    watching.event("DELETED", &last)
                }
            };
            lines.extend(line(&event));
        }
        if !lines.is_empty() {
            return Told::Lines(lines);
        }
        if watching.ends.is_some_and(|ends| ends <= self.now) {
            return Told::End;
        }
        Told::Nothing(watching.ends)
    }

    /// How far a watch is, where it may say so and has not.
    pub(super) fn mark(&mut self, watching: &mut Watching) -> Option<Vec<u8>> {
        let new = watching.bookmarks && watching.revision > watching.marked;
        new.then(|| {
            self.watches.marks += 1;
            watching.marked = watching.revision;
            line(&watching.bookmark(watching.revision, &Value::Null))
        })
    }
}
