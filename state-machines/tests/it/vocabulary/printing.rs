//! What Debug shows: never a value that may be a secret (invariant I9).

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
