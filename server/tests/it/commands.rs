//! A tenant's life over the API.

use axum::body::Body;
use landlord_compute::machines::tenant::Method;
use landlord_testing::fixtures::{self, tenant};
use landlord_testing::scripted::Step;
use serde_json::{Value, json};

use super::{Desk, request, spec};

#[tokio::test(start_paused = true)]
async fn a_tenant_lives_from_put_to_delete() {
    let desk = Desk::new().await;
    let put = desk.send("PUT /v1/tenants/acme", "acme", "v1").await;
    let accepted = put.document(202);
    assert_eq!(
        put.headers["location"],
        format!("/v1/operations/{}", accepted["operation"].as_str().expect("an id"))
    );
    let ended = desk.end(&accepted).await;
    assert_eq!((&ended["kind"], &ended["settled"]["as"]), (&json!("provision"), &json!("done")));

    let calls = desk.provider.calls().len();
    let again = desk.send("PUT /v1/tenants/acme", "acme", "v1").await.document(202);
    assert_eq!(desk.end(&again).await["settled"]["as"], "done");
    assert_eq!(desk.provider.calls().len(), calls, "it is so already");
    let updated = desk.send("PUT /v1/tenants/acme", "acme", "v2").await.document(202);
    assert_eq!(desk.end(&updated).await["kind"], "update");
    assert_eq!(desk.provider.running(&tenant("acme")).expect("runs").containers[0].image, "v2");

    let known = desk.ask("GET /v1/tenants/acme").await.document(200);
    assert_eq!(
        (&known["tenant"]["state"], &known["containers"][0]["image"]),
        (&json!("running"), &json!("v2"))
    );
    assert_eq!(known["operations"].as_array().expect("a list").len(), 3);
    let status = desk.ask("GET /v1/tenants/acme/status").await.document(200);
    assert_eq!((&status["state"], &status["tenant"]["tenant_id"]), (&json!("running"), &json!("acme")));
    let listed = desk.ask("GET /v1/tenants?state=running").await.document(200);
    assert_eq!(listed["tenants"][0]["tenant_id"], "acme");

    let deleted = desk.ask("DELETE /v1/tenants/acme").await.document(202);
    assert_eq!(desk.end(&deleted).await["kind"], "destroy");
    let gone = desk.ask("GET /v1/tenants/acme").await;
    assert_eq!((gone.status.as_u16(), gone.problem().as_str()), (410, "tenant_gone"));
    assert_eq!(desk.ask("DELETE /v1/tenants/acme").await.status.as_u16(), 200, "it is gone already");
}

#[tokio::test(start_paused = true)]
async fn tenants_are_found_by_their_health_and_their_labels() {
    let desk = Desk::new().await;
    let names = ["acme", "bravo", "charlie", "delta"];
    for (name, team) in names.into_iter().zip(["blue", "red", "blue", ""]) {
        let mut spec = fixtures::spec(name, "v1");
        if !team.is_empty() {
            spec.labels.insert("team".to_owned(), team.to_owned());
        }
        let body = Body::from(serde_json::to_string(&spec).expect("a document"));
        let put = request(&format!("PUT /v1/tenants/{name}")).body(body).expect("a request");
        desk.end(&desk.asks(put).await.document(202)).await;
    }
    let listed = async |query: &str| -> (Vec<String>, Value) {
        let page = desk.ask(&format!("GET /v1/tenants?{query}")).await.document(200);
        let tenants = page["tenants"].as_array().expect("a list").iter();
        let names = tenants.map(|one| one["tenant_id"].as_str().unwrap_or_default().to_owned()).collect();
        (names, page["next"].clone())
    };
    for (query, wanted) in [
        ("label=team%3Dblue", &["acme", "charlie"][..]),
        ("label=team!%3Dblue", &["bravo", "delta"]),
        ("label=!team", &["delta"]),
        ("label=team,team!%3Dred", &["acme", "charlie"]),
        ("health=healthy", &names),
        ("health=unhealthy", &[]),
    ] {
        assert_eq!(
            listed(query).await,
            (wanted.iter().map(|it| (*it).to_owned()).collect(), Value::Null),
            "{query}"
        );
    }
    let first = listed("label=team%3Dblue&limit=1").await;
    assert_eq!(first, (vec!["acme".to_owned()], json!("acme")));
    let second = listed("label=team%3Dblue&limit=1&after=acme").await;
    assert_eq!(second, (vec!["charlie".to_owned()], Value::Null));
    let view = desk.ask("GET /v1/tenants/acme").await.document(200);
    assert_eq!(view["tenant"]["labels"], json!({ "team": "blue" }));
}

/// What the memory keeps is what the record refers to; what SQLite keeps is tried on the command line.
#[tokio::test(start_paused = true)]
async fn the_spec_that_runs_is_shown_as_it_was_sent() {
    let desk = Desk::new().await;
    desk.runs("acme", "v1").await;
    let shown = desk.ask("GET /v1/tenants/acme/specs/1").await.document(200);
    assert_eq!((&shown["tenant_id"], &shown["version"]), (&json!("acme"), &json!(1)));
    let sent = serde_json::to_value(fixtures::spec("acme", "v1")).expect("a document");
    assert_eq!(shown["spec"]["containers"], sent["containers"]);
    let again =
        request("PUT /v1/tenants/acme").body(Body::from(shown["spec"].to_string())).expect("a request");
    let again = desk.asks(again).await.document(202);
    assert_eq!(desk.end(&again).await["settled"]["as"], "done");
    assert_eq!(
        desk.ask("GET /v1/tenants/acme").await.document(200)["tenant"]["spec"],
        1,
        "it is the same spec"
    );
    assert_eq!(desk.ask("GET /v1/tenants/acme/specs/9").await.problem(), "spec_not_found");
    assert_eq!(desk.ask("GET /v1/tenants/acme/specs/one").await.problem(), "invalid_request");
    assert_eq!(desk.ask("GET /v1/tenants/bravo/specs/1").await.problem(), "tenant_not_found");
}

/// Whatever became of an earlier try, the same request leads to the spec.
#[tokio::test(start_paused = true)]
async fn a_put_leads_to_its_spec_also_where_nothing_runs_yet() {
    let desk = Desk::new().await;
    desk.provider.script(&tenant("acme"), Method::Provision, [Step::HangUntilStopped]);
    let first = desk.send("PUT /v1/tenants/acme", "acme", "v1").await.document(202);
    let again = desk.send("PUT /v1/tenants/acme", "acme", "v1").await.document(202);
    assert_eq!(first["operation"], again["operation"], "it is on its way already");
    desk.ask("POST /v1/tenants/acme/cancel").await.document(202);
    assert_eq!(desk.end(&first).await["settled"]["as"], "cancelled");
    let pending = desk.ask("GET /v1/tenants/acme").await.document(200);
    assert_eq!(pending["tenant"]["state"], "pending");
    let once_more = desk.send("PUT /v1/tenants/acme", "acme", "v1").await.document(202);
    assert_eq!(desk.end(&once_more).await["settled"]["as"], "done");
}

#[tokio::test(start_paused = true)]
async fn every_command_of_the_machine_is_there() {
    let desk = Desk::new().await;
    desk.runs("acme", "v1").await;
    let restarted = desk.ask("POST /v1/tenants/acme/restart?reason=a%20leak").await.document(202);
    assert_eq!(desk.end(&restarted).await["reason"], "a leak");
    assert!(desk.ask("POST /v1/tenants/acme/pause").await.document(200)["revision"].is_u64());
    let refused = desk.send("POST /v1/tenants/acme/update", "acme", "v2").await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (409, "rejected"), "it is paused");
    assert!(desk.ask("POST /v1/tenants/acme/resume").await.document(200)["revision"].is_u64());

    desk.provider.script(&tenant("acme"), Method::Update, [Step::HangUntilStopped]);
    let hangs = desk.send("POST /v1/tenants/acme/update", "acme", "v2").await.document(202);
    let waited = hangs["operation"].as_str().expect("an id");
    let waited = desk.ask(&format!("GET /v1/operations/{waited}?wait=1s")).await.document(200);
    assert_eq!(waited.get("settled"), None, "the time is over, and the operation is not");
    let cancelled = desk.ask("POST /v1/tenants/acme/cancel").await.document(202);
    assert_eq!(desk.end(&cancelled).await["settled"]["as"], "cancelled");

    desk.provider.script(&tenant("acme"), Method::Destroy, [Step::Hang]);
    desk.ask("POST /v1/tenants/acme/destroy").await.document(202);
    assert_eq!(
        desk.ask("POST /v1/tenants/acme/abandon").await.problem(),
        "invalid_request",
        "it wants a reason"
    );
    let abandoned = desk.ask("POST /v1/tenants/acme/abandon?reason=enough").await.document(202);
    assert_eq!(desk.end(&abandoned).await["settled"]["as"], "abandoned");
    assert_eq!(desk.ask("POST /v1/tenants/acme/retry").await.problem(), "rejected");
    assert_eq!(desk.ask("POST /v1/tenants/acme/release").await.status.as_u16(), 200, "nothing was retained");
}

#[tokio::test(start_paused = true)]
async fn the_same_request_twice_is_the_same_operation() {
    let desk = Desk::new().await;
    let ask =
        || request("PUT /v1/tenants/acme").header("idempotency-key", "order 7").body(spec("acme", "v1"));
    let first = desk.asks(ask().expect("a request")).await.document(202);
    let second = desk.asks(ask().expect("a request")).await.document(202);
    assert_eq!(first["operation"], second["operation"]);
    desk.end(&first).await;
    let late = desk.asks(ask().expect("a request")).await.document(202);
    assert_eq!(first["operation"], late["operation"], "also once it has settled");
    for (line, body) in [
        ("PUT /v1/tenants/acme", spec("acme", "v2")),
        ("PUT /v1/tenants/acme?deadline=90s", spec("acme", "v1")),
        ("POST /v1/tenants/acme/restart", Body::empty()),
        ("DELETE /v1/tenants/acme", Body::empty()),
    ] {
        let other = request(line).header("idempotency-key", "order 7").body(body).expect("a request");
        let other = desk.asks(other).await;
        assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "key_reused"), "{line}");
    }
    let bravo =
        request("PUT /v1/tenants/bravo").header("idempotency-key", "order 7").body(spec("bravo", "v1"));
    desk.asks(bravo.expect("a request")).await.document(202);
}

#[tokio::test(start_paused = true)]
async fn a_plan_and_a_verdict_change_nothing() {
    let desk = Desk::new().await;
    desk.runs("acme", "v1").await;
    let same = desk.send("POST /v1/tenants/acme/plan", "acme", "v1").await.document(200);
    assert_eq!((&same["changes"], &same["corrections"]), (&json!([]), &json!([])));
    let other = desk.send("POST /v1/tenants/acme/plan", "acme", "v2").await.document(200);
    assert_eq!(other["changes"][0]["path"], "containers[web].image");
    let mut protected =
        serde_json::to_value(landlord_testing::fixtures::spec("acme", "v1")).expect("a document");
    protected["deletion_protection"] = json!(true);
    let protect = request("POST /v1/tenants/acme/plan").body(Body::from(protected.to_string()));
    let protect = desk.asks(protect.expect("a request")).await.document(200);
    assert_eq!(protect["changes"][0]["path"], "deletion_protection");
    let made = desk.send("POST /v1/tenants/other/plan", "other", "v1").await.document(200);
    assert_eq!((&made["creates"], &made["changes"]), (&json!(true), &json!([])));
    assert_eq!(desk.send("POST /v1/tenants/other/plan", "acme", "v1").await.problem(), "invalid_spec");
    let valid = desk.send("POST /v1/validate", "other", "v1").await.document(200);
    assert_eq!((&valid["valid"], &valid["tenant_id"]), (&json!(true), &json!("other")));
    assert_eq!(desk.ask("GET /v1/tenants/other").await.problem(), "tenant_not_found");
    assert_eq!(desk.ask("GET /v1/tenants/acme").await.document(200)["tenant"]["revision"], 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_sweep_finds_is_reclaimed() {
    let desk = Desk::new().await;
    desk.provider.occupy(&tenant("lost"));
    let swept = desk.ask("POST /v1/providers/scripted/sweep").await.document(200);
    assert_eq!(swept["provider"], "scripted");
    let providers = desk.ask("GET /v1/providers").await.document(200);
    assert_eq!(providers["providers"][0]["name"], "scripted");
    assert!(desk.ask("GET /v1/providers/scripted").await.document(200)["config_schema"].is_object());
    let orphan = json!({
        "tenant_id": "lost", "incarnation": 1, "provider": "scripted", "resources": {},
        "why": { "kind": "no_tenant" }, "revision": 0,
    });
    let reclaim = |orphan: &Value| {
        let reclaim = request("POST /v1/reclaim").header("content-type", "application/json");
        desk.asks(reclaim.body(Body::from(orphan.to_string())).expect("a request"))
    };
    let mut elsewhere = orphan.clone();
    elsewhere["provider"] = json!("nope");
    assert_eq!(reclaim(&elsewhere).await.problem(), "provider_not_found", "nobody could remove it");
    let reclaimed = reclaim(&orphan).await.document(202);
    assert_eq!(desk.end(&reclaimed).await["kind"], "destroy");
}

/// I9: what is secret in a spec is in no answer.
#[tokio::test(start_paused = true)]
async fn i9_no_answer_shows_a_secret() {
    const SECRET: &str = "hunter2-sentinel";
    let desk = Desk::new().await;
    let mut body = serde_json::to_value(landlord_testing::fixtures::spec("acme", "v1")).expect("a document");
    let container = &mut body["containers"][0];
    container["env"] = json!({ "PASSWORD": SECRET });
    container["command"] = json!(["serve", "--password", SECRET]);
    container["health_check"] = json!({
        "type": "exec", "command": ["check", SECRET], "interval_seconds": 5, "timeout_seconds": 1,
        "healthy_threshold": 1, "unhealthy_threshold": 3,
    });
    let put = request("PUT /v1/tenants/acme").body(Body::from(body.to_string())).expect("a request");
    let put = desk.asks(put).await;
    desk.end(&put.document(202)).await;
    body["containers"][0]["env"]["PASSWORD"] = json!(format!("{SECRET}-2"));
    let plan = request("POST /v1/tenants/acme/plan").body(Body::from(body.to_string())).expect("a request");
    let plan = desk.asks(plan).await;
    assert_eq!(plan.document(200)["changes"].as_array().expect("a list").len(), 1);
    body["containers"][0]["env"]["PASSWORD"] = json!({ SECRET: SECRET });
    let invalid = request("POST /v1/validate").body(Body::from(body.to_string())).expect("a request");
    let mut answers = vec![put, plan, desk.asks(invalid).await];
    for line in [
        "GET /v1/tenants",
        "GET /v1/tenants/acme",
        "GET /v1/tenants/acme/status",
        "GET /v1/events?after=start&follow=false",
        "GET /v1/operations/1-1",
    ] {
        answers.push(desk.ask(line).await);
    }
    for answer in answers {
        assert!(!answer.text.contains(SECRET), "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_in_the_callers_trace() {
    let desk = Desk::new().await;
    let asks = |trace: &str| {
        request("GET /v1/tenants").header("traceparent", trace).body(Body::empty()).expect("a request")
    };
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(desk.asks(asks(trace)).await.headers["traceparent"], trace);
    for none in ["", "00-x", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"] {
        assert!(!desk.asks(asks(none)).await.headers.contains_key("traceparent"), "{none}");
    }
}
