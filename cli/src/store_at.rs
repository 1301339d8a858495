//! Where tenants are kept, as somebody says it: a file, or the URL of a database.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use landlord_compute::store::StoreError;
use landlord_store_postgres::PostgresOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// What a store is that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreAt {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of PostgreSQL.
    Database(Url),
}

/// The URL of a database. It may hold a password, so that what is shown of it is where it leads.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(String);

impl Url {
    /// The same, understood.
    pub(crate) fn options(&self) -> Result<PostgresOptions, StoreError> {
        PostgresOptions::new(&self.0)
    }

    /// All of it, for a process of this program.
    pub(crate) fn with_its_password(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.options() {
            Ok(options) => f.write_str(&options.place()),
            Err(_) => f.write_str("postgres://…"),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for StoreAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Database(url) => url.fmt(f),
        }
    }
}

impl From<OsString> for StoreAt {
    fn from(said: OsString) -> Self {
        let is_url = |text: &&str| ["postgres://", "postgresql://"].iter().any(|it| text.starts_with(it));
        match said.to_str().filter(is_url) {
            Some(url) => Self::Database(Url(url.to_owned())),
            None => Self::File(said.into()),
        }
    }
}

impl<'de> Deserialize<'de> for StoreAt {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(OsString::from).map(Self::from)
    }
}

impl JsonSchema for StoreAt {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Store".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_database() {
        for (said, is_database) in [
            ("postgres://me@db/tenants", true),
            ("postgresql:///tenants", true),
            ("landlord.db", false),
            ("postgres", false),
            ("./postgres:", false),
        ] {
            let is = matches!(StoreAt::from(OsString::from(said)), StoreAt::Database(_));
            assert_eq!(is, is_database, "{said}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for said in
            ["postgres://me:hunter2@db/tenants", "postgres://me:hunter2@db:x/tenants?password=hunter2"]
        {
            let store = StoreAt::from(OsString::from(said));
            assert!(!format!("{store} {store:?}").contains("hunter2"), "{store:?}");
        }
    }
}
