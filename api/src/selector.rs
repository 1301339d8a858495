//! Which labels a tenant has to have, in the words of a command line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the labels of a tenant have to fulfil, all of it: `team=blue,tier!=free,canary,!legacy`. It has one requirement at
/// least.
///
/// `name!=value` and `!name` also let a tenant through that has no such label. A name with `=`, `!` or `,` in it, and a value
/// with a comma, cannot be selected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelSelector(Vec<Requirement>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Requirement {
    Is { name: String, value: String },
    IsNot { name: String, value: String },
    Has { name: String },
    HasNot { name: String },
}

/// A text that is no [`LabelSelector`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} selects no labels; write it like team=blue,tier!=free,canary")]
pub struct SelectorError(String);

impl LabelSelector {
    /// Whether these labels fulfil it.
    pub fn wants(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::Is { name, value } => labels.get(name) == Some(value),
            Requirement::IsNot { name, value } => labels.get(name) != Some(value),
            Requirement::Has { name } => labels.contains_key(name),
            Requirement::HasNot { name } => !labels.contains_key(name),
        })
    }
}

impl FromStr for Requirement {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let named = |name: &str| {
            let name = name.trim();
            let plain = !name.is_empty() && !name.contains(['=', '!']);
            plain.then(|| name.to_owned()).ok_or(())
        };
        let value = |value: &str| value.trim().to_owned();
        if let Some((name, rest)) = text.split_once("!=") {
            return Ok(Self::IsNot { name: named(name)?, value: value(rest) });
        }
        if let Some((name, rest)) = text.split_once('=') {
            // Other command lines write `==`, too.
            return Ok(Self::Is { name: named(name)?, value: value(rest.strip_prefix('=').unwrap_or(rest)) });
        }
        match text.strip_prefix('!') {
            Some(name) => Ok(Self::HasNot { name: named(name)? }),
            None => Ok(Self::Has { name: named(text)? }),
        }
    }
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let requirements: Result<Vec<_>, ()> = text.split(',').map(Requirement::from_str).collect();
        requirements.map(Self).map_err(|()| SelectorError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is { name, value } => write!(f, "{name}={value}"),
            Self::IsNot { name, value } => write!(f, "{name}!={value}"),
            Self::Has { name } => f.write_str(name),
            Self::HasNot { name } => write!(f, "!{name}"),
        }
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        self.0
            .iter()
            .try_for_each(|requirement| write!(f, "{}{requirement}", std::mem::replace(&mut between, ",")))
    }
}

impl Serialize for LabelSelector {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LabelSelector {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for LabelSelector {
    fn schema_name() -> Cow<'static, str> {
        "LabelSelector".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "What the labels of a tenant have to fulfil, all of it.",
            "examples": ["team=blue,tier!=free,canary,!legacy"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn it_lets_through_what_fulfils_all_of_it() {
        let blue = labels(&[("team", "blue"), ("canary", "")]);
        for (selector, wants) in [
            ("team=blue", true),
            ("team==blue", true),
            ("team=red", false),
            ("team!=red", true),
            ("team!=blue", false),
            ("tier!=free", true),
            ("canary", true),
            ("canary=", true),
            ("!canary", false),
            ("!legacy", true),
            ("team=blue,tier=free", false),
            (" team = blue , canary ", true),
        ] {
            let read: LabelSelector = selector.parse().unwrap();
            assert_eq!(read.wants(&blue), wants, "{selector}");
        }
    }

    #[test]
    fn it_reads_what_it_prints() {
        for text in ["team=blue,tier!=free,canary,!legacy", "a=b=c", "a="] {
            let read: LabelSelector = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            assert_eq!(
                serde_json::from_str::<LabelSelector>(&serde_json::to_string(&read).unwrap()).unwrap(),
                read
            );
        }
    }

    #[test]
    fn what_names_no_label_is_refused() {
        for text in ["", ",", "team=blue,", "=blue", "!=blue", "!", "!a=b", "te!am=x", "!!a"] {
            assert!(text.parse::<LabelSelector>().is_err(), "{text:?}");
        }
    }
}
