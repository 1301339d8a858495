//! The forms of names at AWS: ARNs, and shorter ones.

/// The parts of an ARN: `arn:partition:service:region:account:resource`. The resource may hold colons.
pub(super) struct Arn<'a> {
    /// Such as `ecs`.
    pub(super) service: &'a str,
    /// Empty where the service has none.
    pub(super) region: &'a str,
    /// What is named.
    pub(super) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads an ARN; none where the text is not one.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [scheme, partition, service, region, account, resource] = parts[..] else { return None };
        let lower =
            |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let fits = scheme == "arn"
            && partition.starts_with("aws")
            && lower(partition)
            && lower(service)
            && lower(region)
            && account.bytes().all(|b| b.is_ascii_digit())
            && !resource.is_empty()
            && resource.chars().all(|c| !c.is_whitespace() && !c.is_control());
        fits.then_some(Self { service, region, resource })
    }

    /// What follows `kind` in the resource, where this is one of that service and kind.
    pub(super) fn named(text: &'a str, service: &str, kind: &str) -> Option<&'a str> {
        let arn = Self::read(text).filter(|arn| arn.service == service)?;
        arn.resource.strip_prefix(kind).filter(|name| !name.is_empty())
    }

    /// The region in it.
    pub(super) fn region_of(text: &'a str) -> Option<&'a str> {
        Self::read(text).map(|arn| arn.region).filter(|region| !region.is_empty())
    }
}

/// Whether a text is the name of a cluster, a family or a capacity provider: letters, digits, `-` and `_`.
pub(super) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Whether a text is `family:revision`.
pub(super) fn is_revision(text: &str) -> bool {
    text.split_once(':').is_some_and(|(family, revision)| {
        is_name(family) && revision.parse::<u32>().is_ok_and(|revision| revision > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_read() {
        let arn = Arn::read("arn:aws-us-gov:ecs:us-gov-west-1:123456789012:task-definition/web:7").unwrap();
        assert_eq!(
            (arn.service, arn.region, arn.resource),
            ("ecs", "us-gov-west-1", "task-definition/web:7")
        );
        assert_eq!(Arn::named("arn:aws:iam::123456789012:role/a/b", "iam", "role/"), Some("a/b"));
        assert_eq!(Arn::region_of("arn:aws:iam::123456789012:role/a"), None);
    }

    #[test]
    fn what_is_no_arn_is_not_read() {
        for text in [
            "",
            "web",
            "arn",
            "arn:aws:ecs:eu-west-1:1",
            "arn:aws:ecs:eu-west-1:1:",
            "arn:gcp:ecs:eu-west-1:1:cluster/a",
            "arn:aws:ecs:EU:1:cluster/a",
            "arn:aws:ecs:eu-west-1:me:cluster/a",
            "arn:aws:ecs:eu-west-1:1:cluster/a b",
        ] {
            assert!(Arn::read(text).is_none(), "{text}");
        }
        assert_eq!(Arn::named("arn:aws:iam::1:user/a", "iam", "role/"), None);
        assert_eq!(Arn::named("arn:aws:iam::1:role/", "iam", "role/"), None);
        assert_eq!(Arn::named("arn:aws:sts::1:role/a", "iam", "role/"), None);
    }

    #[test]
    fn revisions_have_a_number() {
        assert!(is_revision("web:1") && is_revision("a_b-C:12"));
        for text in ["web", "web:", "web:0", "web:-1", "web:1:2", ":1", "we b:1"] {
            assert!(!is_revision(text), "{text}");
        }
    }
}
