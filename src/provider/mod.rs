//! The contract that every compute provider implements (CONTRACT.md, "The provider contract").

mod answer;
mod budget;
mod capabilities;
#[cfg(feature = "hyper")]
mod connect;
mod context;
pub mod converge;
mod kind;
pub(crate) mod lease;
mod quotas;
pub(crate) mod registry;
mod shared;
mod support;

pub use answer::{
    Destroyed, LogLine, LogQuery, LogRun, Looked, OwnedTenant, Plan, PlannedAction, PlannedAnswer,
    PlannedChange, PlannedEffect, PlannedObject, Released, Source,
};
pub use budget::Budget;
pub use capabilities::Capabilities;
#[cfg(feature = "hyper")]
pub use connect::GuardedConnector;
pub use context::{CheckpointError, Context, Initiator, Journal, UndoBy, Work};
pub(crate) use context::{Home, Kept};
pub use kind::{ProviderKind, Setup, SetupError};
pub use lease::{Guarded, Lease};
pub use quotas::{Draw, Drawn, Quotas, Ration};
pub use registry::RegistryError;
pub use support::{check, plan};

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{ProviderName, TenantId};
use landlord_state_machines::members::Site;
use landlord_state_machines::observation::Observation;
use landlord_state_machines::spec::{Field, Spec, Support};
use landlord_state_machines::status::{ComputeStatus, ProvisionResult, UpdateResult};
use serde_json::{Value, json};

use crate::clock::Clock;

/// How long `get_status` may take (CONTRACT.md, "get_status").
pub const STATUS_WITHIN: Duration = Duration::from_secs(5);

/// A compute platform that tenants run on.
///
/// Safe for concurrent use; calls for different tenants run in parallel, and the engine makes at most one
/// `provision`, `update` or `destroy` at a time for one tenant. A method does its work within its future: it
/// spawns nothing that goes on when the future is dropped.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The unique, lowercase, alphanumeric identifier that specs name in `provider_type`. It is the operator's choice:
    /// one engine may have several providers of a kind, for several clusters, accounts or hosts.
    fn name(&self) -> ProviderName;

    /// What kind of provider it is, whatever its name: `ecs`. Default: its name.
    fn kind(&self) -> Cow<'static, str> {
        self.name().to_string().into()
    }

    /// Creates the tenant's resources and returns when they run this spec and are healthy. Idempotent.
    ///
    /// # Errors
    /// `ProvisionFailed`, `InvalidSpec`; code `CONFLICT` when another spec runs, or a resource of the name is not
    /// ours. Under the engine what was made stays and is in the ledger; alone, it is undone first.
    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError>;

    /// Changes the tenant's resources to this spec and returns when they run it and are healthy. Idempotent: the
    /// same spec answers `no_changes`, after correcting drift.
    ///
    /// # Errors
    /// `UpdateFailed`, `InvalidSpec`; `TenantNotFound` when nothing runs.
    async fn update(
        &self,
        cx: &Context,
        tenant_id: &TenantId,
        spec: &Spec,
    ) -> Result<UpdateResult, ProviderError>;

    /// Removes everything of the tenant, except for what its spec asks to retain, and returns when it is gone.
    /// Idempotent; an absent tenant is a success. Cancellation does not stop it. Says what it retained.
    ///
    /// # Errors
    /// `DestroyFailed`, for unexpected failures only.
    async fn destroy(&self, cx: &Context, tenant_id: &TenantId) -> Result<Destroyed, ProviderError>;

    /// Removes what lives of the tenant that are over have retained, and returns when it is gone. The tenant does not live,
    /// and nothing else of it is touched. Idempotent; where nothing is retained it is a success. Cancellation does not
    /// stop it. Says what it removed. Default: nothing is ever retained.
    ///
    /// # Errors
    /// `DestroyFailed`, for unexpected failures only.
    async fn release(&self, _cx: &Context, _tenant_id: &TenantId) -> Result<Released, ProviderError> {
        Ok(Released::default())
    }

    /// Asks the platform for the tenant's state now; answers within 5 s.
    ///
    /// # Errors
    /// `TenantNotFound` when there is nothing; code `PROVIDER_TIMEOUT` when the platform did not answer in time.
    async fn get_status(&self, cx: &Context, tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError>;

    /// Checks the spec against this provider, without side effects. The engine asks about specs that keep the shared
    /// rules. A program that tells all problems in one round also asks about others
    /// ([`Draft::for_checks`](landlord_state_machines::spec::Draft::for_checks)).
    ///
    /// # Errors
    /// `InvalidSpec` with every problem and its path.
    async fn validate(&self, cx: &Context, spec: &Spec) -> Result<(), ProviderError>;

    /// The JSON Schema (2020-12) of this provider's `provider_config`. Default: no configuration.
    fn config_schema(&self) -> Value {
        json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false })
    }

    /// What a spec's `provider_config` is merged onto. Default: empty.
    fn config_defaults(&self) -> Value {
        json!({})
    }

    /// What this provider can do, as data.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Where its tenants are, of a provider whose tenants only engines of that site reach
    /// ([`Capabilities::reachable_from_anywhere`]). Asked before an engine begins whose store can be opened from elsewhere. The
    /// store remembers the site, and an engine of another one does not begin while there are tenants of this provider, which
    /// would be started a second time. Default: it is not known, and nothing is refused.
    ///
    /// # Errors
    /// When it cannot be found out.
    async fn site(&self) -> Result<Option<Site>, ProviderError> {
        Ok(None)
    }

    /// Told once, before anything else, by an engine that shares its store with others: nothing may be sent to the platform any more
    /// once the lease has ended. A provider that sends something over a network looks at it when it hands bytes to a
    /// connection, beneath TLS, so that an engine that was stopped for a while sends nothing when it goes on: [`Guarded`], and for
    /// hyper's client `GuardedConnector` of the feature `hyper`. Whatever error such a call ends with is no try. Default:
    /// it is not looked at.
    fn leased(&self, _lease: Lease) {}

    /// Told once, before anything else, by an engine that shares its store with others: what the platform takes of all of them
    /// together is drawn from here. Default: each engine asks as if it were alone.
    fn rationed(&self, _quotas: Arc<dyn Quotas>) {}

    /// What may be asked of its platform now, for whoever watches the engine. Answered at once, from memory; a bounded
    /// number of them, whatever the number of tenants. Default: nothing limits it.
    fn budgets(&self) -> Vec<Budget> {
        Vec::new()
    }

    /// What it makes of a field of a spec. The engine refuses a spec that has a field which is refused, and shows what is
    /// not enforced. Default: the fields of the specification are mapped, and those that came later are refused.
    fn support(&self, field: Field) -> Support {
        field.of_a_provider_that_does_not_say()
    }

    /// What a person should know of how this provider would run a spec, a sentence each, as far as the spec alone tells.
    /// A sentence about a field begins with its path: `containers[0].ports[0].host_port: …`. Default: nothing.
    fn remarks(&self, _spec: &Spec) -> Vec<String> {
        Vec::new()
    }

    /// What an update to `spec` would do, without doing anything: which fields it would change; where there are none, what of
    /// the platform it would set right. Values that may be secret are not shown. Default: nothing is known.
    ///
    /// # Errors
    /// As `get_status`.
    async fn plan(&self, _cx: &Context, _tenant_id: &TenantId, _spec: &Spec) -> Result<Plan, ProviderError> {
        Ok(Plan::default())
    }

    /// Looks at many tenants in few requests: each is told as soon as it is known, in any order. The provider asks for no more
    /// of them than it works on at a time, and paces itself: a look is less urgent than anything else. The stream does its work
    /// while it is polled, ends after the last tenant, and is over when it is dropped. Default: `None`, not supported; then the
    /// engine asks `get_status` of each tenant.
    fn statuses<'a>(&'a self, _tenants: BoxStream<'a, Context>) -> Option<BoxStream<'a, Looked>> {
        None
    }

    /// What the tenant's containers write, line by line. It may hold the tenant's secrets, so it goes nowhere else. The
    /// stream does its work while it is polled, and ends when it is dropped. Default: `None`, not supported.
    ///
    /// # Errors
    /// `TenantNotFound` when there is nothing; as `get_status`. The stream ends with its first error.
    async fn logs(
        &self,
        _cx: &Context,
        _tenant_id: &TenantId,
        _query: &LogQuery,
    ) -> Result<Option<BoxStream<'static, Result<LogLine, ProviderError>>>, ProviderError> {
        Ok(None)
    }

    /// Every tenant that an engine owns something of on the platform, found by ownership tags alone. `engine` names
    /// it, as [`Subject::engine`](landlord_state_machines::planner::Subject) does. A provider that has this says so in
    /// [`Capabilities::lists_tenants`]; one that cannot list cannot be swept for leaks. Default: none.
    ///
    /// # Errors
    /// When the platform cannot be asked.
    async fn list_tenants(&self, _engine: &str) -> Result<Vec<OwnedTenant>, ProviderError> {
        Ok(Vec::new())
    }

    /// A stream of what the platform reports by itself of an engine's tenants, where it can; else the engine polls
    /// `get_status`. Observations are stamped by `clock`. The stream does its work while it is polled, and ends when
    /// it is dropped.
    fn observe(&self, _engine: &str, _clock: Arc<dyn Clock>) -> Option<BoxStream<'static, Observation>> {
        None
    }
}
