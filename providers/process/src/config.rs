//! The operator's configuration of this provider, as a program reads it from a file.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::{LogLimits, ProcessOptions};

/// What an operator may set. What is absent is as in [`ProcessOptions::new`].
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    ports: Option<Ports>,
    logs: Logs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ports {
    first: u16,
    last: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Logs {
    dir: Option<PathBuf>,
    file_bytes: Option<u64>,
    files: Option<u32>,
    file_days: Option<u32>,
    keep_days: Option<u32>,
    retain: bool,
}

/// Why a configuration does not fit.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    #[error(
        "{0}; it has ports {{first, last}} and logs {{dir, file_bytes, files, file_days, keep_days, retain}}"
    )]
    Read(#[from] serde_json::Error),
    #[error("ports: {first} to {last} is no range; the first is at least 1 and at most the last")]
    Ports { first: u16, last: u16 },
    #[error("logs.files: there is at least one file")]
    NoFile,
    #[error("logs.dir: give an absolute path")]
    RelativeDir,
}

/// The options with what the configuration says; `null` says nothing.
pub(super) fn apply(config: Value, mut options: ProcessOptions) -> Result<ProcessOptions, ConfigError> {
    let Config { ports, logs } =
        if config.is_null() { Config::default() } else { serde_json::from_value(config)? };
    if let Some(Ports { first, last }) = ports {
        if first == 0 || first > last {
            return Err(ConfigError::Ports { first, last });
        }
        options = options.ports(first..=last);
    }
    if let Some(dir) = logs.dir {
        if !dir.is_absolute() {
            return Err(ConfigError::RelativeDir);
        }
        options = options.logs_dir(dir);
    }
    if logs.files == Some(0) {
        return Err(ConfigError::NoFile);
    }
    let before = LogLimits::default();
    let limits = before
        .file_bytes(logs.file_bytes.unwrap_or(before.file_bytes))
        .files(logs.files.unwrap_or(before.files))
        .days(logs.file_days.unwrap_or(before.file_days), logs.keep_days.unwrap_or(before.keep_days));
    options = options.log_limits(limits);
    Ok(if logs.retain { options.retain_logs() } else { options })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(config: Value) -> Result<ProcessOptions, String> {
        apply(config, ProcessOptions::new("/state")).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_absent_stays_as_it_is() {
        let plain = applied(Value::Null).unwrap();
        assert_eq!(plain.logs_dir, PathBuf::from("/state/logs"));
        assert_eq!(plain.log_limits, LogLimits::default());
        let config = json!({ "ports": { "first": 5, "last": 6 }, "logs": { "dir": "/logs", "files": 2, "retain": true } });
        let options = applied(config).unwrap();
        assert_eq!((options.ports, options.logs_dir), (5..=6, PathBuf::from("/logs")));
        assert_eq!(options.log_limits, LogLimits::default().files(2));
        assert!(options.retain_logs && !plain.retain_logs);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (config, words) in [
            (json!({ "port": 1 }), "unknown field `port`"),
            (json!({ "logs": { "files": 0 } }), "logs.files"),
            (json!({ "ports": { "first": 9, "last": 8 } }), "9 to 8 is no range"),
            (json!({ "logs": { "dir": "logs" } }), "absolute"),
        ] {
            let error = applied(config).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
