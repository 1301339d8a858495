//! Operations and requests, and how to find them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use landlord_state_machines::id::{OperationId, TenantId};
use landlord_state_machines::tenant::Settlement;

use crate::store::{NotedRequest, OperationRecord, Requested, WriteError};

/// A tenant, and a caller's name for a request of it.
type Key = (TenantId, String);

/// Operations and requests, and how to find them.
#[derive(Debug, Default)]
pub(super) struct Operations {
    by_id: HashMap<OperationId, Arc<OperationRecord>, RandomState>,
    by_request: HashMap<Key, Named>,
    /// The settled ones, the oldest first.
    settled: VecDeque<OperationId>,
    /// The noted requests that are part of an operation, and go with it.
    parts: HashMap<OperationId, Vec<Key>>,
    /// Those that are part of none, the oldest first.
    loose: VecDeque<Key>,
}

/// What a name stands for.
#[derive(Debug)]
enum Named {
    Began(OperationId),
    Noted(NotedRequest),
}

impl Operations {
    pub(super) fn get(&self, id: OperationId) -> Option<OperationRecord> {
        self.by_id.get(&id).map(|record| OperationRecord::clone(record))
    }

    pub(super) fn requested(&self, tenant: &TenantId, request_id: &str) -> Option<Requested> {
        match self.by_request.get(&(tenant.clone(), request_id.to_owned()))? {
            Named::Began(operation) => self.get(*operation).map(Requested::Began),
            Named::Noted(noted) => Some(Requested::Noted(noted.clone())),
        }
    }

    /// An operation begins.
    pub(super) fn open(&mut self, opened: &Arc<OperationRecord>) -> Result<(), WriteError> {
        if self.by_id.contains_key(&opened.id) {
            return Err(WriteError::Invalid(format!("operation {} exists already", opened.id)));
        }
        if let Some(key) = request(opened) {
            self.is_free(&key)?;
            self.by_request.insert(key, Named::Began(opened.id));
        }
        self.by_id.insert(opened.id, Arc::clone(opened));
        Ok(())
    }

    /// A request began none. Of those that are part of none, `bound` are kept.
    pub(super) fn note(&mut self, noted: &NotedRequest, bound: usize) -> Result<(), WriteError> {
        let key = (noted.tenant.clone(), noted.request_id.clone());
        self.is_free(&key)?;
        match noted.operation.filter(|operation| self.by_id.contains_key(operation)) {
            Some(operation) => self.parts.entry(operation).or_default().push(key.clone()),
            None => self.loose.push_back(key.clone()),
        }
        self.by_request.insert(key, Named::Noted(noted.clone()));
        while self.loose.len() > bound
            && let Some(oldest) = self.loose.pop_front()
        {
            self.by_request.remove(&oldest);
        }
        Ok(())
    }

    fn is_free(&self, key: &Key) -> Result<(), WriteError> {
        let led_to = match self.by_request.get(key) {
            None => return Ok(()),
            Some(Named::Began(operation)) => format!("operation {operation}"),
            Some(Named::Noted(_)) => "another one".to_owned(),
        };
        Err(WriteError::Invalid(format!("request {:?} is {led_to} already", key.1)))
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
            let began = self.by_id.remove(&oldest).as_deref().and_then(request);
            // Most often there are none at all.
            let parts = if self.parts.is_empty() { None } else { self.parts.remove(&oldest) };
            for key in began.into_iter().chain(parts.into_iter().flatten()) {
                self.by_request.remove(&key);
            }
        }
    }
}

/// What an operation is found by besides its id.
fn request(operation: &OperationRecord) -> Option<Key> {
    operation.request_id.clone().map(|request| (operation.tenant.clone(), request))
}
