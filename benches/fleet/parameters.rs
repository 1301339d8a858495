//! What a child is given besides its workload and its subject: words of the form `key=value`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(crate) fn with(mut self, key: &str, value: impl Display) -> Self {
        self.0.insert(key.to_owned(), value.to_string());
        self
    }

    /// What `key` was given.
    ///
    /// # Panics
    /// When it was not given, or is not of this type: the program gives them to itself.
    pub(crate) fn get<T: FromStr>(&self, key: &str) -> T {
        let value = self.0.get(key).and_then(|value| value.parse().ok());
        value
            .unwrap_or_else(|| panic!("the parameter {key} is missing, or not a value of its kind: {self:?}"))
    }

    /// The same where it may not be given.
    pub(crate) fn find<T: FromStr>(&self, key: &str) -> Option<T> {
        self.0.contains_key(key).then(|| self.get(key))
    }

    /// As words of a command line.
    pub(crate) fn words(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(key, value)| format!("{key}={value}"))
    }
}

impl FromIterator<String> for Parameters {
    fn from_iter<I: IntoIterator<Item = String>>(words: I) -> Self {
        let pairs = words.into_iter().filter_map(|word| {
            let (key, value) = word.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        Self(pairs.collect())
    }
}
