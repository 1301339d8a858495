//! What calls share: requests, sessions and quotas.

use std::sync::Arc;

use futures_util::future::join_all;
use landlord_state_machines::error::ErrorCode;
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::ecs::{AssumeRole, EcsCall, EcsReply, Place, Site};
use serde_json::json;

use crate::budget::{Quota, Rank};
use crate::testing::{Answer, Seen, Server, cx, ok, refuse, service, subject};
use landlord_compute::provider::Initiator;
use landlord_compute::provider::converge::Api;

/// Every service that is asked for is there.
fn all_there(seen: &Seen) -> Answer {
    let names = seen.body["services"].as_array().unwrap();
    let services: Vec<_> = names.iter().map(|name| service(name.as_str().unwrap(), &subject())).collect();
    ok(json!({ "services": services }))
}

fn look(server: &Server, name: &str) -> EcsCall {
    EcsCall::DescribeService { site: Site { name: name.to_owned(), ..server.site() }, subject: subject() }
}

fn found(reply: Result<EcsReply, CallError>) -> String {
    let EcsReply::Service(Some(service)) = reply.unwrap() else { panic!("no service") };
    service.arn.rsplit_once('/').unwrap().1.to_owned()
}

/// How many names each describe had.
fn sizes(server: &Server) -> Vec<usize> {
    server.seen().iter().map(|seen| seen.body["services"].as_array().unwrap().len()).collect()
}

#[tokio::test]
async fn describes_at_one_time_are_one_request_for_each_ten() {
    let server = Server::start(all_there).await;
    let (api, cx) = (server.ecs(), cx());
    let names: Vec<String> = (0..25).map(|n| format!("s{n}")).collect();
    let calls: Vec<EcsCall> = names.iter().map(|name| look(&server, name)).collect();
    let replies = join_all(calls.iter().map(|call| api.call(&cx, call))).await;
    assert_eq!(replies.into_iter().map(found).collect::<Vec<_>>(), names);
    let mut sizes = sizes(&server);
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 10, 10]);
}

#[tokio::test]
async fn one_that_is_asked_for_twice_is_asked_for_once() {
    let server = Server::start(all_there).await;
    let (api, cx) = (server.ecs(), cx());
    let call = look(&server, "one");
    let (first, second) = tokio::join!(api.call(&cx, &call), api.call(&cx, &call));
    assert_eq!((found(first), found(second)), ("one".to_owned(), "one".to_owned()));
    assert_eq!(sizes(&server), [1]);
}

#[tokio::test]
async fn clusters_and_askers_do_not_share_a_request() {
    let server = Server::start(all_there).await;
    let (api, person) = (server.ecs(), cx());
    let mut engine = cx();
    engine.initiator = Initiator::Engine;
    let here = look(&server, "one");
    let place = Place { cluster: "other".to_owned(), ..server.place() };
    let there = EcsCall::DescribeService { site: Site { place, name: "two".to_owned() }, subject: subject() };
    let three = look(&server, "three");
    let replies =
        tokio::join!(api.call(&person, &here), api.call(&person, &there), api.call(&engine, &three));
    assert_eq!(
        (found(replies.0), found(replies.1), found(replies.2)),
        ("one".into(), "two".into(), "three".into())
    );
    assert_eq!(sizes(&server), [1, 1, 1]);
}

#[tokio::test]
async fn a_name_that_spoils_the_request_does_not_spoil_the_others() {
    let server =
        Server::start(|seen| match seen.body["services"].as_array().unwrap().contains(&json!("bad")) {
            true => refuse(400, "InvalidParameterException", "Invalid identifier."),
            false => all_there(seen),
        })
        .await;
    let (api, cx) = (server.ecs(), cx());
    let (good, bad) = (look(&server, "good"), look(&server, "bad"));
    let (good, bad) = tokio::join!(api.call(&cx, &good), api.call(&cx, &bad));
    assert_eq!(found(good), "good");
    let Err(CallError::Refused(error)) = bad else { panic!("{bad:?}") };
    assert_eq!(error.code, ErrorCode::InvalidConfiguration);
}

#[tokio::test]
async fn an_error_of_a_request_is_everybodys_who_joined_it() {
    let server = Server::start(|_| refuse(400, "ThrottlingException", "Rate exceeded")).await;
    let (api, cx) = (server.ecs(), cx());
    let calls = [look(&server, "one"), look(&server, "two")];
    for reply in join_all(calls.iter().map(|call| api.call(&cx, call))).await {
        let Err(CallError::Refused(error)) = reply else { panic!("{reply:?}") };
        assert_eq!(error.code, ErrorCode::ResourceExhausted);
    }
    assert_eq!(sizes(&server), [2]);
}

#[tokio::test]
async fn who_is_dropped_takes_the_request_from_nobody() {
    let server = Server::start(all_there).await;
    let (api, cx) = (server.ecs(), cx());
    let (first, second) = (look(&server, "first"), look(&server, "second"));
    let mut opener = Box::pin(api.call(&cx, &first));
    // The client is open and the batch too, once this was polled while it waits.
    let joiner = async {
        while api.at(&server.place(), &cx).await.account.batches.names("main", Rank::Person) != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { _ = &mut opener => panic!("it waits for more"), () = joiner => {} }
    let mut joined = Box::pin(api.call(&cx, &second));
    let both = async {
        while api.at(&server.place(), &cx).await.account.batches.names("main", Rank::Person) != 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { _ = &mut joined => panic!("it waits for more"), () = both => {} }
    drop(opener);
    assert_eq!(found(joined.await), "second");
}

fn role(name: &str) -> AssumeRole {
    AssumeRole {
        role_arn: format!("arn:aws:iam::222222222222:role/{name}"),
        external_id: Some("between-us".to_owned()),
        session_name: None,
    }
}

/// Gives sessions, and has every service.
fn with_sessions(seen: &Seen) -> Answer {
    if seen.operation != "AssumeRole" {
        return all_there(seen);
    }
    let xml = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
               <Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>session-secret</SecretAccessKey>\
               <SessionToken>token</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>\
               </AssumeRoleResult></AssumeRoleResponse>";
    Answer::With(200, Vec::new(), xml.to_owned())
}

#[tokio::test]
async fn a_role_is_taken_once_with_its_external_id() {
    let server = Server::start(with_sessions).await;
    let (api, cx) = (server.ecs(), cx());
    let place = Place { assume_role: Some(role("one")), ..server.place() };
    for name in ["a", "b"] {
        let site = Site { place: place.clone(), name: name.to_owned() };
        assert_eq!(found(api.call(&cx, &EcsCall::DescribeService { site, subject: subject() }).await), name);
    }
    assert_eq!(server.operations(), ["AssumeRole", "DescribeServices", "DescribeServices"]);
    let form = server.seen()[0].body.as_str().unwrap().to_owned();
    assert!(form.contains("ExternalId=between-us"), "{form}");
    assert!(form.contains("RoleSessionName=landlord"), "{form}");
}

#[tokio::test]
async fn roles_of_one_account_share_its_quotas_and_other_accounts_have_their_own() {
    let server = Server::start(with_sessions).await;
    let (api, cx) = (server.ecs(), cx());
    let budget = async |assume_role| {
        let place = Place { assume_role, ..server.place() };
        Arc::clone(&api.at(&place, &cx).await.account.budget)
    };
    let (one, two, own) =
        (budget(Some(role("one"))).await, budget(Some(role("two"))).await, budget(None).await);
    assert!(Arc::ptr_eq(&one, &two));
    assert!(!Arc::ptr_eq(&one, &own));
}

#[tokio::test]
async fn throttling_of_a_request_slows_its_quota_down() {
    let server = Server::start(|_| refuse(400, "ThrottlingException", "Rate exceeded")).await;
    let (api, cx) = (server.ecs(), cx());
    api.call(&cx, &look(&server, "one")).await.unwrap_err();
    let at = api.at(&server.place(), &cx).await;
    // The burst is gone, so the next one has to wait; another quota's is not.
    let turn = at.turn(Quota::ServiceRead);
    assert!(futures_util::poll!(Box::pin(turn)).is_pending());
    assert!(futures_util::poll!(Box::pin(at.turn(Quota::TaskRead))).is_ready());
}
