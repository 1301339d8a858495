//! The values of a spec's secrets, read from where they are and kept from being printed.

use std::io;
use std::path::PathBuf;

use landlord_state_machines::spec::SecretReference;
use secrecy::SecretString;

/// The values of `source` that can be resolved on this machine.
const SOURCES: &str = "environment, file";

/// Why a secret has no value. Names the reference, never holds a value.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    /// Another platform's source.
    #[error("secret {name}: source {source_name:?} cannot be read by this provider; use one of {SOURCES}")]
    UnknownSource {
        /// The reference.
        name: String,
        /// The source it names.
        source_name: String,
    },
    /// The engine has no such variable.
    #[error(
        "secret {name}: the engine's environment has no variable {key:?}; set it where the engine starts"
    )]
    NotSet {
        /// The reference.
        name: String,
        /// The variable.
        key: String,
    },
    /// The file cannot be read.
    #[error("secret {name}: {path:?} cannot be read")]
    Unreadable {
        /// The reference.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An environment carries only text without NUL.
    #[error(
        "secret {name}: the value is not UTF-8 text without NUL, so no environment variable can carry it"
    )]
    NotText {
        /// The reference.
        name: String,
    },
}

/// Where a secret's value is.
enum Source {
    Environment,
    File,
}

impl Source {
    fn of(reference: &SecretReference) -> Result<Self, SecretError> {
        match reference.source.as_str() {
            "environment" => Ok(Self::Environment),
            "file" => Ok(Self::File),
            other => Err(SecretError::UnknownSource {
                name: reference.name.clone(),
                source_name: other.to_owned(),
            }),
        }
    }
}

/// Reads a secret's value. One line end at the end of a file does not belong to the value.
pub(super) fn resolve(reference: &SecretReference) -> Result<SecretString, SecretError> {
    let name = || reference.name.clone();
    let value = match Source::of(reference)? {
        Source::Environment => match std::env::var(&reference.key) {
            Ok(value) => value,
            Err(std::env::VarError::NotPresent) => {
                return Err(SecretError::NotSet { name: name(), key: reference.key.clone() });
            }
            Err(std::env::VarError::NotUnicode(_)) => return Err(SecretError::NotText { name: name() }),
        },
        Source::File => {
            let path = PathBuf::from(&reference.key);
            let bytes = std::fs::read(&path).map_err(|source| SecretError::Unreadable {
                name: name(),
                path,
                source,
            })?;
            let mut value = String::from_utf8(bytes).map_err(|_| SecretError::NotText { name: name() })?;
            if value.ends_with('\n') {
                value.pop();
            }
            value
        }
    };
    if value.contains('\0') {
        return Err(SecretError::NotText { name: name() });
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use std::error::Error as _;

    use super::*;

    fn file(key: &str) -> SecretReference {
        SecretReference {
            name: "db".into(),
            source: "file".into(),
            key: key.into(),
            env_var: None,
            ..SecretReference::default()
        }
    }

    #[test]
    fn a_file_is_read_without_its_last_line_end_and_does_not_print() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        std::fs::write(&path, "hunter2\n").unwrap();
        let value = resolve(&file(path.to_str().unwrap())).unwrap();
        assert_eq!(value.expose_secret(), "hunter2");
        assert!(!format!("{value:?}").contains("hunter2"));
    }

    #[test]
    fn an_environment_variable_is_read() {
        let reference = SecretReference { source: "environment".into(), key: "PATH".into(), ..file("") };
        assert_eq!(resolve(&reference).unwrap().expose_secret(), std::env::var("PATH").unwrap());
    }

    #[test]
    fn errors_name_the_reference_and_never_a_value() {
        let absent = resolve(&file("/nowhere/db")).unwrap_err();
        assert_eq!(absent.to_string(), r#"secret db: "/nowhere/db" cannot be read"#);
        assert!(absent.source().unwrap().to_string().contains("No such file"));

        let unset = SecretReference { source: "environment".into(), key: "LL_NOT_SET".into(), ..file("") };
        assert!(resolve(&unset).unwrap_err().to_string().contains(r#"no variable "LL_NOT_SET""#));

        let other = SecretReference { source: "kubernetes-secret".into(), ..file("db") };
        assert!(resolve(&other).unwrap_err().to_string().contains("use one of environment, file"));

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        std::fs::write(&path, b"hunter2\xff").unwrap();
        let binary = resolve(&file(path.to_str().unwrap())).unwrap_err();
        assert!(!format!("{binary:?} {binary}").contains("hunter2"));
        std::fs::write(&path, b"hunter2\0").unwrap();
        let nul = resolve(&file(path.to_str().unwrap())).unwrap_err();
        assert!(!format!("{nul:?} {nul}").contains("hunter2"));
    }
}
