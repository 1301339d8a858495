//! Tenants, events and lives to store.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{
    CallId, Epoch, Incarnation, OperationId, ProviderName, Revision, Rollout, SpecVersion, TenantId,
};
use landlord_compute::machines::ledger::Ledger;
use landlord_compute::machines::spec::{
    ContainerSpec, PortMapping, ResourceRequirements, Spec, TenantComputeSpec,
};
use landlord_compute::machines::status::{Endpoint, EndpointType, Health};
use landlord_compute::machines::tenant::{
    Call, Change, Direction, EventKind, Failure, LifecycleEvent, Method, OperationKind, Queued, Record,
    Removal, RemovalRun, Removes, Repair, Retained, Run, Settled, Settlement, State, StateName, StopReason,
    Tenant, Tombstone, UndoCause, Versioned, Why, Wish,
};
use landlord_compute::machines::trace::TraceContext;
use landlord_compute::store::{Fingerprint, OperationRecord, Write};

/// Some time, `seconds` after a fixed one, with a fraction of a second.
pub fn time(seconds: i64) -> Timestamp {
    let base = Timestamp::from_microsecond(1_800_000_000_123_456).expect("in range");
    base + SignedDuration::from_secs(seconds)
}

/// The id of a tenant.
pub fn id(name: &str) -> TenantId {
    TenantId::new(name).expect("a valid name")
}

fn operation_id(number: u64) -> OperationId {
    OperationId { epoch: 1, number }
}

/// A checked spec, different for each version.
pub fn spec(tenant: &TenantId, version: u64) -> Spec {
    let container = ContainerSpec {
        name: "web".to_owned(),
        image: format!("nginx:1.{version}"),
        ports: vec![PortMapping { container_port: 80, protocol: "tcp".to_owned(), ..PortMapping::default() }],
        ..ContainerSpec::default()
    };
    let written = TenantComputeSpec {
        tenant_id: tenant.to_string(),
        provider_type: "noop".to_owned(),
        containers: vec![container],
        resources: ResourceRequirements { cpu: 256, memory: 512, ..ResourceRequirements::default() },
        provider_config: Some(serde_json::json!({ "weight": version })),
        ..TenantComputeSpec::default()
    };
    written.check().expect("a valid spec")
}

fn versioned(tenant: &TenantId, version: u64) -> Versioned {
    Versioned { version: SpecVersion(version), spec: spec(tenant, version) }
}

/// An error with all that an error can have.
pub fn error() -> Arc<ProviderError> {
    let mut error = ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::NeedsPerson,
        ErrorCode::ResourceExhausted,
        "no capacity in zone \"a\"; ask for more",
    );
    error.platform = Some("it's full — voilà".to_owned());
    error.retry_after = Some(Duration::from_millis(1500));
    Arc::new(error)
}

fn ledger() -> Arc<Ledger> {
    let facts = r#"{"service":"acme-web","tokens":[1,2,3]}"#.to_owned();
    Arc::new(Ledger {
        version: 2,
        resources: [("web process".to_owned(), "pid 4711".to_owned())].into(),
        endpoints: vec![Endpoint {
            kind: EndpointType::Http,
            address: "127.0.0.1".to_owned(),
            port: 8080,
            url: Some("http://127.0.0.1:8080".to_owned()),
            container: Some("web".to_owned()),
            container_port: Some(80),
        }],
        waits: None,
        engine: Some(Epoch(3)),
        facts: serde_json::value::RawValue::from_string(facts).expect("valid JSON"),
    })
}

/// A tenant in its first life, in the given state, with nothing else to say of it.
pub fn plain(id: &TenantId, revision: u64, state: State) -> Tenant {
    Tenant {
        id: id.clone(),
        incarnation: Incarnation(1),
        revision: Revision(revision),
        provider: provider(),
        state,
        next: None,
        paused: None,
        health: Health::Unknown,
        repair: Repair::default(),
        last_failure: None,
        ledger: None,
        latest_spec: SpecVersion(0),
        settled_at: None,
    }
}

/// Every state with every direction and run that it can have.
fn states(id: &TenantId) -> Vec<State> {
    let first = versioned(id, 1).rolled(Rollout::default());
    let (applied, target) = (versioned(id, 1).rolled(Rollout(3)), versioned(id, 2).rolled(Rollout(4)));
    let mut states =
        vec![State::Pending, State::Running { applied: first }, State::Running { applied: applied.clone() }];
    for direction in [
        Direction::Forward { deadline: None },
        Direction::Forward { deadline: Some(time(600)) },
        Direction::Repair,
        Direction::Undo(UndoCause::Failed(error())),
        Direction::Undo(UndoCause::Cancelled),
    ] {
        for run in runs() {
            let change = Change {
                operation: operation_id(7),
                target: target.clone(),
                direction: direction.clone(),
                attempt: 3,
                run,
            };
            states.push(State::Provisioning(change.clone()));
            states.push(State::Updating { applied: applied.clone(), change });
        }
    }
    for removes in [
        Removes::Everything,
        Removes::Retained { known: None },
        Removes::Retained { known: Some(retained()) },
    ] {
        for run in [RemovalRun::Calling(CallId(3)), RemovalRun::Waiting { until: time(60) }] {
            let removes = removes.clone();
            states.push(State::Destroying(Removal { operation: operation_id(8), removes, attempt: 2, run }));
        }
    }
    states
}

fn runs() -> Vec<Run> {
    let mut runs = vec![Run::Waiting { until: time(30) }];
    for method in [Method::Provision, Method::Update, Method::Destroy] {
        let call = Call { id: CallId(3), method };
        runs.push(Run::Calling(call));
        for why in [Why::Cancel, Why::Destroy(operation_id(9)), Why::Deadline] {
            runs.push(Run::Stopping { call, why, until: time(45) });
        }
    }
    runs
}

/// Every state, bare and with everything beside it that a tenant can have. All are at revision 4, and refer to
/// the spec versions 1, 2 and 3.
pub fn tenants() -> Vec<Tenant> {
    let mut tenants = Vec::new();
    let id = id("sample");
    for state in states(&id) {
        let bare = Tenant { latest_spec: SpecVersion(3), ..plain(&id, 4, state) };
        tenants.push(Tenant { health: Health::Healthy, ..bare.clone() });
        tenants.push(Tenant { paused: Some(time(1)), ..bare.clone() });
        let wish = Wish::Update(versioned(&id, 3));
        let queued = Queued { operation: operation_id(11), wish, deadline: None };
        let restart = Queued { wish: Wish::Restart, ..queued.clone() };
        tenants.push(Tenant { next: Some(restart), ..bare.clone() });
        tenants.push(Tenant { next: Some(queued.clone()), ledger: Some(ledger()), ..bare.clone() });
        tenants.push(Tenant {
            next: Some(Queued { deadline: Some(time(900)), ..queued }),
            health: Health::Unhealthy,
            repair: Repair { count: 2, last: Some(time(2)), due: Some(time(3)) },
            last_failure: Some(Arc::new(Failure { at: time(4), operation: operation_id(6), error: error() })),
            settled_at: Some(time(5)),
            ..bare
        });
    }
    for (number, tenant) in tenants.iter_mut().enumerate() {
        tenant.id = TenantId::new(&format!("sample-{number}")).expect("a valid name");
    }
    tenants
}

fn provider() -> ProviderName {
    ProviderName::new("noop").expect("a valid name")
}

const SUCCEEDED: EventKind = EventKind::Succeeded { changes: Vec::new(), message: None, retained: None };

/// What a life left on purpose.
pub fn retained() -> Arc<Retained> {
    let resources = [("volume data".to_owned(), "vol-1".to_owned())].into();
    Arc::new(Retained { provider: provider(), resources })
}

/// Everything that an event can say.
pub fn whats() -> Vec<EventKind> {
    vec![
        EventKind::Began {
            operation_kind: OperationKind::Provision,
            spec: Some(SpecVersion(1)),
            reason: None,
        },
        EventKind::Began { operation_kind: OperationKind::Destroy, spec: None, reason: None },
        EventKind::Began {
            operation_kind: OperationKind::Repair,
            spec: Some(SpecVersion(1)),
            reason: Some("web: exited with 1".to_owned()),
        },
        EventKind::Began { operation_kind: OperationKind::Restart, spec: Some(SpecVersion(1)), reason: None },
        EventKind::AlreadyRunning,
        EventKind::Queued { queued: operation_id(5), spec: Some(SpecVersion(2)) },
        EventKind::Queued { queued: operation_id(5), spec: None },
        EventKind::Progressed { step: "wait for 'web'".to_owned() },
        EventKind::Succeeded {
            changes: vec!["image: a → b".to_owned()],
            message: Some("not enforced here: cpu: there are no groups".to_owned()),
            retained: Some(retained()),
        },
        SUCCEEDED,
        EventKind::FoundNothing,
        EventKind::WillRetry { error: error(), at: time(9) },
        EventKind::Retried,
        EventKind::Stopping { why: StopReason::Cancelled },
        EventKind::Stopping { why: StopReason::Destroy },
        EventKind::Stopping { why: StopReason::DeadlineExceeded },
        EventKind::Undoing { error: Some(error()) },
        EventKind::Undoing { error: None },
        EventKind::Undone,
        EventKind::RepairFailed { error: Some(error()), next_at: Some(time(10)) },
        EventKind::RepairFailed { error: None, next_at: None },
        EventKind::NotUndone { error: error(), next_at: time(10) },
        EventKind::HealthChanged { health: Health::Unhealthy, reason: Some("exit 1".to_owned()) },
        EventKind::HealthChanged { health: Health::Healthy, reason: None },
        EventKind::Recovered,
        EventKind::HandedOver,
        EventKind::Paused,
        EventKind::Resumed,
        EventKind::QueueCancelled,
        EventKind::Abandoned { reason: "gone".to_owned(), left: vec!["web: pid 1".to_owned()] },
    ]
}

/// Every way in which an operation can end.
pub fn settleds() -> Vec<Settled> {
    vec![
        Settled::Done,
        Settled::Failed { error: error(), undone: true },
        Settled::Failed { error: error(), undone: false },
        Settled::Cancelled { left: Vec::new() },
        Settled::Cancelled { left: vec!["web".to_owned()] },
        Settled::Superseded { by: operation_id(12) },
        Settled::Abandoned { left: vec!["web: pid 1".to_owned()] },
    ]
}

/// Batches for so many tenants at a time, whose names are these: in each but the first some begin, run, are written again and are
/// gone. The next name takes the place of one that is gone.
pub fn batches_of_every_kind(
    size: usize,
    mut names: impl Iterator<Item = String>,
) -> impl Iterator<Item = Vec<Write>> {
    let mut slots: Vec<StoredLife> = names.by_ref().take(size).map(|name| StoredLife::new(&name)).collect();
    (0..).map(move |round: usize| {
        let mut batch = Vec::with_capacity(size);
        for (slot, life) in slots.iter_mut().enumerate() {
            let Some(step) = round.checked_sub(slot % 4) else { continue };
            batch.push(match step % 4 {
                0 => life.begin(),
                1 => life.done(),
                2 => life.again(),
                _ => {
                    let end = life.end();
                    if let Some(next) = names.next() {
                        *life = StoredLife::new(&next);
                    }
                    end
                }
            });
        }
        batch
    })
}

/// A tenant's life, written transition by transition.
pub struct StoredLife {
    id: TenantId,
    number: u64,
    /// The revision that the next write expects.
    pub revision: Revision,
    incarnation: Incarnation,
    operation: Option<OperationId>,
}

impl StoredLife {
    /// A tenant that was never written.
    pub fn new(name: &str) -> Self {
        // Operations need ids that differ from tenant to tenant: make them from the name.
        let number = name.bytes().fold(1_u64, |sum, byte| (sum * 257 + u64::from(byte)) % (1 << 40));
        Self { id: id(name), number, revision: Revision(0), incarnation: Incarnation(1), operation: None }
    }

    fn next_operation(&self) -> OperationId {
        OperationId { epoch: self.revision.0 + 1, number: self.number }
    }

    fn versioned(&self) -> Versioned {
        versioned(&self.id, 1)
    }

    fn record(&self, state: State) -> Record {
        Record::Live(Arc::new(Tenant {
            incarnation: self.incarnation,
            latest_spec: SpecVersion(1),
            ..plain(&self.id, self.revision.0, state)
        }))
    }

    /// A write that brings the tenant to `record`, with an event that says `what`.
    pub fn write(&self, record: Record, what: EventKind) -> Write {
        let to = match &record {
            Record::Live(tenant) => Some(tenant.state.name()),
            Record::Absent(_) | Record::Gone(_) => None,
        };
        Write {
            expected: Revision(self.revision.0 - 1),
            record,
            event: Arc::new(LifecycleEvent {
                tenant_id: self.id.clone(),
                incarnation: self.incarnation,
                revision: self.revision,
                at: time(0),
                from: StateName::Pending,
                to,
                operation: self.operation,
                attempt: self.operation.map(|_| 1),
                what,
                settled: Vec::new(),
            }),
            opened: None,
            spec: None,
            noted: None,
        }
    }

    /// The same write, which also settles the current operation.
    fn settling(&mut self, mut write: Write, settled: Settled) -> Write {
        if let Some(operation) = self.operation.take() {
            Arc::make_mut(&mut write.event).settled = vec![Settlement { operation, settled }];
        }
        write
    }

    /// A provision begins: a call is in flight, without a deadline.
    pub fn begin(&mut self) -> Write {
        self.begin_with(None, None)
    }

    /// A provision begins, with a deadline and a request id.
    pub fn begin_with(&mut self, deadline: Option<Timestamp>, request_id: Option<&str>) -> Write {
        let operation = self.next_operation();
        self.operation = Some(operation);
        self.revision = self.revision.next();
        let target = self.versioned();
        let change = Change {
            operation,
            target: target.clone().rolled(Rollout::default()),
            direction: Direction::Forward { deadline },
            attempt: 1,
            run: Run::Calling(Call { id: CallId(self.revision.0), method: Method::Provision }),
        };
        let what = EventKind::Began {
            operation_kind: OperationKind::Provision,
            spec: Some(target.version),
            reason: None,
        };
        Write {
            opened: Some(Arc::new(OperationRecord {
                id: operation,
                tenant: self.id.clone(),
                incarnation: self.incarnation,
                kind: OperationKind::Provision,
                target: Some(target.version),
                accepted_at: time(0),
                request_id: request_id.map(str::to_owned),
                asked: request_id.map(|_| Fingerprint(u128::MAX / 3)),
                reason: Some("a new customer".to_owned()),
                trace: Some(TraceContext {
                    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
                    tracestate: Some("vendor=1".to_owned()),
                }),
                settled: None,
            })),
            spec: Some((target.version, target.spec)),
            ..self.write(self.record(State::Provisioning(change)), what)
        }
    }

    /// The provision is done: the tenant runs.
    pub fn done(&mut self) -> Write {
        self.revision = self.revision.next();
        let record = self.record(State::Running { applied: self.versioned().rolled(Rollout::default()) });
        let write = self.write(record, SUCCEEDED);
        self.settling(write, Settled::Done)
    }

    /// Something about the tenant is written down again, and it runs.
    pub fn again(&mut self) -> Write {
        self.revision = self.revision.next();
        let record = self.record(State::Running { applied: self.versioned().rolled(Rollout::default()) });
        self.write(record, EventKind::Retried)
    }

    /// The tenant is gone. The next [`StoredLife::begin`] is a new life.
    pub fn end(&mut self) -> Write {
        self.end_retaining(None)
    }

    /// The same, and it has left this on purpose.
    pub fn end_retaining(&mut self, retained: Option<Arc<Retained>>) -> Write {
        self.revision = self.revision.next();
        let tombstone = Tombstone {
            id: self.id.clone(),
            incarnation: self.incarnation,
            revision: self.revision,
            retained: retained.clone(),
        };
        let what = EventKind::Succeeded { changes: Vec::new(), message: None, retained };
        let write = self.write(Record::Gone(tombstone), what);
        let write = self.settling(write, Settled::Done);
        self.incarnation.0 += 1;
        write
    }
}

/// The writes that lead to `tenant`, which is at revision 4: one for each spec version, then the tenant.
pub fn leading_to(tenant: Tenant) -> Vec<Write> {
    let mut life = StoredLife::new(tenant.id.as_str());
    let mut writes = Vec::new();
    for version in 1..=3 {
        let (number, body) = (SpecVersion(version), spec(&id("sample"), version));
        writes.push(Write { spec: Some((number, body)), ..life.again() });
    }
    life.revision = life.revision.next();
    writes.push(life.write(Record::Live(Arc::new(tenant)), EventKind::Retried));
    writes
}
