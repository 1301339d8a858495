use proptest::prelude::*;

use super::*;

/// How often an engine of these tests looks.
const LOOK: Duration = Duration::from_millis(500);

/// Engines and what their store has, on one clock. A store makes an act whole, or not at all.
struct World {
    now: Duration,
    view: View,
    engines: BTreeMap<Epoch, Engine>,
    /// What was fenced: which engine, and how long after its last beat.
    fenced: Vec<(Epoch, Duration)>,
    moved: usize,
}

struct Engine {
    membership: Membership,
    /// Until then it neither looks nor beats.
    paused: Duration,
    dead: bool,
    beaten: Duration,
}

impl World {
    fn new() -> Self {
        Self {
            now: Duration::from_secs(1000),
            view: View::default(),
            engines: BTreeMap::new(),
            fenced: Vec::new(),
            moved: 0,
        }
    }

    fn open(&mut self) -> Epoch {
        let epoch = Epoch(self.engines.len() as u64 + 1);
        let member = member(Standing::Open);
        self.view.engines.insert(epoch, member);
        let membership = Membership::new(epoch);
        let engine = Engine { membership, paused: Duration::ZERO, dead: false, beaten: self.now };
        self.engines.insert(epoch, engine);
        epoch
    }

    /// One look of each engine that can.
    fn turn(&mut self) {
        self.now += LOOK;
        let epochs: Vec<Epoch> = self.engines.keys().copied().collect();
        for epoch in epochs {
            let Some(engine) = self.engines.get_mut(&epoch) else { continue };
            if engine.dead || engine.paused > self.now {
                continue;
            }
            let Some(member) = self.view.engines.get_mut(&epoch) else {
                engine.dead = true;
                continue;
            };
            if self.now - engine.beaten >= Duration::from_secs(1) {
                member.beat = member.beat.map(|beat| beat + 1);
                engine.beaten = self.now;
            }
            let acts = engine.membership.look(self.now, &self.view);
            acts.into_iter().for_each(|act| self.act(epoch, act));
        }
    }

    fn act(&mut self, by: Epoch, act: Act) {
        match act {
            Act::Fence { engine, beat } => {
                if self.view.engines.get(&engine).is_some_and(|member| member.beat == beat) {
                    self.fenced.push((engine, self.now - self.engines[&engine].beaten));
                    self.view.engines.remove(&engine);
                }
            }
            Act::Claim(shards) => {
                let free = orphans(&self.view);
                let mine = self.view.engines.get_mut(&by).expect("it looked");
                mine.shards = mine.shards.and(&shards.iter().filter(|shard| free.has(*shard)).collect());
            }
            Act::HandOver(shards) => {
                self.moved += shards.len();
                let mine = self.view.engines.get_mut(&by).expect("it looked");
                mine.shards = mine.shards.without(&shards);
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.turn();
        }
    }

    fn counts(&self) -> Vec<usize> {
        self.view.engines.values().map(|member| member.shards.len()).collect()
    }

    fn leaves(&mut self, epoch: Epoch) {
        if let Some(member) = self.view.engines.get_mut(&epoch) {
            member.standing = Standing::Leaving;
        }
    }
}

fn member(standing: Standing) -> Member {
    Member { owner: "somebody".into(), beat: Some(0), standing, shards: ShardSet::NONE }
}

/// Who has tenants that no other engine reaches shares with nobody, and of two the one that was there first stays.
#[test]
fn an_engine_that_is_alone_is_in_the_way_of_others_and_they_in_its() {
    let view = |standings: &[Standing]| View {
        engines: (1..).map(Epoch).zip(standings.iter().map(|standing| member(*standing))).collect(),
    };
    let blocks =
        |me: u64, standings: &[Standing]| in_the_way(Epoch(me), &view(standings)).map(|(engine, _)| engine.0);
    assert_eq!(blocks(1, &[Standing::Alone]), None);
    assert_eq!(blocks(2, &[Standing::Open, Standing::Open]), None);
    assert_eq!(blocks(2, &[Standing::Open, Standing::Alone]), Some(1));
    assert_eq!(blocks(2, &[Standing::Alone, Standing::Open]), Some(1));
    assert_eq!(blocks(2, &[Standing::Alone, Standing::Alone]), Some(1));
    assert_eq!(blocks(1, &[Standing::Open, Standing::Alone]), None, "the other one gives way");
    assert_eq!(blocks(1, &[Standing::Alone, Standing::Open]), Some(2), "it may have begun before");
    assert_eq!(blocks(2, &[Standing::Leaving, Standing::Alone]), Some(1), "until it has left");
    assert_eq!(blocks(3, &[Standing::Open, Standing::Open]), None, "it has ended itself");
}

#[test]
fn an_engine_that_has_just_come_looks_twice_before_it_claims() {
    let mut world = World::new();
    world.open();
    world.turn();
    assert_eq!(world.counts(), [0]);
    world.turn();
    assert_eq!(world.counts(), [1024]);
}

#[test]
fn engines_that_start_together_divide_at_once() {
    let mut world = World::new();
    world.open();
    world.turn();
    world.open();
    world.turn();
    world.turn();
    let counts = world.counts();
    assert!(counts.iter().all(|count| count.abs_diff(512) < 80), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), 1024);
    assert_eq!(world.moved, 0);
}

#[test]
fn an_engine_that_shares_with_nobody_does_not_wait_for_others() {
    let epoch = Epoch(1);
    let view = View { engines: [(epoch, member(Standing::Alone))].into() };
    let acts = Membership::new(epoch).look(Duration::ZERO, &view);
    assert_eq!(acts, [Act::Claim(ShardSet::ALL)]);
}

#[test]
fn shards_move_to_an_engine_that_stays_and_not_before() {
    let mut world = World::new();
    world.open();
    world.run(1);
    world.open();
    world.run(29);
    assert_eq!(world.counts(), [1024, 0]);
    world.run(10);
    assert!((16..=160).contains(&world.moved), "a few a second: {}", world.moved);
    world.run(60);
    let counts = world.counts();
    assert!(counts.iter().all(|count| count.abs_diff(512) < 64), "{counts:?}");
    let moved = world.moved;
    world.run(120);
    assert_eq!(world.moved, moved, "nothing moves once all are where they should be");
}

#[test]
fn the_shards_of_an_engine_that_is_silent_go_to_the_others_within_seconds() {
    let mut world = World::new();
    let engines = [world.open(), world.open(), world.open()];
    world.run(1);
    let before = world.counts();
    assert_eq!(before.iter().sum::<usize>(), 1024);
    assert!(before.iter().all(|count| count.abs_diff(341) < 60), "{before:?}");
    world.engines.get_mut(&engines[0]).expect("opened").dead = true;
    world.run(7);
    let after = world.counts();
    assert_eq!((after.iter().sum::<usize>(), after.len()), (1024, 2), "{after:?}");
    assert!(after[0] >= before[1] && after[1] >= before[2], "they keep what they had: {after:?}");
}

#[test]
fn who_was_stopped_ends_nobody_when_it_goes_on() {
    let mut world = World::new();
    let (paused, other) = (world.open(), world.open());
    world.turn();
    for seconds in [3, 4, 20] {
        // The other one is fenced only by an engine that has watched it.
        world.engines.get_mut(&paused).expect("opened").paused = world.now + Duration::from_secs(seconds);
        world.engines.get_mut(&other).expect("opened").paused = world.now + Duration::from_secs(seconds);
        world.run(seconds + 2);
    }
    assert_eq!(world.fenced, []);
}

#[test]
fn an_engine_that_leaves_hands_over_all_it_has() {
    let mut world = World::new();
    let (first, _) = (world.open(), world.open());
    world.turn();
    world.leaves(first);
    world.run(1);
    assert_eq!(world.counts(), [0, 1024]);
}

proptest! {
    // Each case is many minutes of several engines.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever engines do, nobody who beats is ended, and in the end every shard has an engine that takes part in it evenly.
    #[test]
    fn every_shard_finds_an_engine(moves in prop::collection::vec((0_u8..5, 0_usize..6, 0_u64..20), 1..40)) {
        let mut world = World::new();
        world.open();
        for (what, which, seconds) in moves {
            let epochs: Vec<Epoch> = world.engines.keys().copied().collect();
            let epoch = epochs[which % epochs.len()];
            match what {
                0 => { world.open(); }
                1 => world.engines.get_mut(&epoch).expect("opened").dead = true,
                2 => world.leaves(epoch),
                3 => {
                    let until = world.now + Duration::from_secs(seconds);
                    world.engines.get_mut(&epoch).expect("opened").paused = until;
                }
                _ => {}
            }
            world.run(seconds);
            let owned: usize = world.counts().iter().sum();
            let all = world.view.engines.values().fold(ShardSet::NONE, |all, member| all.and(&member.shards));
            prop_assert_eq!(owned, all.len(), "nothing has two owners");
        }
        world.open();
        world.run(240);
        for (engine, since) in &world.fenced {
            prop_assert!(*since >= SILENT, "{engine:?} was fenced {since:?} after its beat");
        }
        let stay = world.view.engines.values().filter(|member| member.standing == Standing::Open);
        let counts: Vec<usize> = stay.map(|member| member.shards.len()).collect();
        prop_assert_eq!(counts.iter().sum::<usize>(), 1024);
        let share = 1024 / counts.len();
        prop_assert!(counts.iter().all(|count| count.abs_diff(share) <= share / 3), "{counts:?}");
    }
}
