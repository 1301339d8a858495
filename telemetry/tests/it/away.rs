//! Receivers that hang, refuse, or are not there: the engine goes on, and what is dropped is counted.

use std::time::Duration;

use landlord_compute::Engine;
use landlord_testing::fixtures::{memory, run, scripted};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{Exporting, PATIENCE, engine};

/// How many of a signal were dropped for this reason.
fn dropped(exporting: &Exporting, signal: &str, reason: &str) -> u64 {
    let text = exporting.telemetry.prometheus();
    let name = format!(r#"landlord_telemetry_dropped_total{{signal="{signal}",reason="{reason}"}} "#);
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.expect("it is counted").parse().expect("a number")
}

async fn until(what: impl Fn() -> bool) {
    let looking = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it is so in time");
}

async fn lives(engine: &Engine, tenants: usize) {
    for number in 0..tenants {
        run(engine, &format!("tenant-{number}"), "v1").await;
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_slows_nothing() {
    // Connections are made, and nobody reads them.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let exporting = Exporting::to(&format!("http://{}", listener.local_addr().expect("an address")));
    let engine = engine(&exporting.telemetry, memory(), &scripted()).await;
    // Nine spans each: more than wait and are on their way.
    lives(&engine, 700).await;
    until(|| dropped(&exporting, "spans", "queue_full") > 0).await;
    until(|| dropped(&exporting, "spans", "timed_out") > 0).await;
    until(|| dropped(&exporting, "metrics", "timed_out") > 0).await;
    tokio::time::timeout(Duration::from_secs(30), exporting.end()).await.expect("it ends all the same");
}

#[tokio::test]
async fn a_receiver_that_refuses_is_not_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let exporting = Exporting::to(&format!("http://{}", listener.local_addr().expect("an address")));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(refusal).await;
            let _ = stream.shutdown().await;
            // What was sent is read, so that the refusal arrives.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    let engine = engine(&exporting.telemetry, memory(), &scripted()).await;
    lives(&engine, 1).await;
    until(|| dropped(&exporting, "spans", "refused") >= 9).await;
    until(|| dropped(&exporting, "metrics", "refused") > 0).await;
    exporting.end().await;
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_tried_again_and_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let exporting = Exporting::to(&address);
    let engine = engine(&exporting.telemetry, memory(), &scripted()).await;
    lives(&engine, 1).await;
    until(|| dropped(&exporting, "metrics", "unreachable") > 0).await;
    let telemetry = std::sync::Arc::clone(&exporting.telemetry);
    exporting.end().await;
    let text = telemetry.prometheus();
    let spans = r#"landlord_telemetry_dropped_total{signal="spans",reason="unreachable"} 9"#;
    assert!(text.contains(spans), "{text}");
    assert!(text.contains("landlord_telemetry_spans_waiting 0"), "{text}");
}
