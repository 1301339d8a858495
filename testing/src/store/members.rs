//! What a store promises that several engines share; one function for each promise, given the stores of two engines that are not
//! open yet.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join, join_all};
use landlord_compute::machines::id::Revision;
use landlord_compute::machines::members::{Shard, ShardSet, Standing};
use landlord_compute::provider::Draw;
use landlord_compute::store::{
    Claimed, DocumentKind, DocumentRevision, DocumentWrite, Epoch, Events, Fingerprint, Members,
    NotedRequest, Opened, Position, Scope, Store, StoreError, WriteError,
};
use tokio::time::Instant;

use super::contract::commit_one;
use super::samples::{StoredLife, id, time};

/// A promise that every such store keeps.
pub type Promise = for<'s> fn(&'s dyn Store, &'s dyn Store) -> BoxFuture<'s, ()>;

/// Every promise by its name.
pub const PROMISES: [(&str, Promise); 9] = [
    ("each_engine_writes_under_an_epoch_of_its_own", |one, other| {
        Box::pin(each_engine_writes_under_an_epoch_of_its_own(one, other))
    }),
    ("a_race_for_a_tenant_is_won_once", |one, other| Box::pin(a_race_for_a_tenant_is_won_once(one, other))),
    ("who_is_silent_is_ended_by_the_beat_that_was_seen", |one, other| {
        Box::pin(who_is_silent_is_ended_by_the_beat_that_was_seen(one, other))
    }),
    ("a_shard_has_one_owner", |one, other| Box::pin(a_shard_has_one_owner(one, other))),
    ("the_shards_of_an_engine_that_ended_are_nobodys", |one, other| {
        Box::pin(the_shards_of_an_engine_that_ended_are_nobodys(one, other))
    }),
    ("what_is_given_up_says_since_when", |one, other| Box::pin(what_is_given_up_says_since_when(one, other))),
    ("an_engine_that_leaves_is_seen_to", |one, other| Box::pin(an_engine_that_leaves_is_seen_to(one, other))),
    ("engines_draw_together_what_a_quota_gives", |one, other| {
        Box::pin(engines_draw_together_what_a_quota_gives(one, other))
    }),
    ("who_is_due_is_told_of_shards", |one, other| Box::pin(who_is_due_is_told_of_shards(one, other))),
];

/// Runs the whole contract, each promise against fresh stores.
///
/// # Panics
/// At the first promise that is broken; the name of each is printed before it is tried.
pub async fn run<S: Store>(fresh: impl AsyncFn() -> (S, S)) {
    for (name, promise) in PROMISES {
        eprintln!("{name}");
        let (one, other) = fresh().await;
        promise(&one, &other).await;
    }
}

/// Opens a store that is shared.
async fn join_in(store: &dyn Store) -> (Opened, Arc<dyn Members>) {
    let opened = store.open().await.expect("opens");
    let members = opened.members.clone().expect("it is shared");
    (opened, members)
}

/// The shards of an engine; none where it has ended.
async fn has(members: &dyn Members, engine: Epoch) -> Option<ShardSet> {
    members.view().await.expect("reads").engines.get(&engine).map(|member| member.shards)
}

async fn claim(members: &dyn Members, shards: &ShardSet) -> ShardSet {
    members.claim(shards).await.expect("claims").iter().map(|claimed| claimed.shard).collect()
}

/// Two engines are open at the same time; positions have no holes all the same, and each sees what the other writes.
pub async fn each_engine_writes_under_an_epoch_of_its_own(one: &dyn Store, other: &dyn Store) {
    let ((first, _), (second, members)) = (join_in(one).await, join_in(other).await);
    assert!(first.epoch < second.epoch && first.engine == second.engine);
    for number in 0..10_u64 {
        let (store, epoch) = if number % 2 == 0 { (one, first.epoch) } else { (other, second.epoch) };
        let write = StoredLife::new(&format!("t{number}")).begin();
        assert_eq!(commit_one(store, epoch, write).await, Position(number + 1));
    }
    let foreign = one.commit(second.epoch, &[StoredLife::new("foreign").begin()]).await;
    assert!(matches!(foreign, Err(StoreError::Fenced { .. })), "another engine's epoch: {foreign:?}");
    let read = async |store: &dyn Store| match store.events(Position(0), &Scope::All, 100).await {
        Ok(Events::Page(events)) => events,
        other => panic!("{other:?}"),
    };
    let events = read(one).await;
    assert_eq!((events.len(), &events), (10, &read(other).await));
    let engines: Vec<Epoch> = members.view().await.expect("reads").engines.into_keys().collect();
    assert_eq!(engines, [first.epoch, second.epoch]);
    let counted = members.counts().await.expect("reads");
    assert_eq!(counted, one.survey(Box::new(|_| true), 0).await.expect("reads").counts);
    assert_eq!(counted.values().sum::<u64>(), 10);
}

/// Of two engines that write a tenant at the same revision one does, and the other learns of it.
pub async fn a_race_for_a_tenant_is_won_once(one: &dyn Store, other: &dyn Store) {
    let ((first, _), (second, _)) = (join_in(one).await, join_in(other).await);
    let mut lives: Vec<StoredLife> = (0..20).map(|number| StoredLife::new(&format!("t{number}"))).collect();
    let begin: Vec<_> = lives.iter_mut().map(StoredLife::begin).collect();
    assert!(one.commit(first.epoch, &begin).await.expect("commits").iter().all(Result::is_ok));
    let mut won = [0, 0];
    for round in 0..10 {
        let next: Vec<_> = lives.iter_mut().map(StoredLife::again).collect();
        // In the other order, so that each is the first to come to some of them.
        let reversed: Vec<_> = next.iter().rev().cloned().collect();
        let (ours, theirs) =
            join(one.commit(first.epoch, &next), other.commit(second.epoch, &reversed)).await;
        let theirs = theirs.expect("commits");
        for (our, their) in ours.expect("commits").into_iter().zip(theirs.into_iter().rev()) {
            match (our, their) {
                (Ok(_), Err(WriteError::RevisionMismatch { expected, actual })) => {
                    won[0] += 1;
                    assert!(expected == Revision(round + 1) && actual > expected, "{expected} {actual}");
                }
                (Err(WriteError::RevisionMismatch { expected, actual }), Ok(_)) => {
                    won[1] += 1;
                    assert!(expected == Revision(round + 1) && actual > expected, "{expected} {actual}");
                }
                both => panic!("not one of them: {both:?}"),
            }
        }
    }
    assert_eq!(won.iter().sum::<usize>(), 200);
    assert_eq!(one.head().await.expect("reads"), Position(220), "what was refused takes no position");
}

/// An engine is ended by whoever names its very beat; nothing of it is written from then on.
pub async fn who_is_silent_is_ended_by_the_beat_that_was_seen(one: &dyn Store, other: &dyn Store) {
    let ((first, its), (second, members)) = (join_in(one).await, join_in(other).await);
    let seen = members.view().await.expect("reads").engines[&first.epoch].beat;
    its.renew().await.expect("it lives");
    assert!(!members.fence(first.epoch, seen).await.expect("asks"), "it beats again");
    let seen = members.view().await.expect("reads").engines[&first.epoch].beat;
    assert!(seen.is_some());
    commit_one(one, first.epoch, StoredLife::new("before").begin()).await;
    assert!(members.fence(first.epoch, seen).await.expect("asks"));
    assert!(!members.fence(first.epoch, seen).await.expect("asks"), "it has ended already");
    assert_eq!(has(&*members, first.epoch).await, None);

    let late = one.commit(first.epoch, &[StoredLife::new("late").begin()]).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
    assert!(matches!(its.renew().await, Err(StoreError::Fenced { .. })));
    assert!(matches!(its.claim(&ShardSet::ALL).await, Err(StoreError::Fenced { .. })));
    assert_eq!(commit_one(other, second.epoch, StoredLife::new("after").begin()).await, Position(2));
}

/// Whoever claims at the same time, each shard goes to one.
pub async fn a_shard_has_one_owner(one: &dyn Store, other: &dyn Store) {
    let ((first, ours), (second, theirs)) = (join_in(one).await, join_in(other).await);
    let members = [&ours, &theirs];
    let claims = (0..8).map(|number| {
        let part: ShardSet =
            Shard::all().filter(|shard| usize::from(shard.number()) % 8 >= number % 4).collect();
        async move { (number % 2, claim(&**members[number % 2], &part).await) }
    });
    let mut had = [ShardSet::NONE, ShardSet::NONE];
    for (engine, claimed) in join_all(claims).await {
        for set in had {
            assert_eq!(set.without(&claimed), set, "nothing is taken twice");
        }
        had[engine] = had[engine].and(&claimed);
    }
    assert_eq!(had[0].and(&had[1]), ShardSet::ALL);
    assert_eq!(has(&*ours, first.epoch).await, Some(had[0]));
    assert_eq!(has(&*theirs, second.epoch).await, Some(had[1]));
    // Nobody gives up what is another's.
    ours.release(&ShardSet::ALL, Position(0)).await.expect("releases");
    assert_eq!(has(&*ours, first.epoch).await, Some(ShardSet::NONE));
    assert_eq!(has(&*ours, second.epoch).await, Some(had[1]));
}

/// An engine that has ended, in order or not, has nothing any more.
pub async fn the_shards_of_an_engine_that_ended_are_nobodys(one: &dyn Store, other: &dyn Store) {
    let ((first, ours), (_, theirs)) = (join_in(one).await, join_in(other).await);
    assert_eq!(claim(&*ours, &ShardSet::ALL).await, ShardSet::ALL);
    assert!(claim(&*theirs, &ShardSet::ALL).await.is_empty());
    let beat = theirs.view().await.expect("reads").engines[&first.epoch].beat;
    assert!(theirs.fence(first.epoch, beat).await.expect("asks"));
    let claimed = theirs.claim(&ShardSet::ALL).await.expect("claims");
    assert_eq!(claimed.len(), ShardSet::ALL.len());
    assert!(claimed.iter().all(|claimed| claimed.quiet_since.is_none()), "it ended without a word");

    let (_, again) = join_in(one).await;
    assert!(claim(&*again, &ShardSet::ALL).await.is_empty());
    other.close().await.expect("closes");
    assert_eq!(claim(&*again, &ShardSet::ALL).await, ShardSet::ALL);
}

/// A shard that was given up in order says since when nobody acts for its tenants, to the next owner alone.
pub async fn what_is_given_up_says_since_when(one: &dyn Store, other: &dyn Store) {
    let ((_, ours), (_, theirs)) = (join_in(one).await, join_in(other).await);
    let [first, second] = [0, 1].map(|number| Shard::new(number).expect("there are more"));
    let both: ShardSet = [first, second].into_iter().collect();
    let quiet_since = Some(Position(0));
    let never_had = [first, second].map(|shard| Claimed { shard, quiet_since });
    let mut claimed = ours.claim(&both).await.expect("claims");
    claimed.sort_by_key(|claimed| claimed.shard);
    assert_eq!(claimed, never_had, "nobody has begun anything in a new store");
    let one_of_them: ShardSet = [second].into_iter().collect();
    ours.release(&one_of_them, Position(7)).await.expect("releases");
    let claimed = theirs.claim(&both).await.expect("claims");
    assert_eq!(claimed, [Claimed { shard: second, quiet_since: Some(Position(7)) }]);
    // It is forgotten with the claim.
    other.close().await.expect("closes");
    let claimed = ours.claim(&both).await.expect("claims");
    assert_eq!(claimed, [Claimed { shard: second, quiet_since: None }]);
}

/// An engine that leaves is seen to, keeps what it has, and may write.
pub async fn an_engine_that_leaves_is_seen_to(one: &dyn Store, other: &dyn Store) {
    let ((first, ours), (_, theirs)) = (join_in(one).await, join_in(other).await);
    claim(&*ours, &ShardSet::ALL).await;
    let standing = async |members: &dyn Members| {
        members.view().await.expect("reads").engines.get(&first.epoch).map(|member| member.standing)
    };
    assert_eq!(standing(&*theirs).await, Some(Standing::Open));
    ours.stand_alone().await.expect("it has not ended");
    assert_eq!(standing(&*theirs).await, Some(Standing::Alone));
    writes_beside_tenants(one, first.epoch, "alone").await;
    ours.leave().await.expect("leaves");
    assert_eq!(standing(&*theirs).await, Some(Standing::Leaving));
    writes_beside_tenants(one, first.epoch, "leaving").await;
    assert_eq!(has(&*theirs, first.epoch).await, Some(ShardSet::ALL));
    ours.renew().await.expect("it has not ended");
    commit_one(one, first.epoch, StoredLife::new("acme").begin()).await;
    one.close().await.expect("closes");
    assert_eq!(standing(&*theirs).await, None);
    let late = one.commit(first.epoch, &[StoredLife::new("late").begin()]).await;
    assert!(late.is_err(), "{late:?}");
}

/// An engine writes what is not of a tenant's transition.
async fn writes_beside_tenants(store: &dyn Store, epoch: Epoch, name: &str) {
    let document = DocumentWrite {
        kind: DocumentKind::Token,
        name: name.to_owned(),
        expected: DocumentRevision::ABSENT,
        json: Some("{}".to_owned()),
        reads_from: None,
    };
    store.put_document(epoch, &document).await.expect("is written").expect("was not there");
    let request = NotedRequest {
        tenant: id("noted"),
        request_id: name.to_owned(),
        asked: Fingerprint(1),
        operation: None,
        revision: Revision(1),
    };
    store.note_request(epoch, &request).await.expect("is written").expect("was not known");
}

/// Who is due, and who has a call in flight, is told of the shards that are asked for.
pub async fn who_is_due_is_told_of_shards(one: &dyn Store, other: &dyn Store) {
    let ((first, members), _) = (join_in(one).await, join_in(other).await);
    let names: Vec<String> = (0..40).map(|number| format!("t{number:02}")).collect();
    let writes: Vec<_> =
        names.iter().map(|name| StoredLife::new(name).begin_with(Some(time(9)), None)).collect();
    assert!(one.commit(first.epoch, &writes).await.expect("commits").iter().all(Result::is_ok));
    let even: ShardSet = Shard::all().filter(|shard| shard.number() % 2 == 0).collect();
    let wanted: Vec<_> =
        names.iter().map(|name| id(name)).filter(|tenant| even.has(Shard::of(tenant))).collect();
    assert!((5..35).contains(&wanted.len()), "{wanted:?}");
    let mut found = Vec::new();
    loop {
        let page = members.in_flight(&even, found.last().cloned(), 3).await.expect("reads");
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, wanted);
    let mut due = Vec::new();
    loop {
        let page = members.due(&even, time(9), due.last().cloned(), 3).await.expect("reads");
        if page.is_empty() {
            break;
        }
        due.extend(page);
    }
    assert_eq!(due.into_iter().map(|(_, tenant)| tenant).collect::<Vec<_>>(), wanted);
    assert_eq!(members.due(&even, time(8), None, 100).await.expect("reads"), []);
    assert_eq!(members.in_flight(&ShardSet::NONE, None, 100).await.expect("reads"), []);
}

/// However many draw, a bucket gives what was in it and what comes; what is to stay in it stays.
pub async fn engines_draw_together_what_a_quota_gives(one: &dyn Store, other: &dyn Store) {
    let ((_, ours), (_, theirs)) = (join_in(one).await, join_in(other).await);
    let begun = Instant::now();
    let draw = Draw { quota: "writes", burst: 20, per_second: 10, leave: 0, wanted: 3 };
    let fewer = Draw { leave: 10, ..draw };
    let looked = ours.draw(&fewer).await.expect("draws").tokens;
    assert_eq!(looked, 3, "a bucket that was never drawn from is full");
    let draws = (0..40).map(|number| {
        let members = if number % 2 == 0 { &ours } else { &theirs };
        members.draw(if number % 4 < 2 { &draw } else { &fewer })
    });
    let mut drawn = looked;
    for got in join_all(draws).await {
        let got = got.expect("draws");
        assert!(got.tokens <= 3, "more than was wanted: {got:?}");
        drawn += got.tokens;
    }
    let most = 20.0 + 10.0 * begun.elapsed().as_secs_f64();
    assert!(drawn >= 20 && f64::from(drawn) <= most, "{drawn} of at most {most}");
    // What comes is for whoever asks first; what is to stay is not touched.
    for members in [&theirs, &ours] {
        let mut got = members.draw(&draw).await.expect("draws");
        while got.tokens == 0 {
            assert!(got.next > Duration::ZERO, "nothing is there");
            tokio::time::sleep(got.next).await;
            got = members.draw(&draw).await.expect("draws");
        }
        drawn += got.tokens;
    }
    let most = 20.0 + 10.0 * begun.elapsed().as_secs_f64();
    assert!(f64::from(drawn) <= most, "{drawn} of at most {most}");
    let another = ours.draw(&Draw { quota: "reads", ..draw }).await.expect("draws");
    assert_eq!(another.tokens, 3, "each quota has a bucket of its own");
}
