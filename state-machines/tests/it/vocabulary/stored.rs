//! What was stored stays readable, whatever the rules are by now.

use landlord_state_machines::spec::{Spec, TenantComputeSpec, changes};

use super::rules::RULES;
use super::{checked, valid};

/// A spec that breaks a rule of today, as an engine without that rule has stored it.
fn stored(change: fn(&mut TenantComputeSpec)) -> (TenantComputeSpec, String) {
    let mut written = valid();
    change(&mut written);
    let json = serde_json::to_string(&written).unwrap();
    (written, json)
}

/// I5: else nobody could destroy the tenant.
#[test]
fn i5_a_rule_that_became_stricter_makes_no_stored_spec_unreadable() {
    for (rule, change) in RULES {
        let (written, json) = stored(*change);
        assert!(written.clone().check().is_err(), "{rule}: nothing is broken");
        let spec = Spec::from_stored_json(&json).unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert_eq!(spec.tenant().as_str(), written.tenant_id, "{rule}");
        assert_eq!(spec.provider().as_str(), written.provider_type, "{rule}");
        let again = Spec::from_stored_json(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(again, spec, "{rule}");
        assert!(changes(&again, &spec).is_empty(), "{rule}");
        assert_ne!(spec, checked(|_| ()), "{rule}");
        assert!(!changes(&checked(|_| ()), &spec).is_empty(), "{rule}");
    }
}

/// The bounds of a document are rules too.
#[test]
fn i5_narrower_bounds_make_no_stored_spec_unreadable() {
    let (large, json) = stored(|spec| {
        let values = (0..40).map(|n| (format!("V{n}"), "x".repeat(32 * 1024)));
        spec.containers[0].env = values.collect();
    });
    assert!(TenantComputeSpec::from_json(&json).is_err());
    assert_eq!(Spec::from_stored_json(&json).unwrap().containers[0].env, large.containers[0].env);
    let (deep, json) = stored(|spec| {
        let nested = (0..60).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
        spec.provider_config = Some(nested);
    });
    assert!(TenantComputeSpec::from_json(&json).is_err());
    assert_eq!(Spec::from_stored_json(&json).unwrap().provider_config, deep.provider_config);
}

/// What is not understood is not run in part.
#[test]
fn a_stored_field_of_a_newer_version_is_refused() {
    let newer = r#"{"tenant_id": "acme", "containers": [{"name": "web", "gpus": []}], "regions": 2}"#;
    assert_eq!(
        Spec::from_stored_json(newer).unwrap_err().to_string(),
        "containers[0].gpus: unknown field; a newer version of the engine stored it, start that one\n\
         regions: unknown field; a newer version of the engine stored it, start that one"
    );
}

/// A provider that cannot run such a spec says so, and destroys the tenant.
#[cfg(any(feature = "ecs", feature = "process"))]
mod planned {
    use jiff::Timestamp;
    use landlord_state_machines::error::ErrorKind;
    use landlord_state_machines::id::{Incarnation, ProviderName, Rollout};
    use landlord_state_machines::planner::{Goal, Means, Next, Planner, Subject};

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// `facts` are those after the first look, which showed nothing.
    fn plan<P: Planner>(facts: &P::Facts) {
        let mut refused = 0;
        for (rule, change) in RULES {
            let spec = Spec::from_stored_json(&stored(*change).1).unwrap();
            let tenant = spec.tenant().clone();
            let subject = Subject {
                engine: "engine".into(),
                provider: ProviderName::from_stored("any"),
                tenant,
                incarnation: Incarnation(1),
            };
            let present =
                Goal::Present { spec: &spec, applied: None, rollout: Rollout::default(), by: Means::Repair };
            match P::next(&subject, present, facts, NOW) {
                Next::Do(_) | Next::Done => {}
                Next::Fail(error) if error.kind == ErrorKind::InvalidSpec => refused += 1,
                other @ (Next::Fail(_) | Next::Wait { .. }) => panic!("{rule}: {other:?}"),
            }
            assert_eq!(P::next(&subject, Goal::Absent, facts, NOW), Next::Done, "{rule}");
        }
        assert!(refused > 0, "the specs were not looked at");
    }

    #[cfg(feature = "ecs")]
    #[test]
    fn i5_by_the_ecs_planner() {
        use landlord_state_machines::planner::ecs::{EcsCall, EcsFacts, EcsPlanner, EcsReply, Search};

        let mut facts = EcsFacts::default();
        let call = EcsCall::Locate(Search::Everything);
        EcsPlanner::learn(&mut facts, &call, Ok(EcsReply::Located(None)), NOW);
        plan::<EcsPlanner>(&facts);
    }

    #[cfg(feature = "process")]
    #[test]
    fn i5_by_the_process_planner() {
        use landlord_state_machines::planner::process::{
            Found, ProcessCall, ProcessFacts, ProcessPlanner, ProcessReply,
        };

        let mut facts = ProcessFacts::default();
        ProcessPlanner::learn(&mut facts, &ProcessCall::Find, Ok(ProcessReply::Found(Found::default())), NOW);
        plan::<ProcessPlanner>(&facts);
    }
}
