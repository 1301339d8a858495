//! Operations, and how to find them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use landlord_state_machines::id::{OperationId, TenantId};
use landlord_state_machines::tenant::Settlement;

use crate::store::{OperationRecord, WriteError};

/// Operations, and how to find them.
#[derive(Debug, Default)]
pub(super) struct Operations {
    by_id: HashMap<OperationId, Arc<OperationRecord>, RandomState>,
    by_request: HashMap<(TenantId, String), OperationId>,
    /// The settled ones, the oldest first.
    settled: VecDeque<OperationId>,
}

impl Operations {
    pub(super) fn get(&self, id: OperationId) -> Option<OperationRecord> {
        self.by_id.get(&id).map(|record| OperationRecord::clone(record))
    }

    pub(super) fn requested(&self, tenant: &TenantId, request_id: &str) -> Option<OperationRecord> {
        let key = (tenant.clone(), request_id.to_owned());
        self.get(*self.by_request.get(&key)?)
    }

    /// An operation begins.
    pub(super) fn open(&mut self, opened: &Arc<OperationRecord>) -> Result<(), WriteError> {
        if self.by_id.contains_key(&opened.id) {
            return Err(WriteError::Invalid(format!("operation {} exists already", opened.id)));
        }
        if let Some(key) = request(opened) {
            if let Some(other) = self.by_request.get(&key) {
                return Err(WriteError::Invalid(format!("request {:?} is operation {other} already", key.1)));
            }
            self.by_request.insert(key, opened.id);
        }
        self.by_id.insert(opened.id, Arc::clone(opened));
        Ok(())
    }

    /// Operations end. Of those that have, `bound` are kept.
    pub(super) fn settle(&mut self, settlements: &[Settlement], bound: usize) {
        for Settlement { operation, settled } in settlements {
            if let Some(record) = self.by_id.get_mut(operation)
                && Arc::make_mut(record).settled.replace(settled.clone()).is_none()
            {
                self.settled.push_back(*operation);
            }
        }
        while self.settled.len() > bound
            && let Some(oldest) = self.settled.pop_front()
        {
            if let Some(key) = self.by_id.remove(&oldest).as_deref().and_then(request) {
                self.by_request.remove(&key);
            }
        }
    }
}

/// What an operation is found by besides its id.
fn request(operation: &OperationRecord) -> Option<(TenantId, String)> {
    operation.request_id.clone().map(|request| (operation.tenant.clone(), request))
}
