//! A look at a store of either kind.

use std::path::PathBuf;
use std::sync::Arc;

use landlord_api::Attended;
use landlord_compute::provider::Provider;
use landlord_compute::store::StoreError;
use landlord_server::Served;
use landlord_store_postgres::{PostgresOptions, PostgresReader};
use landlord_store_sqlite::SqliteReader;

use super::attended;
use super::failure::with_causes;
use super::kept::Where;

/// A look at a store, which can change nothing. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) enum Reader {
    File(PathBuf, SqliteReader),
    Database(PostgresReader),
}

impl Reader {
    pub(crate) async fn open(store: &Where) -> Result<Self, StoreError> {
        Ok(match store {
            Where::File(file) => Self::File(file.clone(), SqliteReader::open(file)?),
            Where::Database(options) => {
                Self::Database(PostgresReader::open(PostgresOptions::clone(options)).await?)
            }
        })
    }

    /// Who looks after the tenants.
    pub(crate) async fn attended(&self) -> Attended {
        match self {
            Self::File(_, reader) => attended::of_file(reader.attendance()),
            Self::Database(reader) => match reader.attendance().await {
                Ok(attendance) => attended::of_database(attendance),
                Err(error) => {
                    tracing::debug!(
                        error = with_causes(&error),
                        "who looks after the tenants cannot be read"
                    );
                    attended::unknown()
                }
            },
        }
    }

    /// What can be said of the tenants without an engine.
    pub(crate) async fn served(&self, providers: Vec<Arc<dyn Provider>>) -> Result<Served, StoreError> {
        let served = match self {
            Self::File(_, reader) => Served::store(reader.clone(), reader.engine().await?, providers),
            Self::Database(reader) => Served::store(reader.clone(), reader.engine().await?, providers),
        };
        Ok(self.attends(served))
    }

    /// Answers that say who looks after the tenants.
    pub(crate) fn attends(&self, served: Served) -> Served {
        let reader = self.clone();
        served.attended(move || {
            let reader = reader.clone();
            Box::pin(async move { reader.attended().await })
        })
    }
}
