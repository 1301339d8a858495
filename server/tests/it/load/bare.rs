//! What one would write instead: a handler that makes the same commit, and answers.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use jiff::Timestamp;
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{Command, Decision, Input, Policy, Record, Request, Stamp, step};
use landlord_compute::store::{Epoch, OperationRecord, Reads, Store, Write};
use landlord_compute::{ProviderName, Spec, TenantComputeSpec};
use landlord_store_sqlite::SqliteStore;
use serde_json::{Value, json};
use tokio::sync::Mutex;

struct Bare {
    store: SqliteStore,
    epoch: Epoch,
    /// A store takes one commit at a time.
    turn: Mutex<u64>,
}

pub(super) async fn router(store: SqliteStore) -> Router {
    let epoch = store.open().await.expect("opened").epoch;
    let bare = Arc::new(Bare { store, epoch, turn: Mutex::new(0) });
    let empty = || async { Json(json!({ "tenants": [], "engine": { "state": "runs" } })) };
    Router::new()
        .route("/v1/tenants", get(empty))
        .route("/v1/tenants/{tenant}", put(command))
        .with_state(bare)
}

/// Decides by the same machine, commits by itself, and answers.
async fn command(
    State(bare): State<Arc<Bare>>,
    Path(tenant): Path<TenantId>,
    Json(spec): Json<TenantComputeSpec>,
) -> (StatusCode, Json<Value>) {
    let spec = Spec::try_from(spec).expect("a valid spec");
    let provider: ProviderName = spec.provider().clone();
    let record = bare.store.load(&tenant).await.expect("read");
    let request = match record {
        Record::Absent(_) | Record::Gone(_) => Request::Provision { spec, provider, deadline: None },
        Record::Live(_) => Request::Update { spec, provider, deadline: None },
    };
    let mut minted = bare.turn.lock().await;
    *minted += 1;
    let operation = OperationId { epoch: bare.epoch.0, number: *minted };
    let stamp = Stamp { now: Timestamp::now(), jitter: 0, operation };
    let input = Input::Command(Command { expected: None, request });
    let Decision::Apply(decided) = step(&Policy::default(), &record, stamp, input) else {
        panic!("each spec is another one")
    };
    let opened = decided.opened.map(|opened| OperationRecord {
        id: opened.operation,
        tenant: tenant.clone(),
        incarnation: decided.event.incarnation,
        kind: opened.kind,
        target: opened.target,
        accepted_at: decided.event.at,
        request_id: None,
        asked: None,
        reason: None,
        trace: None,
        settled: None,
    });
    let write = Write {
        expected: record.revision(),
        record: decided.record,
        event: decided.event,
        opened: opened.map(Arc::new),
        spec: decided.spec.map(|versioned| (versioned.version, versioned.spec)),
        noted: None,
    };
    let committed = bare.store.commit(bare.epoch, &[write]).await.expect("committed");
    assert!(committed.iter().all(Result::is_ok), "one client has each tenant");
    (StatusCode::ACCEPTED, Json(json!({ "tenant_id": tenant, "operation": operation })))
}
