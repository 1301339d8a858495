//! How a store in a database is reached.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use landlord_store_postgres::{PostgresOptions, Standby};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the store's URL does not say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Postgres {
    /// A file with the password, where the URL has none. Without it: the variable PGPASSWORD.
    pub(crate) password_file: Option<PathBuf>,
    /// Authorities that the server's certificate may be signed by, as PEM, beside those that this machine trusts.
    pub(crate) ca: Option<PathBuf>,
    /// Whether commits have to reach a synchronous standby.
    pub(crate) standby: StandbyRule,
    /// Statements beside commits at a time.
    #[schemars(range(min = 1))]
    pub(crate) connections: NonZeroUsize,
}

/// Whether commits have to reach a synchronous standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StandbyRule {
    /// Where the server has one at the start.
    AsFound,
    /// Always: a server without one is refused.
    Required,
}

impl Default for Postgres {
    fn default() -> Self {
        const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(8).unwrap();
        Self { password_file: None, ca: None, standby: StandbyRule::AsFound, connections: CONNECTIONS }
    }
}

impl Postgres {
    /// The options of a URL, with what else is said here.
    ///
    /// # Errors
    /// What is wrong with the password's file.
    pub(crate) fn complete(&self, mut options: PostgresOptions) -> Result<PostgresOptions, String> {
        options.ca.clone_from(&self.ca);
        options.connections = self.connections.get();
        options.standby = match self.standby {
            StandbyRule::AsFound => Standby::AsFound,
            StandbyRule::Required => Standby::Required,
        };
        if options.server.get_password().is_none()
            && let Some(password) = self.password()?
        {
            options.server.password(password);
        }
        Ok(options)
    }

    fn password(&self) -> Result<Option<String>, String> {
        let Some(file) = &self.password_file else { return Ok(std::env::var("PGPASSWORD").ok()) };
        let password = std::fs::read_to_string(file);
        let password = password.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        Ok(Some(password.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Paths are from the folder of the configuration.
    pub(super) fn place_in(&mut self, folder: &Path) {
        for path in [&mut self.password_file, &mut self.ca].into_iter().flatten() {
            *path = folder.join(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_urls_or_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("db.password");
        std::fs::write(&file, "hunter2\n").unwrap();
        let mut section = Postgres { password_file: Some("db.password".into()), ..Postgres::default() };
        section.place_in(folder.path());
        let password = |url: &str| {
            let options = section.complete(PostgresOptions::new(url).unwrap()).unwrap();
            String::from_utf8(options.server.get_password().unwrap().to_vec()).unwrap()
        };
        assert_eq!(password("postgres://me@db/tenants"), "hunter2");
        assert_eq!(password("postgres://me:own@db/tenants"), "own");
        std::fs::remove_file(&file).unwrap();
        let options = PostgresOptions::new("postgres://me@db/tenants").unwrap();
        assert!(section.complete(options).unwrap_err().contains("db.password"));
    }
}
