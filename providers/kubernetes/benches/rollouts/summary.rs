//! What was measured, for a person.

use std::time::Duration;

use super::Asked;
use super::round::{Round, Side};

/// What part of kubectl's time and CPU the engine may take.
const GOAL_TIME: f64 = 0.5;
const GOAL_CPU: f64 = 0.2;

/// The values of the rounds, of which the median is told.
fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

fn seconds(side: &Side) -> f64 {
    side.cost.time.as_secs_f64()
}

fn cpu(side: &Side) -> f64 {
    side.cost.cpu.as_secs_f64()
}

fn each(whole: f64, asked: &Asked) -> f64 {
    whole / asked.tenants as f64
}

/// One round.
pub(crate) fn tell(asked: &Asked, round: &Round) {
    for (name, side) in [("landlord-compute", &round.ours), ("kubectl", &round.kubectl)] {
        let cpu_each = Duration::from_secs_f64(each(cpu(side), asked));
        println!(
            "{name}: all ready after {:.1} s, {:.1} s of CPU ({cpu_each:.1?} each), {} requests ({:.1} each)",
            seconds(side),
            cpu(side),
            side.requests,
            each(side.requests as f64, asked)
        );
    }
    println!("ratios: time {:.2}, CPU {:.3}\n", time_ratio(round), cpu_ratio(round));
}

fn time_ratio(round: &Round) -> f64 {
    seconds(&round.ours) / seconds(&round.kubectl)
}

fn cpu_ratio(round: &Round) -> f64 {
    cpu(&round.ours) / cpu(&round.kubectl)
}

/// All of them.
pub(crate) fn tell_all(asked: &Asked, rounds: &[Round]) {
    if rounds.is_empty() {
        return;
    }
    println!("medians of {} rounds", rounds.len());
    let row = |what: &str, of: fn(&Side) -> f64| {
        let (ours, theirs) = (median(rounds, |it| of(&it.ours)), median(rounds, |it| of(&it.kubectl)));
        println!("{what}: landlord-compute {ours:.1}, kubectl {theirs:.1}");
    };
    row("time, s", seconds);
    row("client CPU, s", cpu);
    let requests = |of: fn(&Round) -> &Side| each(median(rounds, |it| of(it).requests as f64), asked);
    println!(
        "requests of a tenant, without watches: landlord-compute {:.1}, kubectl {:.1}",
        requests(|it| &it.ours),
        requests(|it| &it.kubectl)
    );
    for (what, goal, ratio) in
        [("time", GOAL_TIME, median(rounds, time_ratio)), ("client CPU", GOAL_CPU, median(rounds, cpu_ratio))]
    {
        let outcome = if ratio <= goal { "reached" } else { "missed" };
        println!("{what}: {ratio:.3} of kubectl's; the goal, {goal} at most, is {outcome}");
    }
}
