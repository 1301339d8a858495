//! What an engine sends whose lease ends, over every kind of connection.

use std::os::unix::fs::PermissionsExt;

use http::Request;
use jiff::Timestamp;
use kube::client::Body;
use kube::config::{AuthInfo, ExecConfig};
use kube::{Client, Config};
use landlord_compute::provider::Lease;
use landlord_state_machines::id::Epoch;
use landlord_testing::sockets::{CountingServer, Speaks};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::guarded::client;

/// kube speaks HTTP/1 alone.
const ALL: [Speaks; 2] = [Speaks::Plain, Speaks::Tls];
/// More than the kernel keeps of a connection.
const LARGE: usize = 64 << 20;

fn config(server: &CountingServer) -> Config {
    let mut config = Config::new(server.url().parse().unwrap());
    config.root_cert = Some(vec![server.certificate().to_vec()]);
    config
}

fn lease() -> Lease {
    Lease::until_ended(Epoch(1))
}

async fn patch(client: &Client, body: Vec<u8>) -> kube::Result<http::StatusCode> {
    let request = Request::patch("/api/v1/namespaces/acme").body(Body::from(body)).unwrap();
    Ok(client.send(request).await?.status())
}

/// An error and its causes.
fn words(error: &kube::Error) -> String {
    crate::words::chain(error)
}

#[tokio::test]
async fn a_connection_from_before_sends_nothing_once_the_lease_has_ended() {
    for speaks in ALL {
        let (server, lease) = (CountingServer::start(speaks).await, lease());
        let client = client(&config(&server), lease.clone()).unwrap();
        for _ in 0..2 {
            assert_eq!(patch(&client, b"held".to_vec()).await.unwrap(), 200, "{speaks:?}");
        }
        let before = server.counts();
        assert_eq!((before.connections, before.open, before.requests), (1, 1, 2), "{speaks:?}");
        lease.end();
        patch(&client, b"late".to_vec()).await.unwrap_err();
        let ended = server.until(|counts| counts.open == 0).await;
        assert_eq!((ended.bytes, ended.requests), (before.bytes, 2), "{speaks:?}");
        // Nor is another one made.
        let refused = patch(&client, b"late".to_vec()).await.unwrap_err();
        assert!(words(&refused).contains("lease has ended"), "{speaks:?}: {refused:?}");
        assert_eq!(server.counts(), ended, "{speaks:?}");
    }
}

#[tokio::test]
async fn a_request_ends_in_its_middle_when_the_lease_does() {
    for speaks in ALL {
        let (server, lease) = (CountingServer::start(speaks).await, lease());
        let client = client(&config(&server), lease.clone()).unwrap();
        server.reads_up_to(1 << 20);
        let asked = tokio::spawn(async move { patch(&client, vec![b'x'; LARGE]).await });
        server.until(|counts| counts.bytes >= 1 << 20).await;
        lease.end();
        // What the kernel has by now still comes.
        server.reads_up_to(u64::MAX);
        asked.await.unwrap().unwrap_err();
        let ended = server.until(|counts| counts.open == 0).await;
        assert!(ended.requests == 0 && ended.bytes < LARGE as u64, "{speaks:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://me:s%40cret@{}", listener.local_addr().unwrap());
    let mut config = Config::new("https://cluster.test:6443".parse().unwrap());
    config.root_cert = Some(Vec::new());
    config.proxy_url = Some(proxy.parse().unwrap());
    let client = client(&config, lease()).unwrap();
    let hears = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap().to_lowercase()
    };
    let (head, refused) = tokio::join!(hears, patch(&client, Vec::new()));
    refused.unwrap_err();
    assert!(head.starts_with("connect cluster.test:6443 http/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: basic bwu6c0bjcmv0"), "{head}");
    config.proxy_url = Some("ftp://proxy.test".parse().unwrap());
    let refused = crate::guarded::client(&config, lease()).err().expect("no such proxies");
    assert!(matches!(refused, kube::Error::ProxyProtocolUnsupported { .. }), "{refused}");
}

#[tokio::test]
async fn the_credentials_of_an_exec_plugin_end_when_it_says() {
    let ends = "2030-01-01T00:00:00Z";
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["engine".to_owned()]).unwrap();
    let certificate = json!({
        "clientCertificateData": cert.pem(),
        "clientKeyData": signing_key.serialize_pem(),
        "expirationTimestamp": ends,
    });
    let token = json!({ "token": "secret", "expirationTimestamp": ends });
    for (status, valid_until) in [(certificate, Some(ends.parse::<Timestamp>().unwrap())), (token, None)] {
        let dir = tempfile::tempdir().unwrap();
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status,
        });
        std::fs::write(dir.path().join("credential"), credential.to_string()).unwrap();
        let plugin = dir.path().join("plugin");
        let script = format!("#!/bin/sh\ncat {}\n", dir.path().join("credential").display());
        std::fs::write(&plugin, script).unwrap();
        std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o700)).unwrap();
        let server = CountingServer::start(Speaks::Tls).await;
        let mut config = config(&server);
        let exec: ExecConfig = serde_json::from_value(json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never",
        }))
        .unwrap();
        config.auth_info = AuthInfo { exec: Some(exec), ..AuthInfo::default() };
        let client = client(&config, lease()).unwrap();
        assert_eq!(*client.valid_until(), valid_until);
        assert_eq!(patch(&client, Vec::new()).await.unwrap(), 200);
    }
}
