//! Reads a configuration: a TOML file, and what the environment sets instead of it; says everything that is wrong at once.

use std::path::Path;

use config::{Config, Environment, File, FileFormat};
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{Configuration, SPAN};
use crate::failure::Failure;

/// With what the variables begin that set something: `LANDLORD_SET_LISTEN__ADDRESS`.
const PREFIX: &str = "LANDLORD_SET";

/// Everything that is wrong with a configuration, a line each: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<String>);

impl Problems {
    fn of(found: impl IntoIterator<Item = (String, String)>) -> Self {
        let lines = found.into_iter().map(|(path, message)| match path.as_str() {
            "" => message,
            path => format!("{path}: {message}"),
        });
        Self(lines.collect())
    }

    /// As why a command was not done, if there are any.
    pub(crate) fn or<T>(self, sound: T, file: Option<&Path>) -> Result<T, Failure> {
        let message = match self.0.as_slice() {
            [] => return Ok(sound),
            [only] => only.clone(),
            several => several
                .iter()
                .fold(format!("{} problems", several.len()), |all, line| format!("{all}\n  {line}")),
        };
        let file = file.map_or("the environment".to_owned(), |file| file.display().to_string());
        Err(Failure::Config { file, message })
    }
}

/// What could be read, and everything that is wrong with the rest.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Sections with problems are as if they were not given.
    pub(crate) sound: Configuration,
    pub(crate) problems: Problems,
}

impl Draft {
    fn nothing(problem: String) -> Self {
        Self { sound: Configuration::default(), problems: Problems(vec![problem]) }
    }
}

/// Reads a file and the environment; without a file, the environment alone.
pub(crate) fn read(file: Option<&Path>) -> Draft {
    let environment =
        Environment::with_prefix(PREFIX).prefix_separator("_").separator("__").try_parsing(true);
    let mut sources = Config::builder();
    if let Some(file) = file {
        match std::fs::read_to_string(file) {
            Ok(text) => sources = sources.add_source(File::from_str(&text, FileFormat::Toml)),
            Err(error) => return Draft::nothing(format!("cannot be read: {error}")),
        }
    }
    let document = sources.add_source(environment).build().and_then(Config::try_deserialize::<Value>);
    match document {
        Ok(document) => checked(document, file.and_then(Path::parent)),
        Err(error) => Draft::nothing(error.to_string()),
    }
}

/// A document by the schema and by every other rule.
fn checked(mut document: Value, folder: Option<&Path>) -> Draft {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Configuration>();
    let rules = match jsonschema::validator_for(schema.as_value()) {
        Ok(rules) => rules,
        Err(error) => return Draft::nothing(format!("a defect of landlord-compute: {error}")),
    };
    let mut found: Vec<(String, String)> =
        rules.iter_errors(&document).flat_map(|error| said(&error)).collect();
    for (path, _) in &found {
        let section = path.split('.').next().unwrap_or_default();
        if let Some(sections) = document.as_object_mut() {
            sections.remove(section);
        }
    }
    let sound = match serde_json::from_value::<Configuration>(document) {
        Ok(mut sound) => {
            if let Some(folder) = folder {
                sound.place_in(folder);
            }
            found.extend(sound.problems());
            sound
        }
        Err(error) => {
            found.push((String::new(), error.to_string()));
            Configuration::default()
        }
    };
    Draft { sound, problems: Problems::of(found) }
}

/// Where something is wrong, and what. The value that stands there is not shown: it may be in the wrong place.
fn said(error: &ValidationError<'_>) -> Vec<(String, String)> {
    let path = error.instance_path().to_string().trim_start_matches('/').replace('/', ".");
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        let within = |key: &String| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        return unexpected.iter().map(|key| (within(key), "there is no such key".to_owned())).collect();
    }
    let pattern = if let ValidationErrorKind::Pattern { pattern } = error.kind() {
        Some(pattern.as_str())
    } else {
        None
    };
    let message = match pattern {
        Some(SPAN) => "is not a span of time; write it like 90s, 5m or 1h 30m".to_owned(),
        Some(_) => "is not an address with a port; write it like 0.0.0.0:8443 or [::]:8443".to_owned(),
        None => error.masked_with("it").to_string(),
    };
    vec![(path, message)]
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    /// Every key of the example, without its comment sign, is what there is without it.
    #[test]
    fn the_example_has_every_default() {
        let keys = |line: &str| {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let (key, _) = bare.split_once(" = ")?;
            key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then(|| bare.to_owned())
        };
        let text = include_str!("../../../ops/landlord.toml");
        let text: Vec<String> = text
            .lines()
            .take_while(|line| !line.starts_with("# What tenants can run on"))
            .filter_map(|line| if line.starts_with('[') { Some(line.to_owned()) } else { keys(line) })
            .collect();
        // The port, its names, files and directories are examples.
        let text: Vec<&String> = text
            .iter()
            .filter(|line| {
                ![
                    "address",
                    "ca",
                    "certificate",
                    "data",
                    "endpoint",
                    "headers_file",
                    "key",
                    "metrics_address",
                    "names",
                    "password_file",
                    "plain",
                ]
                .iter()
                .any(|key| line.starts_with(&format!("{key} =")))
            })
            .collect();
        let text = text.into_iter().map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(text.lines().count(), 47, "a key is missing, or one is new: {text}");
        let document: Value = Config::builder()
            .add_source(File::from_str(&text, FileFormat::Toml))
            .build()
            .unwrap()
            .try_deserialize()
            .unwrap();
        let Draft { sound, problems } = checked(document, None);
        assert_eq!(problems, Problems(Vec::new()));
        let store = Some(OsString::from("landlord.db").into());
        assert_eq!(sound, Configuration { store, ..Configuration::default() });
    }
}
