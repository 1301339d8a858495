//! What the engines that share a store are to each other: who beats, who has ended, and which shards are whose.
//!
//! Whoever sees the same beat for a while deletes that very beat and ends the engine that had it, in one statement. That waits
//! for a commit of that engine which has begun, because each commit locks its engine's row; one that begins later finds the
//! engine ended. A shard of an engine that has ended is nobody's, without any row of it being written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_compute::provider::{Draw, Drawn};
use landlord_compute::store::{Claimed, Epoch, Members, Position, Sort, StoreError};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::members::{Member, Shard, ShardSet, Standing, View};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::error;
use super::link::{Links, Value};
use super::read;
use super::session::{Session, column, one, signed, unsigned};
use super::statement::LIVES;

/// The beat of an engine that has none: it was stopped while it opened.
const NO_BEAT: i64 = -1;

/// The engines of a store, as one of them asks for them.
#[derive(Debug)]
pub(crate) struct PostgresMembers {
    session: Arc<Session>,
    /// A connection for the beat alone: it waits for nothing else.
    beats: Arc<Links>,
}

impl PostgresMembers {
    pub(crate) fn of(session: Arc<Session>) -> Self {
        let beats = Links::new(session.others.shared_server(), 1);
        Self { session, beats }
    }

    fn fenced(&self) -> StoreError {
        // The newest one is not known here, and does not matter.
        let ours = unsigned(self.session.epoch);
        StoreError::Fenced { ours, current: ours + 1 }
    }

    /// Tells the others how this engine stands.
    async fn stand(&self, state: &str) -> Result<(), StoreError> {
        let sql =
            format!("UPDATE landlord.engines SET state = $2 WHERE epoch = $1 AND {LIVES} RETURNING epoch");
        let values: [Value<'_>; 2] = [(&self.session.epoch, Type::INT8), (&state, Type::TEXT)];
        let rows = self.write("change how this engine stands in", &sql, &values).await?;
        if rows.is_empty() { Err(self.fenced()) } else { Ok(()) }
    }

    /// Writes something about this engine.
    async fn write(&self, what: &str, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let answer = self.session.others.ask(sql, values).await;
        answer.map_err(|failed| failed.told(self.session.place(), what))
    }
}

/// The numbers of some shards, as the server has them.
fn numbers(shards: &ShardSet) -> Vec<i16> {
    shards.iter().filter_map(|shard| i16::try_from(shard.number()).ok()).collect()
}

fn shard(place: &str, number: i16) -> Result<Shard, StoreError> {
    let shard = u16::try_from(number).ok().and_then(Shard::new);
    shard.ok_or_else(|| error::row(place, "landlord.shards", format!("there is no shard {number}")))
}

#[async_trait]
impl Members for PostgresMembers {
    async fn renew(&self) -> Result<Position, StoreError> {
        let sql = "UPDATE landlord.beats SET beat = beat + 1, at = clock_timestamp() WHERE epoch = $1
            RETURNING (SELECT position FROM landlord.head)";
        let place = self.session.place();
        let known = self.session.head.load(Ordering::Acquire);
        let rows = self.beats.ask(sql, &[(&self.session.epoch, Type::INT8)]).await;
        let rows = rows.map_err(|failed| failed.told(place, "keep the lease in"))?;
        let Some(row) = rows.first() else { return Err(self.fenced()) };
        match column::<i64>(place, row, 0)? {
            position if position < known => Err(error::went_back(place, known, position)),
            position => Ok(Position(unsigned(position))),
        }
    }

    async fn view(&self) -> Result<View, StoreError> {
        let sql = format!(
            "SELECT engines.epoch, engines.state, beats.beat,
                owner || ' since ' || to_char(opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                coalesce((SELECT array_agg(shard) FROM landlord.shards WHERE owner = engines.epoch), ARRAY[]::smallint[])
            FROM landlord.engines LEFT JOIN landlord.beats USING (epoch) WHERE engines.{LIVES}"
        );
        let place = self.session.place();
        let mut engines = BTreeMap::new();
        for row in self.session.others.read(&sql, &[]).await? {
            let epoch = Epoch(unsigned(column(place, &row, 0)?));
            let standing = match column(place, &row, 1)? {
                "leaving" => Standing::Leaving,
                "alone" => Standing::Alone,
                _ => Standing::Open,
            };
            let beat = column::<Option<i64>>(place, &row, 2)?.map(unsigned);
            let owner: &str = column(place, &row, 3)?;
            let shards: Vec<i16> = column(place, &row, 4)?;
            let shards = shards.into_iter().map(|number| shard(place, number)).collect::<Result<_, _>>()?;
            engines.insert(epoch, Member { owner: owner.into(), beat, standing, shards });
        }
        Ok(View { engines })
    }

    async fn fence(&self, engine: Epoch, beat: Option<u64>) -> Result<bool, StoreError> {
        let (Ok(engine), Ok(beat)) = (i64::try_from(engine.0), beat.map_or(Ok(NO_BEAT), i64::try_from))
        else {
            return Ok(false);
        };
        let sql = format!(
            "WITH silent AS (DELETE FROM landlord.beats WHERE epoch = $1 AND beat = $2 RETURNING epoch)
            UPDATE landlord.engines SET state = 'fenced', ended_at = now()
            WHERE epoch = $1 AND {LIVES}
                AND (EXISTS (SELECT FROM silent)
                    OR $2 = {NO_BEAT} AND NOT EXISTS (SELECT FROM landlord.beats WHERE epoch = $1))
            RETURNING epoch"
        );
        let values: [Value<'_>; 2] = [(&engine, Type::INT8), (&beat, Type::INT8)];
        Ok(!self.write("end an engine of", &sql, &values).await?.is_empty())
    }

    async fn claim(&self, shards: &ShardSet) -> Result<Vec<Claimed>, StoreError> {
        // The owner that was seen is named, because a row that was locked is read anew, and the engines are not.
        let sql = format!(
            "WITH me AS MATERIALIZED (
                SELECT epoch FROM landlord.engines WHERE epoch = $1 AND engines.{LIVES} FOR SHARE
            ), free AS MATERIALIZED (
                SELECT shard, owner, quiet_since FROM landlord.shards CROSS JOIN me
                WHERE shard = ANY($2) AND NOT EXISTS (
                    SELECT FROM landlord.engines WHERE engines.epoch = shards.owner AND engines.{LIVES}
                )
            ), claimed AS (
                UPDATE landlord.shards SET owner = $1, quiet_since = NULL FROM free
                WHERE shards.shard = free.shard AND shards.owner IS NOT DISTINCT FROM free.owner
                    AND shards.quiet_since IS NOT DISTINCT FROM free.quiet_since
                RETURNING free.shard, free.quiet_since
            )
            SELECT claimed.shard, claimed.quiet_since FROM me LEFT JOIN claimed ON true"
        );
        let numbers = numbers(shards);
        let values: [Value<'_>; 2] = [(&self.session.epoch, Type::INT8), (&numbers, Type::INT2_ARRAY)];
        let place = self.session.place();
        let rows = self.write("take shards of", &sql, &values).await?;
        if rows.is_empty() {
            return Err(self.fenced());
        }
        let mut claimed = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(number) = column(place, row, 0)? {
                let quiet_since = column::<Option<i64>>(place, row, 1)?;
                let quiet_since = quiet_since.map(|position| Position(unsigned(position)));
                claimed.push(Claimed { shard: shard(place, number)?, quiet_since });
            }
        }
        Ok(claimed)
    }

    async fn release(&self, shards: &ShardSet, quiet_since: Position) -> Result<(), StoreError> {
        let sql =
            "UPDATE landlord.shards SET owner = NULL, quiet_since = $3 WHERE owner = $1 AND shard = ANY($2)";
        let (numbers, quiet_since) = (numbers(shards), signed(quiet_since.0));
        let values: [Value<'_>; 3] =
            [(&self.session.epoch, Type::INT8), (&numbers, Type::INT2_ARRAY), (&quiet_since, Type::INT8)];
        self.write("give up shards of", sql, &values).await.map(drop)
    }

    async fn leave(&self) -> Result<(), StoreError> {
        self.stand("leaving").await
    }

    fn store(&self) -> String {
        self.session.place().to_owned()
    }

    async fn stand_alone(&self) -> Result<(), StoreError> {
        self.stand("alone").await
    }

    async fn counts(&self) -> Result<BTreeMap<Sort, u64>, StoreError> {
        read::counts(&self.session.others).await
    }

    async fn draw(&self, draw: &Draw<'_>) -> Result<Drawn, StoreError> {
        // A row that others draw from is waited for, and read anew then. The parameters: $2 burst, $3 a second, $4 left, $5 wanted.
        let sql = "INSERT INTO landlord.quotas AS quota (name, tokens, taken, at)
            SELECT $1, $2 - taken, taken, clock_timestamp()
            FROM (SELECT greatest(0, least($5, floor($2 - $4)))::bigint AS taken) AS full_one
            ON CONFLICT (name) DO UPDATE SET (tokens, taken, at) = (
                SELECT filled - taken, taken, now FROM (
                    SELECT filled, now, greatest(0, least($5, floor(filled - $4)))::bigint AS taken FROM (
                        SELECT now, least($2, quota.tokens + $3 * greatest(0, extract(epoch FROM now - quota.at)::double precision)) AS filled
                        FROM (SELECT clock_timestamp() AS now) AS clock
                    ) AS bucket
                ) AS drawn
            )
            RETURNING taken, tokens";
        let (burst, per_second) = (f64::from(draw.burst), f64::from(draw.per_second));
        let (leave, wanted) = (f64::from(draw.leave), f64::from(draw.wanted));
        let values: [Value<'_>; 5] = [
            (&draw.quota, Type::TEXT),
            (&burst, Type::FLOAT8),
            (&per_second, Type::FLOAT8),
            (&leave, Type::FLOAT8),
            (&wanted, Type::FLOAT8),
        ];
        let rows = self.write("draw from a quota in", sql, &values).await?;
        let place = self.session.place();
        let row = one(place, &rows)?;
        let tokens = u32::try_from(column::<i64>(place, row, 0)?).unwrap_or(0);
        Ok(Drawn { tokens, next: Drawn::until(draw, column(place, row, 1)?) })
    }

    async fn due(
        &self,
        of: &ShardSet,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        read::due(&self.session.others, Some(&numbers(of)), before, after.as_ref(), limit).await
    }

    async fn in_flight(
        &self,
        of: &ShardSet,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>, StoreError> {
        read::in_flight(&self.session.others, Some(&numbers(of)), after.as_ref(), limit).await
    }
}
