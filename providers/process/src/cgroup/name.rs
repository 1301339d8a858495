//! Names of groups: one for each engine, tenant and launch, whatever its own name is.
//!
//! The ending keeps them apart from each other and from the kernel's own files, such as `tasks` and `memory.max`.

use std::fmt::Write as _;

const LAUNCH: &str = ".launch";

/// The group that an engine's tenants are in.
pub(super) fn engine(id: &str) -> String {
    format!("{}.engine", escaped(id))
}

/// The group of a tenant. `+` is in neither name.
pub(super) fn tenant(provider: &str, tenant: &str) -> String {
    format!("{}+{}.tenant", escaped(provider), escaped(tenant))
}

/// The group of a launch.
pub(super) fn launch(id: &str) -> String {
    format!("{}{LAUNCH}", escaped(id))
}

/// The launch of a group that [`launch`] named.
pub(super) fn launch_id(group: &str) -> Option<String> {
    let mut rest = group.strip_suffix(LAUNCH)?.as_bytes();
    let mut id = Vec::new();
    while let Some((byte, after)) = rest.split_first() {
        if *byte == b'%' {
            let (hex, after) = after.split_at_checked(2)?;
            id.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
            rest = after;
        } else {
            id.push(*byte);
            rest = after;
        }
    }
    String::from_utf8(id).ok()
}

/// Letters, digits, `-` and `_` as they are, each other byte as `%` and two hexadecimal digits.
fn escaped(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            safe.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _written = write!(safe, "%{byte:02x}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_say_whose_they_are() {
        assert_eq!(engine("local"), "local.engine");
        assert_eq!(tenant("process", "acme"), "process+acme.tenant");
        assert_eq!(launch("web.1-3"), "web%2e1-3.launch");
        assert_ne!(tenant("a+b", "c"), tenant("a", "b+c"));
    }

    proptest! {
        #[test]
        fn a_launch_is_read_back_from_a_name_that_any_directory_can_have(id in ".{0,40}") {
            let name = launch(&id);
            prop_assert!(!name.contains(['/', '\n', '\0']));
            prop_assert_eq!(launch_id(&name), Some(id));
        }
    }
}
