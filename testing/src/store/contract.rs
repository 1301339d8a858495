//! What every store promises; one function for each promise, given a fresh store that is not open yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use landlord_compute::machines::id::{
    Incarnation, OperationId, ProviderName, Revision, SpecVersion, TenantId,
};
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::{
    EventKind, LifecycleEvent, Record, Settled, State, StateName, Tenant, Tombstone,
};
use landlord_compute::store::{
    Epoch, Events, Position, Requested, Scope, Store, StoreError, Surveyed, Surveyor, TenantFilter, Write,
    WriteError,
};

use super::samples::{self, StoredLife, id, time};
use super::{documents, requests};

/// A promise that every store keeps.
pub type Promise = for<'s> fn(&'s dyn Store) -> BoxFuture<'s, ()>;

/// Every promise by its name. What is bounded by a store's options has functions of its own:
/// [`events_beyond_the_history_are_a_gap`], those of [`waiting`](super::waiting), and [`noted_requests_are_bounded`](super::requests::noted_requests_are_bounded).
pub const PROMISES: [(&str, Promise); 25] = [
    ("the_revision_guards_each_write", |store| Box::pin(the_revision_guards_each_write(store))),
    ("a_write_at_once_is_a_write", |store| Box::pin(a_write_at_once_is_a_write(store))),
    ("a_write_whose_parts_disagree_is_refused", |store| {
        Box::pin(a_write_whose_parts_disagree_is_refused(store))
    }),
    ("one_bad_write_does_not_harm_its_batch", |store| Box::pin(one_bad_write_does_not_harm_its_batch(store))),
    ("an_older_epoch_is_fenced", |store| Box::pin(an_older_epoch_is_fenced(store))),
    ("a_closed_store_takes_no_writes", |store| Box::pin(a_closed_store_takes_no_writes(store))),
    ("positions_have_no_holes", |store| Box::pin(positions_have_no_holes(store))),
    ("events_are_paged_for_all_and_for_one", |store| Box::pin(events_are_paged_for_all_and_for_one(store))),
    ("due_tenants_are_paged_in_order", |store| Box::pin(due_tenants_are_paged_in_order(store))),
    ("calls_in_flight_are_paged_in_order", |store| Box::pin(calls_in_flight_are_paged_in_order(store))),
    ("the_living_are_listed_in_pages_and_filtered", |store| {
        Box::pin(the_living_are_listed_in_pages_and_filtered(store))
    }),
    ("a_survey_tells_what_a_list_tells", |store| Box::pin(a_survey_tells_what_a_list_tells(store))),
    ("the_oldest_operations_are_known", |store| Box::pin(the_oldest_operations_are_known(store))),
    ("an_operation_is_kept_and_settles_with_the_event", |store| {
        Box::pin(an_operation_is_kept_and_settles_with_the_event(store))
    }),
    ("a_request_is_one_operation", |store| Box::pin(a_request_is_one_operation(store))),
    ("every_tenant_reads_back_as_it_was_written", |store| {
        Box::pin(every_tenant_reads_back_as_it_was_written(store))
    }),
    ("every_event_reads_back_as_it_was_written", |store| {
        Box::pin(every_event_reads_back_as_it_was_written(store))
    }),
    ("a_tombstone_keeps_what_was_retained", |store| Box::pin(a_tombstone_keeps_what_was_retained(store))),
    ("a_tombstone_leads_to_the_next_life", |store| Box::pin(a_tombstone_leads_to_the_next_life(store))),
    ("a_request_that_began_no_operation_is_kept", |store| {
        Box::pin(requests::a_request_that_began_no_operation_is_kept(store))
    }),
    ("a_name_is_one_request", |store| Box::pin(requests::a_name_is_one_request(store))),
    ("a_document_is_put_only_at_its_revision", |store| {
        Box::pin(documents::a_document_is_put_only_at_its_revision(store))
    }),
    ("of_several_writers_of_a_document_one_succeeds", |store| {
        Box::pin(documents::of_several_writers_of_a_document_one_succeeds(store))
    }),
    ("documents_are_paged_by_name", |store| Box::pin(documents::documents_are_paged_by_name(store))),
    ("documents_outlive_their_engine_and_are_fenced", |store| {
        Box::pin(documents::documents_outlive_their_engine_and_are_fenced(store))
    }),
];

/// Runs the whole contract, each promise against a fresh store of its own.
///
/// # Panics
/// At the first promise that is broken; the name of each is printed before it is tried.
pub async fn run<S: Store>(fresh: impl AsyncFn() -> S) {
    for (name, promise) in PROMISES {
        eprintln!("{name}");
        promise(&fresh().await).await;
    }
}

async fn open(store: &dyn Store) -> Epoch {
    store.open().await.expect("opens").epoch
}

/// Commits one write, which must be made.
pub async fn commit_one(store: &dyn Store, epoch: Epoch, write: Write) -> Position {
    let answers = store.commit(epoch, &[write]).await.expect("the batch commits");
    answers.into_iter().next().expect("an answer for each write").expect("the write is made")
}

async fn load(store: &dyn Store, id: &TenantId) -> Record {
    store.load(id).await.expect("loads")
}

/// A page of events, which must not be a gap.
async fn page(
    store: &dyn Store,
    after: Position,
    scope: &Scope,
    limit: usize,
) -> Vec<(Position, Arc<LifecycleEvent>)> {
    match store.events(after, scope, limit).await.expect("reads events") {
        Events::Page(events) => events,
        Events::Gap { resume } => panic!("a gap up to {resume:?} where there should be none"),
    }
}

/// A write is made only at the revision that it expects.
pub async fn the_revision_guards_each_write(store: &dyn Store) {
    let epoch = open(store).await;
    assert_eq!(load(store, &id("acme")).await, Record::Absent(id("acme")));
    let mut life = StoredLife::new("acme");
    let begin = life.begin();
    commit_one(store, epoch, begin.clone()).await;
    assert_eq!(load(store, &id("acme")).await, begin.record);

    let again = store.commit(epoch, std::slice::from_ref(&begin)).await.expect("the batch commits");
    let mismatch = WriteError::RevisionMismatch { expected: Revision(0), actual: Revision(1) };
    assert_eq!(again, [Err(mismatch)]);

    let mut ahead = StoredLife::new("acme");
    ahead.revision = Revision(5);
    let answers = store.commit(epoch, &[ahead.again()]).await.expect("the batch commits");
    assert_eq!(answers, [Err(WriteError::RevisionMismatch { expected: Revision(5), actual: Revision(1) })]);
    assert_eq!(load(store, &id("acme")).await, begin.record, "a refused write changes nothing");

    let mut never = StoredLife::new("never");
    never.revision = Revision(2);
    let answers = store.commit(epoch, &[never.again()]).await.expect("the batch commits");
    assert_eq!(answers, [Err(WriteError::RevisionMismatch { expected: Revision(2), actual: Revision(0) })]);
    assert_eq!(page(store, Position(0), &Scope::All, 10).await.len(), 1, "nor does it leave an event");
}

/// `commit_now` makes a write as `commit` does, or does nothing.
pub async fn a_write_at_once_is_a_write(store: &dyn Store) {
    let older = open(store).await;
    let begin = StoredLife::new("acme").begin();
    match store.commit_now(older, &begin) {
        None => {
            assert_eq!(load(store, &id("acme")).await, Record::Absent(id("acme")), "it is left to commit");
            commit_one(store, older, begin).await;
        }
        Some(answer) => {
            assert_eq!(answer.expect("the store takes it"), Ok(Position(1)));
            assert_eq!(load(store, &id("acme")).await, begin.record);
            let again = store.commit_now(older, &begin).expect("at once again").expect("the store answers");
            let mismatch = WriteError::RevisionMismatch { expected: Revision(0), actual: Revision(1) };
            assert_eq!(again, Err(mismatch));
            store.close().await.expect("closes");
            let newer = open(store).await;
            assert_ne!(older, newer);
            let fenced = store.commit_now(older, &begin).expect("at once");
            assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{fenced:?}");
            store.close().await.expect("closes");
            let closed = store.commit_now(newer, &begin).expect("at once");
            assert!(matches!(closed, Err(StoreError::Unavailable { .. })), "{closed:?}");
        }
    }
    assert_eq!(page(store, Position(0), &Scope::All, 10).await.len(), 1, "one event either way");
}

/// A write whose parts are about different transitions is refused.
pub async fn a_write_whose_parts_disagree_is_refused(store: &dyn Store) {
    let epoch = open(store).await;
    let good = StoredLife::new("acme").begin();
    let skewed = Write { expected: Revision(3), ..good.clone() };
    let foreign = Write { event: StoredLife::new("other").begin().event, ..good.clone() };
    let answers = store.commit(epoch, &[skewed, foreign, good]).await.expect("the batch commits");
    assert!(matches!(answers[0], Err(WriteError::Invalid(_))), "{answers:?}");
    assert!(matches!(answers[1], Err(WriteError::Invalid(_))), "{answers:?}");
    assert_eq!(answers[2], Ok(Position(1)));
}

/// The rest of a batch is written when one write is refused.
pub async fn one_bad_write_does_not_harm_its_batch(store: &dyn Store) {
    let epoch = open(store).await;
    let mut known = StoredLife::new("b");
    commit_one(store, epoch, known.begin()).await;
    let stale = StoredLife::new("b").begin_with(None, Some("stale"));
    let batch = [StoredLife::new("a").begin(), stale, StoredLife::new("c").begin()];
    let answers = store.commit(epoch, &batch).await.expect("the batch commits");
    let mismatch = WriteError::RevisionMismatch { expected: Revision(0), actual: Revision(1) };
    assert_eq!(answers, [Ok(Position(2)), Err(mismatch), Ok(Position(3))]);
    assert_eq!(load(store, &id("a")).await, batch[0].record);
    assert_eq!(load(store, &id("c")).await, batch[2].record);
    assert_eq!(store.request(&id("b"), "stale").await.expect("reads"), None, "no trace of the refused one");
}

/// A write under any epoch but the newest is refused.
pub async fn an_older_epoch_is_fenced(store: &dyn Store) {
    let first = store.open().await.expect("opens");
    store.close().await.expect("closes");
    let second = store.open().await.expect("opens again");
    assert_eq!(first.engine, second.engine, "the name stays");
    assert!(second.epoch > first.epoch);
    let write = StoredLife::new("acme").begin();
    let refused = store.commit(first.epoch, std::slice::from_ref(&write)).await;
    match refused {
        Err(StoreError::Fenced { ours, current }) => {
            assert_eq!((Epoch(ours), Epoch(current)), (first.epoch, second.epoch));
        }
        other => panic!("not fenced: {other:?}"),
    }
    assert_eq!(load(store, &id("acme")).await, Record::Absent(id("acme")));
    commit_one(store, second.epoch, write).await;
}

/// A store that was closed takes no writes.
pub async fn a_closed_store_takes_no_writes(store: &dyn Store) {
    let epoch = open(store).await;
    store.close().await.expect("closes");
    let refused = store.commit(epoch, &[StoredLife::new("acme").begin()]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
}

/// Positions grow by one with each write that is made.
pub async fn positions_have_no_holes(store: &dyn Store) {
    let epoch = open(store).await;
    let mut expected = 0;
    for round in 0..10 {
        let batch: Vec<Write> = (0..7)
            .map(|number| {
                // Every third one is refused: a life that is there already.
                let round = if number % 3 == 0 { 0 } else { round };
                StoredLife::new(&format!("t{number}-{round}")).begin()
            })
            .collect();
        for position in store.commit(epoch, &batch).await.expect("the batch commits").into_iter().flatten() {
            expected += 1;
            assert_eq!(position, Position(expected));
        }
    }
    let events = page(store, Position(0), &Scope::All, 1000).await;
    let positions: Vec<u64> = events.iter().map(|(position, _)| position.0).collect();
    assert_eq!(positions, (1..=expected).collect::<Vec<_>>());
    store.close().await.expect("closes");
    assert_eq!(store.open().await.expect("opens again").head, Position(expected));
}

/// Events are read in pages, for all tenants and for one.
pub async fn events_are_paged_for_all_and_for_one(store: &dyn Store) {
    let epoch = open(store).await;
    let mut lives: Vec<StoredLife> = ["a", "b", "c"].map(StoredLife::new).into();
    let mut written = Vec::new();
    for _ in 0..10 {
        for life in &mut lives {
            let write = if life.revision == Revision(0) { life.begin() } else { life.again() };
            written.push(Arc::clone(&write.event));
            commit_one(store, epoch, write).await;
        }
    }
    let (mut after, mut read) = (Position(0), Vec::new());
    loop {
        let events = page(store, after, &Scope::All, 7).await;
        let Some((last, _)) = events.last() else { break };
        after = *last;
        read.extend(events.into_iter().map(|(_, event)| event));
    }
    assert_eq!(read, written);

    let only_b = Scope::Tenant(id("b"));
    let first = page(store, Position(0), &only_b, 4).await;
    let rest = page(store, first[3].0, &only_b, 100).await;
    let read: Vec<Arc<LifecycleEvent>> = first.into_iter().chain(rest).map(|(_, event)| event).collect();
    let of_b: Vec<Arc<LifecycleEvent>> =
        written.iter().filter(|event| event.tenant_id == id("b")).cloned().collect();
    assert_eq!(read, of_b);
    assert_eq!(page(store, Position(0), &Scope::Tenant(id("nobody")), 10).await, []);
    assert_eq!(page(store, Position(30), &Scope::All, 10).await, []);
    assert_eq!(page(store, Position(99), &Scope::All, 10).await, [], "beyond the head is nothing, no error");
}

/// Of a store that keeps `history` events and a little more.
pub async fn events_beyond_the_history_are_a_gap(store: &dyn Store, history: u64) {
    let epoch = open(store).await;
    let mut life = StoredLife::new("acme");
    let mut head = commit_one(store, epoch, life.begin()).await;
    for _ in 0..history * 10 {
        head = commit_one(store, epoch, life.again()).await;
    }
    for scope in [Scope::All, Scope::Tenant(id("acme"))] {
        let resume = match store.events(Position(0), &scope, 1000).await.expect("reads") {
            Events::Gap { resume } => resume,
            Events::Page(events) => panic!("no gap, but {} events", events.len()),
        };
        assert!(resume.0 <= head.0 - history, "at least {history} are kept, and resume is {resume:?}");
        let kept = page(store, resume, &scope, 1000).await;
        let positions: Vec<u64> = kept.iter().map(|(position, _)| position.0).collect();
        assert_eq!(positions, (resume.0 + 1..=head.0).collect::<Vec<_>>());
    }
}

/// Due tenants are read in pages, ordered by time and tenant.
pub async fn due_tenants_are_paged_in_order(store: &dyn Store) {
    let epoch = open(store).await;
    for (name, wakes) in [("d", 30), ("c", 10), ("a", 20), ("b", 10), ("e", 99)] {
        commit_one(store, epoch, StoredLife::new(name).begin_with(Some(time(wakes)), None)).await;
    }
    commit_one(store, epoch, StoredLife::new("never").begin()).await;
    let first = store.due(time(30), None, 2).await.expect("reads");
    assert_eq!(first, [(time(10), id("b")), (time(10), id("c"))]);
    let rest = store.due(time(30), first.last().cloned(), 10).await.expect("reads");
    assert_eq!(rest, [(time(20), id("a")), (time(30), id("d"))]);

    let mut done = StoredLife::new("b");
    done.begin();
    commit_one(store, epoch, done.done()).await;
    let due = store.due(time(15), None, 10).await.expect("reads");
    assert_eq!(due, [(time(10), id("c"))], "what is done is no longer due");
}

/// Tenants with a call in flight are read in pages, in order.
pub async fn calls_in_flight_are_paged_in_order(store: &dyn Store) {
    let epoch = open(store).await;
    for name in ["d", "a", "c", "b"] {
        commit_one(store, epoch, StoredLife::new(name).begin()).await;
    }
    let first = store.in_flight(None, 3).await.expect("reads");
    assert_eq!(first, ["a", "b", "c"].map(id));
    assert_eq!(store.in_flight(first.last().cloned(), 3).await.expect("reads"), [id("d")]);
    let mut done = StoredLife::new("b");
    done.begin();
    commit_one(store, epoch, done.done()).await;
    assert_eq!(store.in_flight(None, 10).await.expect("reads"), ["a", "c", "d"].map(id));
}

/// All pages of a list.
async fn list_all(store: &dyn Store, filter: &TenantFilter, limit: usize) -> Vec<Arc<Tenant>> {
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let page = store.list(filter, after, limit).await.expect("lists");
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// Living tenants are listed in pages, in order, as the filter says.
pub async fn the_living_are_listed_in_pages_and_filtered(store: &dyn Store) {
    let epoch = open(store).await;
    for number in 0..10 {
        let mut life = StoredLife::new(&format!("t{number}"));
        commit_one(store, epoch, life.begin()).await;
        if number % 2 == 0 {
            commit_one(store, epoch, life.done()).await;
        }
        if number == 4 {
            commit_one(store, epoch, life.end()).await;
        }
    }
    let names = |tenants: &[Arc<Tenant>]| -> Vec<String> {
        tenants.iter().map(|tenant| tenant.id.to_string()).collect()
    };
    let everybody = TenantFilter::default();
    for limit in [1, 3, 9, 100] {
        let all = list_all(store, &everybody, limit).await;
        assert_eq!(names(&all), ["t0", "t1", "t2", "t3", "t5", "t6", "t7", "t8", "t9"], "by {limit}");
    }
    for tenant in list_all(store, &everybody, 4).await {
        assert_eq!(load(store, &tenant.id).await, Record::Live(tenant), "as it is loaded");
    }
    let running = TenantFilter { state: Some(StateName::Running), ..TenantFilter::default() };
    assert_eq!(names(&list_all(store, &running, 2).await), ["t0", "t2", "t6", "t8"]);
    let provider = landlord_compute::machines::id::ProviderName::new("other").expect("a valid name");
    let foreign = TenantFilter { provider: Some(provider), ..TenantFilter::default() };
    assert_eq!(names(&list_all(store, &foreign, 2).await), Vec::<String>::new());
    for (prefix, found) in
        [("t5", vec!["t5"]), ("t", vec!["t0", "t1", "t2", "t3", "t5", "t6", "t7", "t8", "t9"])]
    {
        let beginning = TenantFilter { prefix: prefix.to_owned(), ..TenantFilter::default() };
        assert_eq!(names(&list_all(store, &beginning, 2).await), found, "{prefix}");
    }
    for prefix in ["t4", "s", "u", "t50"] {
        let nobody = TenantFilter { prefix: prefix.to_owned(), ..TenantFilter::default() };
        assert_eq!(names(&list_all(store, &nobody, 2).await), Vec::<String>::new(), "{prefix}");
    }
    for health in [Health::Healthy, Health::Unhealthy, Health::Unknown] {
        let healthy = TenantFilter { health: Some(health), ..TenantFilter::default() };
        let all = list_all(store, &everybody, 9).await;
        let wanted: Vec<_> = all.into_iter().filter(|tenant| tenant.health == health).collect();
        assert_eq!(list_all(store, &healthy, 2).await, wanted, "{health:?}");
    }
}

/// A survey tells of the living, and of nobody else, what a list of them tells.
pub async fn a_survey_tells_what_a_list_tells(store: &dyn Store) {
    let epoch = open(store).await;
    for write in samples::tenants().into_iter().flat_map(samples::leading_to) {
        commit_one(store, epoch, write).await;
    }
    let middle = samples::tenants().remove(10).id;
    let some: [fn(&TenantId, &TenantId) -> bool; 2] = [|_, _| true, |id, middle| id < middle];
    for (some, first) in some.into_iter().flat_map(|some| [(some, 1_000), (some, 2)]) {
        let middle = middle.clone();
        let seen = move |id: &TenantId| some(id, &middle);
        let mut surveyor = Surveyor::new(first);
        for tenant in list_all(store, &TenantFilter::default(), 9).await {
            if seen(&tenant.id) {
                surveyor.add(&tenant.id, Surveyed::from(&*tenant));
            }
        }
        assert_eq!(store.survey(Box::new(seen), first).await.expect("reads"), surveyor.survey());
    }
}

/// At each provider the operation is known that is on its way longest. What is paused does not count.
pub async fn the_oldest_operations_are_known(store: &dyn Store) {
    let epoch = open(store).await;
    let mut oldest = BTreeMap::new();
    for (at, mut tenant) in (0_u64..).zip(samples::tenants()) {
        // Each is older than all before it.
        let older = OperationId { epoch: 1, number: 1_000 - at };
        tenant.provider = ProviderName::new(["noop", "other"][at as usize / 5 % 2]).expect("a valid name");
        let operation = match &mut tenant.state {
            State::Pending | State::Running { .. } => None,
            State::Provisioning(change) | State::Updating { change, .. } => Some(&mut change.operation),
            State::Destroying(removal) => Some(&mut removal.operation),
        };
        if let Some(operation) = operation {
            *operation = older;
            if tenant.paused.is_none() {
                oldest.insert(tenant.provider.clone(), older);
            }
        }
        let about = format!("with {tenant:?}");
        for write in samples::leading_to(tenant) {
            commit_one(store, epoch, write).await;
        }
        assert_eq!(store.oldest_operations().await.expect("reads"), oldest, "{about}");
    }
}

/// An operation is kept, and settles with the event that names it.
pub async fn an_operation_is_kept_and_settles_with_the_event(store: &dyn Store) {
    let epoch = open(store).await;
    for (number, settled) in samples::settleds().into_iter().enumerate() {
        let mut life = StoredLife::new(&format!("t{number}"));
        let begin = life.begin();
        let mut operation = Arc::unwrap_or_clone(begin.opened.clone().expect("it opens an operation"));
        assert_eq!(store.operation(operation.id).await.expect("reads"), None);
        commit_one(store, epoch, begin).await;
        assert_eq!(store.operation(operation.id).await.expect("reads"), Some(operation.clone()));
        let (record, on_its_way) = store.load_with_operation(&operation.tenant).await.expect("reads");
        assert_eq!(record, load(store, &operation.tenant).await);
        assert_eq!(on_its_way, Some(operation.clone()));
        let mut done = life.done();
        Arc::make_mut(&mut done.event).settled[0].settled = settled.clone();
        commit_one(store, epoch, done).await;
        operation.settled = Some(settled);
        let (_, on_its_way) = store.load_with_operation(&operation.tenant).await.expect("reads");
        assert_eq!(on_its_way, None, "it is over");
        assert_eq!(store.operation(operation.id).await.expect("reads"), Some(operation));
    }
}

/// A tenant's request id leads to the operation that it began.
pub async fn a_request_is_one_operation(store: &dyn Store) {
    let epoch = open(store).await;
    let mut acme = StoredLife::new("acme");
    let begin = acme.begin_with(None, Some("r-1"));
    commit_one(store, epoch, begin.clone()).await;
    commit_one(store, epoch, StoredLife::new("other").begin_with(None, Some("r-1"))).await;
    let began = begin.opened.as_deref().cloned().map(Requested::Began);
    assert_eq!(store.request(&id("acme"), "r-1").await.expect("reads"), began);
    assert_eq!(store.request(&id("acme"), "r-2").await.expect("reads"), None);
    assert_eq!(store.request(&id("nobody"), "r-1").await.expect("reads"), None);

    let twice = acme.begin_with(None, Some("r-1"));
    let answers = store.commit(epoch, &[twice]).await.expect("the batch commits");
    assert!(matches!(answers[0], Err(WriteError::Invalid(_))), "{answers:?}");
    assert_eq!(load(store, &id("acme")).await, begin.record, "nothing of it is kept");
    assert_eq!(store.request(&id("acme"), "r-1").await.expect("reads"), began);
}

/// A tenant in every state reads back as it was written.
pub async fn every_tenant_reads_back_as_it_was_written(store: &dyn Store) {
    let epoch = open(store).await;
    let mut written = Vec::new();
    for tenant in samples::tenants() {
        written.push(tenant.clone());
        for write in samples::leading_to(tenant) {
            commit_one(store, epoch, write).await;
        }
    }
    written.sort_by(|a, b| a.id.cmp(&b.id));
    for tenant in &written {
        assert_eq!(load(store, &tenant.id).await, Record::Live(Arc::new(tenant.clone())));
        for rolled in tenant.applied().into_iter().chain(tenant.target()) {
            let spec = store.spec(&tenant.id, rolled.version).await.expect("reads");
            assert_eq!(spec.as_ref(), Some(&rolled.spec), "what the record refers to is kept");
        }
        assert_eq!(store.spec(&tenant.id, SpecVersion(1_000)).await.expect("reads"), None);
    }
    let listed = list_all(store, &TenantFilter::default(), 50).await;
    assert!(listed.iter().map(Arc::as_ref).eq(&written), "a list shows the same tenants");

    let in_flight: Vec<TenantId> =
        written.iter().filter(|tenant| tenant.call().is_some()).map(|tenant| tenant.id.clone()).collect();
    assert_eq!(store.in_flight(None, 10_000).await.expect("reads"), in_flight);
    let mut due: Vec<_> =
        written.iter().filter_map(|tenant| Some((tenant.wake_at()?, tenant.id.clone()))).collect();
    due.sort();
    assert_eq!(store.due(time(10_000), None, 10_000).await.expect("reads"), due);
}

/// An event of every kind reads back as it was written.
pub async fn every_event_reads_back_as_it_was_written(store: &dyn Store) {
    let epoch = open(store).await;
    let mut life = StoredLife::new("acme");
    let mut written = Vec::new();
    for what in samples::whats() {
        let mut write = if life.revision == Revision(0) { life.begin() } else { life.again() };
        Arc::make_mut(&mut write.event).what = what;
        written.push(Arc::clone(&write.event));
        commit_one(store, epoch, write).await;
    }
    let read = page(store, Position(0), &Scope::All, 1000).await;
    assert!(read.iter().map(|(_, event)| event).eq(&written), "{read:#?}");
}

/// What a life retained is known until the next one, or a release, is over.
pub async fn a_tombstone_keeps_what_was_retained(store: &dyn Store) {
    let epoch = open(store).await;
    let mut life = StoredLife::new("acme");
    let mut end = Vec::new();
    for write in [life.begin(), life.done(), life.end_retaining(Some(samples::retained()))] {
        end.push(write.record.clone());
        commit_one(store, epoch, write).await;
    }
    let loaded = load(store, &id("acme")).await;
    assert_eq!(Some(&loaded), end.last());
    assert!(matches!(loaded, Record::Gone(Tombstone { retained: Some(_), .. })), "{loaded:?}");
    let last = page(store, Position(0), &Scope::Tenant(id("acme")), 10).await.pop().expect("an event").1;
    assert!(matches!(&last.what, EventKind::Succeeded { retained: Some(_), .. }), "{last:?}");
    commit_one(store, epoch, life.begin()).await;
    commit_one(store, epoch, life.done()).await;
    commit_one(store, epoch, life.end()).await;
    let loaded = load(store, &id("acme")).await;
    assert!(matches!(loaded, Record::Gone(Tombstone { retained: None, .. })), "{loaded:?}");
}

/// What is left of a destroyed tenant leads to its next life.
pub async fn a_tombstone_leads_to_the_next_life(store: &dyn Store) {
    let epoch = open(store).await;
    let mut life = StoredLife::new("acme");
    for write in [life.begin(), life.done(), life.end()] {
        commit_one(store, epoch, write).await;
    }
    let tombstone =
        Tombstone { id: id("acme"), incarnation: Incarnation(1), revision: Revision(3), retained: None };
    assert_eq!(load(store, &id("acme")).await, Record::Gone(tombstone));
    assert_eq!(list_all(store, &TenantFilter::default(), 10).await, []);
    assert_eq!(store.in_flight(None, 10).await.expect("reads"), []);

    let mut begin = life.begin();
    begin.spec = begin.spec.map(|(version, _)| (version, samples::spec(&id("acme"), 9)));
    if let Record::Live(tenant) = &mut begin.record {
        let tenant = Arc::make_mut(tenant);
        if let landlord_compute::machines::tenant::State::Provisioning(change) = &mut tenant.state {
            change.target.spec = samples::spec(&id("acme"), 9);
        }
    }
    commit_one(store, epoch, begin.clone()).await;
    assert_eq!(load(store, &id("acme")).await, begin.record, "version 1 of the new life, not of the old one");
    let operation = begin.opened.expect("it opens an operation");
    assert_eq!(operation.incarnation, Incarnation(2));
    commit_one(store, epoch, life.done()).await;
    let settled = store.operation(operation.id).await.expect("reads").and_then(|kept| kept.settled);
    assert_eq!(settled, Some(Settled::Done));
    assert_eq!(page(store, Position(0), &Scope::Tenant(id("acme")), 10).await.len(), 5, "both lives' events");
}
