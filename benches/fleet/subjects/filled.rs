//! A store with many running tenants, written without an engine.

use std::sync::Arc;

use jiff::Timestamp;
use landlord_compute::machines::id::{Incarnation, ProviderName, Revision, SpecVersion, TenantId};
use landlord_compute::machines::result::Health;
use landlord_compute::machines::tenant::{
    LifecycleEvent, Record, Repair, State, StateName, Tenant, Versioned, What,
};
use landlord_compute::store::{Store, Write};

use super::landlord::{spec, tenant_name};

/// The tenants of numbers up to this one.
pub(crate) async fn fill(store: &impl Store, tenants: usize) {
    let epoch = store.open().await.expect("it opens").epoch;
    let numbers: Vec<usize> = (0..tenants).collect();
    for chunk in numbers.chunks(2000) {
        let batch: Vec<Write> = chunk.iter().map(|number| running(*number)).collect();
        for result in store.commit(epoch, &batch).await.expect("committed") {
            result.expect("written");
        }
    }
    store.close().await.expect("closed");
}

/// The write after which a tenant runs.
fn running(number: usize) -> Write {
    let name = tenant_name(number);
    let spec = spec(&name, "v1").check().expect("valid");
    let (id, version) = (TenantId::new(&name).expect("valid"), SpecVersion(1));
    let event = LifecycleEvent {
        tenant_id: id.clone(),
        incarnation: Incarnation(1),
        revision: Revision(1),
        at: Timestamp::UNIX_EPOCH,
        from: StateName::Pending,
        to: Some(StateName::Running),
        operation: None,
        attempt: None,
        what: What::Succeeded { changes: Vec::new() },
        settled: Vec::new(),
    };
    let tenant = Tenant {
        id,
        incarnation: Incarnation(1),
        revision: Revision(1),
        provider: ProviderName::new("noop").expect("valid"),
        state: State::Running { applied: Versioned { version, spec: spec.clone() } },
        next: None,
        paused: None,
        health: Health::Healthy,
        repair: Repair::default(),
        last_failure: None,
        ledger: None,
        latest_spec: version,
        settled_at: None,
    };
    Write {
        expected: Revision(0),
        record: Record::Live(Arc::new(tenant)),
        event: Arc::new(event),
        opened: None,
        spec: Some((version, spec)),
    }
}
