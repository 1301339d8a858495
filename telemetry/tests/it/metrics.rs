//! Metrics, as Prometheus reads them and as a receiver has them.

use std::collections::BTreeMap;
use std::time::Duration;

use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::tenant::Method;
use landlord_compute::telemetry::{LookEnd, Place};
use landlord_compute::{Options, ProviderName};
use landlord_telemetry::catalogue::{CATALOGUE, Kind};
use landlord_telemetry::{Settings, Telemetry};
use landlord_testing::fixtures::{memory, run, scripted, tenant};
use landlord_testing::scripted::Step;

use super::receiver::numbers;
use super::{Exporting, Receiver, engine};

/// The samples of a text for Prometheus, by name and labels.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').expect("a sample"))
        .map(|(name, value)| (name, value.parse().expect("a number")))
        .collect()
}

async fn life(telemetry: &Telemetry) -> std::sync::Arc<landlord_compute::Engine> {
    let provider = scripted();
    let once = ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Retry, ErrorCode::UnknownError, "once");
    provider.script(&tenant("acme"), Method::Provision, [Step::Fail(once)]);
    let engine = engine(telemetry, memory(), &provider).await;
    run(&engine, "acme", "v1").await;
    run(&engine, "beta", "v1").await;
    engine
        .tenant(tenant("acme"))
        .destroy(Options::default())
        .await
        .expect("accepted")
        .await
        .expect("settles");
    engine
}

#[tokio::test]
async fn a_scrape_has_every_metric_of_the_catalogue() {
    let (telemetry, _exports) = Telemetry::new(&Settings::default()).expect("set up");
    let engine = life(&telemetry).await;
    telemetry.lags(3, 4, 1);
    let name = |name| ProviderName::new(name).expect("a valid name");
    let ages = [("scripted", 70), ("gone", 90), ("lost", 80)];
    telemetry
        .oldest_operations(ages.map(|(provider, age)| (name(provider), Duration::from_secs(age))).into());
    telemetry.orphans([(name("scripted"), 2)].into());
    let text = telemetry.prometheus();
    for metric in CATALOGUE {
        let line = format!("# TYPE {} {}\n", metric.family(), metric.kind.name());
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(!text.contains("acme"), "no tenant is named");

    let samples = samples(&text);
    let of = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} in {text}"));
    assert_eq!(of(r#"landlord_tenants{provider="scripted",state="running",health="healthy"}"#), 1.0);
    assert_eq!(of(r#"landlord_transitions_total{provider="scripted",kind="will_retry"}"#), 1.0);
    assert_eq!(of(r#"landlord_operations_total{provider="scripted",kind="provision",result="done"}"#), 2.0);
    assert_eq!(of(r#"landlord_operations_total{provider="scripted",kind="destroy",result="done"}"#), 1.0);
    assert_eq!(
        of(r#"landlord_operation_duration_seconds_count{provider="scripted",kind="destroy",result="done"}"#),
        1.0
    );
    assert_eq!(of(r#"landlord_retries_total{provider="scripted"}"#), 1.0);
    assert_eq!(
        of(
            r#"landlord_call_duration_seconds_count{provider="scripted",method="provision",outcome="failed"}"#
        ),
        1.0
    );
    assert_eq!(
        of(
            r#"landlord_call_duration_seconds_bucket{le="+Inf",provider="scripted",method="provision",outcome="succeeded"}"#
        ),
        2.0
    );
    assert_eq!(of(r#"landlord_calls_running{provider="scripted"}"#), 0.0);
    assert_eq!(of("landlord_commit_transitions_sum"), 8.0);
    assert_eq!(of("landlord_commit_failures_total"), 0.0);
    assert_eq!(of(r#"landlord_operation_oldest_seconds{provider="scripted"}"#), 70.0);
    assert_eq!(
        of(r#"landlord_operation_oldest_seconds{provider="other"}"#),
        90.0,
        "of those that the engine lacks"
    );
    assert_eq!(of(r#"landlord_looks_total{provider="scripted",outcome="failed"}"#), 0.0, "nobody looks here");
    assert_eq!(of(r#"landlord_orphans{provider="scripted"}"#), 2.0);
    assert_eq!(of("landlord_events"), 8.0);
    assert_eq!(
        (of("landlord_subscription_lag"), of("landlord_webhook_lag"), of("landlord_webhooks_failing")),
        (3.0, 4.0, 1.0)
    );
    drop(engine);
    assert!(!telemetry.prometheus().contains("\nlandlord_events "), "an engine that is gone holds nothing");
}

#[test]
fn each_commit_and_each_look_is_counted() {
    let (telemetry, _exports) = Telemetry::new(&Settings::default()).expect("set up");
    let (watcher, name) = (telemetry.watcher(), ProviderName::new("scripted").expect("a valid name"));
    watcher.starts(std::slice::from_ref(&name), &BTreeMap::new());
    watcher.committed(3, Some(Duration::from_millis(200)));
    watcher.committed(2, None);
    watcher.commit_failed();
    watcher.looked(Place(0), LookEnd::Answered);
    watcher.looked(Place(0), LookEnd::Failed);
    watcher.looked(Place(0), LookEnd::Failed);
    let text = telemetry.prometheus();
    let samples = samples(&text);
    let of = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} in {text}"));
    assert_eq!(of("landlord_commit_transitions_sum"), 5.0);
    assert_eq!(of("landlord_commit_duration_seconds_count"), 1.0, "the other one had not to be waited for");
    assert_eq!(of("landlord_commit_duration_seconds_sum"), 0.2);
    assert_eq!(of("landlord_commit_failures_total"), 1.0);
    assert_eq!(of(r#"landlord_looks_total{provider="scripted",outcome="answered"}"#), 1.0);
    assert_eq!(of(r#"landlord_looks_total{provider="scripted",outcome="failed"}"#), 2.0);
}

#[tokio::test]
async fn a_receiver_gets_the_same_metrics() {
    let receiver = Receiver::start().await;
    let exporting = Exporting::to(receiver.address());
    let engine = life(&exporting.telemetry).await;
    exporting.end().await;
    let came = receiver.came();
    let by_name: BTreeMap<&str, _> =
        came.metrics.iter().map(|metric| (metric.name.as_str(), metric)).collect();
    for name in by_name.keys() {
        assert!(CATALOGUE.iter().any(|metric| metric.name == *name), "{name} is in the catalogue");
    }
    assert_eq!(numbers(by_name["landlord_retries"])[0], ("scripted".to_owned(), 1.0));
    let operations = numbers(by_name["landlord_operations"]);
    assert!(operations.contains(&("scripted provision done".to_owned(), 2.0)), "{operations:?}");
    assert_eq!(by_name["landlord_commit_duration"].unit, "s");
    let histograms = CATALOGUE.iter().filter(|metric| metric.kind == Kind::Histogram);
    for metric in histograms {
        assert!(by_name.contains_key(metric.name), "{}", metric.name);
    }
    assert!(came.authorization.iter().all(|header| header == "Bearer sentinel-header"));
    drop(engine);
}
