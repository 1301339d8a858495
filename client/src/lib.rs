#![doc = include_str!("../README.md")]

mod error;
mod request;
mod stream;
mod transport;

use std::time::Duration;

use futures_util::stream::BoxStream;
use http::Method;
use landlord_api::{
    Accepted, AccessDocument, Acknowledgement, BearerToken, Cursor, Diagnosis, EnginesDocument, EventBatch,
    FleetDocument, LogDocument, MadeToken, NewToken, OperationDocument, Orphan, PlanDocument,
    ProviderDocument, ProvidersDocument, SpecDocument, StatusDocument, SubscriptionDocument,
    SubscriptionRequest, SubscriptionsDocument, SweepDocument, TenantDocument, TenantsDocument,
    TokensDocument, Verdict, WebhookDocument, WebhookRequest, WebhooksDocument,
};
use landlord_state_machines::id::{OperationId, ProviderName, SpecVersion, TenantId};

pub use error::ClientError;
pub use landlord_api as api;
pub use request::{Begin, Command, CommandOptions, EventsQuery, ListQuery, LogsQuery, SpecText};
pub use stream::{Events, Message};
pub use transport::{Body, BoxError, RemoteError, Transport, Trust};

use request::Ask;
use transport::Http;

/// How long one request waits for an operation's end; then another one is sent.
const WAIT: Duration = Duration::from_secs(60);

/// A client. Clones share their connections. A request that is dropped is given up; what it began goes on.
#[derive(Clone)]
pub struct Client {
    transport: std::sync::Arc<dyn Transport>,
}

impl Client {
    /// Of the server behind a unix socket.
    pub fn unix(socket: impl Into<std::path::PathBuf>) -> Self {
        Self::over(Http::unix(socket.into()))
    }

    /// Whether a server listens on this socket.
    pub async fn answers(socket: &std::path::Path) -> bool {
        transport::connects(socket).await
    }

    /// Of a server on another machine, at an address such as `https://compute.example.com:8443`, for the holder of a token.
    /// `http://` is for the loopback of this machine alone. Connects with the first request.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn remote(url: &str, token: &BearerToken, trust: &Trust) -> Result<Self, RemoteError> {
        Ok(Self::over(Http::remote(url, token, trust)?))
    }

    /// Over a transport.
    pub fn over(transport: impl Transport) -> Self {
        Self { transport: std::sync::Arc::new(transport) }
    }

    /// A page of the living tenants.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tenants(&self, query: &ListQuery) -> Result<TenantsDocument, ClientError> {
        Ask::new(Method::GET, "/v1/tenants").query(query).json(self).await
    }

    /// All that is known of a tenant.
    ///
    /// # Errors
    /// [`ClientError`]; problems `tenant_not_found`, `tenant_gone`.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<TenantDocument, ClientError> {
        Ask::of(Method::GET, tenant, "").json(self).await
    }

    /// A spec of a living tenant as it was sent, also one that it ran earlier.
    ///
    /// # Errors
    /// [`ClientError`]; problems `tenant_not_found`, `tenant_gone`, `spec_not_found`.
    pub async fn spec(&self, tenant: &TenantId, version: SpecVersion) -> Result<SpecDocument, ClientError> {
        Ask::of(Method::GET, tenant, &format!("/specs/{}", version.0)).json(self).await
    }

    /// Sends a command for a tenant; returns once it is durable.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn command(
        &self,
        tenant: &TenantId,
        command: Command,
        options: &CommandOptions,
    ) -> Result<Accepted, ClientError> {
        command.ask(tenant).options(options).json(self).await
    }

    /// What all tenants are like, in short.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn fleet(&self) -> Result<FleetDocument, ClientError> {
        Ask::new(Method::GET, "/v1/fleet").json(self).await
    }

    /// The engines that share the store.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn engines(&self) -> Result<EnginesDocument, ClientError> {
        Ask::new(Method::GET, "/v1/engines").json(self).await
    }

    /// Who this client is to the server, and what it may do.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn access(&self) -> Result<AccessDocument, ClientError> {
        Ask::new(Method::GET, "/v1/access").json(self).await
    }

    /// Asks the tenant's platform how it is now.
    ///
    /// # Errors
    /// [`ClientError`]; problems `tenant_not_found`, `tenant_gone`, `nothing_runs`, `platform`, `platform_timeout`.
    pub async fn status(&self, tenant: &TenantId) -> Result<StatusDocument, ClientError> {
        Ask::of(Method::GET, tenant, "/status").json(self).await
    }

    /// What an update to a spec would change, or a provision make.
    ///
    /// # Errors
    /// [`ClientError`]; problem `invalid_spec`.
    pub async fn plan(&self, tenant: &TenantId, spec: SpecText) -> Result<PlanDocument, ClientError> {
        Ask::of(Method::POST, tenant, "/plan").spec(spec).json(self).await
    }

    /// Checks a spec.
    ///
    /// # Errors
    /// [`ClientError`]; problem `invalid_spec` has everything that is wrong with it.
    pub async fn validate(&self, spec: SpecText) -> Result<Verdict, ClientError> {
        Ask::new(Method::POST, "/v1/validate").spec(spec).json(self).await
    }

    /// Checks a spec as a command does: what runs already needs no check, and a platform that cannot be asked is no reason to
    /// refuse a spec.
    ///
    /// # Errors
    /// As for [`validate`](Self::validate).
    pub async fn check(&self, spec: SpecText) -> Result<Verdict, ClientError> {
        Ask::new(Method::POST, "/v1/validate").pair("command", "true").spec(spec).json(self).await
    }

    /// What a tenant's containers print, line by line, until the stream ends or is dropped.
    ///
    /// # Errors
    /// [`ClientError`]; the stream ends with its first error.
    pub async fn logs(
        &self,
        tenant: &TenantId,
        query: &LogsQuery,
    ) -> Result<BoxStream<'static, Result<LogDocument, ClientError>>, ClientError> {
        let body = Ask::of(Method::GET, tenant, "/logs").query(query).stream(self).await?.into_body();
        Ok(stream::logs(body))
    }

    /// What happens, to one tenant or to all. Once this has returned, nothing that follows is missed.
    ///
    /// # Errors
    /// [`ClientError`]; the stream ends with its first error, or when the server does.
    pub async fn events(
        &self,
        tenant: Option<&TenantId>,
        query: &EventsQuery,
    ) -> Result<Events, ClientError> {
        let ask = match tenant {
            Some(tenant) => Ask::of(Method::GET, tenant, "/events"),
            None => Ask::new(Method::GET, "/v1/events"),
        };
        let response = ask.query(&query.wire()).stream(self).await?;
        Events::of(response)
    }

    /// An operation, as it stands.
    ///
    /// # Errors
    /// [`ClientError`]; problem `operation_not_found`.
    pub async fn operation(&self, id: OperationId) -> Result<OperationDocument, ClientError> {
        Ask::new(Method::GET, format!("/v1/operations/{id}")).json(self).await
    }

    /// An operation, once it has settled. Waits as long as it takes.
    ///
    /// # Errors
    /// [`ClientError`]; problems `operation_not_found`, `closed`.
    pub async fn settled(&self, id: OperationId) -> Result<OperationDocument, ClientError> {
        let path = format!("/v1/operations/{id}?wait={}s", WAIT.as_secs());
        loop {
            let operation: OperationDocument = Ask::new(Method::GET, path.as_str()).json(self).await?;
            if operation.settled.is_some() {
                return Ok(operation);
            }
        }
    }

    /// A page of the subscriptions, by name, after a name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn subscriptions(&self, after: Option<&str>) -> Result<SubscriptionsDocument, ClientError> {
        let ask = Ask::new(Method::GET, "/v1/subscriptions");
        after.into_iter().fold(ask, |ask, after| ask.pair("after", after)).json(self).await
    }

    /// A subscription, and how far it has read.
    ///
    /// # Errors
    /// [`ClientError`]; problem `subscription_not_found`.
    pub async fn subscription(&self, name: &str) -> Result<SubscriptionDocument, ClientError> {
        Ask::new(Method::GET, format!("/v1/subscriptions/{name}")).json(self).await
    }

    /// Makes a named reader of events, or gives one that exists another filter. Where it stands it stays.
    ///
    /// # Errors
    /// [`ClientError`]; problem `unknown_cursor`.
    pub async fn put_subscription(
        &self,
        name: &str,
        request: &SubscriptionRequest,
    ) -> Result<SubscriptionDocument, ClientError> {
        Ask::new(Method::PUT, format!("/v1/subscriptions/{name}")).document(request).json(self).await
    }

    /// Removes a subscription.
    ///
    /// # Errors
    /// [`ClientError`]; problem `subscription_not_found`.
    pub async fn delete_subscription(&self, name: &str) -> Result<(), ClientError> {
        Ask::new(Method::DELETE, format!("/v1/subscriptions/{name}")).stream(self).await.map(drop)
    }

    /// What a subscription has not acknowledged, at most `limit` events. Where there is none, waits for one as long as
    /// `wait`. The same comes again until it is acknowledged.
    ///
    /// # Errors
    /// [`ClientError`]; problem `subscription_not_found`.
    pub async fn pull(&self, name: &str, limit: usize, wait: Duration) -> Result<EventBatch, ClientError> {
        let ask = Ask::new(Method::GET, format!("/v1/subscriptions/{name}/events"));
        let wait = format!("{}ms", wait.as_millis());
        ask.pair("limit", limit.to_string()).pair("wait", wait).json(self).await
    }

    /// Says that everything up to a cursor is dealt with; durable when answered. An older cursor changes nothing.
    ///
    /// # Errors
    /// [`ClientError`]; problems `subscription_not_found`, `unknown_cursor`.
    pub async fn acknowledge(
        &self,
        name: &str,
        cursor: &Cursor,
    ) -> Result<SubscriptionDocument, ClientError> {
        let upto = Acknowledgement { cursor: cursor.clone() };
        Ask::new(Method::POST, format!("/v1/subscriptions/{name}/ack")).document(&upto).json(self).await
    }

    /// A page of the webhooks, by name, after a name.
    ///
    /// # Errors
    /// [`ClientError`]; problem `forbidden` over a token.
    pub async fn webhooks(&self, after: Option<&str>) -> Result<WebhooksDocument, ClientError> {
        let ask = Ask::new(Method::GET, "/v1/webhooks");
        after.into_iter().fold(ask, |ask, after| ask.pair("after", after)).json(self).await
    }

    /// A webhook, how far it has delivered, and why it does not go on.
    ///
    /// # Errors
    /// [`ClientError`]; problems `webhook_not_found`, and `forbidden` over a token.
    pub async fn webhook(&self, name: &str) -> Result<WebhookDocument, ClientError> {
        Ask::new(Method::GET, format!("/v1/webhooks/{name}")).json(self).await
    }

    /// Sends events to an address from now on, or changes how that is done. Where a webhook stands it stays.
    ///
    /// # Errors
    /// [`ClientError`]; problems `unknown_cursor`, and `forbidden` over a token.
    pub async fn put_webhook(
        &self,
        name: &str,
        request: &WebhookRequest,
    ) -> Result<WebhookDocument, ClientError> {
        Ask::new(Method::PUT, format!("/v1/webhooks/{name}")).document(request).json(self).await
    }

    /// Sends nothing more to an address.
    ///
    /// # Errors
    /// [`ClientError`]; problems `webhook_not_found`, and `forbidden` over a token.
    pub async fn delete_webhook(&self, name: &str) -> Result<(), ClientError> {
        Ask::new(Method::DELETE, format!("/v1/webhooks/{name}")).stream(self).await.map(drop)
    }

    /// The tokens, without what proves them.
    ///
    /// # Errors
    /// [`ClientError`]; problem `forbidden` over a token.
    pub async fn tokens(&self) -> Result<TokensDocument, ClientError> {
        Ask::new(Method::GET, "/v1/tokens").json(self).await
    }

    /// Makes a token. What proves it is in this answer, and kept nowhere.
    ///
    /// # Errors
    /// [`ClientError`]; problems `token_exists`, and `forbidden` over a token.
    pub async fn create_token(&self, new: &NewToken) -> Result<MadeToken, ClientError> {
        Ask::new(Method::POST, "/v1/tokens").document(new).json(self).await
    }

    /// Makes a token worth nothing, at once.
    ///
    /// # Errors
    /// [`ClientError`]; problems `token_not_found`, and `forbidden` over a token.
    pub async fn revoke_token(&self, name: &str) -> Result<(), ClientError> {
        Ask::new(Method::DELETE, format!("/v1/tokens/{name}")).stream(self).await.map(drop)
    }

    /// What tenants can run on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn providers(&self) -> Result<ProvidersDocument, ClientError> {
        Ask::new(Method::GET, "/v1/providers").json(self).await
    }

    /// A provider, with what its configuration may hold.
    ///
    /// # Errors
    /// [`ClientError`]; problem `provider_not_found`.
    pub async fn provider(&self, name: &ProviderName) -> Result<ProviderDocument, ClientError> {
        Ask::new(Method::GET, format!("/v1/providers/{name}")).json(self).await
    }

    /// How the server, its machine and its platforms are. Each platform is asked, which takes a moment.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn doctor(&self) -> Result<Diagnosis, ClientError> {
        Ask::new(Method::POST, "/v1/doctor").json(self).await
    }

    /// Compares what a provider holds with the records.
    ///
    /// # Errors
    /// [`ClientError`]; problem `not_supported` where the provider cannot list.
    pub async fn sweep(&self, provider: &ProviderName) -> Result<SweepDocument, ClientError> {
        Ask::new(Method::POST, format!("/v1/providers/{provider}/sweep")).json(self).await
    }

    /// Removes what a sweep found.
    ///
    /// # Errors
    /// [`ClientError`]; problem `revision_mismatch` where the tenant is no longer as the sweep saw it.
    pub async fn reclaim(&self, orphan: &Orphan, options: &CommandOptions) -> Result<Accepted, ClientError> {
        Ask::new(Method::POST, "/v1/reclaim").document(orphan).options(options).json(self).await
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
