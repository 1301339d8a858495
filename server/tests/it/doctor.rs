//! What a server finds of itself, and why a tenant is where it is.

use axum::body::Body;
use landlord_api::Finding;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::tenant::Method;
use landlord_server::router;
use landlord_testing::fixtures;
use landlord_testing::scripted::Step;
use serde_json::Value;

use super::{Desk, answered, request};

#[tokio::test(start_paused = true)]
async fn the_machine_is_told_of_before_the_providers() {
    let desk = Desk::new().await;
    let of_providers = desk.ask("POST /v1/doctor").await.document(200)["findings"].clone();
    assert_eq!(of_providers[0]["check"], "provider scripted");
    assert_eq!(of_providers[0]["grade"], "ok");
    let served = desk
        .served
        .clone()
        .examined(|| Box::pin(async { vec![Finding::warning("disk", "little room", "free some")] }));
    let line = request("POST /v1/doctor").body(Body::empty()).expect("a request");
    let all = answered(&router(served), line).await.document(200)["findings"].clone();
    assert_eq!(
        all[0],
        serde_json::json!({ "check": "disk", "grade": "warning", "found": "little room", "todo": "free some" })
    );
    assert_eq!(all[1], of_providers[0]);
    assert!(desk.provider.calls().is_empty(), "nothing was made: {:?}", desk.provider.calls());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_says_why_it_is_where_it_is() {
    let desk = Desk::new().await;
    let refused = ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::Permanent,
        ErrorCode::InvalidConfiguration,
        "no such image",
    );
    let acme = fixtures::tenant("acme");
    desk.provider.script(&acme, Method::Provision, [Step::Checkpoint("pull the image"), Step::Fail(refused)]);
    let put = desk.send("PUT /v1/tenants/acme", "acme", "v1").await.document(202);
    assert_eq!(desk.end(&put).await["settled"]["as"], "failed");
    let explanation = async || desk.ask("GET /v1/tenants/acme").await.document(200)["explanation"].clone();
    let told = explanation().await;
    assert_eq!(told["why"], "Nothing of it runs: its provision failed, and was undone: no such image");
    assert_eq!(told["todo"][1]["command"], "landlord-compute provision -f FILE");
    desk.runs("acme", "v2").await;
    assert_eq!(explanation().await, Value::Null, "what plainly runs is not explained");
    let gone = desk.ask("DELETE /v1/tenants/acme").await.document(202);
    desk.end(&gone).await;
    let gone = desk.ask("GET /v1/tenants/acme").await.document(410);
    assert_eq!(gone["explanation"]["why"], "It is gone: it was destroyed.");
    assert!(gone["explanation"]["since"].is_string(), "{gone}");
    let never = desk.ask("GET /v1/tenants/bravo").await.document(404);
    assert!(
        never["explanation"]["why"].as_str().is_some_and(|why| why.ends_with("there never was.")),
        "{never}"
    );
}
