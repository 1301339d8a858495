//! Where tenants, their specs, operations and events are kept: [`Reads`] to look, [`Store`] to own and write. One
//! contract, several stores.

mod documents;
mod members;
mod memory;
mod survey;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;
use std::ops::Bound;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, SpecVersion, TenantId};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::status::Health;
use landlord_state_machines::tenant::{LifecycleEvent, OperationKind, Record, Settled, StateName, Tenant};
use landlord_state_machines::trace::TraceContext;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use landlord_state_machines::id::Epoch;

pub use documents::{Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite};
pub use members::{Claimed, Members};
pub use memory::{MemoryOptions, MemoryStore};
pub use survey::{Concern, Seen, Sort, Survey, Surveyed, Surveyor};

/// How many tenants a survey looks at between two pauses, where it has to list them.
const SURVEYED: usize = 500;

/// Where an event stands among all events of a store, counted from 1. Opaque to subscribers, ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// What an engine gets when it opens a store.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Names the store for ever; part of the ownership tags of every resource.
    pub engine: Arc<str>,
    /// This engine's epoch.
    pub epoch: Epoch,
    /// The last event.
    pub head: Position,
    /// The other engines of the store. None where it is for one engine at a time, which has all tenants.
    pub members: Option<Arc<dyn Members>>,
}

/// One tenant's transition: its record, its event and what goes with it are kept together or not at all.
#[derive(Clone, Debug)]
pub struct Write {
    /// The revision that the tenant must be at.
    pub expected: Revision,
    /// What is known afterwards: a live tenant or a tombstone.
    pub record: Record,
    /// The event, at `expected + 1`. It names the operations that settled.
    pub event: Arc<LifecycleEvent>,
    /// An operation that began, or was queued.
    pub opened: Option<Arc<OperationRecord>>,
    /// A spec body that was not known before. Bodies of a life are dropped with its end.
    pub spec: Option<(SpecVersion, Spec)>,
    /// The request that led to it, where it had a name and began no operation.
    pub noted: Option<Box<NotedRequest>>,
}

impl Write {
    /// Whether its parts are about the same transition; every store refuses one whose parts are not.
    ///
    /// # Errors
    /// [`WriteError::Invalid`] says which part is not.
    pub fn check(&self) -> Result<(), WriteError> {
        let (tenant, revision) = (self.record.id(), self.expected.next());
        if self.record.revision() != revision {
            return Err(WriteError::Invalid(format!("the record is not at revision {revision}")));
        }
        if self.event.revision != revision || self.event.tenant_id != *tenant {
            return Err(WriteError::Invalid(format!("the event is not {tenant}'s at revision {revision}")));
        }
        if self.opened.as_ref().is_some_and(|opened| opened.tenant != *tenant) {
            return Err(WriteError::Invalid(format!("the operation is not {tenant}'s")));
        }
        if self.noted.is_some() && self.opened.is_some() {
            return Err(WriteError::Invalid("the request began an operation, which has its name".to_owned()));
        }
        if self.noted.as_ref().is_some_and(|noted| noted.tenant != *tenant || noted.revision != revision) {
            return Err(WriteError::Invalid(format!("the request is not {tenant}'s at revision {revision}")));
        }
        Ok(())
    }
}

/// What a request asked for, as a hash. Reads as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u128);

/// A text that is no [`Fingerprint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 32 hexadecimal digits")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(FingerprintError)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What is kept of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationRecord {
    /// Its id.
    pub id: OperationId,
    /// Whose it is.
    pub tenant: TenantId,
    /// In which of its lives.
    pub incarnation: Incarnation,
    /// What it does.
    pub kind: OperationKind,
    /// The spec it works towards.
    pub target: Option<SpecVersion>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The caller's name for the request: the same request twice is the same operation.
    pub request_id: Option<String>,
    /// What that request asked for. None also where an older build began the operation.
    pub asked: Option<Fingerprint>,
    /// Why the caller asked, for the audit.
    pub reason: Option<String>,
    /// The caller's trace.
    pub trace: Option<TraceContext>,
    /// How it ended, once it has.
    pub settled: Option<Settled>,
}

/// A request under the caller's own name that began no operation. It is kept as long as the operation that it is part
/// of; without one, as long as the events after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedRequest {
    /// For which tenant.
    pub tenant: TenantId,
    /// The caller's name for it.
    pub request_id: String,
    /// What it asked for.
    pub asked: Fingerprint,
    /// The operation that it is part of; none where nothing was on its way.
    pub operation: Option<OperationId>,
    /// The tenant's revision when what it asked for was so.
    pub revision: Revision,
}

/// What a caller's name for a request stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Requested {
    /// The operation that the request began.
    Began(OperationRecord),
    /// The request, which began none.
    Noted(NotedRequest),
}

impl Requested {
    /// What it asked for. None where an older build took it.
    pub fn asked(&self) -> Option<Fingerprint> {
        match self {
            Self::Began(operation) => operation.asked,
            Self::Noted(noted) => Some(noted.asked),
        }
    }

    /// The operation that it began, or is part of.
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Began(operation) => Some(operation.id),
            Self::Noted(noted) => noted.operation,
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items, in order. There may be few or none before the last page, where few pass the filter: a page
    /// ends when it is full or after a bounded amount of work.
    pub items: Vec<T>,
    /// After which tenant the next page begins; none when this is the last one.
    pub next: Option<TenantId>,
}

/// Which tenants to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantFilter {
    /// Only those in this state.
    pub state: Option<StateName>,
    /// Only those of this provider.
    pub provider: Option<ProviderName>,
    /// Only those of this health, as it was last seen.
    pub health: Option<Health>,
    /// Only those whose id begins with this. Others are not read.
    pub prefix: String,
}

impl TenantFilter {
    /// Whether it lets a tenant through.
    pub fn wants(&self, tenant: &Tenant) -> bool {
        self.state.is_none_or(|state| state == tenant.state.name())
            && self.provider.as_ref().is_none_or(|provider| *provider == tenant.provider)
            && self.health.is_none_or(|health| health == tenant.health)
            && tenant.id.as_str().starts_with(&self.prefix)
    }

    /// Where a list begins: after `after`, and not before the first id that the filter lets through.
    pub fn begins(&self, after: Option<TenantId>) -> Bound<TenantId> {
        match after {
            Some(after) if after.as_str() >= self.prefix.as_str() => Bound::Excluded(after),
            Some(_) | None if self.prefix.is_empty() => Bound::Unbounded,
            Some(_) | None => Bound::Included(TenantId::from_stored(&self.prefix)),
        }
    }

    /// Whether this id and all after it are beyond what the filter lets through, as a list comes to it.
    pub fn ends_before(&self, id: &TenantId) -> bool {
        !id.as_str().starts_with(&self.prefix)
    }
}

/// Whose events to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// One tenant's.
    Tenant(TenantId),
}

/// What a store has after a position.
#[derive(Clone, Debug, PartialEq)]
pub enum Events {
    /// These, in order, and possibly more after them.
    Page(Vec<(Position, Arc<LifecycleEvent>)>),
    /// Events after the position are no longer kept: read on from here.
    Gap {
        /// The position before the first event that is kept.
        resume: Position,
    },
}

/// Why one tenant's write was not made. The rest of its batch is not affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The tenant is at another revision: somebody else wrote it.
    #[error("tenant is at revision {actual}, not {expected}")]
    RevisionMismatch {
        /// What the write expected.
        expected: Revision,
        /// What the store has.
        actual: Revision,
    },
    /// This one cannot be stored.
    #[error("cannot be stored: {0}")]
    Invalid(String),
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another engine owns it.
    #[error("the store {store} is in use by {owner}; stop that engine first, or use another store")]
    InUse {
        /// Which store.
        store: String,
        /// Who owns it: process, host, since when.
        owner: String,
    },
    /// Another engine has ended this one: every write of it is refused from now on.
    #[error(
        "another engine has ended this one (epoch {ours}), which must stop: what it had is another engine's now"
    )]
    Fenced {
        /// Our epoch.
        ours: u64,
        /// The newest.
        current: u64,
    },
    /// It cannot be read or written now; the same may work later.
    #[error("the store cannot be used now: {message}")]
    Unavailable {
        /// What happened and what to do.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// What it holds cannot be understood: a corrupt file, a newer version.
    #[error("the store cannot be read: {message}")]
    Corrupt {
        /// What is wrong and what to do.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl StoreError {
    /// It was closed, or never opened.
    pub fn not_open() -> Self {
        Self::Unavailable { message: "it is not open; open it first".to_owned(), source: None }
    }
}

/// A new name for a store and the engine that owns it, random: 16 hexadecimal digits.
pub fn new_engine_name() -> Arc<str> {
    // The standard library has no other source of randomness; the operating system seeds this one.
    format!("{:016x}", RandomState::new().hash_one(std::process::id())).into()
}

/// What is kept of tenants, their specs, operations and events, to look at. Needs no ownership: whoever has only this
/// cannot change a store.
///
/// What is read is what was last committed. All methods may be called from many tasks; cancelling one is safe.
#[async_trait]
pub trait Reads: Send + Sync + 'static {
    /// What is kept under a tenant id, with the specs it refers to.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError>;

    /// The same, and the operation that is on its way for it. Default: one read after the other.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn load_with_operation(
        &self,
        tenant: &TenantId,
    ) -> Result<(Record, Option<OperationRecord>), StoreError> {
        let record = self.load(tenant).await?;
        let operation = match record.operation() {
            Some(operation) => self.operation(operation).await?,
            None => None,
        };
        Ok((record, operation))
    }

    /// The tenants whose wake-up is due, ordered by (time, tenant), from `after` (exclusive).
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError>;

    /// The tenants with a call in flight, ordered, from `after` (exclusive): after a start, these are recovered.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError>;

    /// The living tenants, ordered by id, from `after` (exclusive).
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError>;

    /// What all living tenants are like that `seen` lets through, and of each concern the `first` so many. Default: all of them
    /// are listed.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn survey(&self, seen: Seen, first: usize) -> Result<Survey, StoreError> {
        let mut surveyor = Surveyor::new(first);
        let mut after = None;
        loop {
            let page = self.list(&TenantFilter::default(), after, SURVEYED).await?;
            for tenant in page.items.iter().filter(|tenant| seen(&tenant.id)) {
                surveyor.add(&tenant.id, Surveyed::from(&**tenant));
            }
            match page.next {
                None => return Ok(surveyor.survey()),
                next => after = next,
            }
        }
    }

    /// The operation on its way that was accepted first, at each provider that has one. Those of tenants that are paused do not
    /// count. Default: all tenants are listed.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn oldest_operations(&self) -> Result<BTreeMap<ProviderName, OperationId>, StoreError> {
        let mut oldest = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.list(&TenantFilter::default(), after, SURVEYED).await?;
            for tenant in page.items.iter().filter(|tenant| tenant.paused.is_none()) {
                if let Some(operation) = tenant.operation() {
                    let first = oldest.entry(tenant.provider.clone()).or_insert(operation);
                    *first = operation.min(*first);
                }
            }
            match page.next {
                None => return Ok(oldest),
                next => after = next,
            }
        }
    }

    /// An operation, also one that has settled.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError>;

    /// A spec of a living tenant by its version, also one that ran earlier in this life. None where it is not kept.
    /// Default: those that the record refers to.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn spec(&self, tenant: &TenantId, version: SpecVersion) -> Result<Option<Spec>, StoreError> {
        let Record::Live(tenant) = self.load(tenant).await? else { return Ok(None) };
        let waiting = tenant.next.as_ref().and_then(|next| next.wish.spec());
        let known = [
            tenant.applied().map(|it| it.versioned()),
            tenant.target().map(|it| it.versioned()),
            waiting.cloned(),
        ];
        Ok(known.into_iter().flatten().find(|known| known.version == version).map(|known| known.spec))
    }

    /// What a caller's name for a tenant's request stands for, if it is known.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn request(&self, tenant: &TenantId, request_id: &str) -> Result<Option<Requested>, StoreError>;

    /// The events after a position.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError>;

    /// Where the last event stands; 0 when there was none.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn head(&self) -> Result<Position, StoreError>;

    /// The documents of a kind, ordered by the bytes of their names, from `after` (exclusive).
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn documents(
        &self,
        kind: DocumentKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError>;

    /// One document.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError>;
}

/// Keeps tenants, specs, operations and events, for one engine at a time, or for several that divide the tenants.
///
/// **Guarantees** wanted of every store: a batch that was answered is durable; a write is made whole or not at
/// all; positions grow in the order of commits, without holes. `commit` is called by one at a time; one that is
/// dropped may or may not have happened.
#[async_trait]
pub trait Store: Reads {
    /// Takes the store for one engine, under a new epoch. Until [`Store::close`], or the end of the process,
    /// nobody else can; or others may, and [`Opened::members`] says who they are.
    ///
    /// # Errors
    /// [`StoreError::InUse`] names the owner; otherwise as the store's state has it.
    async fn open(&self) -> Result<Opened, StoreError>;

    /// Makes a batch of writes durable, at most one for each tenant, and answers each: its event's position, or
    /// why it was not made.
    ///
    /// # Errors
    /// [`StoreError`] for the whole batch: nothing of it is known to be durable. [`StoreError::Fenced`] when the
    /// epoch is not the newest, or was ended by another engine.
    async fn commit(
        &self,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError>;

    /// The same for one write, where nothing has to be waited for. None when it has, and then nothing was done; the
    /// default. Called by one at a time, and never while a `commit` is on its way.
    ///
    /// # Errors
    /// As `commit`.
    fn commit_now(
        &self,
        _epoch: Epoch,
        _write: &Write,
    ) -> Option<Result<Result<Position, WriteError>, StoreError>> {
        None
    }

    /// Keeps a request that changes nothing, so that it is known when it is sent again: [`Write::noted`] without a
    /// transition. Durable when answered; may be called at any time and by many, as `put_document`. A name that is known
    /// already is [`WriteError::Invalid`], whatever it stands for.
    ///
    /// # Errors
    /// As `put_document`.
    async fn note_request(
        &self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError>;

    /// Writes or removes a document, if it is at the revision that is expected: at most one of several writers that
    /// expect the same revision succeeds. Durable when answered, with the revision that the document is at then:
    /// [`DocumentRevision::ABSENT`] when it was removed, or was not there.
    ///
    /// Documents have nothing to do with the writes of tenants. So this may be called at any time and by many, also
    /// while a `commit` is on its way, and then waits no longer than for that commit and the one that waits with it.
    /// One that is dropped, or that failed, may or may not have happened.
    ///
    /// # Errors
    /// [`DocumentMismatch`] within the answer. [`StoreError::Fenced`] when the epoch is not the newest; otherwise as
    /// the store's state has it.
    async fn put_document(
        &self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError>;

    /// How many writes one [`Store::commit`] should get at most.
    fn batch_limit(&self) -> NonZeroU64;

    /// Takes note that each running tenant was asked for until `at`, for people who look at a store while no engine
    /// runs. Called once a round, and needs not be durable. Default: it is not noted.
    async fn looked(&self, _at: Timestamp) {}

    /// Gives the store up, so that another engine can open it.
    ///
    /// # Errors
    /// [`StoreError`] when what was written could not be put in order; it is durable all the same.
    async fn close(&self) -> Result<(), StoreError>;
}
