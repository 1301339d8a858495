//! What each error of AWS becomes.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use landlord_state_machines::error::{ErrorCode, ProviderError, Remedy};
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::ecs::{AssumeRole, DefinitionStatus, EcsCall, EcsReply, Place};

use crate::testing::{Answer, Server, cx, ecs, refuse, subject};
use landlord_compute::provider::converge::Api;

/// What a look at a service says when the server answers this.
async fn look(answer: impl Fn() -> Answer + Send + Sync + 'static) -> CallError {
    let server = Server::start(move |_| answer()).await;
    let call = EcsCall::DescribeService { site: server.site(), subject: subject() };
    match server.call(&call).await {
        Ok(EcsReply::NoCluster(error)) => CallError::Refused(error),
        told => told.unwrap_err(),
    }
}

fn refused(error: CallError) -> ProviderError {
    match error {
        CallError::Refused(error) => error,
        CallError::Unknown(error) => panic!("it did not happen for certain: {error}"),
    }
}

fn unknown(error: CallError) -> ProviderError {
    match error {
        CallError::Unknown(error) => error,
        CallError::Refused(error) => panic!("it may have happened: {error}"),
    }
}

#[tokio::test]
async fn what_aws_refuses_has_the_class_of_its_code() {
    use ErrorCode as Is;
    use Remedy::{NeedsPerson, Permanent, Retry};
    let cases = [
        ("ThrottlingException", Retry, Is::ResourceExhausted),
        ("TooManyRequestsException", Retry, Is::ResourceExhausted),
        ("RequestLimitExceeded", Retry, Is::ResourceExhausted),
        ("AccessDeniedException", NeedsPerson, Is::PermissionDenied),
        ("com.amazon.coral.service#AccessDeniedException", NeedsPerson, Is::PermissionDenied),
        ("BlockedException", NeedsPerson, Is::PermissionDenied),
        ("ExpiredTokenException", NeedsPerson, Is::PermissionDenied),
        ("UnrecognizedClientException", NeedsPerson, Is::PermissionDenied),
        ("InvalidSignatureException", NeedsPerson, Is::PermissionDenied),
        ("LimitExceededException", NeedsPerson, Is::ResourceExhausted),
        ("ClusterNotFoundException", NeedsPerson, Is::ResourceNotFound),
        ("ServiceNotFoundException", Retry, Is::ResourceNotFound),
        ("ServiceNotActiveException", Retry, Is::ResourceNotFound),
        ("ConflictException", Retry, Is::Conflict),
        ("InvalidParameterException", Permanent, Is::InvalidConfiguration),
        ("ClientException", Permanent, Is::InvalidConfiguration),
        ("PlatformUnknownException", Permanent, Is::InvalidConfiguration),
        ("UnsupportedFeatureException", Permanent, Is::InvalidConfiguration),
        ("WhatThereIsNotYetException", NeedsPerson, Is::UnknownError),
    ];
    for (code, remedy, class) in cases {
        let error = refused(look(move || refuse(400, code, "so it is")).await);
        assert_eq!((error.remedy, error.code), (remedy, class), "{code}");
        let said = code.rsplit_once('#').map_or(code, |(_, code)| code);
        let words = format!("{said}: so it is (request request-1)");
        assert_eq!(error.platform, Some(words), "{code}");
        assert!(error.message.starts_with("DescribeServices"), "{}", error.message);
    }
}

#[tokio::test]
async fn what_passes_is_told_by_its_words_where_aws_has_no_code_for_it() {
    let cases = [
        ("InvalidParameterException", "Unable to Start a service that is still Draining."),
        ("InvalidParameterException", "Creation of service was not idempotent."),
        ("ClientException", "Too many concurrent attempts to create a new revision of the specified family."),
        ("InvalidParameterException", "The service cannot be stopped while deployments are active."),
    ];
    for (code, words) in cases {
        let error = refused(look(move || refuse(400, code, words)).await);
        assert_eq!((error.remedy, error.code), (Remedy::Retry, ErrorCode::Conflict), "{words}");
    }
}

#[tokio::test]
async fn troubles_of_aws_may_have_done_it() {
    let cases = [
        (500, "ServerException", ErrorCode::ProviderUnavailable),
        (400, "ServerException", ErrorCode::ProviderUnavailable),
        (503, "ServiceUnavailableException", ErrorCode::ProviderUnavailable),
        (504, "RequestTimeout", ErrorCode::ProviderTimeout),
        (502, "Whatever", ErrorCode::ProviderUnavailable),
    ];
    for (status, code, class) in cases {
        let error = unknown(look(move || refuse(status, code, "")).await);
        assert_eq!((error.remedy, error.code), (Remedy::Retry, class), "{status} {code}");
        assert_eq!(error.platform, Some(format!("{code} (request request-1)")));
    }
}

#[tokio::test]
async fn answers_that_are_none_may_have_done_it() {
    let page = || Answer::With(500, Vec::new(), "<html>no</html>".to_owned());
    assert_eq!(unknown(look(page).await).code, ErrorCode::ProviderUnavailable);
    let garbage =
        || Answer::With(200, vec![("x-amzn-requestid", "request-2")], "{\"services\": [".to_owned());
    let error = unknown(look(garbage).await);
    assert_eq!(error.code, ErrorCode::ProviderUnavailable);
    assert!(error.platform.unwrap().contains("request-2"));
    let cut = unknown(look(|| Answer::Cut).await);
    assert_eq!((cut.remedy, cut.code), (Remedy::Retry, ErrorCode::ProviderUnavailable));
}

#[tokio::test]
async fn a_refusal_in_another_format_has_the_class_of_its_status() {
    let xml = || Answer::With(403, Vec::new(), "<Error><Code>AccessDenied</Code></Error>".to_owned());
    let error = refused(look(xml).await);
    assert_eq!((error.remedy, error.code), (Remedy::NeedsPerson, ErrorCode::PermissionDenied));
}

#[tokio::test]
async fn who_does_not_listen_is_unavailable() {
    let server = Server::start(|_| Answer::Cut).await;
    let (site, api) = (server.site(), server.ecs());
    drop(server);
    tokio::task::yield_now().await;
    let call = EcsCall::DescribeService { site, subject: subject() };
    let error = unknown(api.call(&cx(), &call).await.unwrap_err());
    assert_eq!((error.remedy, error.code), (Remedy::Retry, ErrorCode::ProviderUnavailable));
}

// On paused time the SDK's timers run as soon as nothing else does.
#[tokio::test(start_paused = true)]
async fn no_answer_in_time_may_have_done_it() {
    let error = unknown(look(|| Answer::Never).await);
    assert_eq!((error.remedy, error.code), (Remedy::Retry, ErrorCode::ProviderTimeout));
}

#[tokio::test]
async fn throttling_says_for_how_long() {
    let body = "{\"__type\": \"ThrottlingException\", \"message\": \"Rate exceeded\"}";
    let seconds = move || Answer::With(400, vec![("retry-after", "7")], body.to_owned());
    assert_eq!(refused(look(seconds).await).retry_after, Some(Duration::from_secs(7)));
    let plain = move || Answer::With(400, Vec::new(), body.to_owned());
    assert_eq!(refused(look(plain).await).retry_after, Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn nothing_is_tried_again_by_the_sdk() {
    for code in ["ThrottlingException", "ServerException"] {
        let server = Server::start(move |_| refuse(500, code, "")).await;
        let call = EcsCall::ListDefinitions(server.site(), DefinitionStatus::Active);
        server.call(&call).await.unwrap_err();
        assert_eq!(server.operations(), ["ListTaskDefinitions"]);
    }
}

#[tokio::test]
async fn a_missing_cluster_is_named() {
    let error = refused(look(|| refuse(400, "ClusterNotFoundException", "Cluster not found.")).await);
    assert!(error.message.contains("cluster main"), "{}", error.message);
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("there is no profile")))
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent_and_somebody_is_told_what_to_do() {
    let server = Server::start(|_| Answer::Cut).await;
    let api = ecs(&server.url, Some(SharedCredentialsProvider::new(NoCredentials)));
    let call = EcsCall::DescribeService { site: server.site(), subject: subject() };
    let error = refused(api.call(&cx(), &call).await.unwrap_err());
    assert_eq!((error.remedy, error.code), (Remedy::NeedsPerson, ErrorCode::PermissionDenied));
    assert!(error.message.contains("no AWS credentials"), "{}", error.message);
    assert!(error.platform.unwrap().contains("there is no profile"));
    assert_eq!(server.operations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_role_that_may_not_be_taken_needs_a_person_and_an_sts_that_fails_does_not() {
    let cases = [
        (403, "AccessDenied", Remedy::NeedsPerson, ErrorCode::PermissionDenied),
        (500, "InternalFailure", Remedy::Retry, ErrorCode::ProviderUnavailable),
        (400, "Throttling", Remedy::Retry, ErrorCode::ProviderUnavailable),
    ];
    for (status, code, remedy, class) in cases {
        let server = Server::start(move |_| {
            let xml = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>\
                 <RequestId>request-3</RequestId></ErrorResponse>"
            );
            Answer::With(status, Vec::new(), xml)
        })
        .await;
        let role = AssumeRole {
            role_arn: "arn:aws:iam::222222222222:role/landlord".to_owned(),
            external_id: Some("between-us".to_owned()),
            session_name: None,
        };
        let place = Place { assume_role: Some(role), ..server.place() };
        let definition = "family:1".to_owned();
        let call = EcsCall::DescribeDefinition { place, definition, subject: subject() };
        let error = refused(server.call(&call).await.unwrap_err());
        assert_eq!((error.remedy, error.code), (remedy, class), "{code}: {error}");
        assert!(!format!("{error:?}").contains("between-us"));
        assert_eq!(server.operations(), ["AssumeRole"]);
    }
}
