//! The page at `/`: what browsers are told about it, sessions instead of tokens, and what pages of other sites may not do.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use landlord_compute::machines::tenant::EventKind;
use landlord_server::{Bounds, Rate, Security, Socket, Tcp, guarded, router, with_page};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::authority::Authority;
use super::{Answer, Desk, answered, request};

/// A door with the page, which asks for a token.
struct Door {
    desk: Desk,
    door: Router,
}

const HOST: &str = "compute.test:8443";
const ORIGIN: &str = "https://compute.test:8443";

impl Door {
    async fn new() -> Self {
        let desk = Desk::new().await;
        let asking = guarded(desk.served.clone(), Rate::default()).await.expect("tokens are read");
        Self { door: with_page(desk.served.clone(), asking), desk }
    }

    async fn token(&self, name: &str, role: &str, tenants: &[&str]) -> String {
        let new = json!({ "name": name, "role": role, "tenants": tenants }).to_string();
        let made = self.desk.asks(request("POST /v1/tokens").body(new.into()).expect("a request")).await;
        made.document(201)["secret"].as_str().expect("a secret").to_owned()
    }

    async fn ask(&self, line: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(line, headers, Body::empty()).await
    }

    async fn send(&self, line: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let request =
            headers.iter().fold(request(line), |request, (name, value)| request.header(*name, *value));
        answered(&self.door, request.body(body).expect("a request")).await
    }

    async fn begins(&self, token: &str, origin: &str) -> Answer {
        let body = json!({ "token": token }).to_string();
        let host = origin.split_once("://").expect("an origin").1;
        self.send("POST /session", &[("host", host), ("origin", origin)], body.into()).await
    }

    /// The cookie of a new session, as a browser sends it.
    async fn cookie(&self, token: &str) -> String {
        let answer = self.begins(token, ORIGIN).await;
        answer.document(200);
        cookie_of(&answer)
    }
}

fn cookie_of(answer: &Answer) -> String {
    let set = answer.headers["set-cookie"].to_str().expect("text");
    set.split(';').next().expect("a pair").to_owned()
}

async fn page() -> (Desk, Router) {
    let desk = Desk::new().await;
    let router = with_page(desk.served.clone(), router(desk.served.clone()));
    (desk, router)
}

async fn got(router: &Router, line: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(request(line), |request, (name, value)| request.header(*name, *value));
    answered(router, request.body(Body::empty()).expect("a request")).await
}

/// The paths of the page's files: those that the page names, and those that its modules import.
async fn files(router: &Router) -> Vec<String> {
    let html = got(router, "GET /", &[]).await.text;
    let mut paths: Vec<String> =
        html.split('"').filter(|part| part.starts_with("page/")).map(str::to_owned).collect();
    let mut at = 0;
    while let Some(path) = paths.get(at).cloned() {
        let text = got(router, &format!("GET /{path}"), &[]).await.text;
        let folder = path.rsplit_once('/').expect("a folder").0;
        for name in text.split('"').filter_map(|part| part.strip_prefix("./")) {
            let path = format!("{folder}/{name}");
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        at += 1;
    }
    paths.sort();
    paths.dedup();
    paths
}

#[tokio::test(start_paused = true)]
async fn a_browser_is_told_that_nothing_but_the_page_runs() {
    let (_desk, router) = page().await;
    let html = got(&router, "GET /", &[]).await;
    let policy = html.headers["content-security-policy"].to_str().expect("text");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.split("; ").any(|one| one == rule), "{rule} in {policy}");
    }
    for line in ["GET /", "GET /v1/tenants", "GET /nowhere", "GET /healthz"] {
        let answer = got(&router, line, &[]).await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{line}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{line}");
        assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin", "{line}");
        assert_eq!(answer.headers["cross-origin-opener-policy"], "same-origin", "{line}");
    }
    assert_eq!(got(&router, "GET /v1/tenants", &[]).await.headers["cache-control"], "no-store");
}

#[tokio::test(start_paused = true)]
async fn a_file_is_kept_for_ever_and_the_page_is_asked_for_again() {
    let (_desk, router) = page().await;
    let html = got(&router, "GET /", &[]).await;
    assert_eq!(html.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(html.headers["cache-control"], "no-cache");
    let tag = html.headers["etag"].to_str().expect("text").to_owned();
    let again = got(&router, "GET /", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    let files = files(&router).await;
    assert!(files.len() >= 9, "{files:?}");
    for file in files {
        let answer = got(&router, &format!("GET /{file}"), &[]).await;
        assert_eq!(answer.status.as_u16(), 200, "{file}");
        assert!(answer.headers["cache-control"].to_str().expect("text").contains("immutable"), "{file}");
        assert_eq!(answer.headers["content-security-policy"], html.headers["content-security-policy"]);
        let media = answer.headers["content-type"].to_str().expect("text");
        let is = if file.ends_with(".css") { "text/css" } else { "text/javascript" };
        assert!(media.starts_with(is), "{file} is {media}");
        // What tenants wrote is text.
        for writes_markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!answer.text.contains(writes_markup), "{file} has {writes_markup}");
        }
        let another = file.replacen("page/", "page/0", 1);
        assert_eq!(got(&router, &format!("GET /{another}"), &[]).await.problem(), "no_such_path");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_hears_of_every_kind_of_event() {
    let (_desk, router) = page().await;
    let files = files(&router).await;
    let server = files.iter().find(|file| file.ends_with("/server.js")).expect("a module");
    let text = got(&router, &format!("GET /{server}"), &[]).await.text;
    for kind in EventKind::NAMES {
        assert!(text.contains(&format!("\"{kind}\"")), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_exchanged_for_a_cookie_that_no_script_reads() {
    let door = Door::new().await;
    let token = door.token("ci", "operator", &["*"]).await;
    let answer = door.begins(&token, ORIGIN).await;
    assert_eq!(answer.document(200), json!({ "token": "ci", "role": "operator", "tenants": ["*"] }));
    let set = answer.headers["set-cookie"].to_str().expect("text").to_owned();
    assert!(set.starts_with("__Host-landlord-"), "{set}");
    for part in ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict", "Secure"] {
        assert!(set.split("; ").any(|one| one == part), "{part} in {set}");
    }
    assert!(!set.contains(&token));
    // What another host of the domain could have set is none.
    let unnamed = cookie_of(&answer).replace("__Host-", "");
    assert_eq!(door.ask("GET /v1/tenants", &[("cookie", &unnamed)]).await.problem(), "unauthorized");
    let cookie = cookie_of(&answer);
    let access = door.ask("GET /v1/access", &[("cookie", &cookie)]).await;
    assert_eq!(access.document(200)["token"], "ci");
    let among = format!("theme=dark; {cookie}; other=1");
    assert_eq!(door.ask("GET /v1/tenants", &[("cookie", &among)]).await.status.as_u16(), 200);
    for wrong in ["", "theme=dark", &format!("{cookie}0"), &cookie.replace("__Host-", "x-")] {
        assert_eq!(
            door.ask("GET /v1/tenants", &[("cookie", wrong)]).await.problem(),
            "unauthorized",
            "{wrong}"
        );
    }
    // Whoever sends a token asks with that one.
    let both = [("cookie", cookie.as_str()), ("authorization", "Bearer llt_nope")];
    assert_eq!(door.ask("GET /v1/tenants", &both).await.problem(), "unauthorized");
    assert_eq!(door.begins("llt_nope", ORIGIN).await.problem(), "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_somebody_says_so_with_its_token_and_after_a_while() {
    let door = Door::new().await;
    let token = door.token("ci", "viewer", &["*"]).await;
    let works = async |cookie: &str| door.ask("GET /v1/tenants", &[("cookie", cookie)]).await.status == 200;
    let (one, other) = (door.cookie(&token).await, door.cookie(&token).await);
    assert_ne!(one, other);
    let here = [("host", HOST), ("origin", ORIGIN), ("cookie", one.as_str())];
    let ended = door.ask("DELETE /session", &here).await;
    assert_eq!(ended.status.as_u16(), 204);
    assert!(ended.headers["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
    assert!(!works(&one).await && works(&other).await);
    tokio::time::advance(Duration::from_secs(12 * 60 * 60 + 1)).await;
    assert!(!works(&other).await, "twelve hours are over");
    let third = door.cookie(&token).await;
    assert!(works(&third).await);
    // Tokens that are read again are the same tokens.
    door.desk.served.reload_tokens(Rate::default()).await.expect("read");
    assert!(works(&third).await);
    door.desk.ask("DELETE /v1/tokens/ci").await;
    assert!(!works(&third).await, "its token was revoked");
    let again = door.token("ci", "viewer", &["*"]).await;
    assert!(!works(&third).await, "another token has its name");
    let mut sessions = Vec::new();
    for _ in 0..17 {
        tokio::time::advance(Duration::from_millis(1)).await;
        sessions.push(door.cookie(&again).await);
    }
    assert!(!works(&sessions[0]).await, "one token has so many sessions, and the oldest ends");
    assert!(works(&sessions[1]).await && works(&sessions[16]).await);
}

#[tokio::test(start_paused = true)]
async fn a_cookie_changes_nothing_unless_this_page_sends_it() {
    let door = Door::new().await;
    let token = door.token("ci", "operator", &["*"]).await;
    door.desk.runs("acme", "v1").await;
    let cookie = door.cookie(&token).await;
    let with = |headers: &[(&'static str, &'static str)]| {
        let mut all = vec![("host", HOST), ("cookie", cookie.as_str())];
        all.extend(headers);
        all
    };
    for headers in [
        &[][..],
        &[("origin", "https://elsewhere.test")],
        &[("origin", "https://compute.test")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", ORIGIN)],
        &[("sec-fetch-site", "none")],
    ] {
        let answer = door.ask("POST /v1/tenants/acme/destroy", &with(headers)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (403, "foreign_origin"),
            "{headers:?}"
        );
        let ended = door.ask("DELETE /session", &with(headers)).await;
        assert_eq!(ended.problem(), "foreign_origin", "{headers:?}");
    }
    let body = json!({ "token": token }).to_string();
    let foreign = [("host", HOST), ("origin", "https://elsewhere.test")];
    assert_eq!(door.send("POST /session", &foreign, body.into()).await.problem(), "foreign_origin");
    let reads = with(&[("sec-fetch-site", "cross-site")]);
    assert_eq!(door.ask("GET /v1/tenants", &reads).await.problem(), "foreign_origin");
    // A token that is sent is nothing that a page of another site has.
    let bearer = format!("Bearer {token}");
    let program = [("authorization", bearer.as_str()), ("origin", "https://elsewhere.test")];
    assert_eq!(door.ask("POST /v1/tenants/acme/pause", &program).await.status.as_u16(), 200);
    for headers in [&[("origin", ORIGIN)][..], &[("sec-fetch-site", "same-origin"), ("origin", ORIGIN)]] {
        let answer = door.ask("POST /v1/tenants/acme/resume", &with(headers)).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_worth_what_its_token_is() {
    let door = Door::new().await;
    door.desk.runs("acme", "v1").await;
    door.desk.runs("bravo", "v1").await;
    let cookie = door.cookie(&door.token("ci", "viewer", &["acme"]).await).await;
    let mine = [("host", HOST), ("origin", ORIGIN), ("cookie", cookie.as_str())];
    assert_eq!(door.ask("GET /v1/access", &mine).await.document(200)["role"], "viewer");
    for line in ["POST /v1/tenants/acme/destroy", "GET /v1/tenants/bravo", "GET /v1/tenants/acme/specs/1"] {
        assert_eq!(door.ask(line, &mine).await.problem(), "forbidden", "{line}");
    }
    let fleet = door.ask("GET /v1/fleet", &mine).await.document(200);
    assert_eq!(
        fleet["counts"],
        json!([
            { "provider": "scripted", "state": "running", "health": "healthy", "tenants": 1 },
        ])
    );
    assert!(fleet.get("minutes").is_none(), "it would tell of others");
    let events = door.ask("GET /v1/events?after=start&follow=false", &mine).await;
    assert!(events.text.contains("acme") && !events.text.contains("bravo"));
}

#[tokio::test(start_paused = true)]
async fn the_owner_needs_no_session() {
    let (_desk, router) = page().await;
    let access = got(&router, "GET /v1/access", &[]).await.document(200);
    assert_eq!(access, json!({ "role": "operator", "tenants": ["*"] }));
}

/// Sends a request as it stands, and reads its answer.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{line} HTTP/1.1\r\n{headers}connection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

/// Sends a request as it stands, and reads the status of its answer.
async fn raw(stream: impl AsyncRead + AsyncWrite + Unpin, line: &str, headers: &[(&str, &str)]) -> u16 {
    let answer = exchange(stream, line, headers, "").await;
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn over_plain_tcp_only_the_names_of_the_loopback_are_answered_for() {
    let desk = Desk::new().await;
    let stop = CancellationToken::new();
    let mut ports = Vec::new();
    for names in [vec![], vec!["compute.test".to_owned()]] {
        let tcp = Tcp::bind(([127, 0, 0, 1], 0).into(), Security::PlainOnLoopback).await.expect("bound");
        let tcp = if names.is_empty() { tcp } else { tcp.named(names) };
        ports.push(tcp.address().expect("an address"));
        let asking = guarded(desk.served.clone(), Rate::default()).await.expect("read");
        let door = with_page(desk.served.clone(), asking);
        tokio::spawn(tcp.serve(door, Bounds::default(), stop.clone()));
    }
    let asked = async |address, line: &str, host: &str| {
        raw(TcpStream::connect(address).await.expect("connects"), line, &[("host", host)]).await
    };
    for address in &ports {
        for host in
            ["localhost", "localhost:8080", "LOCALHOST", "app.localhost:1", "127.0.0.1:8443", "[::1]:8443"]
        {
            assert_eq!(asked(address, "GET /", host).await, 200, "{host}");
            assert_eq!(asked(address, "GET /v1/tenants", host).await, 401, "{host}");
        }
        for host in
            ["evil.test", "evil.test:8443", "localhost.evil.test", "10.0.0.1", "@", "compute.test.evil"]
        {
            for line in ["GET /", "GET /v1/tenants", "GET /healthz", "POST /session"] {
                assert_eq!(asked(address, line, host).await, 421, "{line} {host}");
            }
        }
        // The line of a request names a host, too.
        assert_eq!(asked(address, "GET http://evil.test/", "localhost").await, 421);
    }
    assert_eq!(asked(&ports[0], "GET /", "compute.test").await, 421);
    // Browsers would not send back over the loopback what is only for TLS; a proxy before it may have TLS.
    let new = json!({ "name": "ci", "role": "viewer", "tenants": ["*"] }).to_string();
    let made = desk.asks(request("POST /v1/tokens").body(new.into()).expect("a request")).await;
    let token = made.document(201)["secret"].as_str().expect("a secret").to_owned();
    for (host, origin, secure) in
        [("localhost", "http://localhost", false), ("compute.test", "https://compute.test", true)]
    {
        let body = json!({ "token": token }).to_string();
        let stream = TcpStream::connect(ports[1]).await.expect("connects");
        let length = body.len().to_string();
        let headers = [("host", host), ("origin", origin), ("content-length", length.as_str())];
        let answer = exchange(stream, "POST /session", &headers, &body).await;
        let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        assert_eq!((set.contains("; Secure"), set.starts_with("__Host-")), (secure, secure), "{set}");
        let cookie = set.split(';').next().expect("a pair");
        let stream = TcpStream::connect(ports[1]).await.expect("connects");
        assert_eq!(raw(stream, "GET /v1/tenants", &[("host", host), ("cookie", cookie)]).await, 200);
    }
    assert_eq!(asked(&ports[1], "GET /", "Compute.test:443").await, 200);
    stop.cancel();
}

#[tokio::test]
async fn over_tls_the_certificate_says_which_names_are_answered_for() {
    use landlord_client::api::BearerToken;
    use landlord_client::{Client, ListQuery};
    let desk = Desk::new().await;
    let authority = Authority::new();
    authority.sign(&["127.0.0.1", "compute.localhost"]);
    let stop = CancellationToken::new();
    let new = json!({ "name": "ci", "role": "viewer", "tenants": ["*"] }).to_string();
    let made = desk.asks(request("POST /v1/tokens").body(new.into()).expect("a request")).await;
    let token = BearerToken::new(made.document(201)["secret"].as_str().expect("a secret"));
    for names in [vec![], vec!["compute.test".to_owned()]] {
        let security = Security::Tls(authority.certificates());
        let tcp = Tcp::bind(([127, 0, 0, 1], 0).into(), security).await.expect("bound");
        let tcp = if names.is_empty() { tcp } else { tcp.named(names) };
        let url = format!("https://127.0.0.1:{}", tcp.address().expect("an address").port());
        let door = guarded(desk.served.clone(), Rate::default()).await.expect("read");
        tokio::spawn(tcp.serve(door, Bounds::default(), stop.clone()));
        let client = Client::remote(&url, &token, &authority.trust()).expect("a client");
        client.tenants(&ListQuery::default()).await.expect("listed");
    }
    stop.cancel();
}

#[tokio::test]
async fn over_the_socket_no_page_of_another_site_commands() {
    let (desk, router) = page().await;
    desk.runs("acme", "v1").await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("landlord.db.sock");
    let socket = Socket::bind(&path).expect("bound");
    let stop = CancellationToken::new();
    let serving = tokio::spawn(socket.serve(router, Bounds::default(), stop.clone()));
    let asked = async |line: &str, headers: &[(&str, &str)]| {
        raw(UnixStream::connect(&path).await.expect("connects"), line, headers).await
    };
    let here = ("host", "localhost:8080");
    for foreign in [
        &[here, ("sec-fetch-site", "cross-site")][..],
        &[here, ("sec-fetch-site", "same-site"), ("origin", "http://localhost:9090")],
        &[here, ("origin", "http://localhost:9090")],
        &[here, ("origin", "null")],
        &[here, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
    ] {
        assert_eq!(asked("POST /v1/tenants/acme/pause", foreign).await, 403, "{foreign:?}");
        assert_eq!(asked("GET /v1/tenants", foreign).await, 403, "{foreign:?}");
    }
    assert_eq!(asked("POST /v1/tenants/acme/pause", &[("host", "evil.test")]).await, 421);
    // A link of another page leads here.
    let follows = [here, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert_eq!(asked("GET /", &follows).await, 200);
    assert!(desk.ask("GET /v1/tenants/acme").await.document(200)["tenant"].get("paused").is_none());
    for ours in [
        &[here][..],
        &[here, ("origin", "http://localhost:8080")],
        &[here, ("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8080")],
    ] {
        assert_eq!(asked("POST /v1/tenants/acme/pause", ours).await, 200, "{ours:?}");
    }
    stop.cancel();
    serving.await.expect("it ends");
}
