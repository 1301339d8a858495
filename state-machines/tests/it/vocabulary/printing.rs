//! What is printed: an error once, and of a spec never a value that may be a secret (invariant I9).

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::spec::HealthCheckConfig;
use serde_json::json;

use super::{checked, http_check};

#[test]
fn i9_debug_output_never_shows_a_value_that_may_be_secret() {
    let spec = checked(|spec| {
        let web = &mut spec.containers[0];
        web.command = vec!["run".into(), "--password=hunter2".into()];
        web.args = vec!["hunter2".into()];
        web.env = [("API_KEY".to_owned(), "hunter2".to_owned())].into();
        web.health_check = Some(HealthCheckConfig { command: vec!["hunter2".into()], ..http_check() });
        spec.provider_config = Some(json!({ "token": "hunter2" }));
    });
    let debug = format!("{spec:#?}");
    assert!(!debug.contains("hunter2"), "{debug}");
    insta::assert_snapshot!(debug);
}

#[test]
fn an_error_says_the_platforms_words_once() {
    let error = |message: &str| {
        let kind = ErrorKind::ProvisionFailed;
        ProviderError::new(kind, Remedy::Permanent, ErrorCode::UnknownError, message)
            .with_platform("no image")
    };
    let words = |message| error(message).to_string();
    assert_eq!(
        words("it does not run: no image"),
        "provisioning failed (UNKNOWN_ERROR): it does not run: no image"
    );
    assert_eq!(words("it does not run"), "provisioning failed (UNKNOWN_ERROR): it does not run [no image]");
}
