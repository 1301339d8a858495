//! A TCP port: TLS that holds, certificates that change, and clients that are slow.

use std::net::SocketAddr;
use std::time::Duration;

use landlord_client::api::BearerToken;
use landlord_client::{Client, ClientError, ListQuery, RemoteError, Trust};
use landlord_server::{Bounds, Rate, Security, Tcp, guarded};
use rcgen::KeyPair;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::authority::Authority;
use super::{Desk, request};

struct Listening {
    desk: Desk,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Listening {
    async fn new(security: Security, bounds: Bounds) -> Self {
        let desk = Desk::new().await;
        let tcp = Tcp::bind(([127, 0, 0, 1], 0).into(), security).await.expect("bound");
        let address = tcp.address().expect("an address");
        let stop = CancellationToken::new();
        let door = guarded(desk.served.clone(), Rate::default()).await.expect("read");
        tokio::spawn(tcp.serve(door, bounds, stop.clone()));
        Self { desk, address, stop }
    }

    async fn token(&self) -> BearerToken {
        let new = json!({ "name": "ci", "role": "operator", "tenants": ["*"] }).to_string();
        let made = self.desk.asks(request("POST /v1/tokens").body(new.into()).expect("a request")).await;
        BearerToken::new(made.document(201)["secret"].as_str().expect("a secret"))
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.address.port())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn lists(client: &Client) -> Result<(), ClientError> {
    client.tenants(&ListQuery::default()).await.map(drop)
}

#[tokio::test]
async fn a_client_asks_over_tls_and_only_a_server_that_it_trusts() {
    let authority = Authority::new();
    authority.sign(&["localhost", "127.0.0.1"]);
    let listening = Listening::new(Security::Tls(authority.certificates()), Bounds::default()).await;
    let token = listening.token().await;
    for host in ["localhost", "127.0.0.1"] {
        let client =
            Client::remote(&listening.url("https", host), &token, &authority.trust()).expect("a client");
        lists(&client).await.expect("listed");
    }
    let url = listening.url("https", "localhost");
    let stranger = Client::remote(&url, &BearerToken::new("llt_nope"), &authority.trust()).expect("a client");
    let Err(ClientError::Problem(problem)) = lists(&stranger).await else { panic!("it has no token") };
    assert_eq!(problem.status, 401);
    let another = Authority::new();
    let distrusts = Client::remote(&url, &token, &another.trust()).expect("a client");
    let Err(error @ ClientError::Unreachable(_)) = lists(&distrusts).await else {
        panic!("it is not trusted")
    };
    assert!(format!("{error:?}").contains("InvalidCertificate"), "{error:?}");
    // What is plain is not answered.
    let plain =
        Client::remote(&listening.url("http", "localhost"), &token, &Trust::System).expect("a client");
    assert!(matches!(lists(&plain).await, Err(ClientError::Unreachable(_))));
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_the_next_connection_and_a_broken_one_is_not() {
    let authority = Authority::new();
    authority.sign(&["old.test"]);
    let certificates = authority.certificates();
    let listening = Listening::new(Security::Tls(certificates.clone()), Bounds::default()).await;
    let token = listening.token().await;
    let url = listening.url("https", "127.0.0.1");
    let fresh = || Client::remote(&url, &token, &authority.trust()).expect("a client");
    assert!(lists(&fresh()).await.is_err(), "the certificate is for another name");
    authority.sign(&["127.0.0.1"]);
    assert!(certificates.reload().expect("read"));
    assert!(!certificates.reload().expect("read"), "it is the one that is shown");
    let kept = fresh();
    lists(&kept).await.expect("the new one is shown");
    std::fs::write(authority.path("server.key"), KeyPair::generate().expect("a key").serialize_pem())
        .expect("written");
    let error = certificates.reload().expect_err("it is another's key");
    assert!(error.to_string().contains("is not the one of the certificate"), "{error}");
    std::fs::write(authority.path("server.pem"), "nothing").expect("written");
    assert!(certificates.reload().expect_err("there is none").to_string().contains("no certificate"));
    lists(&fresh()).await.expect("the old one is shown on");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_changes_is_noticed() {
    let authority = Authority::new();
    authority.sign(&["old.test"]);
    let certificates = authority.certificates();
    let stop = CancellationToken::new();
    let following = tokio::spawn(certificates.clone().follow(stop.clone()));
    tokio::time::sleep(Duration::from_secs(6)).await;
    // The times of files may be no finer than a tick.
    let later = std::time::SystemTime::now() + Duration::from_secs(10);
    authority.sign(&["new.test"]);
    for name in ["server.pem", "server.key"] {
        let file = std::fs::File::options().write(true).open(authority.path(name)).expect("there");
        file.set_modified(later).expect("set");
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!certificates.reload().expect("read"), "it was read already");
    stop.cancel();
    following.await.expect("it ends");
}

#[tokio::test]
async fn plain_tcp_is_for_the_loopback_alone() {
    let error = Tcp::bind(([0, 0, 0, 0], 0).into(), Security::PlainOnLoopback).await.expect_err("refused");
    assert!(error.to_string().contains("in the clear"), "{error}");
    let listening = Listening::new(Security::PlainOnLoopback, Bounds::default()).await;
    let token = listening.token().await;
    let client =
        Client::remote(&listening.url("http", "127.0.0.1"), &token, &Trust::System).expect("a client");
    lists(&client).await.expect("listed");
    for url in [
        "http://compute.example.com:80",
        "compute.example.com",
        "ftp://localhost",
        "https://a:b@localhost",
        "https://localhost/api",
    ] {
        assert!(
            matches!(Client::remote(url, &token, &Trust::System), Err(RemoteError::Address { .. })),
            "{url}"
        );
    }
    let missing = Trust::Authorities("/nowhere/ca.pem".into());
    assert!(matches!(
        Client::remote("https://localhost", &token, &missing),
        Err(RemoteError::Authorities { .. })
    ));
}

#[tokio::test]
async fn who_opens_a_connection_slowly_is_cut_and_harms_nobody() {
    let authority = Authority::new();
    authority.sign(&["127.0.0.1"]);
    let mut bounds = Bounds::default();
    (bounds.head, bounds.connections) = (Duration::from_millis(200), 2);
    let listening = Listening::new(Security::Tls(authority.certificates()), bounds).await;
    let token = listening.token().await;
    let mut slow = TcpStream::connect(listening.address).await.expect("connects");
    // The first bytes of a greeting, and nothing more.
    slow.write_all(&[0x16, 0x03, 0x01]).await.expect("written");
    let mut silent = TcpStream::connect(listening.address).await.expect("connects");
    let mut nothing = Vec::new();
    slow.read_to_end(&mut nothing).await.expect("it is closed");
    silent.read_to_end(&mut nothing).await.expect("it is closed");
    assert!(nothing.is_empty());
    let client =
        Client::remote(&listening.url("https", "127.0.0.1"), &token, &authority.trust()).expect("a client");
    lists(&client).await.expect("there is room again");
}

#[test]
fn a_certificate_says_until_when_it_is_valid() {
    let authority = Authority::new();
    authority.sign(&["localhost"]);
    let (from, until) = authority.certificates().validity().expect("it says so");
    // What the library that signs takes where nothing else is said.
    assert_eq!([from.to_string(), until.to_string()], ["1975-01-01T00:00:00Z", "4096-01-01T00:00:00Z"]);
}
