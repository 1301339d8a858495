//! What a tenant's containers write, as CloudWatch has it: where their definition has the log driver `awslogs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::config::{Builder, Region};
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use aws_sdk_ecs::types::{self as sdk, LogDriver};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::planner::ecs::Site;

use super::answer;
use super::api::Ecs;
use super::budget::Quota;
use super::error::Failure;
use super::find::is_of;
use super::reads::At;
use landlord_compute::provider::converge::Converge;
use landlord_compute::provider::{Context, LogLine, LogQuery, Source};

/// From one look at what is new to the next.
const FOLLOW: Duration = Duration::from_secs(2);
/// For how many milliseconds before the latest line CloudWatch may still bring others.
const LATE: i64 = 10_000;

/// A part of a log group: the streams whose names begin so. The name of a container and the id of its task follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    group: String,
    region: Option<String>,
    prefix: String,
}

/// A part, as far as it was read.
struct Reading {
    at: At,
    part: Part,
    query: LogQuery,
    /// The next page, where there is one.
    token: Option<String>,
    /// In milliseconds.
    since: Option<i64>,
    /// The time of the latest line.
    latest: i64,
    /// The lines that may come again, by their ids, with their times.
    seen: BTreeMap<String, i64>,
}

/// The lines of a tenant's containers; none, where they write to no log of CloudWatch.
pub(super) async fn lines(
    methods: &Converge<Ecs>,
    cx: &Context,
    query: &LogQuery,
) -> Result<Option<BoxStream<'static, Result<LogLine, ProviderError>>>, ProviderError> {
    let (ecs, subject) = (methods.api(), &cx.subject);
    let facts = methods.facts(cx)?;
    let site = facts.site().cloned().unwrap_or_else(|| Site::of(&ecs.defaults, &subject.tenant));
    let at = ecs.at(&site.place, cx).await;
    let service = at.describe_service(&site.name).await.map_err(unread)?;
    let service = service.filter(|service| is_of(service, subject)).as_ref().and_then(answer::service);
    let Some(service) = service else { return Err(ProviderError::tenant_not_found(&subject.tenant)) };
    let Some(primary) = service.primary() else { return Ok(None) };
    let containers = at.containers_of(&primary.definition).await.map_err(unread)?;
    let parts: BTreeSet<Part> = containers.iter().filter_map(|container| part(container, query)).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let since = query.since.map(Timestamp::as_millisecond);
    let reading = |part| Reading {
        at: at.clone(),
        part,
        query: query.clone(),
        token: None,
        since,
        latest: i64::MIN,
        seen: BTreeMap::new(),
    };
    Ok(Some(stream::select_all(parts.into_iter().map(|part| follow(reading(part)))).boxed()))
}

/// Where a container writes, where that is wanted.
fn part(container: &sdk::ContainerDefinition, query: &LogQuery) -> Option<Part> {
    let name = container.name()?;
    if query.container.as_ref().is_some_and(|wanted| wanted != name) {
        return None;
    }
    let log = container.log_configuration().filter(|log| *log.log_driver() == LogDriver::Awslogs)?;
    let option = |name: &str| log.options().and_then(|options| options.get(name)).cloned();
    let mut prefix = option("awslogs-stream-prefix")? + "/";
    if query.container.is_some() {
        prefix += &format!("{name}/");
    }
    Some(Part { group: option("awslogs-group")?, region: option("awslogs-region"), prefix })
}

fn follow(reading: Reading) -> BoxStream<'static, Result<LogLine, ProviderError>> {
    let pages = stream::unfold(Some(reading), async |reading| {
        let mut reading = reading?;
        match reading.page().await {
            Ok(lines) => {
                let goes_on = reading.token.is_some() || reading.query.follow;
                Some((lines.into_iter().map(Ok).collect(), goes_on.then_some(reading)))
            }
            Err(failure) => Some((vec![Err(unread(failure))], None)),
        }
    });
    pages.flat_map(|page: Vec<_>| stream::iter(page)).boxed()
}

impl Reading {
    /// The next lines. At the end of what there is, what came since, a while later.
    async fn page(&mut self) -> Result<Vec<LogLine>, Failure> {
        if self.token.is_none() && self.latest != i64::MIN {
            tokio::time::sleep(FOLLOW).await;
            let since = self.latest.saturating_sub(LATE).max(0);
            self.since = Some(self.since.map_or(since, |asked| asked.max(since)));
            self.seen.retain(|_, at| *at >= since);
        }
        let Part { group, region, prefix } = self.part.clone();
        let request = self.at.account.logs.filter_log_events().log_group_name(group);
        let request = request.log_stream_name_prefix(prefix).set_start_time(self.since);
        let request = request.set_next_token(self.token.take()).customize();
        let request = match region {
            Some(region) => request.config_override(Builder::new().region(Region::new(region))),
            None => request,
        };
        let answer = match self.at.send(Quota::LogRead, "FilterLogEvents", request.send()).await {
            Ok(answer) => answer,
            // Nothing was written yet: the first line makes the group.
            Err(failure) if failure.is("ResourceNotFoundException") => {
                self.latest = self.latest.max(self.since.unwrap_or(0));
                return Ok(Vec::new());
            }
            Err(failure) => return Err(failure),
        };
        self.token = answer.next_token.filter(|token| !token.is_empty());
        self.latest = self.latest.max(self.since.unwrap_or(0));
        Ok(answer.events.unwrap_or_default().iter().filter_map(|event| self.line(event)).collect())
    }

    /// A line that was not told yet.
    fn line(&mut self, event: &FilteredLogEvent) -> Option<LogLine> {
        let at = event.timestamp().unwrap_or_default();
        self.latest = self.latest.max(at);
        if self.query.follow && self.seen.insert(event.event_id()?.to_owned(), at).is_some() {
            return None;
        }
        // PREFIX/CONTAINER/TASK; a prefix may have slashes itself.
        let container = event.log_stream_name()?.rsplit('/').nth(1)?;
        Some(LogLine {
            at: Timestamp::from_millisecond(at).ok(),
            container: container.to_owned(),
            // CloudWatch does not tell them apart.
            source: Source::Stdout,
            text: event.message().unwrap_or_default().to_owned(),
        })
    }
}

fn unread(failure: Failure) -> ProviderError {
    ProviderError { kind: ErrorKind::StatusFailed, ..failure.into_error() }
}
