//! `doctor`: how the store, the providers, the clock, the disk and the limits are, and what to do about what is wrong.

mod clock;
mod database;
mod disk;
mod limits;
mod listeners;
mod receivers;
mod store;

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use landlord_api::{Diagnosis, Finding, Grade};
use landlord_client::Client;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_server::Served;

use super::built_with::Configs;
use super::configuration::{self, Draft};
use super::failure::Failure;
use super::here;
use super::kept::{Kept, Told};
use super::place::Place;
use super::screen::{Screen, table};
use super::serve;

use clock::Clock;
use disk::Disk;
use limits::Limits;
use listeners::Listeners;
use receivers::Receivers;
use store::Store;

/// How far the clock of another machine may be from this one.
const SKEW: SignedDuration = SignedDuration::from_secs(2);

/// What is known before anything is judged.
struct Facts {
    store: Store,
    disks: Vec<Disk>,
    clock: Clock,
    limits: Limits,
    listeners: Listeners,
    receivers: Receivers,
}

/// What is judged, in the order in which it is shown. None of them asks anybody.
const CHECKS: [fn(&Facts) -> Vec<Finding>; 6] = [
    |facts| facts.store.findings(),
    |facts| facts.disks.iter().flat_map(Disk::findings).collect(),
    |facts| facts.clock.findings(),
    |facts| facts.limits.findings(),
    |facts| facts.listeners.findings(facts.clock.now()),
    |facts| facts.receivers.findings(),
];

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    /// The server, at itself.
    Server,
    /// A command, where no server runs.
    Command,
}

/// Looks at everything but the providers, changes nothing, and says what was found.
pub(crate) async fn look(place: &Place, who: Looks) -> Vec<Finding> {
    let clock = clock::Watch::begin();
    let store = Store::look(place.kept()).await;
    let configuration = place.configuration();
    let receivers = Receivers::look(&configuration.telemetry).await;
    let facts = Facts {
        disks: Disk::of(place.kept()),
        clock: clock.end(store.newest()),
        limits: Limits::look(place, who),
        listeners: Listeners::look(place, who),
        store,
        receivers,
    };
    CHECKS.iter().flat_map(|check| check(&facts)).collect()
}

/// Asks the server that runs; where none does, looks from here.
pub(crate) async fn doctor(
    screen: &Screen,
    file: Option<&Path>,
    told: Told<'_>,
    configs: &Configs,
    remote: Option<Client>,
) -> Result<(), Failure> {
    let diagnosis = match remote {
        Some(server) => of_another_machine(&server).await?,
        None => of_this_machine(file, told, configs).await?,
    };
    let count = |grade| diagnosis.findings.iter().filter(|finding| finding.grade == grade).count();
    screen.show(&diagnosis, || text(&diagnosis))?;
    match count(Grade::Failed) {
        0 => Ok(()),
        failed => Err(Failure::Unwell { failed, of: diagnosis.findings.len() }),
    }
}

/// The server says how it is, and its clock is compared with this one.
async fn of_another_machine(server: &Client) -> Result<Diagnosis, Failure> {
    let Diagnosis { at, mut findings } = server.doctor().await?;
    // When it answered is between then and now.
    findings.insert(0, skew(at, Timestamp::now()));
    Ok(Diagnosis { at, findings })
}

/// How far the clock of a server is from this one. Its answer may have been on its way for a moment.
fn skew(at: Timestamp, now: Timestamp) -> Finding {
    let (check, ahead) = ("server", at.duration_since(now));
    if ahead.abs() <= SKEW {
        return Finding::ok(check, "it answers, and its clock is as this one");
    }
    let seconds = ahead.abs().as_secs();
    let side = if ahead.is_positive() { "ahead of" } else { "behind" };
    Finding::warning(
        check,
        format!("it answers, and its clock is {seconds} s {side} this one"),
        "let both machines take their time from the same source (NTP): deadlines and ages are told by their clocks",
    )
}

async fn of_this_machine(
    file: Option<&Path>,
    told: Told<'_>,
    configs: &Configs,
) -> Result<Diagnosis, Failure> {
    let Draft { sound, mut problems } = configuration::read(file);
    let kept = match Kept::of(told, &sound) {
        Ok(kept) => kept,
        // Without a store there is nobody to ask and nothing to look at.
        Err(failure) => {
            problems.0.push(format!("store: {failure}"));
            problems.0.extend(serve::problems(&sound));
            return Ok(Diagnosis { at: Timestamp::now(), findings: configured(file, &problems.0) });
        }
    };
    let (place, unsound) = Place::of_what_is_sound(kept, configs, Arc::new(sound));
    let unsound = unsound.into_iter().map(|failure| failure.to_string());
    let problems: Vec<String> =
        problems.0.into_iter().chain(serve::problems(place.configuration())).chain(unsound).collect();
    let mut findings = configured(file, &problems);
    let diagnosis = match place.server().await {
        Some(server) => {
            let socket = place.kept().socket();
            findings.push(Finding::ok("server", format!("it answers at {}", socket.display())));
            server.doctor().await?
        }
        None => {
            let found = "no server answers on this store: what follows was looked at from here, with this user's rights and limits";
            findings.push(Finding::ok("server", found));
            alone(place).await?
        }
    };
    findings.extend(diagnosis.findings);
    Ok(Diagnosis { findings, ..diagnosis })
}

/// What is wrong with the configuration that was named here, a line each.
fn configured(file: Option<&Path>, problems: &[String]) -> Vec<Finding> {
    const CHECK: &str = "configuration";
    let name = file
        .map_or("no file: the defaults and the environment".to_owned(), |file| file.display().to_string());
    if problems.is_empty() {
        return vec![Finding::ok(CHECK, name)];
    }
    let failed = |problem: &String| {
        Finding::failed(
            CHECK,
            problem,
            "correct it: a server would not start; `serve --help` shows what there is",
        )
    };
    problems.iter().map(failed).collect()
}

/// Looks from here.
async fn alone(place: Place) -> Result<Diagnosis, Failure> {
    let providers = place.providers().to_vec();
    let served = match place.kept().reader().await {
        Ok(reader) => reader.served(providers).await?,
        // What is wrong with the store is among what is found.
        Err(_) => Served::store(MemoryStore::new(MemoryOptions::default()), "nobody".into(), providers),
    };
    let served = served.examined(move || {
        let place = place.clone();
        Box::pin(async move { look(&place, Looks::Command).await })
    });
    Ok(here::client(served).doctor().await?)
}

/// A line for each, and what to do below it.
fn text(diagnosis: &Diagnosis) -> String {
    let rows = diagnosis.findings.iter().flat_map(|finding| {
        let Finding { check, grade, found, todo } = finding;
        let todo = todo.iter().map(|todo| [String::new(), String::new(), format!("to do: {todo}")]);
        std::iter::once([grade.name().to_owned(), check.clone(), found.clone()]).chain(todo)
    });
    table(["RESULT", "CHECK", "FOUND"], rows)
}

/// A number of bytes, for people.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_are_told_with_the_side() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        assert_eq!(skew(at(1), at(0)).grade, Grade::Ok);
        for (server, words) in [(90, "90 s ahead of this one"), (-90, "90 s behind this one")] {
            let found = skew(at(server), at(0));
            assert!(found.grade == Grade::Warning && found.found.contains(words), "{found:?}");
        }
    }

    #[test]
    fn sizes_are_told_in_one_unit() {
        let told = [0, 1023, 1024, 1_572_864, 3 << 30, 5 << 40].map(size);
        assert_eq!(told, ["0 bytes", "1023 bytes", "1.0 KB", "1.5 MB", "3.0 GB", "5.0 TB"]);
    }

    #[test]
    fn every_problem_of_a_configuration_is_a_finding_of_its_own() {
        let problems =
            ["retry: `first` is longer than `cap`".to_owned(), "listen: a key is missing".to_owned()];
        let found = configured(Some(Path::new("landlord.toml")), &problems);
        assert!(found.len() == 2 && found.iter().all(|finding| finding.grade == Grade::Failed), "{found:?}");
        assert_eq!(configured(None, &[])[0].grade, Grade::Ok);
    }
}
