#![doc = include_str!("../README.md")]

mod attended;
mod diagnosis;
mod engines;
mod event;
mod fleet;
mod operation;
mod platform;
mod problem;
mod selector;
mod spec;
mod subscription;
mod sweep;
mod tenant;
mod token;
mod webhook;

pub use attended::{Attendance, Attended};
pub use diagnosis::{Diagnosis, Finding, Grade};
pub use engines::{EngineDocument, EngineStanding, EnginesDocument};
pub use event::{CloudEvent, Cursor, CursorError, Gap};
pub use fleet::{Concern, ConcernedTenant, FleetDocument, Minute, TenantCount};
pub use operation::{Accepted, OperationDocument};
pub use platform::{
    CapabilitiesDocument, LogDocument, PlanDocument, PlannedAction, PlannedAnswer, PlannedChange,
    PlannedEffect, PlannedObject, ProviderDocument, ProvidersDocument, Source, StatusDocument, Verdict,
};
pub use problem::{Code, Problem, ProblemAt, causes_of};
pub use selector::{LabelSelector, SelectorError};
pub use spec::{ContainerView, SecretView, SpecDocument, SpecView, containers, labels, spec};
pub use subscription::{
    Acknowledgement, EventBatch, EventFilter, SubscriptionDocument, SubscriptionRequest,
    SubscriptionsDocument,
};
pub use sweep::{Missing, OnPurpose, Orphan, SweepDocument};
pub use tenant::{
    Doing, EndpointView, FailureView, OperationView, QueuedView, TenantDocument, TenantView, TenantsDocument,
    WaitingView, Way,
};
pub use token::{
    AccessDocument, BearerToken, MadeToken, NewToken, Role, TenantPattern, TenantPatternError, TokenDocument,
    TokensDocument,
};
pub use webhook::{DeliveryTrouble, SecretSource, WebhookDocument, WebhookRequest, WebhooksDocument};
