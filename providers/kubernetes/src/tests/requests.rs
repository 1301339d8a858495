//! What goes out for what is asked.

use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use http_body_util::BodyExt;
use kube::client::Body;
use landlord_state_machines::planner::kubernetes::{ObjectId, ObjectKind, Place, Propagation, Sharing};
use serde_json::{Value, json};

use crate::request::{Ask, LogPart, Part, Resource, Run, What};

fn web() -> Resource {
    let place = Place { namespace: "acme".to_owned(), sharing: Sharing::Own };
    Resource::of(&place, &ObjectId { kind: ObjectKind::Deployment, name: "web".to_owned() }, "apps/v1")
}

async fn sent(ask: Ask) -> (String, Request<Body>, Value) {
    let request = ask.http().unwrap();
    let line = format!("{} {}", request.method(), request.uri());
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (line, Request::from_parts(head, Body::empty()), serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_creation_is_a_post_to_the_collection() {
    let ask = Ask::new(Resource { name: None, ..web() }, What::Create(json!({ "a": 1 })));
    assert_eq!(ask.to_string(), "create deployments.apps in namespace acme");
    let (line, head, body) = sent(ask).await;
    assert_eq!(
        line,
        "POST /apis/apps/v1/namespaces/acme/deployments?fieldManager=landlord&fieldValidation=Strict"
    );
    assert_eq!(head.headers()[CONTENT_TYPE], "application/json");
    assert_eq!(body, json!({ "a": 1 }));
}

#[tokio::test]
async fn an_apply_says_whether_it_takes_fields_over() {
    let (line, head, _) = sent(Ask::new(web(), What::Apply { body: json!({}), force: true })).await;
    assert_eq!(
        line,
        "PATCH /apis/apps/v1/namespaces/acme/deployments/web?fieldManager=landlord&force=true&fieldValidation=Strict"
    );
    assert_eq!(head.headers()[CONTENT_TYPE], "application/apply-patch+yaml");
}

#[tokio::test]
async fn a_deletion_is_for_one_uid() {
    let what = What::Delete { uid: "u1".to_owned(), propagation: Some(Propagation::Foreground) };
    let (line, _, body) = sent(Ask::new(web(), what)).await;
    assert_eq!(line, "DELETE /apis/apps/v1/namespaces/acme/deployments/web");
    assert_eq!(body["preconditions"], json!({ "uid": "u1" }));
    assert_eq!(body["propagationPolicy"], "Foreground");
}

#[tokio::test]
async fn a_list_goes_on_where_the_page_before_ended() {
    let all = Resource::all("v1", "pods", None);
    let ask = Ask::list(all, "a=b,c in (d)", Part::Whole).following("next/1=".to_owned());
    let (line, ..) = sent(ask).await;
    assert_eq!(
        line,
        "GET /api/v1/pods?limit=500&labelSelector=a%3Db%2Cc%20in%20%28d%29&continue=next%2F1%3D"
    );
}

#[tokio::test]
async fn values_of_secrets_are_not_asked_for() {
    let secret = Resource::all("v1", "secrets", Some("acme")).named("s");
    let metadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
    for what in [
        What::Get(Part::Metadata),
        What::Create(json!({})),
        What::Apply { body: json!({}), force: true },
        What::Patch { operations: json!([]), manager: "landlord" },
    ] {
        let (_, head, _) = sent(Ask::new(secret.clone(), what)).await;
        assert_eq!(head.headers()[ACCEPT], metadata);
    }
}

#[tokio::test]
async fn a_name_leads_nowhere_else() {
    let odd = Resource::all("v1", "configmaps", Some("a/../b")).named("../../secrets?x=1#y");
    let (line, ..) = sent(Ask::new(odd, What::Get(Part::Whole))).await;
    assert_eq!(line, "GET /api/v1/namespaces/a%2F..%2Fb/configmaps/..%2F..%2Fsecrets%3Fx%3D1%23y");
}

#[tokio::test]
async fn a_log_is_asked_for_by_container_run_and_time() {
    let mut pod = Resource::pod("acme", "web-1");
    pod.subresource = Some("log");
    let part = |run| LogPart { container: "web".to_owned(), since: "2026-01-02T03:04:05Z".parse().ok(), run };
    let before = sent(Ask::new(pod.clone(), What::Logs(part(Run::Before)))).await.0;
    let start = "GET /api/v1/namespaces/acme/pods/web-1/log?container=web&timestamps=true";
    assert_eq!(before, format!("{start}&sinceTime=2026-01-02T03%3A04%3A05Z&previous=true"));
    let followed = sent(Ask::new(pod, What::Logs(part(Run::Followed)))).await.0;
    assert_eq!(followed, format!("{start}&sinceTime=2026-01-02T03%3A04%3A05Z&follow=true"));
}

#[tokio::test]
async fn a_watch_goes_on_from_a_version_with_bookmarks() {
    let what =
        What::Watch { labels: "a=b".to_owned(), part: Part::Metadata, from: "12".to_owned(), seconds: 290 };
    let ask = Ask::new(Resource::all("apps/v1", "deployments", None), what);
    assert_eq!((ask.verb(), ask.to_string().as_str()), ("watch", "watch deployments.apps"));
    let (line, head, _) = sent(ask).await;
    assert_eq!(
        line,
        "GET /apis/apps/v1/deployments?watch=true&allowWatchBookmarks=true&labelSelector=a%3Db&\
         resourceVersion=12&timeoutSeconds=290"
    );
    let accept = head.headers()[ACCEPT].to_str().unwrap();
    assert!(accept.starts_with("application/json;as=PartialObjectMetadata;"), "{accept}");
}
