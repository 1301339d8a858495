//! Secrets, as ECS fetches them when a task starts.

use std::collections::BTreeMap;

use super::problems::Problems;
use crate::planner::ecs::arn::Arn;
use crate::spec::{ContainerSpec, SecretReference, path};

const MANAGER: &str = "aws-secrets-manager";

/// Whether ECS can fetch the secrets, and something is done with each.
pub(super) fn check(problems: &mut Problems, secrets: &[SecretReference], containers: &[ContainerSpec]) {
    for (n, secret) in secrets.iter().enumerate() {
        let at = path::index("secrets", n);
        source(problems, &at, secret);
        let fetches_images = || containers.iter().any(|one| credentials_of(one) == Some(&secret.name));
        if secret.env_var.is_none() && !fetches_images() {
            let message = "missing; a container gets a secret only in its environment";
            problems.add(path::field(&at, "env_var"), message);
        }
    }
}

/// Where ECS finds each value for a container, by the name of its environment variable.
pub(super) fn values(secrets: &[SecretReference], container: &str) -> BTreeMap<String, String> {
    let its = secrets.iter().filter(|secret| secret.is_for(container));
    its.filter_map(|secret| Some((secret.env_var.clone()?, secret.key.clone()))).collect()
}

fn credentials_of(container: &ContainerSpec) -> Option<&String> {
    container.image_pull.as_ref()?.credentials.as_ref()
}

/// The secret with which a container's image is fetched. The spec's rules say that there is one of that name.
pub(super) fn credentials(
    problems: &mut Problems,
    at: &str,
    container: &ContainerSpec,
    secrets: &[SecretReference],
) -> Option<String> {
    let name = credentials_of(container)?;
    let secret = secrets.iter().find(|secret| secret.name == *name)?;
    let whole =
        Arn::named(&secret.key, "secretsmanager", "secret:").is_some_and(|named| !named.contains(':'));
    if secret.source != MANAGER || !whole {
        problems.add(
            path::field(&path::field(at, "image_pull"), "credentials"),
            format!(
                "secret {} is not one with a registry's credentials; its source has to be {MANAGER}, and its key the \
                 ARN of a whole secret, which holds username and password",
                path::quoted(name)
            ),
        );
    }
    Some(secret.key.clone())
}

/// Does not show the key: somebody may have written the value there.
fn source(problems: &mut Problems, at: &str, secret: &SecretReference) {
    let key = &secret.key;
    match secret.source.as_str() {
        MANAGER if is_secret(key) => {}
        MANAGER => problems.add(
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
        let secrets = [secret];
        check(&mut problems, &secrets, &[]);
        let values = values(&secrets, "web");
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
        check(&mut problems, &[secret], &[]);
        assert_eq!(problems.into_vec()[0].path, "secrets[0].env_var");
    }
}
