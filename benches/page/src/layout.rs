//! Which tables each workload has, and what is said above them.

use crate::names::Workload;
use crate::table::{Column, Table};

/// What the page tells of one workload.
pub(crate) struct Section {
    pub(crate) workload: Workload,
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    /// Each under a title of its own, if it has one.
    pub(crate) tables: Vec<(Option<String>, Table)>,
}

const RATIO: &str = "engine ÷ this";
const RANGE: &str = "min … max";

/// All workloads, in the order of the page.
pub(crate) fn sections() -> Vec<Section> {
    let order = [
        Workload::Lifecycle,
        Workload::Instructions,
        Workload::Latency,
        Workload::Start,
        Workload::Fanout,
        Workload::Hot,
        Workload::Growth,
        Workload::Memory,
        Workload::Batches,
        Workload::Engines,
        Workload::Claim,
    ];
    order.into_iter().map(section).collect()
}

fn section(workload: Workload) -> Section {
    let (title, about, tables) = match workload {
        Workload::Lifecycle => (
            "Lifecycle",
            "Transitions a second while tenants are provisioned, updated and destroyed as fast as it goes. More is better.",
            vec![(None, lifecycle())],
        ),
        Workload::Instructions => (
            "Instructions",
            "Instructions of all threads for a transition of the same lives, and bytes of heap for an idle tenant, as \
             Valgrind counts them. How busy the machine is makes no difference. Less is better.",
            vec![(None, instructions())],
        ),
        Workload::Latency => ("Latency", LATENCY, latency()),
        Workload::Start => (
            "Start",
            "An engine starts over the store of a killed one: a million tenants, 10,000 of them with a call in flight. Times \
             count from the start of the process. `bare-sqlite` only reads the rows in flight. Less is better.",
            vec![(None, start())],
        ),
        Workload::Fanout => (
            "Fanout",
            "The lifecycle of 20,000 tenants while 0, 1, 10 or 100 subscribers read all of its events. Per second; more is better.",
            fanout(),
        ),
        Workload::Hot => (
            "Hot",
            "How long commands take until the provider is called, at half of the maximum: first alone, then beside one \
             hot tenant that eight clients update without a pause. Less is better; of *hot commands*, more.",
            vec![(None, hot())],
        ),
        Workload::Growth => (
            "Growth",
            "Processor time a transition, of all threads, by number of tenants that are alive. *growth* is the largest \
             number over the smallest. Less is better.",
            vec![(None, growth())],
        ),
        Workload::Memory => (
            "Memory",
            "Resident memory a tenant: a million idle ones, and 100,000 with a provider call open. Less is better.",
            vec![(None, memory())],
        ),
        Workload::Batches => (
            "Batches",
            "Commits of so many rows each to PostgreSQL, by its store without an engine, and by a loop that sends the same bytes.",
            batches(),
        ),
        Workload::Engines => (
            "Engines",
            "The lives of *Lifecycle* over PostgreSQL, led by 1, 2 and 4 engines that share the database: each takes as many \
             commands, and the engine that has the tenant makes the call.",
            engines(),
        ),
        Workload::Claim => (
            "Claim",
            "One of three engines that share a PostgreSQL with a million tenants is killed while 10,000 of its own have a call in \
             flight. Times count from the moment at which its shards are nobody's; *ended* is how long that took from the kill. \
             Less is better.",
            vec![(None, claim())],
        ),
    };
    Section { workload, title, about, tables }
}

const LATENCY: &str = "How long a command takes until the provider is called, and until it is settled. p50 is the \
time that half of the commands take at most, p99 the time that 99 % of them take at most. First clients give as many \
commands as the subject takes (*maximum*). Then commands come at 10, 50 and 90 % of that rate, and nothing slows them \
down. Less is better.\n\n*did not keep up*: fewer than 90 % of the commands were settled when the load ended. The rest \
waited longer and longer, so the times would say how long the load lasted, and nothing about the subject.";

fn lifecycle() -> Table {
    Table::of(vec![
        Column::median("transitions", "transitions"),
        Column::range(RANGE, "transitions"),
        Column::ratio(RATIO, "transitions"),
    ])
}

fn instructions() -> Table {
    Table::of(vec![
        Column::median("instructions a transition", "instructions"),
        Column::range(RANGE, "instructions"),
        Column::median("heap, idle", "heap"),
    ])
}

/// The closed loop, then the three open ones.
fn latency() -> Vec<(Option<String>, Table)> {
    let maximum = Table::of(vec![
        Column::median("commands", "maximum"),
        Column::range(RANGE, "maximum"),
        Column::ratio(RATIO, "maximum"),
    ]);
    let mut tables = vec![(Some("Maximum".to_owned()), maximum)];
    for percent in [10, 50, 90] {
        let load = format!("at_{percent}_percent");
        let measure = |what: &str| format!("{what}_{load}");
        let columns = vec![
            Column::part("offered", "maximum", f64::from(percent) / 100.0),
            Column::median("call p50", measure("call_p50")),
            Column::median("call p99", measure("call_p99")),
            Column::range("p99, min … max", measure("call_p99")),
            Column::median("settled p99", measure("settled_p99")),
            Column::ratio(format!("p99, {RATIO}"), measure("call_p99")),
        ];
        tables.push((Some(format!("At {percent} %")), Table { loads: vec![load], columns }));
    }
    tables
}

fn start() -> Table {
    Table::of(vec![
        Column::median("new command durable", "new_command_durable"),
        Column::median("calls begun again", "calls_begun_again"),
        Column::range(RANGE, "calls_begun_again"),
        Column::median("in flight settled", "in_flight_settled"),
        Column::median("in flight read", "in_flight_read"),
    ])
}

fn fanout() -> Vec<(Option<String>, Table)> {
    let table = |title: &str, measure: &dyn Fn(usize) -> String| {
        let column = |subscribers| Column::median(format!("{subscribers}"), measure(subscribers));
        let mut columns: Vec<Column> = [0, 1, 10, 100].into_iter().map(column).collect();
        columns.push(Column::ratio(format!("at 100, {RATIO}"), measure(100)));
        (Some(title.to_owned()), Table::of(columns))
    };
    vec![
        table("Transitions, by number of subscribers", &|n| format!("transitions_with_{n}_subscribers")),
        table("Events delivered to all subscribers together", &|n| format!("delivered_to_{n}_subscribers")),
    ]
}

fn hot() -> Table {
    Table {
        loads: vec!["alone".to_owned(), "beside_hot".to_owned()],
        columns: vec![
            Column::median("p50 alone", "call_p50_alone"),
            Column::median("p50 beside hot", "call_p50_beside_hot"),
            Column::median("p99 alone", "call_p99_alone"),
            Column::median("p99 beside hot", "call_p99_beside_hot"),
            Column::range("p99 beside hot, min … max", "call_p99_beside_hot"),
            Column::median("hot commands", "hot_commands"),
        ],
    }
}

fn growth() -> Table {
    let sizes = [(1_000, "1,000"), (10_000, "10,000"), (100_000, "100,000"), (1_000_000, "1,000,000")];
    let column = |(size, name): (usize, &str)| Column::median(name, format!("cpu_at_{size}"));
    let mut columns: Vec<Column> = sizes.into_iter().map(column).collect();
    columns.push(Column::median("growth", "cpu_growth"));
    columns.push(Column::range("growth, min … max", "cpu_growth"));
    columns.push(Column::ratio(format!("at a million, {RATIO}"), "cpu_at_1000000"));
    Table::of(columns)
}

fn memory() -> Table {
    Table::of(vec![
        Column::median("idle", "idle"),
        Column::range("idle, min … max", "idle"),
        Column::median("idle after a start", "idle_after_a_start"),
        Column::median("busy", "busy"),
        Column::ratio(format!("idle, {RATIO}"), "idle"),
    ])
}

fn batches() -> Vec<(Option<String>, Table)> {
    let sizes = [1, 16, 64, 256, 1_024];
    let table = |title: &str, measure: &str| {
        let column = |size| Column::median(format!("{size}"), format!("{measure}_of_{size}"));
        let mut columns: Vec<Column> = sizes.into_iter().map(column).collect();
        columns.push(Column::ratio(format!("at 256, {RATIO}"), format!("{measure}_of_256")));
        (Some(title.to_owned()), Table::of(columns))
    };
    vec![
        table("Rows a second, by rows of a commit; more is better", "rows"),
        table("Processor time of the server's process that answers, a row; less is better", "server"),
    ]
}

fn engines() -> Vec<(Option<String>, Table)> {
    let numbers = [1, 2, 4];
    let by_number =
        |measure: &str| numbers.map(|n| Column::median(format!("{n}"), format!("{measure}_of_{n}")));
    let mut transitions: Vec<Column> = by_number("transitions").into();
    for n in [2, 4] {
        transitions.push(Column::median(format!("{n} ÷ 1"), format!("{n}_over_one")));
        transitions.push(Column::range(format!("{n} ÷ 1, {RANGE}"), format!("{n}_over_one")));
    }
    let titled = |title: &str, columns| (Some(title.to_owned()), Table::of(columns));
    vec![
        titled(
            "Transitions a second of all engines together, by number of engines; more is better",
            transitions,
        ),
        titled(
            "Processor time of all engines together, a transition; less is better",
            by_number("engines").into(),
        ),
        titled(
            "Processor time of the server's processes that answer, a transition; less is better",
            by_number("server").into(),
        ),
    ]
}

fn claim() -> Table {
    Table::of(vec![
        Column::median("ended", "ended"),
        Column::median("all shards owned", "all_shards_owned"),
        Column::median("calls begun again", "calls_begun_again"),
        Column::range(RANGE, "calls_begun_again"),
        Column::median("in flight settled", "in_flight_settled"),
    ])
}
