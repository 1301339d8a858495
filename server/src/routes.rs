//! Everything that can be asked, in one table: the router and the OpenAPI document are made of it.

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post, put};
use landlord_api::{
    Accepted, AccessDocument, Acknowledgement, CloudEvent, Code, Diagnosis, EnginesDocument, EventBatch,
    FleetDocument, LogDocument, MadeToken, NewToken, OperationDocument, Orphan, PlanDocument,
    ProviderDocument, ProvidersDocument, SpecDocument, StatusDocument, SubscriptionDocument,
    SubscriptionRequest, SubscriptionsDocument, SweepDocument, TenantDocument, TenantsDocument,
    TokensDocument, Verdict, WebhookDocument, WebhookRequest, WebhooksDocument,
};
use landlord_compute::TenantComputeSpec;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::access::Needs;
use crate::asked::CommandQuery;
use crate::commands::ReleaseQuery;
use crate::events::EventsQuery;
use crate::operations::WaitQuery;
use crate::platform::LogsQuery;
use crate::served::Served;
use crate::subscriptions::{NamesQuery, PullQuery};
use crate::tenants::ListQuery;
use crate::verdict::ValidateQuery;
use crate::{
    access, commands, doctor, engines, events, fleet, metrics, operations, platform, providers, specs,
    subscriptions, tenants, tokens, verdict, webhooks,
};

/// Makes a schema.
pub(crate) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One thing that can be asked.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// What it is called in the OpenAPI document, and so in generated clients.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) needs: Needs,
    pub(crate) query: Option<Shape>,
    pub(crate) headers: &'static [Header],
    pub(crate) body: Option<Body>,
    /// What it answers when it was done.
    pub(crate) done: &'static [Answer],
    /// Why it may not be done, beyond what every request may be refused for.
    pub(crate) refused: &'static [Code],
    pub(crate) handler: fn() -> MethodRouter<Served>,
}

/// A header that a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    IfMatch,
    IdempotencyKey,
    LastEventId,
}

/// What a request's body is.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    Spec,
    Json(Shape),
}

/// What a request that was done is answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    /// None: it has no body.
    pub(crate) content: Option<Content>,
}

/// What an answer's body is.
#[derive(Clone, Copy)]
pub(crate) struct Content {
    pub(crate) media: &'static str,
    pub(crate) shape: Shape,
}

/// Why any request may not be done.
pub(crate) const ANY: &[Code] = &[
    Code::InvalidRequest,
    Code::Unauthorized,
    Code::Forbidden,
    Code::ForeignOrigin,
    Code::Misdirected,
    Code::TimedOut,
    Code::Overloaded,
    Code::RateLimited,
    Code::Defect,
    Code::Store,
];

const JSON: &str = "application/json";

/// The headers of a command.
const COMMAND: &[Header] = &[Header::IfMatch, Header::IdempotencyKey];
/// Why a command may not be done.
const NOT_COMMANDED: &[Code] = &[
    Code::TenantNotFound,
    Code::Rejected,
    Code::Protected,
    Code::RevisionMismatch,
    Code::KeyReused,
    Code::Closed,
];
/// Why a command with a body may not be done.
const BODY_NOT_COMMANDED: &[Code] = &[
    Code::UnsupportedMediaType,
    Code::TooLarge,
    Code::InvalidSpec,
    Code::ProviderNotFound,
    Code::Rejected,
    Code::Protected,
    Code::RevisionMismatch,
    Code::KeyReused,
    Code::Closed,
];
/// Why a tenant that has to live cannot be told of.
const NO_TENANT: &[Code] = &[Code::TenantNotFound, Code::TenantGone];
/// Why a platform cannot be asked about a tenant.
const NOT_ASKED: &[Code] = &[
    Code::TenantNotFound,
    Code::TenantGone,
    Code::NothingRuns,
    Code::NotSupported,
    Code::Platform,
    Code::PlatformTimeout,
    Code::InvalidSpec,
];

/// What a command is answered.
const TAKEN: &[Answer] = &[
    Answer {
        status: 202,
        about: "It began an operation, or is part of one.",
        content: Some(Content { media: JSON, shape: shape::<Accepted> }),
    },
    Answer {
        status: 200,
        about: "It is so, and nothing is on its way for it.",
        content: Some(Content { media: JSON, shape: shape::<Accepted> }),
    },
];

const SENT: &[Answer] = &[Answer {
    status: 200,
    about: "Server-sent events. `data` is a CloudEvent, `id` its cursor; an event `gap` says where events are missing \
            that are no longer kept, and an event `problem` why the stream ends.",
    content: Some(Content { media: "text/event-stream", shape: shape::<CloudEvent> }),
}];

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A query's shape, whose properties are parameters.
fn query<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

impl Route {
    fn new(
        method: Method,
        path: &'static str,
        name: &'static str,
        handler: fn() -> MethodRouter<Served>,
    ) -> Self {
        let needs = if method == Method::GET { Needs::Look } else { Needs::Command };
        Self {
            method,
            path,
            name,
            about: "",
            needs,
            query: None,
            headers: &[],
            body: None,
            done: &[],
            refused: &[],
            handler,
        }
    }

    fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// What it needs, where that is not to look for what changes nothing and to command for the rest.
    fn needs(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(query::<T>), ..self }
    }

    fn headers(self, headers: &'static [Header]) -> Self {
        Self { headers, ..self }
    }

    fn spec(self) -> Self {
        Self { body: Some(Body::Spec), ..self }
    }

    fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some(Body::Json(shape::<T>)), ..self }
    }

    fn done(self, done: &'static [Answer]) -> Self {
        Self { done, ..self }
    }

    fn refused(self, refused: &'static [Code]) -> Self {
        Self { refused, ..self }
    }
}

/// One answer, 200, as JSON.
const fn json<T: JsonSchema>(about: &'static str) -> Answer {
    Answer { status: 200, about, content: Some(Content { media: JSON, shape: shape::<T> }) }
}

/// One answer, 201, as JSON.
const fn made<T: JsonSchema>(about: &'static str) -> Answer {
    Answer { status: 201, about, content: Some(Content { media: JSON, shape: shape::<T> }) }
}

/// One answer, 204.
const fn nothing(about: &'static str) -> Answer {
    Answer { status: 204, about, content: None }
}

const WEBHOOK: &str = "/v1/webhooks/{name}";
const SUBSCRIPTION: &str = "/v1/subscriptions/{name}";

/// All that can be asked.
pub(crate) fn routes() -> Vec<Route> {
    let command = |path, name, handler| {
        Route::new(Method::POST, path, name, handler)
            .query::<CommandQuery>()
            .headers(COMMAND)
            .done(TAKEN)
            .refused(NOT_COMMANDED)
    };
    vec![
        Route::new(Method::GET, "/v1/tenants", "listTenants", || get(tenants::list))
            .about("List the living tenants, ordered by id, page by page.")
            .query::<ListQuery>()
            .done(const { &[json::<TenantsDocument>("A page of tenants.")] })
            .refused(&[Code::ProviderNotFound]),
        Route::new(Method::GET, "/v1/tenants/{tenant}", "getTenant", || get(tenants::tenant))
            .about("Show all that is known of a tenant, as it is recorded.")
            .done(const { &[json::<TenantDocument>("The tenant.")] })
            .refused(NO_TENANT),
        Route::new(Method::PUT, "/v1/tenants/{tenant}", "putTenant", || put(commands::put))
            .about("Make a tenant run a spec, whether it exists or not: provision it, or update it.")
            .query::<CommandQuery>()
            .headers(COMMAND)
            .spec()
            .done(TAKEN)
            .refused(BODY_NOT_COMMANDED),
        Route::new(Method::DELETE, "/v1/tenants/{tenant}", "deleteTenant", || delete(commands::destroy))
            .about("Remove everything of a tenant, as `destroy` does.")
            .query::<CommandQuery>()
            .headers(COMMAND)
            .done(TAKEN)
            .refused(NOT_COMMANDED),
        command("/v1/tenants/{tenant}/provision", "provisionTenant", || post(commands::provision))
            .about("Make a tenant run a spec. Refused where it runs another one.")
            .spec()
            .refused(BODY_NOT_COMMANDED),
        command("/v1/tenants/{tenant}/update", "updateTenant", || post(commands::update))
            .about("Make a tenant that runs something run another spec.")
            .spec()
            .refused(BODY_NOT_COMMANDED),
        command("/v1/tenants/{tenant}/restart", "restartTenant", || post(commands::restart))
            .about("Start anew what a tenant runs, with the values that its secrets have now."),
        command("/v1/tenants/{tenant}/destroy", "destroyTenant", || post(commands::destroy))
            .about("Remove everything of a tenant, but for what its spec retains."),
        command("/v1/tenants/{tenant}/cancel", "cancelTenant", || post(commands::cancel))
            .about("Stop what is on its way for a tenant, and undo it."),
        command("/v1/tenants/{tenant}/retry", "retryTenant", || post(commands::retry))
            .about("Try again now what waits to be tried again."),
        command("/v1/tenants/{tenant}/pause", "pauseTenant", || post(commands::pause))
            .about("Begin nothing for a tenant until it is resumed: no retry, no repair."),
        command("/v1/tenants/{tenant}/resume", "resumeTenant", || post(commands::resume))
            .about("Go on after a pause."),
        command("/v1/tenants/{tenant}/abandon", "abandonTenant", || post(commands::abandon))
            .about("Give up a destroy or a release that never ends, and leave what is left. `reason` is required."),
        command("/v1/tenants/{tenant}/release", "releaseTenant", || post(commands::release))
            .about("Remove what a tenant that is gone has retained.")
            .query::<ReleaseQuery>()
            .refused(const { &[
                Code::TenantNotFound,
                Code::ProviderNotFound,
                Code::Rejected,
                Code::RevisionMismatch,
                Code::KeyReused,
                Code::Closed,
            ] }),
        Route::new(Method::GET, "/v1/tenants/{tenant}/specs/{version}", "getTenantSpec", || get(specs::spec))
            .about("Show a spec of a living tenant as it was sent, also one that it ran earlier. It may hold secrets in an \
                    environment or a command line.")
            .needs(Needs::Command)
            .done(const { &[json::<SpecDocument>("The spec.")] })
            .refused(&[Code::TenantNotFound, Code::TenantGone, Code::SpecNotFound]),
        Route::new(Method::GET, "/v1/tenants/{tenant}/status", "getTenantStatus", || get(platform::status))
            .about("Ask the platform how a tenant is now; answers within 5 s.")
            .done(const { &[json::<StatusDocument>("What the platform says, and what is recorded.")] })
            .refused(NOT_ASKED),
        Route::new(Method::POST, "/v1/tenants/{tenant}/plan", "planTenant", || post(platform::plan))
            .about("Say what an update to a spec would change, without changing anything.")
            .needs(Needs::Look)
            .spec()
            .done(const { &[json::<PlanDocument>("The changes; none where `changes` and `corrections` are empty and nothing is created.")] })
            .refused(const { &[
                Code::NothingRuns,
                Code::ProviderNotFound,
                Code::Platform,
                Code::PlatformTimeout,
                Code::InvalidSpec,
                Code::UnsupportedMediaType,
                Code::TooLarge,
            ] }),
        Route::new(Method::GET, "/v1/tenants/{tenant}/logs", "getTenantLogs", || get(platform::logs))
            .about("Show what a tenant's containers print. It may hold the tenant's secrets.")
            .query::<LogsQuery>()
            .done(const { &[Answer {
                status: 200,
                about: "JSON Lines. Where the logs break off, the last line is {\"problem\": …}.",
                content: Some(Content { media: "application/jsonl", shape: shape::<LogDocument> }),
            }] })
            .refused(NOT_ASKED),
        Route::new(Method::GET, "/v1/tenants/{tenant}/events", "streamTenantEvents", || get(events::of_one))
            .about("What happens to a tenant, gapless and in order.")
            .query::<EventsQuery>()
            .headers(&[Header::LastEventId])
            .done(SENT)
            .refused(&[Code::TenantNotFound, Code::UnknownCursor]),
        Route::new(Method::GET, "/v1/events", "streamEvents", || get(events::all))
            .about("What happens to all tenants, gapless and in order.")
            .query::<EventsQuery>()
            .headers(&[Header::LastEventId])
            .done(SENT)
            .refused(&[Code::UnknownCursor]),
        Route::new(Method::GET, "/v1/subscriptions", "listSubscriptions", || get(subscriptions::list))
            .about("List the subscriptions by name, page by page.")
            .query::<NamesQuery>()
            .done(const { &[json::<SubscriptionsDocument>("A page of subscriptions.")] }),
        Route::new(Method::GET, SUBSCRIPTION, "getSubscription", || get(subscriptions::subscription))
            .about("Show a subscription, and how far it has read.")
            .done(const { &[json::<SubscriptionDocument>("The subscription.")] })
            .refused(&[Code::SubscriptionNotFound]),
        Route::new(Method::PUT, SUBSCRIPTION, "putSubscription", || put(subscriptions::put))
            .about("Make a named reader of events, or give one that exists another filter.")
            .body::<SubscriptionRequest>()
            .done(const { &[
                made::<SubscriptionDocument>("It was made."),
                json::<SubscriptionDocument>("It exists, with this filter and where it was."),
            ] })
            .refused(&[Code::UnsupportedMediaType, Code::TooLarge, Code::UnknownCursor, Code::Closed]),
        Route::new(Method::DELETE, SUBSCRIPTION, "deleteSubscription", || delete(subscriptions::remove))
            .about("Remove a subscription. Events are kept or not, whoever reads them.")
            .done(const { &[nothing("It is gone.")] })
            .refused(&[Code::SubscriptionNotFound, Code::Closed]),
        Route::new(Method::GET, "/v1/subscriptions/{name}/events", "pullEvents", || get(subscriptions::pull))
            .about("Read what a subscription has not acknowledged, in order; the same again until it is acknowledged.")
            .query::<PullQuery>()
            .done(const { &[json::<EventBatch>("What comes next; no events where there were none in time.")] })
            .refused(&[Code::SubscriptionNotFound]),
        Route::new(Method::POST, "/v1/subscriptions/{name}/ack", "acknowledgeEvents", || {
            post(subscriptions::acknowledge)
        })
        .about("Say that everything up to a cursor is dealt with. What is acknowledged already stays so.")
        .body::<Acknowledgement>()
        .done(const { &[json::<SubscriptionDocument>("Where the subscription stands.")] })
        .refused(&[
            Code::SubscriptionNotFound,
            Code::UnknownCursor,
            Code::UnsupportedMediaType,
            Code::TooLarge,
            Code::Closed,
        ]),
        Route::new(Method::GET, "/v1/webhooks", "listWebhooks", || get(webhooks::list))
            .about("List the webhooks by name, page by page.")
            .needs(Needs::Own)
            .query::<NamesQuery>()
            .done(const { &[json::<WebhooksDocument>("A page of webhooks.")] }),
        Route::new(Method::GET, WEBHOOK, "getWebhook", || get(webhooks::webhook))
            .about("Show a webhook, how far it has delivered, and why it does not go on.")
            .needs(Needs::Own)
            .done(const { &[json::<WebhookDocument>("The webhook.")] })
            .refused(&[Code::WebhookNotFound]),
        Route::new(Method::PUT, WEBHOOK, "putWebhook", || put(webhooks::put))
            .about("Send events to an address from now on, signed by the rule of Standard Webhooks; or change how that is done.")
            .needs(Needs::Own)
            .body::<WebhookRequest>()
            .done(const { &[
                made::<WebhookDocument>("It was made."),
                json::<WebhookDocument>("It exists, is as asked for now, and where it was."),
            ] })
            .refused(&[Code::UnsupportedMediaType, Code::TooLarge, Code::UnknownCursor, Code::Closed]),
        Route::new(Method::DELETE, WEBHOOK, "deleteWebhook", || delete(webhooks::remove))
            .about("Send nothing more to an address.")
            .needs(Needs::Own)
            .done(const { &[nothing("It is gone.")] })
            .refused(&[Code::WebhookNotFound, Code::Closed]),
        Route::new(Method::GET, "/v1/operations/{operation}", "getOperation", || get(operations::operation))
            .about("Show an operation; with `wait`, once it has settled or the time is over.")
            .query::<WaitQuery>()
            .done(const { &[json::<OperationDocument>("The operation; it has settled where `settled` is there.")] })
            .refused(&[Code::OperationNotFound, Code::Closed]),
        Route::new(Method::POST, "/v1/validate", "validateSpec", || post(verdict::validate))
            .about("Check a spec by every rule there is, its provider's included, without changing anything.")
            .needs(Needs::Look)
            .query::<ValidateQuery>()
            .spec()
            .done(const { &[json::<Verdict>("The spec is valid.")] })
            .refused(&[
                Code::InvalidSpec,
                Code::UnsupportedMediaType,
                Code::TooLarge,
                Code::ProviderNotFound,
                Code::Platform,
                Code::PlatformTimeout,
            ]),
        Route::new(Method::GET, "/v1/providers", "listProviders", || get(providers::list))
            .about("List what tenants can run on.")
            .done(const { &[json::<ProvidersDocument>("The providers.")] }),
        Route::new(Method::GET, "/v1/providers/{provider}", "getProvider", || get(providers::provider))
            .about("Show a provider, and what its `provider_config` may hold.")
            .done(const { &[json::<ProviderDocument>("The provider.")] })
            .refused(&[Code::ProviderNotFound]),
        Route::new(Method::POST, "/v1/providers/{provider}/sweep", "sweepProvider", || post(providers::sweep))
            .about("Find what no tenant owns on a platform, and who holds nothing there, without changing anything.")
            .needs(Needs::LookAtAll)
            .done(const { &[json::<SweepDocument>("What was found.")] })
            .refused(&[Code::ProviderNotFound, Code::NotSupported, Code::Platform]),
        Route::new(Method::POST, "/v1/doctor", "doctor", || post(doctor::doctor))
            .about("Say how the server, its machine and its platforms are, and what to do about what is wrong, without changing \
                    anything. Each platform is asked.")
            .needs(Needs::LookAtAll)
            .done(const { &[json::<Diagnosis>("What was found.")] }),
        Route::new(Method::POST, "/v1/reclaim", "reclaim", || post(providers::reclaim))
            .about("Remove what a sweep found, if its tenant is still as the sweep saw it.")
            .needs(Needs::CommandAll)
            .query::<CommandQuery>()
            .headers(&[Header::IdempotencyKey])
            .body::<Orphan>()
            .done(TAKEN)
            .refused(BODY_NOT_COMMANDED),
        Route::new(Method::GET, "/metrics", "getMetrics", || get(metrics::metrics))
            .about("Show figures of the engine, in the text format of OpenMetrics, for Prometheus. No tenant is named.")
            .needs(Needs::LookAtAll)
            .done(const { &[Answer {
                status: 200,
                about: "The figures.",
                content: Some(Content { media: "application/openmetrics-text", shape: shape::<String> }),
            }] })
            .refused(&[Code::NotSupported]),
        Route::new(Method::GET, "/v1/fleet", "getFleet", || get(fleet::fleet))
            .about("Show what all tenants are like, in short: how many are so, who needs a look first, and what happened in the \
                    last hour.")
            .done(const { &[json::<FleetDocument>("The fleet at a glance.")] }),
        Route::new(Method::GET, "/v1/engines", "getEngines", || get(engines::engines))
            .about("Show the engines that share the store, and how many of the 1,024 shards each has.")
            .needs(Needs::LookAtAll)
            .done(const { &[json::<EnginesDocument>("The engines.")] }),
        Route::new(Method::GET, "/v1/access", "getAccess", || get(access::shown))
            .about("Show who asks, and what that may do.")
            .done(const { &[json::<AccessDocument>("Whose request this is.")] }),
        Route::new(Method::GET, "/v1/tokens", "listTokens", || get(tokens::list))
            .about("List the tokens, without what proves them.")
            .needs(Needs::Own)
            .done(const { &[json::<TokensDocument>("The tokens.")] }),
        Route::new(Method::POST, "/v1/tokens", "createToken", || post(tokens::create))
            .about("Make a token. What proves it is shown in this answer, and kept nowhere.")
            .needs(Needs::Own)
            .body::<NewToken>()
            .done(const { &[Answer { status: 201, ..json::<MadeToken>("The token, and what proves it.") }] })
            .refused(const { &[
                Code::UnsupportedMediaType,
                Code::TooLarge,
                Code::TokenExists,
                Code::Closed,
            ] }),
        Route::new(Method::DELETE, "/v1/tokens/{token}", "revokeToken", || delete(tokens::revoke))
            .about("Make a token worth nothing, at once.")
            .needs(Needs::Own)
            .done(const { &[Answer { status: 204, about: "It is worth nothing.", content: None }] })
            .refused(const { &[Code::TokenNotFound, Code::Closed] }),
    ]
}

/// What a spec in a body looks like.
pub(crate) fn spec(generator: &mut SchemaGenerator) -> Schema {
    shape::<TenantComputeSpec>(generator)
}
