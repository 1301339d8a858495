//! Secrets, as ECS fetches them when a task starts.

use std::collections::BTreeMap;

use super::problems::Problems;
use crate::planner::ecs::arn::Arn;
use crate::spec::{SecretReference, path};

/// Where ECS finds each value, by the name of its environment variable.
pub(super) fn values(problems: &mut Problems, secrets: &[SecretReference]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (n, secret) in secrets.iter().enumerate() {
        let at = path::index("secrets", n);
        source(problems, &at, secret);
        if let Some(name) = &secret.env_var {
            values.insert(name.clone(), secret.key.clone());
        } else {
            let message = "missing; a container gets a secret only in its environment";
            problems.add(path::field(&at, "env_var"), message);
        }
    }
    values
}

/// Does not show the key: somebody may have written the value there.
fn source(problems: &mut Problems, at: &str, secret: &SecretReference) {
    let key = &secret.key;
    match secret.source.as_str() {
        "aws-secrets-manager" if is_secret(key) => {}
        "aws-secrets-manager" => problems.add(
            path::field(at, "key"),
            "not a secret's ARN; write arn:aws:secretsmanager:region:account:secret:name-suffix, followed by \
             :json-key:version-stage:version-id (each may be empty) for a part of it",
        ),
        "aws-ssm" | "aws-parameter-store" if is_parameter(key) => {}
        "aws-ssm" | "aws-parameter-store" => problems.add(
            path::field(at, "key"),
            "not a parameter; write its name, of letters, digits and _.-/, or \
             arn:aws:ssm:region:account:parameter/name",
        ),
        other => problems.add(
            path::field(at, "source"),
            format!(
                "ECS cannot fetch from {}; use aws-secrets-manager, aws-ssm or aws-parameter-store",
                path::quoted(other)
            ),
        ),
    }
}

/// The name of a secret, and three more parts or none.
fn is_secret(key: &str) -> bool {
    Arn::named(key, "secretsmanager", "secret:").is_some_and(|named| {
        let parts: Vec<&str> = named.split(':').collect();
        matches!(parts.len(), 1 | 4) && !parts[0].is_empty()
    })
}

fn is_parameter(key: &str) -> bool {
    let name = match key.starts_with("arn:") {
        true => Arn::named(key, "ssm", "parameter/"),
        false => Some(key),
    };
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/');
    name.is_some_and(|name| (1..=2048).contains(&name.len()) && name.bytes().all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(from: &str, key: &str) -> Option<String> {
        let secret = SecretReference {
            name: "db".to_owned(),
            source: from.to_owned(),
            key: key.to_owned(),
            env_var: Some("DB".to_owned()),
            ..SecretReference::default()
        };
        let mut problems = Problems::default();
        let values = values(&mut problems, &[secret]);
        assert_eq!(values, BTreeMap::from([("DB".to_owned(), key.to_owned())]));
        problems.into_vec().first().map(ToString::to_string)
    }

    #[test]
    fn what_ecs_fetches_is_taken() {
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:acme/db-AbCdEf";
        for key in [secret.to_owned(), format!("{secret}:password::"), format!("{secret}:::v1")] {
            assert_eq!(problem("aws-secrets-manager", &key), None, "{key}");
        }
        for source in ["aws-ssm", "aws-parameter-store"] {
            for key in ["/acme/db", "db", "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/acme/db"] {
                assert_eq!(problem(source, key), None, "{key}");
            }
        }
    }

    #[test]
    fn anything_else_is_told_without_its_key() {
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret";
        for (source, key) in [
            ("aws-secrets-manager", "hunter2".to_owned()),
            ("aws-secrets-manager", format!("{secret}:")),
            ("aws-secrets-manager", format!("{secret}:hunter2:key")),
            ("aws-secrets-manager", format!("{secret}::hunter2::")),
            ("aws-ssm", "hunter2!".to_owned()),
            ("aws-ssm", "arn:aws:iam::123456789012:role/hunter2".to_owned()),
        ] {
            let problem = problem(source, &key).unwrap();
            assert!(problem.starts_with("secrets[0].key: not a "), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
        let problem = problem("environment", "hunter2").unwrap();
        assert_eq!(
            problem,
            "secrets[0].source: ECS cannot fetch from \"environment\"; use aws-secrets-manager, aws-ssm or \
             aws-parameter-store"
        );
    }

    #[test]
    fn a_secret_without_a_variable_is_told() {
        let secret =
            SecretReference { source: "aws-ssm".to_owned(), key: "a".to_owned(), ..Default::default() };
        let mut problems = Problems::default();
        values(&mut problems, &[secret]);
        assert_eq!(problems.into_vec()[0].path, "secrets[0].env_var");
    }
}
