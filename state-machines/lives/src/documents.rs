//! Any bytes as a spec.

use landlord_state_machines::spec::{Spec, SpecError, TenantComputeSpec, changes};

/// Reads bytes as JSON.
pub fn json(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(TenantComputeSpec::from_json(text));
    }
}

/// Reads bytes as YAML.
pub fn yaml(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(TenantComputeSpec::from_yaml(text));
    }
}

/// What is refused says why; what is read can be written and is the same then, checked or not.
fn read(read: Result<TenantComputeSpec, SpecError>) {
    let spec = match read {
        Ok(spec) => spec,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !format!("{error:?}").is_empty());
            return;
        }
    };
    let written = serde_json::to_string(&spec).expect("what was read can be written");
    assert_eq!(TenantComputeSpec::from_json(&written).as_ref().ok(), Some(&spec), "as JSON: {written}");
    match TenantComputeSpec::from_yaml(&written) {
        Ok(read) => assert_eq!(read, spec, "as YAML: {written}"),
        // JSON may have characters that YAML has only escaped.
        Err(error) => {
            assert!(!written.chars().all(yaml_prints), "YAML refuses what JSON takes: {error}: {written}")
        }
    }
    let checked = match spec.check() {
        Ok(checked) => checked,
        Err(invalid) => {
            assert!(!invalid.to_string().is_empty(), "a spec is refused without a reason");
            return;
        }
    };
    let stored = serde_json::to_string(&checked).expect("what was checked can be stored");
    assert_eq!(Spec::from_stored_json(&stored).as_ref().ok(), Some(&checked), "as stored: {stored}");
    let again = TenantComputeSpec::clone(&checked).check();
    assert_eq!(again.as_ref().ok(), Some(&checked), "checked again it is another: {stored}");
    assert!(changes(&checked, &checked).is_empty());
    let _ = checked.check_images();
}

/// YAML 1.2.2, c-printable.
fn yaml_prints(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}
