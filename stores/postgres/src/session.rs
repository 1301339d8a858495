//! One engine's part in the store: how it comes, how it ends, and what may be done while it is not known what a commit did.
//!
//! Nothing is kept in a session of the server, so that a pooler may be between. A commit locks the row of its engine, so that it
//! is made before that engine is ended by another one, or not at all. [`members`](super::members) has what the engines are to each
//! other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::Semaphore;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use landlord_compute::store::{Epoch, Opened, Position, StoreError};

use super::error::{self, Failed};
use super::link::{Links, Server};
use super::members::PostgresMembers;
use super::migrate;
use super::options::Standby;
use super::reader::PostgresReader;
use super::retain::Retained;
use super::statement::{self, LIVES};

/// What there is while a store is open.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) reader: PostgresReader,
    /// For commits, of which there is one at a time.
    pub(crate) commits: Arc<Links>,
    /// For all else that writes.
    pub(crate) others: Arc<Links>,
    pub(crate) epoch: i64,
    pub(crate) retained: Retained,
    /// The last position that is known to be durable. A database whose head is before it has lost commits.
    pub(crate) head: Arc<AtomicI64>,
    /// Counts how often it had to be made sure what a commit did.
    generation: AtomicI64,
    in_doubt: AtomicBool,
    /// Whether commits have to reach a standby.
    needs_standby: bool,
    /// One makes sure for all.
    turns: Semaphore,
}

/// Marks the session when it is dropped, unless it is known what the commit did.
pub(crate) struct Doubt<'a>(Option<&'a AtomicBool>);

impl Doubt<'_> {
    pub(crate) fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(in_doubt) = self.0 {
            in_doubt.store(true, Ordering::Release);
        }
    }
}

impl Session {
    /// Takes the store under a new epoch.
    pub(crate) async fn open(server: Arc<Server>) -> Result<(Arc<Self>, Opened), StoreError> {
        let commits = Links::often(Arc::clone(&server), 1);
        let others = Links::new(Arc::clone(&server), server.options().connections);
        migrate::check(&others).await?;
        let has_standby = check_server(&others).await?;
        let needs_standby = match server.options().standby {
            Standby::AsFound => has_standby,
            Standby::Required if has_standby => true,
            Standby::Required => return Err(no_standby(server.place())),
        };
        let owner = owner(server.options().owner.as_deref());
        let row = join(&others, &owner).await?;
        let place = server.place();
        let (engine, epoch): (String, i64) = (column(place, &row, 0)?, column(place, &row, 1)?);
        let position: i64 = column(place, &row, 2)?;
        let head = Arc::new(AtomicI64::new(position));
        let session = Self {
            reader: PostgresReader::over(Arc::clone(&others)),
            retained: Retained::new(),
            commits,
            others,
            epoch,
            head,
            generation: AtomicI64::new(0),
            in_doubt: AtomicBool::new(false),
            needs_standby,
            turns: Semaphore::new(1),
        };
        session.read_partitions().await?;
        let session = Arc::new(session);
        let opened = Opened {
            engine: engine.into(),
            epoch: Epoch(unsigned(epoch)),
            head: Position(unsigned(position)),
            members: Some(Arc::new(PostgresMembers::of(Arc::clone(&session)))),
        };
        Ok((session, opened))
    }

    pub(crate) fn place(&self) -> &str {
        self.others.server().place()
    }

    /// What must be so of the server, beside the epoch.
    pub(crate) fn guard(&self) -> &'static str {
        statement::guard(self.needs_standby)
    }

    pub(crate) fn generation(&self) -> i64 {
        self.generation.load(Ordering::Acquire)
    }

    /// From now on it is not known what a commit does, until somebody says so.
    pub(crate) fn doubt(&self) -> Doubt<'_> {
        Doubt(Some(&self.in_doubt))
    }

    /// Whether this is the epoch of this session.
    pub(crate) fn check(&self, epoch: Epoch) -> Result<(), StoreError> {
        let current = unsigned(self.epoch);
        if epoch.0 == current { Ok(()) } else { Err(StoreError::Fenced { ours: epoch.0, current }) }
    }

    /// Returns once every earlier commit has been made, or never will be. A statement whose answer was lost may still be on
    /// its way. The next generation waits for it where it has begun; where it has not, it comes too late.
    pub(crate) async fn sure(&self) -> Result<(), StoreError> {
        if !self.in_doubt.load(Ordering::Acquire) {
            return Ok(());
        }
        let _turn = self.turns.acquire().await.map_err(|_closed| StoreError::not_open())?;
        if !self.in_doubt.load(Ordering::Acquire) {
            return Ok(());
        }
        let told = |failed: Failed| failed.told(self.place(), "find out what was committed to");
        let guard = self.guard();
        let next = format!(
            "UPDATE landlord.engines SET generation = generation + 1
            WHERE epoch = $1 AND {LIVES}{guard} RETURNING generation"
        );
        let rows = self.others.ask(&next, &[(&self.epoch, Type::INT8)]).await.map_err(told)?;
        let Some(row) = rows.first() else { return Err(self.why_not().await) };
        let generation = column(self.place(), row, 0)?;
        // In a statement of its own: the one before may have begun before that commit.
        let rows = self.others.read("SELECT position FROM landlord.head", &[]).await?;
        let position: i64 = column(self.place(), one(self.place(), &rows)?, 0)?;
        let known = self.head.load(Ordering::Acquire);
        if position < known {
            return Err(error::went_back(self.place(), known, position));
        }
        self.head.fetch_max(position, Ordering::AcqRel);
        self.generation.store(generation, Ordering::Release);
        self.in_doubt.store(false, Ordering::Release);
        Ok(())
    }

    /// Why this engine could not write.
    pub(crate) async fn why_not(&self) -> StoreError {
        let sql = "SELECT meta.epoch, head.position, coalesce(engines.state, 'gone'),
                current_setting('synchronous_standby_names') <> ''
            FROM landlord.meta CROSS JOIN landlord.head LEFT JOIN landlord.engines ON engines.epoch = $1";
        let found = async {
            let rows = self.others.read(sql, &[(&self.epoch, Type::INT8)]).await?;
            let row = one(self.place(), &rows)?;
            let (epoch, position): (i64, i64) =
                (column(self.place(), row, 0)?, column(self.place(), row, 1)?);
            let has_standby: bool = column(self.place(), row, 3)?;
            Ok::<_, StoreError>((epoch, position, column::<String>(self.place(), row, 2)?, has_standby))
        };
        let (epoch, position, state, has_standby) = match found.await {
            Ok(found) => found,
            Err(error) => return error,
        };
        let known = self.head.load(Ordering::Acquire);
        if position < known || epoch < self.epoch {
            return error::went_back(self.place(), known, position);
        }
        if !matches!(&*state, "open" | "alone" | "leaving") {
            return StoreError::Fenced { ours: unsigned(self.epoch), current: unsigned(epoch) };
        }
        if self.needs_standby && !has_standby {
            return no_standby(self.place());
        }
        // The server counts another generation, as when an earlier question about it came late.
        self.in_doubt.store(true, Ordering::Release);
        StoreError::Unavailable {
            message: format!("a commit to {} came too late; nothing of it was made", self.place()),
            source: None,
        }
    }

    /// Gives the store up.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let sql = format!(
            "WITH gone AS (DELETE FROM landlord.beats WHERE epoch = $1)
            UPDATE landlord.engines SET state = 'closed', ended_at = now() WHERE epoch = $1 AND {LIVES}"
        );
        let closed = self.others.ask(&sql, &[(&self.epoch, Type::INT8)]).await;
        closed.map(drop).map_err(|failed| failed.told(self.place(), "give up"))
    }
}

/// A column of a row.
pub(crate) fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
    place: &str,
    row: &'r Row,
    number: usize,
) -> Result<T, StoreError> {
    row.try_get(number).map_err(|cause| error::row(place, "a row", cause))
}

/// The row that there must be.
pub(crate) fn one<'r>(place: &str, rows: &'r [Row]) -> Result<&'r Row, StoreError> {
    rows.first().ok_or_else(|| error::row(place, "a table without its row", "there is none"))
}

/// A count that is never negative.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// PostgreSQL counts with a sign.
pub(crate) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Commits have to reach a standby, and the server has none.
fn no_standby(place: &str) -> StoreError {
    StoreError::Unavailable {
        message: format!(
            "{place} has no synchronous standby, so the loss of its machine would lose tenants: set \
             synchronous_standby_names, or start the engine again without asking for one"
        ),
        source: None,
    }
}

/// Whether the server keeps what it answers, and has a synchronous standby.
pub(crate) async fn check_server(links: &Arc<Links>) -> Result<bool, StoreError> {
    let sql = "SELECT current_setting('server_version_num')::bigint, pg_is_in_recovery(),
        current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
        current_setting('synchronous_standby_names') <> ''";
    let place = links.server().place();
    let rows = links.read(sql, &[]).await?;
    let row = one(place, &rows)?;
    let refuse = |what: String| Err::<bool, _>(StoreError::Unavailable { message: what, source: None });
    let version: i64 = column(place, row, 0)?;
    if version < 150_000 {
        return refuse(format!("{place} is PostgreSQL {}; 15 or newer is needed", version / 10_000));
    }
    if column(place, row, 1)? {
        return refuse(format!("{place} is a standby; connect to the primary"));
    }
    let kept: &str = column(place, row, 2)?;
    if matches!(kept, "off" | "local") {
        return refuse(format!(
            "{place} answers before a commit is durable: synchronous_commit is {kept}. Set it to on for this user: \
             ALTER ROLE … SET synchronous_commit = on"
        ));
    }
    for (number, name) in [(3, "fsync"), (4, "full_page_writes")] {
        if column::<&str>(place, row, number)? == "off" {
            return refuse(format!("{place} may lose what it answered: {name} is off; switch it on"));
        }
    }
    column(place, row, 5)
}

/// Takes the next epoch.
async fn join(links: &Arc<Links>, owner: &str) -> Result<Row, StoreError> {
    let sql = "WITH counted AS (
            UPDATE landlord.meta SET epoch = epoch + 1 RETURNING engine, epoch
        ), opened AS (
            INSERT INTO landlord.engines (epoch, state, owner) SELECT epoch, 'open', $1 FROM counted
        ), beats AS (
            INSERT INTO landlord.beats (epoch, beat) SELECT epoch, 0 FROM counted
        )
        SELECT counted.engine, counted.epoch, head.position FROM counted CROSS JOIN landlord.head";
    let opened = links.ask(sql, &[(&owner, Type::TEXT)]).await;
    let opened = opened.map_err(|failed| failed.told(links.server().place(), "open"))?;
    let place = links.server().place();
    opened.into_iter().next().ok_or_else(|| error::row(place, "landlord.meta", "it has no row"))
}

/// What this process is called.
fn owner(who: Option<&str>) -> String {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_name);
    let who = match who {
        Some(who) => who.into(),
        None => program.map_or("?".into(), |name| name.to_string_lossy()),
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "?".to_owned());
    let owner = format!("process {} ({who}) on host {}", std::process::id(), host.trim());
    owner.replace('\0', "?")
}
