//! The caller's own tags, by AWS's rules.

use std::collections::BTreeMap;

use super::problems::{Problems, config_at};
use crate::planner::ecs::tags;
use crate::spec::path;

/// The most tags that a resource has.
const MOST: usize = 50;
/// How many of them are ours: those of [`tags::of`], and [`tags::SPEC`] or [`tags::CONTENT`].
pub(super) const OURS: usize = 6;

/// A tenant's labels over its configuration's tags.
pub(super) fn tags(
    problems: &mut Problems,
    labels: &BTreeMap<String, String>,
    config: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let under = config_at("tags");
    config.iter().for_each(|(key, value)| tag(problems, &path::key(&under, key), key, value));
    labels.iter().for_each(|(key, value)| tag(problems, &path::key("labels", key), key, value));
    let mut tags = config.clone();
    tags.extend(labels.clone());
    if tags.len() > MOST - OURS {
        problems.add(
            "labels",
            format!(
                "{} with provider_config.tags; AWS keeps {MOST} tags, of which {OURS} are the engine's: use at most {}",
                tags.len(),
                MOST - OURS
            ),
        );
    }
    tags
}

fn tag(problems: &mut Problems, at: &str, key: &str, value: &str) {
    if !(1..=128).contains(&key.chars().count()) || !key.chars().all(is_allowed) {
        problems.add(at, format!("the key is no tag's: 1 to 128 {ALLOWED}"));
    }
    if value.chars().count() > 256 || !value.chars().all(is_allowed) {
        problems.add(at, format!("the value is no tag's: at most 256 {ALLOWED}"));
    }
    if is_awss(key) || is_awss(value) {
        problems.add(at, "what begins with aws: is AWS's own; choose another key or value");
    }
    if key.starts_with(tags::RESERVED) {
        problems.add(at, format!("keys that begin with {} are the engine's; choose another", tags::RESERVED));
    }
}

const ALLOWED: &str = "letters, digits, spaces and _.:/=+-@";

fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || " _.:/=+-@".contains(c)
}

fn is_awss(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn paths(labels: &[(&str, &str)], config: &[(&str, &str)]) -> Vec<String> {
        let mut problems = Problems::default();
        tags(&mut problems, &map(labels), &map(config));
        problems.into_vec().into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn labels_come_over_tags_and_keep_their_keys() {
        let mut problems = Problems::default();
        let mapped = tags(
            &mut problems,
            &map(&[("team", "blue"), ("Größe/x", "")]),
            &map(&[("team", "red"), ("cost center", "a+b@c")]),
        );
        assert_eq!(mapped, map(&[("team", "blue"), ("Größe/x", ""), ("cost center", "a+b@c")]));
        assert_eq!(problems.into_vec(), []);
    }

    #[test]
    fn what_aws_does_not_take_is_told() {
        let long = "x".repeat(129);
        let value = "x".repeat(257);
        for key in ["aws:x", "AwS:x", "landlord.x", "", "a*b", "a\u{1F600}", &long] {
            assert_eq!(paths(&[(key, "v")], &[]).len(), 1, "{key}");
            assert_eq!(paths(&[], &[(key, "v")]).len(), 1, "{key}");
        }
        for wrong in ["aws:x", "a;b", &value] {
            assert_eq!(paths(&[("k", wrong)], &[]), ["labels.k"], "{wrong}");
            assert_eq!(paths(&[], &[("k", wrong)]), ["provider_config.tags.k"], "{wrong}");
        }
        let (long, value) = ("ü".repeat(128), "ü".repeat(256));
        assert_eq!(
            paths(&[(&long, &value), ("landlord", "x"), ("aws", "y"), ("landlords.x", "z")], &[]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn fifty_tags_are_the_most() {
        let keys: Vec<String> = (0..45).map(|n| format!("k{n}")).collect();
        let entries: Vec<(&str, &str)> = keys.iter().map(|key| (&**key, "v")).collect();
        assert_eq!(paths(&entries[..44], &[("k0", "other")]), Vec::<String>::new());
        assert_eq!(paths(&entries[..44], &[("other", "v")]), ["labels"]);
        assert_eq!(paths(&entries, &[]), ["labels"]);
    }
}
