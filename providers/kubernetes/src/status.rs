//! What an API server says when it does not do what it is asked.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use serde::Deserialize;

use super::words;

/// An answer that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// HTTP's.
    pub(super) code: u16,
    /// Kubernetes' word for programs. Empty where there is none.
    pub(super) reason: String,
    /// For people, and for programs where there is nothing else.
    pub(super) message: String,
    pub(super) details: Details,
    /// For how long the server wants to be left alone.
    pub(super) pause: Option<Duration>,
    /// Whether it is Kubernetes that answers: a proxy or an aggregated server may answer in a format of its own.
    pub(super) is_status: bool,
}

/// What it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Details {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) causes: Vec<Cause>,
    retry_after_seconds: Option<u64>,
}

/// One of the things that are wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Cause {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) field: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    kind: String,
    reason: Option<String>,
    message: Option<String>,
    details: Option<Details>,
}

impl Refusal {
    /// Reads an answer.
    pub(super) fn read(code: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let header = header.and_then(|seconds| seconds.trim().parse().ok());
        let raw: Option<Raw> = serde_json::from_slice(body).ok().filter(|raw: &Raw| raw.kind == "Status");
        let is_status = raw.is_some();
        let raw = raw.unwrap_or_else(|| Raw {
            message: Some(words::shortened(&String::from_utf8_lossy(body)).trim().to_owned()),
            ..Raw::default()
        });
        let details = raw.details.unwrap_or_default();
        Self {
            code,
            reason: raw.reason.unwrap_or_default(),
            message: raw.message.unwrap_or_default(),
            pause: header.or(details.retry_after_seconds).map(Duration::from_secs),
            details,
            is_status,
        }
    }

    /// Whether it has this reason.
    pub(super) fn is(&self, reason: &str) -> bool {
        self.reason == reason
    }

    /// Whether its message has these words.
    pub(super) fn says(&self, words: &str) -> bool {
        self.message.contains(words)
    }

    /// Whether one of its causes has this reason.
    pub(super) fn is_caused_by(&self, reason: &str) -> bool {
        self.details.causes.iter().any(|cause| cause.reason == reason)
    }

    /// The server's words, without values of the spec.
    pub(super) fn words(&self) -> String {
        let causes = || self.details.causes.iter().map(|cause| words::of_cause(&cause.field, &cause.message));
        let said = match self.code {
            // The message repeats the causes, with values.
            422 if !self.details.causes.is_empty() => causes().collect::<Vec<_>>().join("; "),
            _ => words::without_values(&self.message),
        };
        let head = match self.reason.as_str() {
            "" => format!("HTTP {}", self.code),
            reason => reason.to_owned(),
        };
        match said.as_str() {
            "" => head,
            said => words::shortened(&format!("{head}: {said}")),
        }
    }
}
