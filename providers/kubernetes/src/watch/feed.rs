//! The objects of one kind: a list, and from its version on what becomes of them.
//!
//! A watch that ends goes on where it ended. One whose version the server does not have any more begins with a list again, so
//! that nothing is missed that happened meanwhile. Whatever fails is tried again after a pause that grows, and is never the
//! same for two.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::item::{self, Item, Watched};
use crate::api::Kubernetes;
use crate::budget::Rank;
use crate::error::{Failure, Why};
use crate::page::Page;
use crate::reads::{At, Writes};
use crate::request::{Ask, What};

/// For how long a watch is asked for at most: as long as an API server lets one go on by itself.
const LASTS: u64 = 290;
/// How much later than it should have ended a watch is given up.
const LATE: Duration = Duration::from_secs(15);
/// For how long nothing may come before a watch is begun again: an API server tells each minute how far it is, and a connection
/// that was lost on the way is as quiet as one on which nothing happens.
const QUIET: Duration = Duration::from_secs(150);
/// A watch that lasted as long as this was no failure.
const LONG: Duration = Duration::from_secs(5);
/// The pauses after failures: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// The pause until something is asked for again that the engine may not watch, or that the cluster does not have.
const DENIED: Duration = Duration::from_secs(300);
/// What the server says of a version that it does not have any more.
const EXPIRED: u16 = 410;
/// The longest line of a watch, in bytes.
const LONGEST: usize = 64 << 20;

/// What a feed tells.
#[derive(Debug)]
pub(super) enum Told {
    /// A list begins, of the cluster with this identity.
    Begins(String),
    /// Some of what is there.
    Page(Vec<Item>),
    /// That was all.
    Ends,
    /// From here on changes are told.
    Watches,
    /// This is there now.
    Is(Item),
    /// This is not there any more, or not the engine's.
    Gone(Item),
    /// Changes are not told for a while.
    Pauses,
    /// The engine may not list or watch it, or the cluster does not have it, in these words.
    Denied(String),
}

/// What is watched, and where; `pages` lets so many pages be read at a time. A body that is read cannot be shared, so neither can this.
pub(super) struct Feed {
    kubernetes: Arc<Kubernetes>,
    watched: Watched,
    api_version: String,
    namespace: Option<String>,
    labels: String,
    pages: Arc<Semaphore>,
    next: Next,
    /// How often it failed in a row.
    failures: u32,
}

/// What a feed does next.
enum Next {
    List,
    /// The next page of a list.
    Page(Ask),
    /// All pages were told, up to this version.
    End(String),
    Watch(String),
    Listen(Box<Open>),
    Pause(Duration, Box<Next>),
}

/// A watch that is open.
struct Open {
    body: BoxStream<'static, Result<Bytes, kube::Error>>,
    /// What was read of a line.
    rest: Vec<u8>,
    /// How much of it has no end of a line.
    searched: usize,
    version: String,
    begun: Instant,
    until: Instant,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Of a bookmark or an object its version, of an error its code.
#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    metadata: VersionMetadata,
    #[serde(default)]
    code: u16,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionMetadata {
    #[serde(default)]
    resource_version: String,
}

impl Feed {
    pub(super) fn new(
        kubernetes: Arc<Kubernetes>,
        (watched, api_version): (Watched, String),
        namespace: Option<String>,
        labels: String,
        pages: Arc<Semaphore>,
    ) -> Self {
        Self { kubernetes, watched, api_version, namespace, labels, pages, next: Next::List, failures: 0 }
    }

    /// What it tells, for ever.
    pub(super) fn told(self) -> BoxStream<'static, (Watched, Told)> {
        stream::unfold(self, async |mut feed| {
            loop {
                if let Some(told) = feed.step().await {
                    return Some(((feed.watched, told), feed));
                }
            }
        })
        .boxed()
    }

    /// Does what is next.
    async fn step(&mut self) -> Option<Told> {
        match std::mem::replace(&mut self.next, Next::List) {
            Next::List => match self.identity().await {
                Ok(cluster) => {
                    self.next = Next::Page(self.list());
                    Some(Told::Begins(cluster))
                }
                Err(failure) => Some(self.failed(failure, Next::List)),
            },
            Next::Page(ask) => match self.page(&ask).await {
                Ok((items, next)) => {
                    self.next = next;
                    Some(Told::Page(items))
                }
                Err(failure) => Some(self.failed(failure, Next::List)),
            },
            Next::End(version) => {
                self.next = Next::Watch(version);
                Some(Told::Ends)
            }
            Next::Watch(version) => match self.open(version.clone()).await {
                Ok(open) => {
                    self.next = Next::Listen(Box::new(open));
                    Some(Told::Watches)
                }
                Err(failure) => Some(self.failed(failure, Next::Watch(version))),
            },
            Next::Listen(open) => self.listen(open).await,
            Next::Pause(pause, next) => {
                sleep(pause).await;
                self.next = *next;
                None
            }
        }
    }

    /// Which cluster it is: a context that leads elsewhere shows nothing of any tenant.
    fn identity(&self) -> impl Future<Output = Result<String, Failure>> + Send + use<> {
        let kubernetes = Arc::clone(&self.kubernetes);
        async move { At { cluster: &kubernetes.cluster, rank: Rank::Read, writes: Writes::Kept }.identity().await }
    }

    fn list(&self) -> Ask {
        let resource = self.watched.resource(&self.api_version, self.namespace.as_deref());
        Ask::list(resource, self.labels.as_str(), self.watched.part())
    }

    async fn page(&mut self, ask: &Ask) -> Result<(Vec<Item>, Next), Failure> {
        let cluster = &self.kubernetes.cluster;
        // Nobody closes it.
        let _page = self.pages.acquire().await.ok();
        cluster.turn(Rank::Read).await?;
        let bytes = cluster.bytes(ask).await?;
        let page = Page::read(ask, &bytes)?;
        let items = page.items().filter_map(|one| item::read(self.watched, one)).collect();
        let next = match page.next(ask) {
            Some(ask) => Next::Page(ask),
            None => Next::End(page.metadata.resource_version),
        };
        Ok((items, next))
    }

    async fn open(&mut self, version: String) -> Result<Open, Failure> {
        let cluster = &self.kubernetes.cluster;
        // Those that began together do not end together.
        let seconds = fastrand::u64(LASTS * 3 / 4..=LASTS);
        let what = What::Watch {
            labels: self.labels.clone(),
            part: self.watched.part(),
            from: version.clone(),
            seconds,
        };
        let ask = Ask::new(self.watched.resource(&self.api_version, self.namespace.as_deref()), what);
        cluster.turn(Rank::Read).await?;
        let body = cluster.stream(&ask).await?.into_data_stream().boxed();
        let begun = Instant::now();
        let until = begun + Duration::from_secs(seconds) + LATE;
        Ok(Open { body, rest: Vec::new(), searched: 0, version, begun, until })
    }

    /// The next thing that a watch tells.
    async fn listen(&mut self, mut open: Box<Open>) -> Option<Told> {
        match open.line().await {
            Line::Some(line) => self.heard(&line, open),
            // It goes on where it ended.
            Line::Ended if open.begun.elapsed() >= LONG => {
                self.failures = 0;
                self.next = Next::Watch(open.version);
                None
            }
            Line::Ended | Line::Broken => Some(self.pause(None, Next::Watch(open.version))),
        }
    }

    fn heard(&mut self, line: &[u8], mut open: Box<Open>) -> Option<Told> {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else {
            tracing::warn!(watched = ?self.watched, "the watch tells what cannot be read; listing again");
            return Some(self.pause(None, Next::List));
        };
        let object = event.object.get();
        let version = serde_json::from_str::<Version>(object).ok();
        if event.kind == "ERROR" {
            let code = version.map_or(0, |version| version.code);
            let next = if code == EXPIRED { Next::List } else { Next::Watch(open.version) };
            tracing::debug!(watched = ?self.watched, code, "the watch has ended");
            return Some(self.pause(None, next));
        }
        self.failures = 0;
        if let Some(version) = version.map(|it| it.metadata.resource_version).filter(|it| !it.is_empty()) {
            open.version = version;
        }
        self.next = Next::Listen(open);
        let item = || item::read(self.watched, object);
        match event.kind.as_str() {
            "ADDED" | "MODIFIED" => item().map(Told::Is),
            "DELETED" => item().map(Told::Gone),
            // A bookmark, or something that came later.
            _ => None,
        }
    }

    fn failed(&mut self, failure: Failure, next: Next) -> Told {
        match failure.why {
            Why::Forbidden | Why::NoKind => {
                self.next = Next::Pause(spread(DENIED), Box::new(Next::List));
                Told::Denied(failure.into_error().message)
            }
            Why::Expired => self.pause(None, Next::List),
            Why::Exists
            | Why::NotThere
            | Why::NoNamespace
            | Why::FieldConflicts(_)
            | Why::NotAsMeant
            | Why::Invalid
            | Why::Unauthorized
            | Why::Throttled(_)
            | Why::BadRequest
            | Why::NotTried(_)
            | Why::Other => {
                let error = failure.into_error();
                tracing::debug!(watched = ?self.watched, %error, "the watch failed; trying again");
                self.pause(error.retry_after, next)
            }
        }
    }

    /// Goes on after a pause, which is not shorter than what the server asks for.
    fn pause(&mut self, asked: Option<Duration>, next: Next) -> Told {
        let pause = PAUSES.0.saturating_mul(1 << self.failures.min(8)).min(PAUSES.1);
        self.failures = self.failures.saturating_add(1);
        let pause = spread(pause) + asked.unwrap_or_default();
        self.next = Next::Pause(pause, Box::new(next));
        Told::Pauses
    }
}

/// Half of a pause to one and a half of it.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}

/// What comes of a watch.
enum Line {
    Some(Vec<u8>),
    /// The server has ended it, or nothing came for too long.
    Ended,
    /// The connection broke.
    Broken,
}

impl Open {
    async fn line(&mut self) -> Line {
        loop {
            let end = self.rest.iter().skip(self.searched).position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| self.searched + end) {
                let line = self.rest.drain(..=end).collect();
                self.searched = 0;
                return Line::Some(line);
            }
            self.searched = self.rest.len();
            if self.searched > LONGEST {
                return Line::Broken;
            }
            let until = self.until.min(Instant::now() + QUIET);
            match timeout_at(until, self.body.next()).await {
                Ok(Some(Ok(bytes))) => self.rest.extend_from_slice(&bytes),
                Ok(None) | Err(_) => return Line::Ended,
                Ok(Some(Err(_))) => return Line::Broken,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::stream::{self, StreamExt};
    use tokio::time::{Instant, timeout};

    use super::{Line, Open, QUIET};

    /// A watch that tells this, and then nothing.
    fn quiet_after(told: &'static str) -> Open {
        let told = stream::iter([Ok(Bytes::from_static(told.as_bytes()))]);
        let body = told.chain(stream::pending()).boxed();
        let begun = Instant::now();
        let until = begun + QUIET * 10;
        Open { body, rest: Vec::new(), searched: 0, version: "1".to_owned(), begun, until }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_tells_nothing_for_long_ends() {
        let mut open = quiet_after("{\"a\":\n1}\n");
        for wanted in ["{\"a\":\n", "1}\n"] {
            let Line::Some(line) = open.line().await else { panic!("it has two lines") };
            assert_eq!(line, wanted.as_bytes());
        }
        let early = timeout(QUIET - Duration::from_secs(1), open.line()).await;
        assert!(early.is_err(), "it waits");
        assert!(matches!(timeout(QUIET * 2, open.line()).await, Ok(Line::Ended)));
    }
}
