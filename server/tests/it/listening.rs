//! A socket for its owner alone, bounds for connections, and the typed client over it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use landlord_api::{Code, Cursor, SubscriptionRequest};
use landlord_client::{
    Begin, Client, ClientError, Command, CommandOptions, EventsQuery, ListQuery, LogsQuery, Message, SpecText,
};
use landlord_compute::machines::id::ProviderName;
use landlord_server::{Bounds, Socket};
use landlord_testing::fixtures::{spec, tenant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Desk;

/// A server that listens in a folder of its own.
struct Listening {
    desk: Desk,
    path: PathBuf,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _folder: TempDir,
}

impl Listening {
    async fn new(bounds: Bounds) -> Self {
        let desk = Desk::new().await;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("landlord.db.sock");
        // What a server that was killed left behind.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        let socket = Socket::bind(&path).expect("bound");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(socket.serve(desk.router.clone(), bounds, stop.clone()));
        Self { desk, path, stop, serving, _folder: folder }
    }

    fn client(&self) -> Client {
        Client::unix(&self.path)
    }
}

fn text(id: &str, image: &str) -> SpecText {
    SpecText::json(serde_json::to_string(&spec(id, image)).expect("a document"))
}

#[tokio::test]
async fn a_typed_client_does_all_of_it_over_a_socket() {
    let listening = Listening::new(Bounds::default()).await;
    let mode = std::fs::metadata(&listening.path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "it is for its owner alone");
    let client = listening.client();
    let acme = tenant("acme");
    let mut events = client.events(Some(&acme), &EventsQuery::default()).await.expect("a stream");
    let mut options = CommandOptions::default();
    (options.request_id, options.reason) = (Some("order 7".to_owned()), Some("a test & more".to_owned()));
    options.deadline = Some(Duration::from_secs(90));
    let accepted =
        client.command(&acme, Command::Provision(text("acme", "v1")), &options).await.expect("taken");
    let id = accepted.operation.expect("an operation");
    let ended = client.settled(id).await.expect("settles");
    assert_eq!(ended.reason.as_deref(), Some("a test & more"));
    let mut names = Vec::new();
    let mut last: Option<Cursor> = None;
    while names.len() < 2 {
        let message = events.next().await.expect("more").expect("whole");
        last = Some(message.cursor().clone());
        if let Message::Event(event) = message {
            names.push(event.data.what.name());
        }
    }
    assert_eq!(names, ["began", "succeeded"]);
    let known = client.tenant(&acme).await.expect("known");
    assert_eq!(Some(&known.cursor), last.as_ref());
    assert_eq!(client.tenants(&ListQuery::default()).await.expect("listed").tenants, [known.tenant]);
    let after = EventsQuery { begin: Begin::After(events.begins().clone()), follow: false };
    assert_eq!(client.events(None, &after).await.expect("a stream").count().await, 2);
    assert!(client.plan(&acme, text("acme", "v1")).await.expect("planned").is_empty());
    assert_eq!(client.status(&acme).await.expect("known").status.tenant_id, acme);
    assert!(client.validate(text("acme", "v2")).await.expect("valid").valid);
    let scripted = ProviderName::new("scripted").expect("a name");
    assert_eq!(client.providers().await.expect("listed").providers[0].name, scripted);
    assert!(client.provider(&scripted).await.expect("known").config_schema.is_some());
    assert_eq!(client.fleet().await.expect("counted").counts[0].tenants, 1);
    assert_eq!(client.access().await.expect("known").token, None);
    assert_eq!(client.sweep(&scripted).await.expect("swept").listed, 1);
    match client.logs(&acme, &LogsQuery::default()).await {
        Err(ClientError::Problem(problem)) => assert_eq!(problem.code, Code::NotSupported),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the scripted provider keeps no logs"),
    }
}

#[tokio::test]
async fn a_named_reader_pulls_and_acknowledges_over_a_socket() {
    let listening = Listening::new(Bounds::default()).await;
    let client = listening.client();
    let mut wanted = SubscriptionRequest::default();
    wanted.filter.kinds = vec!["succeeded".to_owned()];
    client.put_subscription("audit", &wanted).await.expect("made");
    let puller = client.clone();
    let coming =
        tokio::spawn(async move { puller.pull("audit", 10, Duration::from_secs(60)).await.expect("pulled") });
    let put = Command::Put(text("acme", "v1"));
    client.command(&tenant("acme"), put, &CommandOptions::default()).await.expect("taken");
    let batch = coming.await.expect("no panic");
    assert_eq!(batch.events.iter().map(|event| event.data.what.name()).collect::<Vec<_>>(), ["succeeded"]);
    assert_eq!(client.pull("audit", 10, Duration::ZERO).await.expect("pulled"), batch);
    let stands = client.acknowledge("audit", &batch.cursor).await.expect("acknowledged");
    assert_eq!(client.subscription("audit").await.expect("known"), stands);
    assert_eq!(client.subscriptions(None).await.expect("listed").subscriptions, [stands]);
    assert_eq!(client.subscriptions(Some("audit")).await.expect("listed").subscriptions, []);
    client.delete_subscription("audit").await.expect("removed");
    match client.pull("audit", 10, Duration::ZERO).await {
        Err(ClientError::Problem(problem)) => assert_eq!(problem.code, Code::SubscriptionNotFound),
        other => panic!("it is gone: {other:?}"),
    }
}

#[tokio::test]
async fn it_ends_in_order_and_its_socket_is_gone() {
    let listening = Listening::new(Bounds::default()).await;
    let client = listening.client();
    let mut events = client.events(None, &EventsQuery::default()).await.expect("a stream");
    listening.stop.cancel();
    listening.desk.engine.shutdown(Duration::from_secs(1)).await.expect("ends");
    assert!(events.next().await.is_none(), "a stream ends with the engine, and is not cut");
    listening.serving.await.expect("it ends");
    assert!(!listening.path.exists());
    assert!(matches!(client.tenants(&ListQuery::default()).await, Err(ClientError::Unreachable(_))));
}

#[tokio::test]
async fn slow_and_oversized_heads_are_cut_and_harm_nobody() {
    let mut bounds = Bounds::default();
    (bounds.head, bounds.connections) = (Duration::from_millis(100), 4);
    let listening = Listening::new(bounds).await;
    let mut slow = UnixStream::connect(&listening.path).await.expect("connects");
    slow.write_all(b"GET /v1/tenants HTTP/1.1\r\nhost: loc").await.expect("written");
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.expect("it is closed");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    let mut many = UnixStream::connect(&listening.path).await.expect("connects");
    let head = (0..200).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    many.write_all(format!("GET /v1/tenants HTTP/1.1\r\nhost: l\r\n{head}\r\n").as_bytes())
        .await
        .expect("written");
    let mut answer = vec![0; 12];
    many.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 431");
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(UnixStream::connect(&listening.path).await.expect("connects"));
    }
    // Those four give up their places when they are too slow, and the next one is served.
    loop {
        match listening.client().tenants(&ListQuery::default()).await {
            Ok(_) => break,
            Err(ClientError::Unreachable(_)) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_socket_may_have_a_long_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
    std::fs::create_dir_all(&deep).expect("made");
    let (path, desk, stop) = (deep.join("landlord.db.sock"), Desk::new().await, CancellationToken::new());
    let socket = Socket::bind(&path).expect("bound");
    let serving = tokio::spawn(socket.serve(desk.router.clone(), Bounds::default(), stop.clone()));
    assert!(Client::answers(&path).await);
    Client::unix(&path).tenants(&ListQuery::default()).await.expect("listed");
    stop.cancel();
    serving.await.expect("it ends");
    assert!(!Client::answers(&path).await && !path.exists());
}
