//! What a run depends on: words like `tenants=2000`.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context as _, bail};

pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// From words of which each is `key=value`, with one of these keys.
    pub(crate) fn of(words: impl Iterator<Item = String>, keys: &[&str]) -> anyhow::Result<Self> {
        let mut parameters = BTreeMap::new();
        for word in words {
            match word.split_once('=') {
                Some((key, value)) if keys.contains(&key) => {
                    parameters.insert(key.to_owned(), value.to_owned());
                }
                Some(_) | None => bail!("{word:?} is none of {keys:?} with =value"),
            }
        }
        Ok(Self(parameters))
    }

    pub(crate) fn get<T>(&self, key: &str) -> anyhow::Result<T>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        let value = self.0.get(key).with_context(|| format!("{key}=… is missing"))?;
        value.parse().with_context(|| format!("{key}={value} is no value of {key}"))
    }
}
