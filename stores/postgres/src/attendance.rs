//! Whether an engine looks after the tenants, for people who look at a store beside it.

use std::sync::Arc;

use jiff::Timestamp;
use landlord_compute::store::StoreError;
use landlord_state_machines::members::SILENT;
use tokio_postgres::types::Type;

use super::link::Links;
use super::session::{Session, column, one};
use super::statement::LIVES;

/// Whether an engine has a store, and when one looked after its tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attendance {
    /// No engine has it, or the one that had it is silent.
    Nobody {
        /// When an engine that looks after running tenants had asked for each of them last, as far as that was noted.
        looked_at: Option<Timestamp>,
    },
    /// An engine has it, or several.
    Engine {
        /// Its process, program, host, and since when; of several the one that looked last, and how many more there are.
        who: String,
        /// When it, or one before it, had asked for each running tenant last.
        looked_at: Option<Timestamp>,
        /// Whether it was this one, as one does that looks after the tenants.
        looks: bool,
    },
}

/// What the tables say. Whether an engine is silent is told by the database's clock alone; it decides nothing.
pub(crate) async fn attendance(links: &Arc<Links>) -> Result<Attendance, StoreError> {
    let sql = format!(
        "WITH live AS (
            SELECT engines.epoch, owner || ' since ' || to_char(opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS who
            FROM landlord.engines JOIN landlord.beats USING (epoch)
            WHERE engines.{LIVES} AND beats.at > clock_timestamp() - $1 * interval '1 second'
        )
        SELECT meta.looked_at, EXISTS (SELECT FROM live WHERE epoch = meta.looked_by),
            (SELECT who FROM live ORDER BY epoch IS NOT DISTINCT FROM meta.looked_by DESC, epoch DESC LIMIT 1),
            (SELECT count(*) FROM live)
        FROM landlord.meta"
    );
    let rows = links.read(&sql, &[(&SILENT.as_secs_f64(), Type::FLOAT8)]).await?;
    let place = links.server().place();
    let row = one(place, &rows)?;
    let looked_at = column(place, row, 0)?;
    let others = column::<i64>(place, row, 3)? - 1;
    Ok(match column::<Option<String>>(place, row, 2)? {
        Some(who) => {
            let who = if others > 0 { format!("{who}, and {others} more") } else { who };
            Attendance::Engine { who, looked_at, looks: column(place, row, 1)? }
        }
        None => Attendance::Nobody { looked_at },
    })
}

impl Session {
    /// Writes down when the tenants were looked after. For people only, so that it does not work is no error.
    pub(crate) async fn looked(&self, at: Timestamp) {
        let sql = "UPDATE landlord.meta SET looked_at = $2, looked_by = $1";
        let noted = self.others.ask(sql, &[(&self.epoch, Type::INT8), (&at, Type::TIMESTAMPTZ)]).await;
        if let Err(failed) = noted {
            let error = failed.told(self.place(), "write");
            tracing::debug!(%error, "when the tenants were looked after was not noted");
        }
    }
}
