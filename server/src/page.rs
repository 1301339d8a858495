//! The page at `/`: its files, as they are in the program, and what browsers are told about them.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use landlord_api::Code;
use sha2::{Digest, Sha256};

use crate::refused::Refused;
use crate::served::Served;
use crate::sessions;

/// A file of the page.
struct File {
    name: &'static str,
    media: &'static str,
    text: &'static str,
}

const fn script(name: &'static str, text: &'static str) -> File {
    File { name, media: "text/javascript; charset=utf-8", text }
}

const HTML: &str = include_str!("../page/index.html");

const FILES: [File; 9] = [
    File { name: "page.css", media: "text/css; charset=utf-8", text: include_str!("../page/page.css") },
    script("main.js", include_str!("../page/main.js")),
    script("server.js", include_str!("../page/server.js")),
    script("dom.js", include_str!("../page/dom.js")),
    script("words.js", include_str!("../page/words.js")),
    script("fleet.js", include_str!("../page/fleet.js")),
    script("tenant.js", include_str!("../page/tenant.js")),
    script("actions.js", include_str!("../page/actions.js")),
    script("specs.js", include_str!("../page/specs.js")),
];

/// What tells these files from those of another version. It is part of their paths, so that a browser keeps them.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = FILES.iter().fold(Sha256::new().chain_update(HTML), |hash, file| {
        hash.chain_update(file.name).chain_update(file.text)
    });
    all.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

/// Only what this server sends runs, is shown or is asked; nothing is written into the page but as text; and no other page
/// has it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; frame-ancestors 'none'; form-action 'self'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// What every answer says to a browser, whatever it is.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
];

/// An API with the page at `/`, which asks it. `api` is [`router`](crate::router) or [`guarded`](crate::guarded) of the same
/// `served`: with the second, the page asks for a token, and keeps it as a session of its browser.
pub fn with_page(served: Served, api: Router) -> Router {
    let page = Router::new()
        .route("/", get(html))
        .route("/page/{version}/{file}", get(file))
        .route("/session", post(sessions::begin).delete(sessions::end))
        .with_state(served);
    api.merge(page).layer(from_fn(for_browsers))
}

async fn html(headers: HeaderMap) -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| HTML.replace("{version}", &VERSION));
    let tag = format!("\"{}\"", *VERSION);
    let kept = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag.clone())];
    let policy = [(header::CONTENT_SECURITY_POLICY, POLICY)];
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    match known {
        true => (StatusCode::NOT_MODIFIED, kept, policy).into_response(),
        false => {
            let media = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (kept, policy, media, TEXT.as_str()).into_response()
        }
    }
}

async fn file(Path((version, name)): Path<(String, String)>) -> Response {
    let file = FILES.iter().find(|file| file.name == name).filter(|_| version == *VERSION);
    let Some(file) = file else {
        return Refused::new(
            Code::NoSuchPath,
            "this version of the page has no such file; load the page again",
        )
        .into_response();
    };
    let kept = [
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
        (header::ETAG, format!("\"{version}\"")),
        (header::CONTENT_TYPE, file.media.to_owned()),
    ];
    (kept, [(header::CONTENT_SECURITY_POLICY, POLICY)], file.text).into_response()
}

/// Tells browsers that an answer is for this page alone, and that they keep none but the page's files.
async fn for_browsers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
