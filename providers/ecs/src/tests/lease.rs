//! What an engine sends whose lease ends, over every kind of connection.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_util::client::proxy::matcher::Matcher;
use landlord_compute::provider::{Lease, Provider};
use landlord_state_machines::id::Epoch;
use landlord_testing::sockets::{CountingServer, Speaks};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::rustls::RootCertStore;

use crate::https::{GuardedHttps, Within};
use crate::testing::{Answer, Server, credentials, ecs, ok, refuse};
use crate::{EcsOptions, EcsProvider, SharedCredentialsProvider};

const ALL: [Speaks; 3] = [Speaks::Plain, Speaks::Tls, Speaks::Http2];
/// More than the kernel keeps of a connection.
const LARGE: usize = 64 << 20;

/// Connections to this server, while the lease holds.
fn connections(server: &CountingServer, lease: &Lease) -> GuardedHttps {
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate().to_vec().into()).unwrap();
    GuardedHttps::new(lease, roots.into(), Matcher::builder().build(), Within::default())
}

async fn post(
    connections: &GuardedHttps,
    url: &str,
    body: impl Into<SdkBody>,
) -> Result<HttpResponse, ConnectorError> {
    let mut request = HttpRequest::new(body.into());
    request.set_method("POST").unwrap();
    request.set_uri(url).unwrap();
    connections.call(request).await
}

fn lease() -> Lease {
    Lease::until_ended(Epoch(1))
}

#[tokio::test]
async fn a_connection_from_before_sends_nothing_once_the_lease_has_ended() {
    for speaks in ALL {
        let (server, lease) = (CountingServer::start(speaks).await, lease());
        let connections = connections(&server, &lease);
        // With the second one everything has come that belongs to the connection.
        for _ in 0..2 {
            let answer = post(&connections, &server.url(), "held").await.unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{speaks:?}");
        }
        let before = server.counts();
        assert_eq!((before.connections, before.open, before.requests), (1, 1, 2), "{speaks:?}");
        lease.end();
        let refused = post(&connections, &server.url(), "late").await.unwrap_err();
        assert!(refused.is_io(), "{speaks:?}: {refused:?}");
        let ended = server.until(|counts| counts.open == 0).await;
        assert_eq!((ended.bytes, ended.requests), (before.bytes, 2), "{speaks:?}");
        // Nor is another one made.
        let refused = post(&connections, &server.url(), "late").await.unwrap_err();
        assert!(format!("{refused:?}").contains("lease has ended"), "{speaks:?}: {refused:?}");
        assert_eq!(server.counts(), ended, "{speaks:?}");
    }
}

#[tokio::test]
async fn a_request_ends_in_its_middle_when_the_lease_does() {
    for speaks in ALL {
        let (server, lease) = (CountingServer::start(speaks).await, lease());
        let connections = Arc::new(connections(&server, &lease));
        server.reads_up_to(1 << 20);
        let asked = {
            let (connections, url) = (Arc::clone(&connections), server.url());
            tokio::spawn(async move { post(&connections, &url, vec![b'x'; LARGE]).await })
        };
        server.until(|counts| counts.bytes >= 1 << 20).await;
        lease.end();
        // What the kernel has by now still comes.
        server.reads_up_to(u64::MAX);
        assert!(asked.await.unwrap().unwrap_err().is_io(), "{speaks:?}");
        let ended = server.until(|counts| counts.open == 0).await;
        assert!(ended.requests == 0 && ended.bytes < LARGE as u64, "{speaks:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_provider_asks_nothing_once_the_lease_has_ended() {
    let (server, lease) = (CountingServer::start(Speaks::Plain).await, lease());
    let mut options = EcsOptions::new(json!({ "region": "eu-west-1", "endpoint_url": server.url() }));
    options.credentials = Some(SharedCredentialsProvider::new(credentials()));
    let provider = EcsProvider::new(options).unwrap();
    provider.leased(lease.clone());
    provider.list_tenants("test").await.unwrap();
    let before = server.counts();
    assert!(before.requests > 0);
    lease.end();
    let error = provider.list_tenants("test").await.unwrap_err();
    assert!(error.platform.as_ref().is_some_and(|words| words.contains("lease has ended")), "{error:?}");
    let ended = server.until(|counts| counts.open == 0).await;
    assert_eq!((ended.bytes, ended.requests), (before.bytes, before.requests));
}

#[tokio::test]
async fn answers_over_such_connections_mean_the_same() {
    let server = Server::start(|seen| match seen.body["serviceName"].as_str() {
        Some("refused") => refuse(400, "AccessDeniedException", "not you"),
        Some("cut") => Answer::Cut,
        _ => ok(json!({ "serviceArns": [] })),
    })
    .await;
    let ecs = ecs(&server.url, Some(SharedCredentialsProvider::new(credentials())));
    ecs.clients.leased(lease());
    let writes = &ecs.clients.of(&server.place()).await.writes;
    writes.list_services().send().await.unwrap();
    let create = |name: &str| writes.create_service().service_name(name).send();
    let refused = create("refused").await.unwrap_err();
    assert!(refused.as_service_error().is_some(), "{refused:?}");
    let cut = create("cut").await.unwrap_err();
    assert!(
        matches!(&cut, aws_sdk_ecs::error::SdkError::DispatchFailure(failure) if failure.is_io()),
        "{cut:?}"
    );
    writes.list_services().send().await.unwrap();
    assert_eq!(server.operations(), ["ListServices", "CreateService", "CreateService", "ListServices"]);
}

/// The head of what a proxy is asked.
async fn asked_of_a_proxy(url: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://me:s%40cret@{}", listener.local_addr().unwrap());
    let proxies = Matcher::builder().all(proxy).build();
    let connections = GuardedHttps::new(&lease(), RootCertStore::empty().into(), proxies, Within::default());
    let hears = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    };
    let (head, refused) = tokio::join!(hears, post(&connections, url, ""));
    assert!(refused.is_err(), "the proxy does not answer");
    head.to_lowercase()
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_or_to_hand_on() {
    let name = "proxy-authorization: basic bwu6c0bjcmv0";
    let tunnel = asked_of_a_proxy("https://ecs.test/").await;
    assert!(tunnel.starts_with("connect ecs.test:443 http/1.1\r\n") && tunnel.contains(name), "{tunnel}");
    let handed_on = asked_of_a_proxy("http://ecs.test/path").await;
    let first = "post http://ecs.test/path http/1.1\r\n";
    assert!(handed_on.starts_with(first) && handed_on.contains(name), "{handed_on}");
}
