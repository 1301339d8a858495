//! How a server is, for its operator.

use std::sync::Arc;
use std::time::Duration;

use landlord_compute::store::StoreError;

use super::link::Links;
use super::session::{self, column, one};

/// How a server is that can be a store's, as [`PostgresReader::condition`](crate::PostgresReader::condition) finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Condition {
    /// The server's version, in its own words.
    pub version: String,
    /// The bytes of the database.
    pub size: u64,
    /// Whether the server has a synchronous standby.
    pub has_standby: bool,
    /// For how long the oldest transaction has kept what it sees, which stops vacuum on the rows that every commit updates.
    /// Only those count that this user may see.
    pub oldest_snapshot: Option<Duration>,
}

/// Asks a server how it is.
///
/// # Errors
/// [`StoreError`] also where the server is none for a store, such as one that loses what it answered.
pub(crate) async fn condition(links: &Arc<Links>) -> Result<Condition, StoreError> {
    let has_standby = session::check_server(links).await?;
    let sql = "SELECT current_setting('server_version'), pg_database_size(current_database()),
        (SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8 FROM pg_stat_activity
            WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid())";
    let rows = links.read(sql, &[]).await?;
    let place = links.server().place();
    let row = one(place, &rows)?;
    let oldest: Option<f64> = column(place, row, 2)?;
    Ok(Condition {
        version: column(place, row, 0)?,
        size: session::unsigned(column(place, row, 1)?),
        has_standby,
        oldest_snapshot: oldest.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}
