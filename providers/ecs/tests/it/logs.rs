//! What containers write, from CloudWatch.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::error::ErrorKind;
use landlord_compute::machines::id::TenantId;
use landlord_compute::provider::{Context, LogQuery, Provider as _};
use serde_json::json;

use super::fake::{Fake, Pace};
use super::provider::{provider, spec};
use super::world::subject;

#[tokio::test(start_paused = true)]
async fn what_containers_write_is_read_from_cloudwatch_and_followed() {
    let fake = Fake::new(Pace::real()).without_quotas();
    let provider = provider(&fake, json!({ "log_group": "/tenants" }));
    let cx = |tenant: &str| {
        let clock = Arc::new(TokioClock::starting_at(Timestamp::now()));
        Context::alone(subject(tenant), clock)
    };
    let (acme, id) = (cx("acme"), TenantId::new("acme").expect("a valid id"));
    let none = provider.logs(&cx("nobody"), &id, &LogQuery::default()).await;
    assert_eq!(none.err().map(|error| error.kind), Some(ErrorKind::TenantNotFound));
    provider.provision(&acme, &spec("acme", "app").check().expect("a valid spec")).await.expect("it runs");

    let read = async |query: LogQuery| -> Vec<(String, String)> {
        let lines = provider.logs(&acme, &id, &query).await.expect("it is there").expect("it has a log");
        lines.map(|line| line.expect("a line")).map(|line| (line.container, line.text)).collect().await
    };
    assert_eq!(read(LogQuery::default()).await, [], "nothing is written, and there is no group yet");
    for (stream, line) in
        [("acme/web/1", "one"), ("acme/side/1", "two"), ("acme2/web/9", "theirs"), ("acme/web/2", "three")]
    {
        fake.write("/tenants", stream, line);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let line = |container: &str, text: &str| (container.to_owned(), text.to_owned());
    let all = [line("web", "one"), line("side", "two"), line("web", "three")];
    assert_eq!(read(LogQuery::default()).await, all);
    assert_eq!(read(LogQuery::default().container("web")).await, [line("web", "one"), line("web", "three")]);

    let followed = provider.logs(&acme, &id, &LogQuery::default().follow()).await.expect("it is there");
    let mut followed = followed.expect("it has a log").map(|line| line.expect("a line").text);
    let writes = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        fake.write("/tenants", "acme/web/2", "four");
        tokio::time::sleep(Duration::from_secs(5)).await;
        fake.write("/tenants", "acme/web/3", "five");
        std::future::pending::<()>().await;
    };
    let reads = async {
        let five: Vec<String> = followed.by_ref().take(5).collect().await;
        assert_eq!(five, ["one", "two", "three", "four", "five"]);
        let more = tokio::time::timeout(Duration::from_secs(60), followed.next()).await;
        assert!(more.is_err(), "each once: {more:?}");
    };
    tokio::select! { () = reads => {} () = writes => unreachable!("it goes on") }
}
