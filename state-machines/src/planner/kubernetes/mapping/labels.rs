//! The caller's own labels and annotations, by Kubernetes' rules.

use std::collections::BTreeMap;

use super::names::is_subdomain;
use super::problems::{Problems, config_at};
use crate::planner::kubernetes::{KubernetesConfig, tags};
use crate::spec::path;

/// The most bytes of an object's annotations, less what ours may take.
const ANNOTATIONS: usize = 240 * 1024;

/// What a caller's object carries beside ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// A tenant's labels over its configuration's. A value that no label can have is an annotation's.
pub(super) fn labels(
    problems: &mut Problems,
    labels: &BTreeMap<String, String>,
    config: &KubernetesConfig,
) -> Labels {
    let mut all = Labels { labels: BTreeMap::new(), annotations: config.annotations.clone() };
    config
        .annotations
        .keys()
        .for_each(|key| check(problems, &path::key(&config_at("annotations"), key), key));
    let under = config_at("labels");
    config.labels.keys().for_each(|key| check(problems, &path::key(&under, key), key));
    labels.keys().for_each(|key| check(problems, &path::key("labels", key), key));
    for (key, value) in config.labels.iter().chain(labels) {
        let (of, other) = match tags::is_value(value) {
            true => (&mut all.labels, &mut all.annotations),
            false => (&mut all.annotations, &mut all.labels),
        };
        other.remove(key);
        of.insert(key.clone(), value.clone());
    }
    let size: usize = all.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATIONS {
        problems
            .add("labels", format!("{size} bytes as annotations; Kubernetes takes at most {ANNOTATIONS}"));
    }
    all
}

/// The annotations of one kind of object, which are often for somebody of the cluster's own.
pub(super) fn annotations(problems: &mut Problems, setting: &str, given: &BTreeMap<String, String>) {
    for key in given.keys() {
        let at = path::key(&config_at(setting), key);
        malformed(problems, &at, key);
        ours(problems, &at, key);
    }
}

fn check(problems: &mut Problems, at: &str, key: &str) {
    malformed(problems, at, key);
    ours(problems, at, key);
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let is_of = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    if is_of("kubernetes.io") || is_of("k8s.io") {
        problems.add(at, "keys of kubernetes.io and k8s.io are Kubernetes' own; choose another");
    }
}

fn ours(problems: &mut Problems, at: &str, key: &str) {
    if key.starts_with(tags::RESERVED) {
        problems.add(at, format!("keys that begin with {} are the engine's; choose another", tags::RESERVED));
    }
}

fn malformed(problems: &mut Problems, at: &str, key: &str) {
    if !is_key(key) {
        problems.add(
            at,
            "the key is no label's: at most 63 letters, digits, '-', '_' and '.', after a domain and '/' or not",
        );
    }
}

/// Whether a text can be the key of a label.
pub(super) fn is_key(key: &str) -> bool {
    let (domain, name) = match key.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, key),
    };
    !name.is_empty() && tags::is_value(name) && domain.is_none_or(is_subdomain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn found(given: &[(&str, &str)], of_config: &[(&str, &str)]) -> (Labels, Vec<String>) {
        let config = KubernetesConfig { labels: map(of_config), ..KubernetesConfig::default() };
        let mut problems = Problems::default();
        let found = labels(&mut problems, &map(given), &config);
        (found, problems.into_parts().0.into_iter().map(|problem| problem.path).collect())
    }

    #[test]
    fn labels_come_over_those_of_the_configuration() {
        let (found, problems) = found(
            &[("team", "blue"), ("note", "two words"), ("cost", "")],
            &[("team", "red and blue"), ("example.com/tier", "1"), ("note", "short")],
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(found.labels, map(&[("team", "blue"), ("example.com/tier", "1"), ("cost", "")]));
        assert_eq!(found.annotations, map(&[("note", "two words")]));
    }

    #[test]
    fn what_kubernetes_does_not_take_is_told() {
        let long = "x".repeat(64);
        for key in [
            "Größe",
            "a b",
            "-x",
            "a/b/c",
            "Ex.com/x",
            "landlord.x",
            "kubernetes.io/x",
            "app.kubernetes.io/name",
            "x.k8s.io/y",
            &long,
        ] {
            assert_eq!(found(&[(key, "v")], &[]).1.len(), 1, "{key}");
            assert_eq!(found(&[], &[(key, "v")]).1.len(), 1, "{key}");
        }
        assert_eq!(found(&[("landlord", "v"), ("notkubernetes.io/x", "v")], &[]).1, Vec::<String>::new());
    }

    #[test]
    fn annotations_of_one_kind_may_be_the_clusters() {
        let mut problems = Problems::default();
        let key = "service.beta.kubernetes.io/aws-load-balancer-type";
        annotations(
            &mut problems,
            "service_annotations",
            &map(&[(key, "nlb"), ("landlord.x", "y"), ("a b", "c")]),
        );
        let paths: Vec<String> = problems.into_parts().0.into_iter().map(|problem| problem.path).collect();
        assert_eq!(
            paths,
            [
                r#"provider_config.service_annotations["a b"]"#,
                r#"provider_config.service_annotations["landlord.x"]"#
            ]
        );
    }
}
