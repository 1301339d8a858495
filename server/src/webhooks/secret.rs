//! What deliveries are signed with, and the signature (Standard Webhooks, symmetric).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use landlord_api::SecretSource;
use sha2::Sha256;

/// With what a secret begins that is written as base64.
const ENCODED: &str = "whsec_";
/// The longest file that is read as a secret.
const LONGEST: usize = 4096;

/// A secret. It cannot be printed.
pub(super) struct Secret(Vec<u8>);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    /// The file cannot be read.
    #[error("the secret's file {path} cannot be read: {cause}")]
    File { path: String, cause: std::io::Error },
    /// There is no such variable, or it is no text.
    #[error("the server's environment has no variable {0} for the secret")]
    Env(String),
    /// It cannot be a secret.
    #[error("the secret in {place} {problem}")]
    Unusable { place: String, problem: &'static str },
}

impl Secret {
    /// Reads it where it is. Blocks for a file.
    pub(super) fn read(source: &SecretSource) -> Result<Self, SecretError> {
        let (place, text) = match source {
            SecretSource::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|cause| SecretError::File { path: path.clone(), cause })?;
                (path, text)
            }
            SecretSource::Env(name) => {
                (name, std::env::var(name).map_err(|_| SecretError::Env(name.clone()))?)
            }
        };
        let unusable = |problem| SecretError::Unusable { place: place.clone(), problem };
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(unusable("is longer than 4096 bytes"));
        }
        let key = match text.strip_prefix(ENCODED) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| unusable("is not base64 after whsec_"))?,
            None => text.as_bytes().to_vec(),
        };
        if key.len() < 16 {
            return Err(unusable("has fewer than 16 bytes, which can be guessed"));
        }
        Ok(Self(key))
    }

    /// The signature of a message.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<Secret, SecretError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Secret::read(&SecretSource::File(file.path().to_str().expect("text").to_owned()))
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn a_message_is_signed_as_the_standard_has_it() {
        let Ok(secret) = written("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n") else { panic!("no secret") };
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in ["", "short", "whsec_?!", "whsec_c2hvcnQ=", &"x".repeat(5000)] {
            assert!(written(text).is_err(), "{text}");
        }
        assert!(Secret::read(&SecretSource::File("/nowhere/at/all".to_owned())).is_err());
        assert!(Secret::read(&SecretSource::Env("NOT_SET_ANYWHERE_AT_ALL".to_owned())).is_err());
    }
}
