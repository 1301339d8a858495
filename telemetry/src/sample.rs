//! What all metrics are at a moment, in a form that every exporter writes down.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use landlord_compute::ProviderName;
use landlord_compute::machines::tenant::EventKind;
use landlord_compute::telemetry::{CallEnd, LookEnd, Vitals};

use crate::catalogue::{self, Metric, Unit};
use crate::histogram::{BATCH, COMMIT, Ends, Sum, WORK};
use crate::lags::Lags;
use crate::looked::Looked;
use crate::meter::{self, Block, HEALTHS, KIND_NAMES, METHODS, Meter, RESULTS, STATES};
use crate::otlp::Tally;

/// A metric, and what it is now.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) metric: &'static Metric,
    pub(crate) points: Vec<Point>,
}

/// What a metric is for some values of its labels.
#[derive(Debug)]
pub(crate) struct Point {
    /// In the order of the metric's labels.
    pub(crate) labels: Vec<Cow<'static, str>>,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Count(u64),
    Level(f64),
    Sizes {
        /// In the metric's unit.
        ends: Vec<f64>,
        sum: f64,
        counts: Sum,
    },
}

impl Family {
    fn of(metric: &'static Metric, points: impl IntoIterator<Item = Point>) -> Self {
        Self { metric, points: points.into_iter().collect() }
    }

    /// One without labels.
    fn alone(metric: &'static Metric, value: Value) -> Self {
        Self::of(metric, [Point { labels: Vec::new(), value }])
    }
}

/// What there is to be sampled.
pub(crate) struct Sources<'a> {
    pub(crate) meter: &'a Meter,
    /// None where no engine runs.
    pub(crate) vitals: Option<&'a Vitals>,
    pub(crate) lags: &'a Lags,
    pub(crate) looked: &'a Looked,
    pub(crate) tally: &'a Tally,
}

/// All metrics of the catalogue, in its order. What has never happened has no point.
pub(crate) fn sample(sources: &Sources<'_>) -> Vec<Family> {
    let Sources { meter, vitals, lags, looked, tally } = sources;
    let blocks = meter.blocks();
    let level =
        |metric, level: Option<u64>| Family::of(metric, level.map(|level| alone(Value::Level(level as f64))));
    let sharing = vitals.and_then(|vitals| vitals.sharing);
    let held = |metric, of: fn(&Vitals) -> u64| level(metric, vitals.map(of));
    vec![
        Family::of(&catalogue::TENANTS, blocks.iter().flat_map(tenants)),
        Family::of(&catalogue::TRANSITIONS, blocks.iter().flat_map(transitions)),
        Family::of(&catalogue::OPERATIONS, blocks.iter().flat_map(operations)),
        Family::of(&catalogue::OPERATION_DURATION, blocks.iter().flat_map(operation_durations)),
        Family::of(
            &catalogue::OPERATION_OLDEST,
            looked.oldest().iter().flat_map(|ages| oldest(blocks, ages)),
        ),
        each(&catalogue::RETRIES, blocks, |block| Value::Count(block.events(meter::WILL_RETRY))),
        each(&catalogue::UNDOS, blocks, |block| Value::Count(block.events(meter::UNDOING))),
        each(&catalogue::REPAIRS, blocks, |block| Value::Count(block.repairs())),
        each(&catalogue::WAITS, blocks, |block| Value::Count(block.events(meter::WAITS))),
        Family::of(&catalogue::CALL_DURATION, blocks.iter().flat_map(calls)),
        Family::of(&catalogue::CALLS_RUNNING, vitals.iter().flat_map(|vitals| running(vitals))),
        Family::of(&catalogue::LOOKS, blocks.iter().flat_map(looks)),
        Family::of(&catalogue::ORPHANS, looked.orphans().into_iter().map(orphans)),
        held(&catalogue::CALLS_IN_FLIGHT, |vitals| vitals.calls as u64),
        Family::alone(&catalogue::COMMIT_TRANSITIONS, sizes(&BATCH, meter.commit_sizes(), Unit::Things)),
        Family::alone(&catalogue::COMMIT_DURATION, sizes(&COMMIT, meter.commit_durations(), Unit::Seconds)),
        Family::alone(&catalogue::COMMIT_FAILURES, Value::Count(meter.commit_failures())),
        held(&catalogue::COMMIT_WAITING, |vitals| vitals.transitions as u64),
        held(&catalogue::COMMANDS, |vitals| vitals.commands as u64),
        held(&catalogue::ACTORS, |vitals| vitals.actors as u64),
        held(&catalogue::EVENTS, |vitals| vitals.head.0),
        held(&catalogue::SUBSCRIBERS, |vitals| vitals.subscribers as u64),
        held(&catalogue::SUBSCRIBER_LAG, |vitals| vitals.subscriber_lag),
        level(&catalogue::SHARDS, sharing.map(|sharing| sharing.shards as u64)),
        level(&catalogue::LEASE, sharing.map(|sharing| u64::from(sharing.holds))),
        level(&catalogue::TAIL_LAG, sharing.map(|sharing| sharing.behind)),
        level(&catalogue::SUBSCRIPTION_LAG, lags.subscription()),
        level(&catalogue::WEBHOOK_LAG, lags.webhook()),
        level(&catalogue::WEBHOOKS_FAILING, lags.failing()),
        budgets(&catalogue::BUDGET_RATE, *vitals, |budget| Value::Level(budget.per_second)),
        budgets(&catalogue::BUDGET_LIMIT, *vitals, |budget| Value::Level(budget.per_second_at_best)),
        budgets(&catalogue::BUDGET_WAITING, *vitals, |budget| Value::Level(budget.waiting as f64)),
        budgets(&catalogue::BUDGET_THROTTLED, *vitals, |budget| Value::Count(budget.throttled)),
        Family::alone(&catalogue::TRACED, Value::Count(tally.traced())),
        Family::of(
            &catalogue::EXPORTED,
            tally
                .exported()
                .map(|(signal, count)| Point { labels: vec![signal.into()], value: Value::Count(count) }),
        ),
        Family::of(
            &catalogue::DROPPED,
            tally.dropped().map(|(signal, reason, count)| Point {
                labels: vec![signal.into(), reason.into()],
                value: Value::Count(count),
            }),
        ),
        level(&catalogue::SPANS_WAITING, Some(tally.waiting())),
    ]
}

fn alone(value: Value) -> Point {
    Point { labels: Vec::new(), value }
}

fn name(block: &Block) -> Cow<'static, str> {
    block.provider.to_string().into()
}

/// One point for each provider.
fn each(metric: &'static Metric, blocks: &[Block], value: impl Fn(&Block) -> Value) -> Family {
    Family::of(metric, blocks.iter().map(|block| Point { labels: vec![name(block)], value: value(block) }))
}

fn tenants(block: &Block) -> impl Iterator<Item = Point> {
    let states = STATES.into_iter().enumerate();
    states.flat_map(move |(state, state_name)| {
        HEALTHS.into_iter().enumerate().map(move |(health, health_name)| Point {
            labels: vec![name(block), state_name.as_str().into(), health_name.into()],
            value: Value::Level(block.tenants(state, health) as f64),
        })
    })
}

fn transitions(block: &Block) -> impl Iterator<Item = Point> {
    EventKind::NAMES.into_iter().enumerate().filter_map(|(at, kind)| {
        let count = block.events(at);
        let labels = vec![name(block), kind.into()];
        (count > 0).then_some(Point { labels, value: Value::Count(count) })
    })
}

fn operations(block: &Block) -> impl Iterator<Item = Point> {
    pairs(&KIND_NAMES, &RESULTS).filter_map(|((kind, kind_name), (result, result_name))| {
        let count = block.operations(kind, result);
        let labels = vec![name(block), kind_name.into(), result_name.into()];
        (count > 0).then_some(Point { labels, value: Value::Count(count) })
    })
}

fn operation_durations(block: &Block) -> impl Iterator<Item = Point> {
    pairs(&KIND_NAMES, &RESULTS).filter_map(|((kind, kind_name), (result, result_name))| {
        let counts = block.operation_durations(kind, result);
        let labels = vec![name(block), kind_name.into(), result_name.into()];
        (counts.count() > 0).then(|| Point { labels, value: sizes(&WORK, counts, Unit::Seconds) })
    })
}

/// One for each provider: 0 where nothing is on its way.
fn oldest(blocks: &[Block], ages: &BTreeMap<ProviderName, Duration>) -> Vec<Point> {
    let mut levels = vec![Duration::ZERO; blocks.len()];
    for (provider, age) in ages {
        let found = blocks.iter().position(|block| *block.provider == *provider.as_str());
        // The last one is of all others.
        if let Some(level) = levels.get_mut(found.unwrap_or(blocks.len().saturating_sub(1))) {
            *level = (*level).max(*age);
        }
    }
    let levels = blocks.iter().zip(levels);
    levels
        .map(|(block, level)| Point { labels: vec![name(block)], value: Value::Level(level.as_secs_f64()) })
        .collect()
}

/// One for each provider that the engine has.
fn running(vitals: &Vitals) -> impl Iterator<Item = Point> {
    vitals.providers.iter().map(|provider| Point {
        labels: vec![provider.provider.to_string().into()],
        value: Value::Level(provider.calls as f64),
    })
}

fn looks(block: &Block) -> impl Iterator<Item = Point> {
    LookEnd::ALL.into_iter().enumerate().map(move |(at, end)| Point {
        labels: vec![name(block), end.name().into()],
        value: Value::Count(block.looks(at)),
    })
}

fn orphans((provider, count): (ProviderName, u64)) -> Point {
    Point { labels: vec![provider.to_string().into()], value: Value::Level(count as f64) }
}

fn calls(block: &Block) -> impl Iterator<Item = Point> {
    pairs(&METHODS, &CallEnd::ALL).filter_map(|((method, method_name), (end, end_name))| {
        let counts = block.calls(method, end);
        let labels = vec![name(block), method_name.name().into(), end_name.name().into()];
        (counts.count() > 0).then(|| Point { labels, value: sizes(&WORK, counts, Unit::Seconds) })
    })
}

/// Every pair of one of these and one of those, with their places.
fn pairs<'a, A: Copy, B: Copy>(
    some: &'a [A],
    others: &'a [B],
) -> impl Iterator<Item = ((usize, A), (usize, B))> + 'a {
    let some = some.iter().copied().enumerate();
    some.flat_map(move |one| others.iter().copied().enumerate().map(move |other| (one, other)))
}

fn budgets(
    metric: &'static Metric,
    vitals: Option<&Vitals>,
    value: impl Fn(&landlord_compute::provider::Budget) -> Value,
) -> Family {
    let providers = vitals.map_or(&[][..], |vitals| &vitals.providers);
    let points = providers.iter().flat_map(|provider| {
        provider.budgets.iter().map(|budget| Point {
            labels: vec![provider.provider.to_string().into(), budget.name.clone()],
            value: value(budget),
        })
    });
    Family::of(metric, points)
}

/// As the metric's unit has it: what is in seconds was counted in nanoseconds.
fn sizes(ends: &Ends, counts: Sum, unit: Unit) -> Value {
    let scale = match unit {
        Unit::Things => 1.0,
        Unit::Seconds => 1e9,
    };
    let ends = ends.iter().map(|end| *end as f64 / scale).collect();
    Value::Sizes { ends, sum: counts.sum as f64 / scale, counts }
}
