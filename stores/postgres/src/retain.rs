//! Which events stay, and where there is room for more: events are in partitions by their positions.
//!
//! An event is no longer kept once the mark is past it, and the operations and requests that go with it are deleted then. A
//! partition takes its room until all its events are behind the mark; then it is dropped whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use landlord_compute::store::StoreError;

use super::error::{self, Failed};
use super::link::{Links, Value};
use super::session::{Session, column, one, signed};
use super::statement::LIVES;

/// The mark moves each time when so much of the history has come, at most [`STRIDE`].
const SHARE: u64 = 64;
/// How many events the mark moves at a time, so that no commit has to wait for long.
const STRIDE: u64 = 4_096;

/// What is known of partitions and of what is kept.
#[derive(Debug)]
pub(crate) struct Retained {
    /// The first position that has no partition.
    room_until: AtomicI64,
    /// The first position beyond the oldest partition.
    oldest_until: AtomicI64,
    /// The head at which the mark is looked at next.
    next: AtomicI64,
    /// One drops partitions at a time.
    drops: Arc<Semaphore>,
}

impl Retained {
    pub(crate) fn new() -> Self {
        Self {
            room_until: AtomicI64::new(1),
            oldest_until: AtomicI64::new(i64::MAX),
            next: AtomicI64::new(0),
            drops: Arc::new(Semaphore::new(1)),
        }
    }
}

/// The name of a partition that begins with this position.
fn partition(first: i64) -> String {
    format!("events_from_{first}")
}

/// What makes a partition. It is made apart and attached, which needs no lock that a commit waits for.
fn make_partition(first: i64, beyond: i64) -> String {
    let name = partition(first);
    format!(
        "SET LOCAL lock_timeout = '5s';
         CREATE TABLE landlord.{name} (LIKE landlord.events INCLUDING DEFAULTS);
         ALTER TABLE landlord.events ATTACH PARTITION landlord.{name} FOR VALUES FROM ({first}) TO ({beyond});
         INSERT INTO landlord.partitions (name, first, beyond) VALUES ('{name}', {first}, {beyond});"
    )
}

/// What drops one. Readers of events have to end first, and others wait behind it: so not for long.
fn drop_partition(first: i64) -> String {
    let name = partition(first);
    format!(
        "SET LOCAL lock_timeout = '500ms';
         DROP TABLE landlord.{name};
         DELETE FROM landlord.partitions WHERE name = '{name}';"
    )
}

impl Session {
    pub(crate) async fn read_partitions(&self) -> Result<(), StoreError> {
        let sql = "SELECT max(beyond), min(beyond) FROM landlord.partitions";
        let rows = self.others.read(sql, &[]).await?;
        let row = one(self.place(), &rows)?;
        // Where there is none yet, the first one begins behind the head.
        let begins = self.head.load(Ordering::Acquire) + 1;
        let room_until = column::<Option<i64>>(self.place(), row, 0)?.unwrap_or(begins);
        self.retained.room_until.store(room_until, Ordering::Release);
        let oldest = column::<Option<i64>>(self.place(), row, 1)?.unwrap_or(i64::MAX);
        self.retained.oldest_until.store(oldest, Ordering::Release);
        Ok(())
    }

    /// Makes room for so many events, and for half a partition more. Other engines do the same.
    pub(crate) async fn make_room(&self, writes: usize) -> Result<(), StoreError> {
        let size = signed(self.others.server().options().partition.max(1));
        let has_room = || {
            let room_until = self.retained.room_until.load(Ordering::Acquire);
            self.head.load(Ordering::Acquire) + signed(writes) + size / 2 < room_until
        };
        while !has_room() {
            // Another engine may have made it.
            self.read_partitions().await?;
            if has_room() {
                return Ok(());
            }
            let room_until = self.retained.room_until.load(Ordering::Acquire);
            let made =
                async { self.others.take().await?.run(&make_partition(room_until, room_until + size)).await };
            match made.await {
                Ok(()) => {}
                // Somebody else was faster, or the answer was lost: what there is, is looked up.
                Err(failed)
                    if matches!(
                        failed.code(),
                        Some(&SqlState::DUPLICATE_TABLE | &SqlState::UNIQUE_VIOLATION)
                    ) => {}
                Err(failed) => return Err(failed.told(self.place(), "make a partition of events in")),
            }
            self.read_partitions().await?;
            if self.retained.room_until.load(Ordering::Acquire) == room_until {
                let problem = format!("there is a table {}, and no row for it", partition(room_until));
                return Err(error::row(self.place(), "landlord.partitions", problem));
            }
        }
        Ok(())
    }

    /// Moves the mark as far as what is kept allows. What fails is tried again later: it is not the commit's.
    pub(crate) async fn trim(&self, written: usize) {
        let Some(history) = self.others.server().options().history else { return };
        let head = self.head.load(Ordering::Acquire);
        if head <= signed(history) || head < self.retained.next.load(Ordering::Acquire) {
            return;
        }
        let stride = (history / SHARE).clamp(1, STRIDE);
        self.retained.next.store(head + signed(stride), Ordering::Release);
        let most = signed(2 * stride) + 2 * signed(written) + 10;
        match self.move_mark(head - signed(history), most).await {
            Ok(mark) if mark + 1 >= self.retained.oldest_until.load(Ordering::Acquire) => {
                self.drop_partitions()
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "old events are not dropped now; it is tried again"),
        }
    }

    /// Moves the mark towards `wanted`, by `most` positions at a time; answers where it is.
    async fn move_mark(&self, wanted: i64, most: i64) -> Result<i64, StoreError> {
        let sql = "SELECT head.trimmed, (SELECT min(reads_from) FROM landlord.documents WHERE reads_from IS NOT NULL)
            FROM landlord.head";
        let rows = self.others.read(sql, &[]).await?;
        let row = one(self.place(), &rows)?;
        let trimmed: i64 = column(self.place(), row, 0)?;
        let up_to = wanted.min(trimmed + most);
        let up_to = match column::<Option<i64>>(self.place(), row, 1)? {
            Some(read) if read < up_to => read.max(self.waited(trimmed, up_to).await?),
            Some(_) | None => up_to,
        };
        if up_to <= trimmed {
            return Ok(trimmed);
        }
        let sql = format!(
            "WITH me AS MATERIALIZED (
                SELECT epoch FROM landlord.engines WHERE epoch = $1 AND {LIVES} FOR SHARE
            ), ended AS MATERIALIZED (
                SELECT unnest(string_to_array(settles, ',')) AS operation
                FROM landlord.events WHERE position > $2 AND position <= $3 AND settles IS NOT NULL
            ), forgotten AS (
                DELETE FROM landlord.requests USING ended
                WHERE requests.operation = ended.operation AND EXISTS (SELECT FROM me)
            ), loose AS (
                DELETE FROM landlord.requests
                WHERE operation IS NULL AND position <= $3 AND EXISTS (SELECT FROM me)
            ), gone AS (
                DELETE FROM landlord.operations USING ended
                WHERE operations.id = ended.operation AND EXISTS (SELECT FROM me)
            )
            UPDATE landlord.head SET trimmed = $3 WHERE trimmed = $2 AND EXISTS (SELECT FROM me) RETURNING trimmed"
        );
        let moved = self
            .others
            .ask(&sql, &[(&self.epoch, Type::INT8), (&trimmed, Type::INT8), (&up_to, Type::INT8)])
            .await;
        let moved = moved.map_err(|failed| failed.told(self.place(), "drop old events of"))?;
        Ok(if moved.is_empty() { trimmed } else { up_to })
    }

    /// The last of these events that has waited long enough, or the one before them.
    async fn waited(&self, after: i64, up_to: i64) -> Result<i64, StoreError> {
        let waits = signed(self.others.server().options().waits.as_micros());
        let sql = "SELECT coalesce(max(position), $1) FROM landlord.events WHERE position > $1 AND position <= $2
            AND at < (SELECT at FROM landlord.events ORDER BY position DESC LIMIT 1) - $3 * interval '1 microsecond'";
        let values: [Value<'_>; 3] = [(&after, Type::INT8), (&up_to, Type::INT8), (&waits, Type::INT8)];
        let rows = self.others.read(sql, &values).await?;
        column(self.place(), one(self.place(), &rows)?, 0)
    }

    /// Drops the partitions none of whose events is kept, beside the commits.
    fn drop_partitions(&self) {
        let Ok(turn) = Arc::clone(&self.retained.drops).try_acquire_owned() else { return };
        // Until it is known again which is the oldest.
        self.retained.oldest_until.store(i64::MAX, Ordering::Release);
        let links = Arc::clone(&self.others);
        tokio::spawn(async move {
            if let Err(failed) = drop_all(&links).await {
                let error = failed.told(links.server().place(), "drop old events of");
                tracing::info!(%error, "a partition whose events are no longer kept is dropped later");
            }
            drop(turn);
        });
    }
}

async fn drop_all(links: &Arc<Links>) -> Result<(), Failed> {
    let sql = "SELECT first FROM landlord.partitions CROSS JOIN landlord.head WHERE beyond <= trimmed + 1 ORDER BY first";
    for row in links.ask(sql, &[]).await? {
        let first: i64 = row.try_get(0)?;
        links.take().await?.run(&drop_partition(first)).await?;
        tracing::debug!(first, "a partition of events was dropped");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_made_and_dropped_under_its_name() {
        let (made, dropped) = (make_partition(251, 501), drop_partition(251));
        assert!(made.contains("FOR VALUES FROM (251) TO (501)"));
        assert!(made.contains("VALUES ('events_from_251', 251, 501)"));
        assert!(dropped.contains("DROP TABLE landlord.events_from_251;"));
        assert!(
            dropped.contains("lock_timeout"),
            "a reader that stays long must not hold up commits for long"
        );
    }
}
