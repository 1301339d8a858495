//! What the tests of this provider share.

use std::time::{Duration, Instant};

use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::process::{Check, Config, Fingerprint, Manifest, Readiness};
use landlord_state_machines::spec::ContainerSpec;

use super::tags::{Key, Tags};

/// Waits until `condition` holds, and fails the test after ten seconds.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Tags of a launch of an engine that no other test uses.
pub(super) fn tags(tenant: &str, container: &str, launch: &str) -> Tags {
    let readiness = Readiness {
        check: Check::Alive,
        interval_seconds: 5,
        timeout_seconds: 1,
        healthy_threshold: 1,
        unhealthy_threshold: 1,
    };
    let manifest = Manifest {
        container: container.to_owned(),
        fingerprint: Fingerprint::of(&ContainerSpec::default(), &[], &Default::default(), &Config::default()),
        ports: Vec::new(),
        readiness,
        stop_grace_seconds: 10,
    };
    let key = Key {
        engine: format!("test-{}", std::process::id()),
        tenant: TenantId::new(tenant).unwrap(),
        launch: launch.parse().unwrap(),
    };
    Tags { key, manifest }
}
