//! Stores in which many tenants run already. One on SQLite is made once a run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use landlord_compute::machines::id::{Incarnation, ProviderName, Revision, Rollout, SpecVersion, TenantId};
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::{
    EventKind, LifecycleEvent, Record, Repair, Rolled, State, StateName, Tenant,
};
use landlord_compute::store::{Store, Write};

use super::landlord::{sqlite, tenant_name};
use crate::spec::spec;

/// How many tenants are written with a commit.
const BATCH: usize = 2000;

/// The folder of a store with running tenants, below `folder`. It is filled when it is not there.
pub(crate) fn store(folder: &Path, tenants: usize) -> PathBuf {
    let folder = folder.join(format!("running-{tenants}"));
    if !folder.exists() {
        std::fs::create_dir(&folder).expect("a folder");
        crate::runtime().block_on(fill(&sqlite(&folder), tenants));
    }
    folder
}

/// Copies a store that nobody has open.
pub(crate) fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).expect("it is there") {
        let file = file.expect("it is read");
        let copy = to.join(file.file_name());
        std::fs::copy(file.path(), &copy).expect("it is copied");
        // Else the first commits of whoever opens it wait until the copy is on the disk.
        File::open(&copy).and_then(|copy| copy.sync_all()).expect("it is on the disk");
    }
}

/// Writes tenants that run to a store that nobody has open.
pub(crate) async fn fill(store: &impl Store, tenants: usize) {
    let epoch = store.open().await.expect("it opens").epoch;
    let numbers: Vec<usize> = (0..tenants).collect();
    for chunk in numbers.chunks(BATCH) {
        let batch: Vec<Write> = chunk.iter().map(|number| running(*number)).collect();
        for result in store.commit(epoch, &batch).await.expect("committed") {
            result.expect("written");
        }
    }
    store.close().await.expect("closed");
}

/// The write after which a tenant runs.
fn running(number: usize) -> Write {
    let id = tenant_name(number);
    let spec = spec(&id, "v1").check().expect("valid");
    let (id, version) = (TenantId::new(&id).expect("valid"), SpecVersion(1));
    let event = LifecycleEvent {
        tenant_id: id.clone(),
        incarnation: Incarnation(1),
        revision: Revision(1),
        at: Timestamp::UNIX_EPOCH,
        from: StateName::Pending,
        to: Some(StateName::Running),
        operation: None,
        attempt: None,
        what: EventKind::Succeeded { changes: Vec::new(), message: None, retained: None },
        settled: Vec::new(),
    };
    let tenant = Tenant {
        id,
        incarnation: Incarnation(1),
        revision: Revision(1),
        provider: ProviderName::new("noop").expect("valid"),
        state: State::Running {
            applied: Rolled { version, spec: spec.clone(), rollout: Rollout::default() },
        },
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
        noted: None,
    }
}
