//! How many requests AWS takes of an account in a region, and whose turn it is.

use landlord_state_machines::id::TenantId;

use crate::provider::Asker;

/// Requests that share a quota of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quota {
    /// `DescribeClusters`.
    ClusterRead,
    /// `CreateService`, `UpdateService`, `DeleteService`, `StopServiceDeployment`.
    ServiceModify,
    /// `DescribeServices`, `ListServices`.
    ServiceRead,
    /// `RegisterTaskDefinition`, `DeregisterTaskDefinition`.
    DefinitionModify,
    /// `DeleteTaskDefinitions`.
    DefinitionDelete,
    /// `DescribeTaskDefinition`, `ListTaskDefinitions`, `ListTaskDefinitionFamilies`.
    DefinitionRead,
    /// `DescribeTasks`, `ListTasks`.
    TaskRead,
    /// `TagResource`, `UntagResource`.
    Tag,
}

/// For whom a request is made.
#[derive(Clone, Debug)]
pub(super) struct Who {
    /// The tenant; none for what is about all of them.
    pub(super) tenant: Option<TenantId>,
    /// Who waits for it.
    pub(super) asker: Asker,
}
