//! What befalls engines and the primary.

use std::time::Duration;

use landlord_compute::machines::members::SILENT;
use rustix::process::Signal;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::database::{is_fenced, look};
use super::figures::{Late, Pause, Promotion};
use super::fleet::Process;
use super::trial::Trial;
use super::way::{Cut, Held};
use super::wire::Statement;
use super::{RESTING, now};

/// When a commit begins whose engine is about to be ended: the others have seen its last beat for less than 5 s.
const BEFORE_THE_END: Duration = Duration::from_secs(3);
/// How long it may take until an engine that is silent is ended.
const ENDED: Duration = Duration::from_secs(15);
/// How long there may be no engine for a mishap.
const FOUND: Duration = Duration::from_secs(60);
/// Others that are caught at a time are waited for so long.
const CAUGHT: Duration = Duration::from_secs(5);
/// How often each engine is commanded something once a primary is there again.
const COMMANDS: Duration = Duration::from_millis(250);
/// How often it is looked.
const LOOKS: Duration = Duration::from_millis(20);

/// Something that happens to an engine, or to the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// An engine is killed.
    Kill,
    /// An engine is stopped in the middle of a request to the cloud, and goes on after 8 to 30 s.
    Stop,
    /// An engine is told to end, and hands over.
    Leave,
    /// The way of an engine to the primary is cut for 1 to 15 s.
    Cut,
    /// A statement of an engine comes late: the engine dies, or is stopped or cut off, while it is on its way.
    Late(Statement, When),
    /// The primary is lost.
    Promotion,
}

/// When a statement of an engine arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// It begins before its engine is ended, and what commits it comes while that is done.
    During,
    /// After its engine was ended.
    After,
}

/// Everything but promotions, as often as it happens to each other.
const MIX: [Mishap; 14] = [
    Mishap::Stop,
    Mishap::Stop,
    Mishap::Stop,
    Mishap::Stop,
    Mishap::Stop,
    Mishap::Cut,
    Mishap::Cut,
    Mishap::Kill,
    Mishap::Leave,
    Mishap::Late(Statement::Commit, When::During),
    Mishap::Late(Statement::Commit, When::During),
    Mishap::Late(Statement::Commit, When::After),
    Mishap::Late(Statement::Renewal, When::During),
    Mishap::Late(Statement::Renewal, When::After),
];

/// So many mishaps, among them so many promotions, in an order of chance.
pub(crate) fn deck(mishaps: usize, promotions: usize) -> Vec<Mishap> {
    let others = MIX.into_iter().cycle().take(mishaps.saturating_sub(promotions));
    let mut deck: Vec<Mishap> = others.collect();
    fastrand::shuffle(&mut deck);
    // Promotions are spread: each after as many others.
    let every = deck.len() / promotions.max(1);
    for number in (0..promotions).rev() {
        deck.insert(number * every + every / 2, Mishap::Promotion);
    }
    deck
}

impl Trial {
    pub(crate) async fn befall(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::Kill => {
                let (engine, _) = self.strikes().await;
                self.kill(engine);
            }
            Mishap::Stop => self.stop_in_a_request().await,
            Mishap::Leave => {
                let (engine, epoch) = self.strikes().await;
                self.tell(format_args!("engine {epoch} is told to leave"));
                self.fleet.awake[engine].unwell_until = Duration::MAX;
                self.engine(engine).signal(Signal::TERM);
            }
            Mishap::Cut => self.cut().await,
            Mishap::Late(statement, when) => self.late(statement, when).await,
            Mishap::Promotion => self.promote().await,
        }
    }

    /// An engine to which something happens, and its epoch. Another one is there too, which sees it.
    async fn strikes(&mut self) -> (usize, u64) {
        let begun = now();
        loop {
            self.fleet.fill_up().await;
            let well = self.fleet.well();
            if well.len() >= 2 || (now() - begun > FOUND && !well.is_empty()) {
                let (engine, epoch) = well[fastrand::usize(0..well.len())];
                self.figures().touched.entry(epoch).or_insert_with(now);
                return (engine, epoch);
            }
            sleep(LOOKS).await;
        }
    }

    fn engine(&self, engine: usize) -> Process {
        self.fleet.awake[engine].process.clone()
    }

    fn kill(&mut self, engine: usize) {
        self.tell(format_args!("engine {:?} is killed", self.fleet.epoch(&self.fleet.awake[engine])));
        self.engine(engine).signal(Signal::KILL);
    }

    async fn stop_in_a_request(&mut self) {
        let (engine, epoch) = self.strikes().await;
        let (process, (stops, stopped)) = (self.engine(engine), oneshot::channel());
        let caught = process.clone();
        self.cloud.catch(epoch, move || {
            caught.signal(Signal::STOP);
            let _ = stops.send(());
        });
        let _ = timeout(CAUGHT, stopped).await;
        self.stop(engine, epoch);
    }

    /// An engine is stopped, and goes on later.
    fn stop(&mut self, engine: usize, epoch: u64) {
        let process = self.engine(engine);
        process.signal(Signal::STOP);
        let pause = Duration::from_secs(fastrand::u64(8..30));
        self.tell(format_args!("engine {epoch} is stopped for {pause:?}"));
        self.fleet.put_to_sleep(engine);
        let (primary, figures) = (self.database.port.clone(), self.figures.clone());
        let wakes = async move {
            sleep(pause).await;
            let was_ended = is_fenced(&primary, epoch).await == Some(true);
            let woke = now();
            figures.lock().expect("no panic").pauses.push(Pause { epoch, was_ended, woke });
            process.signal(Signal::CONT);
        };
        self.wakes.spawn(wakes);
    }

    async fn cut(&mut self) {
        let (engine, epoch) = self.strikes().await;
        let pause = Duration::from_millis(fastrand::u64(1_000..15_000));
        let cut = [Cut::Asked, Cut::Answered, Cut::Both, Cut::Refused][fastrand::usize(0..4)];
        self.tell(format_args!("the way of engine {epoch} is cut for {pause:?}: {cut:?}"));
        let engine = &mut self.fleet.awake[engine];
        engine.unwell_until = now() + pause;
        engine.way.cut(cut);
        let (way, goes_on) = (engine.way.clone(), fastrand::bool());
        self.figures().cuts += 1;
        tokio::spawn(async move {
            sleep(pause).await;
            way.heal(goes_on);
        });
    }

    /// The primary is lost. Then nothing else happens for as long as engines take to end one that is silent; they are commanded tenants
    /// that rest, as those that were on their way may be tried again only later.
    async fn promote(&mut self) {
        self.fleet.fill_up().await;
        let (places, well): (Vec<usize>, Vec<u64>) = self.fleet.well().into_iter().unzip();
        self.tell(format_args!("the primary is lost"));
        let (lost, there) = self.database.promote().await;
        for turn in 0.. {
            if now() - there > SILENT + SILENT / 2 {
                break;
            }
            for place in &places {
                let tenant = fastrand::usize(0..RESTING);
                self.fleet.awake[*place].hear(&format!("r{tenant} p{turn}")).await;
            }
            sleep(COMMANDS).await;
        }
        let mut ended = Vec::new();
        for epoch in &well {
            if is_fenced(&self.database.port, *epoch).await == Some(true) {
                ended.push(*epoch);
            }
        }
        self.figures().promotions.push(Promotion { lost, there, well, ended });
    }

    async fn late(&mut self, what: Statement, when: When) {
        for _ in 0..5 {
            let (engine, epoch) = self.strikes().await;
            let comes = self.fleet.awake[engine].way.hold_next(what);
            if let Ok(Ok(held)) = timeout(CAUGHT, comes).await {
                return self.held(engine, epoch, held, what, when).await;
            }
        }
        self.tell(format_args!("no {what:?} could be held"));
    }

    async fn held(&mut self, engine: usize, epoch: u64, held: Held, what: Statement, when: When) {
        // What only renews disturbs nobody, and may as well be on its way from the beginning.
        if (what, when) == (Statement::Renewal, When::During) {
            held.arrive_but_for_its_end().await;
        }
        self.tell(format_args!("a {what:?} of engine {epoch} is held, until {when:?} its end"));
        let way = self.fleet.awake[engine].way.clone();
        let begun = now();
        match fastrand::u8(0..3) {
            0 => self.kill(engine),
            1 => way.cut(Cut::Both),
            _ => self.stop(engine, epoch),
        }
        if (what, when) == (Statement::Commit, When::During) {
            sleep(BEFORE_THE_END.saturating_sub(now() - begun)).await;
            held.arrive_but_for_its_end().await;
        }
        let mut was_ended = false;
        while now() - begun < ENDED {
            let waits = match self.ends(epoch).await {
                Some((true, _)) => {
                    was_ended = true;
                    break;
                }
                Some((false, waits)) => waits,
                None => false,
            };
            if waits && when == When::During {
                break;
            }
            sleep(LOOKS).await;
        }
        let rows = timeout(ENDED, held.arrive()).await.ok().flatten();
        way.heal(fastrand::bool());
        self.figures().late.push(Late { what, when, was_ended, rows });
        if was_ended && rows.is_some_and(|rows| rows > 0) {
            self.wrong
                .push(format!("engine {epoch} was ended, and then a {what:?} of it was made ({when:?})"));
        }
    }

    /// Whether an engine was ended, and whether somebody who ends one waits for a lock.
    async fn ends(&self, epoch: u64) -> Option<(bool, bool)> {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM landlord.engines WHERE epoch = {epoch} AND state = 'fenced'),
                EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%''fenced''%')"
        );
        let rows = look(&self.database.port, &sql).await?;
        rows.first().map(|row| (row.get(0), row.get(1)))
    }
}
