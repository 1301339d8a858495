//! Accounts, roles, keys.

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::Credentials;

use super::{Bare, Keys, client, refusal, refused};
use crate::fake::{REGION, Role};

const ROLE: &str = "arn:aws:iam::222222222222:role/tenant";

#[tokio::test(start_paused = true)]
async fn accounts_are_apart() {
    let bare = Bare::new();
    bare.create("acme", "app").await;
    bare.pass(2.0).await;
    bare.fake.make_cluster("222222222222", REGION, "default");
    let elsewhere = client(&bare.fake, "222222222222");
    let list = async |ecs: &Client| ecs.list_services().send().await.expect("a list").service_arns().len();
    assert_eq!((list(&bare.ecs).await, list(&elsewhere).await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_role_is_taken_by_whom_it_trusts_until_its_session_ends() {
    let bare = Bare::new();
    bare.fake.make_cluster("222222222222", REGION, "theirs");
    bare.fake.trust(ROLE, Role { external_id: Some("between-us".to_owned()) });
    let base = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::for_tests_with("test"))
        .http_client(bare.fake.client())
        .endpoint_url("http://fake.test")
        .load()
        .await;
    let taken = |id: &str| {
        AssumeRoleProvider::builder(ROLE).configure(&base).external_id(id).session_name("s").build()
    };
    let with = async |id: &str| {
        let provider = taken(id).await;
        let config = aws_sdk_ecs::config::Builder::from(&base).credentials_provider(provider).build();
        Client::from_conf(config).list_services().cluster("theirs").send().await
    };
    assert!(with("somebody-else").await.is_err());
    with("between-us").await.expect("it is in the role's account");
    assert_eq!(bare.fake.taken(ROLE), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_expired_or_unknown_are_refused() {
    let bare = Bare::new();
    bare.fake.expire("old");
    let expired = client(&bare.fake, "old").list_services().send().await;
    let message = "The security token included in the request is expired";
    assert_eq!(refused(expired), refusal("ExpiredTokenException", message));
    let unknown = client(&bare.fake, "ASIA0000000000000000").list_services().send().await;
    assert_eq!(refused(unknown).0, "UnrecognizedClientException");
}
