//! What becomes of a request.

use std::time::Duration;

use serde_json::{Value, json};

use super::kinds::Kind;
use super::lists::List;
use super::logs::Reading;
use super::mishap::Mishap;
use super::reads::Shown;
use super::request::{Request, Route, Target, Verb};
use super::rights::User;
use super::status::{Refusal, RefusalBody};
use super::watch::Watching;
use super::world::World;

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is answered after this time.
    Answer(Duration, Reply),
    /// It is done only after this time.
    Late(Duration),
    /// It is answered as long as somebody listens.
    Watch(Box<Watching>),
    Follow(Box<Reading>),
    /// The connection is dropped.
    Cut,
    /// Nobody ever answers.
    Hang,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) content_type: &'static str,
    pub(super) retry_after: Option<u32>,
    pub(super) body: Body,
}

/// What an answer says.
#[derive(Debug)]
pub(super) enum Body {
    Bytes(Vec<u8>),
    /// It is written when nobody has to wait for that.
    List(List),
}

impl Body {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::List(list) => serde_json::to_vec(&list).expect("JSON"),
        }
    }
}

impl Reply {
    fn json(code: u16, body: &Value) -> Self {
        let body = Body::Bytes(body.to_string().into_bytes());
        Self { code, content_type: "application/json", retry_after: None, body }
    }

    fn list(list: List) -> Self {
        Self { code: 200, content_type: "application/json", retry_after: None, body: Body::List(list) }
    }

    fn text(body: impl Into<Vec<u8>>) -> Self {
        let body = Body::Bytes(body.into());
        Self { code: 200, content_type: "text/plain; charset=utf-8", retry_after: None, body }
    }

    fn refusal(refusal: &Refusal) -> Self {
        let mut reply = match &refusal.body {
            RefusalBody::Status(body) => Self::json(refusal.code, body),
            RefusalBody::Text(text) => Self::text(text.as_str()),
        };
        reply.code = refusal.code;
        reply.retry_after = refusal.retry_after;
        reply
    }
}

impl World {
    /// What becomes of a request that comes in.
    pub(super) fn answer(&mut self, request: &Request) -> Outcome {
        let route = request.route(&self.settings);
        let verb = match &route {
            Ok(Route::Resource(target)) => Some(target.verb),
            Ok(Route::Version | Route::Health | Route::Discovery(_)) | Err(_) => None,
        };
        let counted = verb.unwrap_or(Verb::Get);
        *self.counts.entry((counted, request.path.clone())).or_default() += 1;
        let mishap = self.traps.spring(verb, request);
        match &mishap {
            Some(Mishap::Refuse(refusal)) => return self.at_once(Reply::refusal(refusal)),
            Some(Mishap::Cut { done: false }) => return Outcome::Cut,
            Some(Mishap::Hang { done: false }) => return Outcome::Hang,
            Some(Mishap::Late(after)) => return Outcome::Late(*after),
            Some(
                Mishap::RefuseDone(_)
                | Mishap::Cut { done: true }
                | Mishap::Hang { done: true }
                | Mishap::Delay(_)
                | Mishap::WatchExpires,
            )
            | None => {}
        }
        let outcome = self.handle(request);
        match (mishap, outcome) {
            (Some(Mishap::RefuseDone(refusal)), _) => self.at_once(Reply::refusal(&refusal)),
            (Some(Mishap::Cut { .. }), _) => Outcome::Cut,
            (Some(Mishap::Hang { .. }), _) => Outcome::Hang,
            (Some(Mishap::Delay(more)), Outcome::Answer(after, reply)) => {
                Outcome::Answer(after + more, reply)
            }
            (Some(Mishap::WatchExpires), Outcome::Watch(mut watching)) => {
                watching.expires();
                Outcome::Watch(watching)
            }
            (
                Some(Mishap::Refuse(_) | Mishap::Late(_) | Mishap::Delay(_) | Mishap::WatchExpires) | None,
                outcome,
            ) => outcome,
        }
    }

    fn at_once(&self, reply: Reply) -> Outcome {
        Outcome::Answer(self.settings.pace.latency, reply)
    }

    /// Does what is asked for.
    pub(super) fn handle(&mut self, request: &Request) -> Outcome {
        match self.try_handle(request) {
            Ok(outcome) => outcome,
            Err(refusal) => self.at_once(Reply::refusal(&refusal)),
        }
    }

    fn user(&self, request: &Request) -> Result<User, Refusal> {
        if self.settings.users.is_empty() {
            return Ok(User::admin("admin"));
        }
        let token = request.header("authorization").strip_prefix("Bearer ");
        let user = token.and_then(|token| self.settings.users.get(token));
        user.cloned().ok_or_else(Refusal::unauthorized)
    }

    fn try_handle(&mut self, request: &Request) -> Result<Outcome, Refusal> {
        let route = request.route(&self.settings);
        let user = self.user(request)?;
        let target = match route? {
            Route::Version => {
                let version = super::discovery::version(&self.settings);
                return Ok(self.at_once(Reply::json(200, &version)));
            }
            Route::Health => return Ok(self.at_once(Reply::text("ok"))),
            Route::Discovery(path) => {
                let answer = super::discovery::answer(&self.settings, &path)?;
                return Ok(self.at_once(Reply::json(200, &answer)));
            }
            Route::Resource(target) => target,
        };
        if target.key.kind == Kind::AccessReview {
            let answer = user.review(&request.json()?);
            return Ok(self.at_once(Reply::json(201, &answer)));
        }
        self.check_rights(&user, &target, request)?;
        match (target.verb, target.sub) {
            (Verb::Watch, _) => {
                return Ok(Outcome::Watch(Box::new(self.open_watch(&target, request)?)));
            }
            (Verb::Get, Some("log")) => {
                let mut reading = self.open_log(&target.key, request)?;
                if reading.follow {
                    return Ok(Outcome::Follow(Box::new(reading)));
                }
                let text = self.read_log(&mut reading);
                return Ok(self.at_once(Reply::text(text)));
            }
            (Verb::List, _) => return Ok(self.at_once(Reply::list(self.list(&target, request)?))),
            (Verb::Get | Verb::Create | Verb::Update | Verb::Patch | Verb::Delete, _) => {}
        }
        let absent = self.get(&target.key).is_none();
        let answer = match (target.verb, target.sub) {
            (Verb::Get, Some("scale")) => self.scale(&target),
            (Verb::Update | Verb::Patch, Some("scale")) => self.rescale(&target, request),
            (Verb::Get | Verb::List | Verb::Watch, _) => self.read(&target, request),
            (Verb::Create, _) => self.post(&target, request),
            (Verb::Update, _) => self.put(&target, request),
            (Verb::Patch, _) => self.patch(&target, request),
            (Verb::Delete, _) => self.erase(&target, request),
        }?;
        let made = match target.verb {
            Verb::Create => true,
            Verb::Patch => absent,
            Verb::Get | Verb::List | Verb::Watch | Verb::Update | Verb::Delete => false,
        };
        let shown = match target.verb {
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete
                if answer["kind"] != "Status" && answer["kind"] != "Scale" =>
            {
                Shown::of(request).show(&answer, &target)
            }
            Verb::Get
            | Verb::List
            | Verb::Watch
            | Verb::Create
            | Verb::Update
            | Verb::Patch
            | Verb::Delete => answer,
        };
        Ok(self.at_once(Reply::json(if made { 201 } else { 200 }, &shown)))
    }

    fn check_rights(&self, user: &User, target: &Target, request: &Request) -> Result<(), Refusal> {
        let key = &target.key;
        let verb = target.verb.name();
        if !user.may_use(verb, key.kind, target.sub, key) {
            return Err(Refusal::denied(&user.name, verb, key.kind, target.sub, key));
        }
        // Applying to what is not there creates it.
        let applies = request.header("content-type").starts_with("application/apply-patch");
        if target.verb == Verb::Patch
            && applies
            && target.sub.is_none()
            && self.get(key).is_none()
            && !user.may_use("create", key.kind, None, key)
        {
            return Err(Refusal::forbidden(key, "", &[]));
        }
        Ok(())
    }

    /// Changes when a watch may have something new to tell.
    pub(super) fn signature(&self) -> (u64, u64, u64, Option<u64>, u64, usize, u64) {
        let watches = &self.watches;
        (
            self.store.revision(),
            watches.expired,
            watches.cut,
            watches.held,
            self.logs.written(),
            watches.open,
            watches.marks,
        )
    }
}

/// An ERROR of a watch.
pub(super) fn error_event(refusal: &Refusal) -> Value {
    match &refusal.body {
        RefusalBody::Status(body) => json!({ "type": "ERROR", "object": body }),
        RefusalBody::Text(text) => {
            json!({ "type": "ERROR", "object": { "kind": "Status", "message": text } })
        }
    }
}
