//! The router: all that can be asked, for its owner or for holders of tokens.

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderName;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use landlord_api::Code;
use landlord_compute::store::StoreError;

use crate::access::Rate;
use crate::refused::Refused;
use crate::routes::routes;
use crate::served::Served;
use crate::tokens::Tokens;
use crate::{access, metrics, openapi, probes};

/// The API, to be mounted in a router of one's own at its root: its paths begin with `/v1/`, but for `/metrics`,
/// `/healthz` and `/readyz`. Whoever reaches it may do everything: whoever mounts it decides who does.
pub fn router(served: Served) -> Router {
    let asked = table().layer(from_fn(access::as_owner));
    with_probes(asked).with_state(served)
}

/// The same for whoever has a token, which is asked for with every request but for `/healthz` and `/readyz`; the cookie of a
/// session stands for one ([`with_page`](crate::with_page)). Tokens are read now; those that are made and revoked through the API are known at
/// once, and those of other servers that share the store within 2 s.
///
/// # Errors
/// [`StoreError`] when the tokens cannot be read.
pub async fn guarded(served: Served, rate: Rate) -> Result<Router, StoreError> {
    served.tokens().load(&served, rate).await?;
    tokio::spawn(Tokens::follow(served.clone()));
    let asked = table().layer(from_fn_with_state(served.clone(), access::by_token));
    Ok(with_probes(asked).with_state(served))
}

/// `/metrics` and nothing else, for whoever reaches it: for a listener that only the machine itself reaches.
pub fn scraped(served: Served) -> Router {
    let asked = Router::new().route("/metrics", get(metrics::metrics)).fallback(no_such_path);
    asked.method_not_allowed_fallback(no_such_method).with_state(served)
}

fn table() -> Router<Served> {
    let table = routes().into_iter().fold(Router::new(), |router, route| {
        let allow = from_fn_with_state(route.needs, access::allow);
        router.route(route.path, (route.handler)().route_layer(allow))
    });
    table
        .route("/v1/openapi.json", get(openapi::document))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
}

fn with_probes(asked: Router<Served>) -> Router<Served> {
    let asked = asked.layer(from_fn(answer_in_the_trace));
    asked.route("/healthz", get(probes::healthz)).route("/readyz", get(probes::readyz))
}

/// Says in which trace a request was answered: the caller's own, if it has one.
async fn answer_in_the_trace(request: Request, next: Next) -> Response {
    const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
    let trace = request.headers().get(&TRACEPARENT).filter(|trace| is_trace(trace.as_bytes())).cloned();
    let mut response = next.run(request).await;
    if let Some(trace) = trace {
        response.headers_mut().insert(TRACEPARENT, trace);
    }
    response
}

/// Whether it has the form of the first version of W3C's trace context.
fn is_trace(text: &[u8]) -> bool {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b'-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    lengths == [2, 32, 16, 2] && parts.concat().iter().all(is_hex)
}

async fn no_such_path() -> Response {
    Refused::new(Code::NoSuchPath, "there is nothing at this path; /v1/openapi.json says what there is")
        .into_response()
}

async fn no_such_method() -> Response {
    Refused::new(Code::MethodNotAllowed, "the path has other methods; /v1/openapi.json says which")
        .into_response()
}
