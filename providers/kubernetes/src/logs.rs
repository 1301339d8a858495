//! What a tenant's containers write, as the kubelets keep it: of each container the run before the current one, and the current
//! one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, SelectAll};
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::client::Body;
use landlord_compute::provider::{Context, LogLine, LogQuery, LogRun, Source};
use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::planner::kubernetes::{ContainerState, Pod, PodContainer, tags};
use tokio::time::Instant;

use super::api::Kubernetes;
use super::budget::Rank;
use super::error::{Failure, Why};
use super::reads::{At, Writes};
use super::request::{Ask, LogPart, Part, Resource, Run, What};

/// From one look for new pods and containers to the next.
const FOLLOW: Duration = Duration::from_secs(2);
/// The longest line, in bytes; a longer one is told in parts.
const LONGEST: usize = 64 << 10;

type Lines = BoxStream<'static, Result<LogLine, ProviderError>>;
type Pieces = BoxStream<'static, Result<Piece, ProviderError>>;

/// What comes of a log.
enum Piece {
    Line(LogLine),
    /// The log of this run ended, after a line of this time. Where the container still runs, the connection broke.
    End(Told, Option<Timestamp>),
}

/// One run of a container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    pod: String,
    container: String,
    restarts: u32,
}

/// The log of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Log {
    told: Told,
    namespace: String,
    pod: String,
    part: LogPart,
    /// Lines until this time are told already.
    after: Option<Timestamp>,
}

/// The logs of a tenant.
struct Reading {
    kubernetes: Arc<Kubernetes>,
    rank: Rank,
    labels: String,
    namespaces: BTreeSet<String>,
    query: LogQuery,
    /// The runs whose logs were opened.
    told: BTreeSet<Told>,
    /// Those of them that ended, with the time of the last line.
    ended: BTreeMap<Told, Option<Timestamp>>,
    open: SelectAll<Pieces>,
    next_look: Instant,
}

/// The lines of a tenant's containers, those that are kept and, where it is followed, those that come.
pub(super) async fn lines(
    kubernetes: Arc<Kubernetes>,
    cx: &Context,
    query: &LogQuery,
) -> Result<Lines, ProviderError> {
    let subject = &cx.subject;
    let places = kubernetes.locate(cx).await.map_err(unread)?;
    if places.is_empty() {
        return Err(ProviderError::tenant_not_found(&subject.tenant));
    }
    let mut reading = Reading {
        kubernetes,
        rank: Rank::of(cx),
        labels: tags::selector(subject),
        namespaces: places.into_iter().map(|place| place.namespace).collect(),
        query: query.clone(),
        told: BTreeSet::new(),
        ended: BTreeMap::new(),
        open: SelectAll::new(),
        next_look: Instant::now(),
    };
    reading.look().await.map_err(unread)?;
    // A run that has ended writes nothing more.
    Ok(match query.follow && query.run == LogRun::All {
        false => reading.open.filter_map(async |piece| line_of(piece)).boxed(),
        true => stream::unfold(Some(reading), followed).boxed(),
    })
}

fn line_of(piece: Result<Piece, ProviderError>) -> Option<Result<LogLine, ProviderError>> {
    match piece {
        Ok(Piece::Line(line)) => Some(Ok(line)),
        Ok(Piece::End(_, _)) => None,
        Err(error) => Some(Err(error)),
    }
}

/// The next line, also of the containers that have come since the last look.
async fn followed(reading: Option<Reading>) -> Option<(Result<LogLine, ProviderError>, Option<Reading>)> {
    let mut reading = reading?;
    loop {
        tokio::select! {
            piece = reading.open.next(), if !reading.open.is_empty() => match piece {
                Some(Ok(Piece::Line(line))) => return Some((Ok(line), Some(reading))),
                Some(Ok(Piece::End(told, last))) => drop(reading.ended.insert(told, last)),
                Some(Err(error)) => return Some((Err(error), None)),
                None => {}
            },
            () = tokio::time::sleep_until(reading.next_look) => {
                if let Err(failure) = reading.look().await {
                    return Some((Err(unread(failure)), None));
                }
            }
        }
    }
}

impl Reading {
    /// Opens the logs that are not told yet.
    async fn look(&mut self) -> Result<(), Failure> {
        let kubernetes = Arc::clone(&self.kubernetes);
        let at = At { cluster: &kubernetes.cluster, rank: self.rank, writes: Writes::Kept };
        for namespace in self.namespaces.clone() {
            let pods = Resource::all("v1", "pods", Some(&namespace));
            let pods = at.list(&Ask::list(pods, self.labels.as_str(), Part::Whole)).await?;
            for pod in pods.iter().filter_map(Pod::read) {
                for container in &pod.containers {
                    let logs = self.logs_of(&namespace, &pod, container);
                    self.open.push(in_turn(Arc::clone(&kubernetes), self.rank, logs));
                }
            }
        }
        self.next_look = Instant::now() + FOLLOW;
        Ok(())
    }

    /// The logs of a container that are not told yet, the oldest first.
    fn logs_of(&mut self, namespace: &str, pod: &Pod, container: &PodContainer) -> Vec<Log> {
        if self.query.container.as_ref().is_some_and(|wanted| *wanted != container.name) {
            return Vec::new();
        }
        let since = self.query.since;
        let log = |restarts, run, after| Log {
            told: Told { pod: pod.uid.clone(), container: container.name.clone(), restarts },
            namespace: namespace.to_owned(),
            pod: pod.name.clone(),
            part: LogPart { container: container.name.clone(), since: since.max(after), run },
            after,
        };
        let (runs, has_log, before) = match &container.state {
            ContainerState::Running => (true, true, container.restarts.checked_sub(1)),
            ContainerState::Terminated(_) => (false, true, container.restarts.checked_sub(1)),
            // One that waits to be started again has the log of its last run, and of none before.
            ContainerState::Waiting { .. } => (false, container.last.is_some(), None),
        };
        let waits = has_log && matches!(container.state, ContainerState::Waiting { .. });
        let before = before.map(|before| log(before, Run::Before, None));
        let mut logs: Vec<Log> = match self.query.run {
            LogRun::All => before,
            LogRun::Previous if waits => Some(log(container.restarts, Run::Before, None)),
            LogRun::Previous => before,
        }
        .into_iter()
        .filter(|log| self.told.insert(log.told.clone()))
        .collect();
        match self.query.run {
            LogRun::All => {}
            LogRun::Previous => return logs,
        }
        let run = if runs && self.query.follow { Run::Followed } else { Run::Current };
        let current = log(container.restarts, run, None);
        if has_log && self.told.insert(current.told.clone()) {
            logs.push(current);
        } else if runs && let Some(last) = self.ended.remove(&current.told) {
            logs.push(log(container.restarts, run, last));
        }
        logs
    }
}

/// Logs, one after the other.
fn in_turn(kubernetes: Arc<Kubernetes>, rank: Rank, logs: Vec<Log>) -> Pieces {
    stream::iter(logs).flat_map(move |log| open(Arc::clone(&kubernetes), rank, log)).boxed()
}

/// What comes of a log. One that is gone, or that has not begun, has no lines.
fn open(kubernetes: Arc<Kubernetes>, rank: Rank, log: Log) -> Pieces {
    let opened = stream::once(async move {
        let mut resource = Resource::pod(&log.namespace, &log.pod);
        resource.subresource = Some("log");
        let ask = Ask::new(resource, What::Logs(log.part.clone()));
        kubernetes.cluster.budget.turn(rank).await?;
        match kubernetes.cluster.stream(&ask).await {
            Ok(body) => Ok(pieces(body, log)),
            Err(Failure { why: Why::NotThere | Why::BadRequest, .. }) => Ok(stream::empty().boxed()),
            Err(failure) => Err(unread(failure)),
        }
    });
    let opened = opened.flat_map(|opened| match opened {
        Ok(pieces) => pieces,
        Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
    });
    opened.boxed()
}

/// A body as lines, and its end.
fn pieces(body: Body, log: Log) -> Pieces {
    struct State {
        body: http_body_util::BodyDataStream<Body>,
        rest: Vec<u8>,
        last: Option<Timestamp>,
        log: Log,
    }
    let state = State { body: body.into_data_stream(), rest: Vec::new(), last: log.after, log };
    let pieces = stream::unfold(Some(state), async |state| {
        let mut state = state?;
        let piece = state.body.next().await;
        let is_over = !matches!(piece, Some(Ok(_)));
        let mut texts = Vec::new();
        if let Some(Ok(piece)) = piece {
            state.rest.extend_from_slice(&piece);
            texts = take_lines(&mut state.rest);
        } else if !state.rest.is_empty() {
            texts.push(std::mem::take(&mut state.rest));
        }
        let mut pieces = Vec::new();
        for text in texts {
            let line = line(&text, &state.log.part.container);
            // Kubernetes counts from whole seconds.
            if line.at.is_some() && line.at <= state.log.after {
                continue;
            }
            state.last = line.at.or(state.last);
            pieces.push(Ok(Piece::Line(line)));
        }
        if is_over {
            pieces.push(Ok(Piece::End(state.log.told, state.last)));
            return Some((pieces, None));
        }
        Some((pieces, Some(state)))
    });
    pieces.flat_map(stream::iter).boxed()
}

/// The lines that are whole, or too long to wait for their end.
fn take_lines(rest: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut begun = 0;
    while begun < rest.len() {
        let ahead = &rest[begun..];
        match ahead.iter().position(|byte| *byte == b'\n') {
            Some(end) if end <= LONGEST => {
                lines.push(ahead[..end].to_vec());
                begun += end + 1;
            }
            Some(_) | None if ahead.len() > LONGEST => {
                lines.push(ahead[..LONGEST].to_vec());
                begun += LONGEST;
            }
            Some(_) | None => break,
        }
    }
    rest.drain(..begun);
    lines
}

/// A line, after its time.
fn line(text: &[u8], container: &str) -> LogLine {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_suffix('\r').unwrap_or(&text);
    let timed = text.split_once(' ').and_then(|(at, text)| Some((at.parse::<Timestamp>().ok()?, text)));
    let (at, text) = timed.map_or((None, text), |(at, text)| (Some(at), text));
    // Kubernetes does not tell the two outputs apart.
    LogLine { at, container: container.to_owned(), source: Source::Stdout, text: text.to_owned() }
}

fn unread(failure: Failure) -> ProviderError {
    ProviderError { kind: ErrorKind::StatusFailed, ..failure.into_error() }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, line, take_lines};

    #[test]
    fn a_line_begins_with_its_time() {
        let told = line(b"2026-01-02T03:04:05.123456789Z hello there\r", "web");
        assert_eq!(told.text, "hello there");
        assert_eq!(told.at.unwrap().to_string(), "2026-01-02T03:04:05.123456789Z");
        assert_eq!(line(b"2026-01-02T03:04:05Z ", "web").text, "");
        assert_eq!(line(b"no time", "web").text, "no time");
    }

    #[test]
    fn lines_wait_for_their_end_unless_they_are_too_long() {
        let mut rest = b"one\n\ntwo".to_vec();
        assert_eq!(take_lines(&mut rest), [b"one".to_vec(), Vec::new()]);
        assert_eq!(rest, b"two");
        let mut long = vec![b'x'; LONGEST * 2 + 5];
        long.push(b'\n');
        let lengths: Vec<usize> = take_lines(&mut long).iter().map(Vec::len).collect();
        assert_eq!(lengths, [LONGEST, LONGEST, 5]);
        assert!(long.is_empty());
    }
}
