//! Connections: each is asked one thing at a time, with typed statements. They have no name where a pooler may give every statement
//! another session; where there is none, what is asked again and again has one.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Row, RowStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use landlord_compute::store::StoreError;

use super::error::{self, Failed};
use super::named::{Beside, Named};
use super::options::PostgresOptions;
use super::tls;

/// A value of a statement, and its type.
pub(crate) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// How connections are made.
#[derive(Debug)]
pub(crate) struct Server {
    options: PostgresOptions,
    place: String,
    tls: OnceCell<Tls>,
}

/// What makes a connection secret.
#[derive(Clone)]
enum Tls {
    None,
    Rustls(MakeRustlsConnect),
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Rustls(_) => "rustls",
        })
    }
}

impl Server {
    pub(crate) fn new(options: PostgresOptions) -> Arc<Self> {
        let place = options.place();
        Arc::new(Self { options, place, tls: OnceCell::new() })
    }

    pub(crate) fn options(&self) -> &PostgresOptions {
        &self.options
    }

    /// The store in words for people.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    async fn tls(&self) -> Result<&Tls, StoreError> {
        self.tls
            .get_or_try_init(async || {
                if self.options.is_plain() {
                    return Ok(Tls::None);
                }
                let ca = self.options.ca.clone();
                let made = tokio::task::spawn_blocking(move || tls::connector(ca.as_deref())).await;
                made.map_err(stopped)?.map(Tls::Rustls)
            })
            .await
    }

    /// A new connection.
    async fn connect(&self, beside: Beside) -> Result<Link, StoreError> {
        let (server, patience) = (&self.options.server, self.options.connects_within());
        let failed = |failed: Failed| match failed {
            Failed::Late(patience) => StoreError::Unavailable {
                message: format!(
                    "cannot connect to {}: nobody answered within {patience:?}; look whether the server runs, also where a pooler \
                     between does",
                    self.place
                ),
                source: None,
            },
            failed @ (Failed::Postgres(_) | Failed::Unreached(_) | Failed::Unconfirmed) => {
                failed.told(&self.place, "connect to")
            }
        };
        let warned = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&warned);
        let (client, driver) = match self.tls().await? {
            Tls::None => {
                let (client, connection) = within(patience, server.connect(NoTls)).await.map_err(failed)?;
                (client, tokio::spawn(drive(connection, told)))
            }
            Tls::Rustls(tls) => {
                let made = within(patience, server.connect(tls.clone())).await;
                let (client, connection) = made.map_err(failed)?;
                (client, tokio::spawn(drive(connection, told)))
            }
        };
        Ok(Link { client, warned, named: Named::new(beside), driver: driver.abort_handle() })
    }
}

/// Moves bytes until the connection ends. It ends too when its client is gone and all is answered.
async fn drive<S, T>(mut connection: Connection<S, T>, warned: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            // A notice comes before the answer that it belongs to is passed on.
            Some(Ok(AsyncMessage::Notice(notice))) => {
                if error::is_unconfirmed(&notice) {
                    warned.store(true, Ordering::Release);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(cause)) => {
                tracing::debug!(error = %cause, "a connection to PostgreSQL was lost");
                return;
            }
            None => return,
        }
    }
}

fn stopped(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable {
        message: "what was asked was stopped; the runtime is shutting down".to_owned(),
        source: Some(cause.into()),
    }
}

/// One connection.
#[derive(Debug)]
struct Link {
    client: Client,
    /// The server did not wait for its standby.
    warned: Arc<AtomicBool>,
    named: Named,
    driver: AbortHandle,
}

/// How often something is asked in the same words.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    Seldom,
    Often,
}

/// Some connections to one server. More statements than connections wait for their turn.
#[derive(Debug)]
pub(crate) struct Links {
    server: Arc<Server>,
    beside: Beside,
    idle: Mutex<Vec<Link>>,
    turns: Arc<Semaphore>,
}

impl Links {
    pub(crate) fn new(server: Arc<Server>, most: usize) -> Arc<Self> {
        Self::beside(Beside::Anything, server, most)
    }

    /// The same for what is asked again and again, and nothing else.
    pub(crate) fn often(server: Arc<Server>, most: usize) -> Arc<Self> {
        Self::beside(Beside::Nothing, server, most)
    }

    fn beside(beside: Beside, server: Arc<Server>, most: usize) -> Arc<Self> {
        let turns = Arc::new(Semaphore::new(most.max(1)));
        Arc::new(Self { server, beside, idle: Mutex::default(), turns })
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// For more connections to it.
    pub(crate) fn shared_server(&self) -> Arc<Server> {
        Arc::clone(&self.server)
    }

    /// A connection for one caller, as soon as there is one.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Taken, Failed> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|cause| Failed::Unreached(stopped(cause)))?;
        let idle = loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(link) if link.client.is_closed() => {}
                idle => break idle,
            }
        };
        let link = match idle {
            Some(link) => link,
            None => self.server.connect(self.beside).await.map_err(Failed::Unreached)?,
        };
        Ok(Taken { link: Some(link), busy: false, links: Arc::clone(self), _turn: turn })
    }

    /// Asks for rows. What only reads is asked once more where the connection was lost.
    pub(crate) async fn read(
        self: &Arc<Self>,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.read_as(Asked::Seldom, sql, values).await
    }

    /// The same for what is read again and again, and found in one way however many rows there are: the server plans it once.
    pub(crate) async fn read_often(
        self: &Arc<Self>,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.read_as(Asked::Often, sql, values).await
    }

    pub(crate) async fn read_as(
        self: &Arc<Self>,
        asked: Asked,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let mut again = false;
        loop {
            let answer = match self.take().await {
                Ok(mut link) => link.ask(asked, sql, values).await,
                Err(failed) => Err(failed),
            };
            match answer {
                Err(failed) if failed.is_of_the_connection() && !again => again = true,
                answer => return answer.map_err(|failed| failed.told(self.server.place(), "read")),
            }
        }
    }

    /// Asks for rows, once.
    pub(crate) async fn ask(self: &Arc<Self>, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Failed> {
        self.take().await?.ask(Asked::Seldom, sql, values).await
    }
}

/// A connection that somebody uses. It goes back when it is dropped; where something was not answered, it ends.
pub(crate) struct Taken {
    link: Option<Link>,
    busy: bool,
    links: Arc<Links>,
    _turn: OwnedSemaphorePermit,
}

impl Taken {
    fn link(&mut self) -> Result<&mut Link, Failed> {
        self.link.as_mut().ok_or_else(|| Failed::Unreached(StoreError::not_open()))
    }

    /// Asks for rows, within the time that a statement may take. What is asked often is planned once, where that can be.
    pub(crate) async fn ask(
        &mut self,
        asked: Asked,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Failed> {
        self.busy = true;
        let patience = self.links.server.options.patience;
        let Link { client, warned, named, .. } = self.link()?;
        warned.store(false, Ordering::Release);
        let answer = async {
            let types = || values.iter().map(|(_, kind)| kind.clone()).collect();
            let statement = match asked {
                Asked::Seldom => None,
                Asked::Often => named.statement(client, sql, types).await?,
            };
            let Some(statement) = statement else { return client.query_typed(sql, values).await };
            let values: Vec<_> = values.iter().map(|(value, _)| *value).collect();
            client.query(&statement, &values).await
        };
        let answer = within(patience, answer).await;
        if let Ok(rows) = &answer
            && warned.load(Ordering::Acquire)
        {
            tracing::warn!(rows = rows.len(), "PostgreSQL did not wait for its synchronous standby");
            self.busy = false;
            return Err(Failed::Unconfirmed);
        }
        self.busy = match &answer {
            Ok(_) => false,
            Err(failed) => failed.is_of_the_connection() || failed.code().is_none(),
        };
        answer
    }

    /// Asks for rows that are too many to be kept at once; `each` gets one after the other.
    pub(crate) async fn stream<E: From<Failed>>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        self.busy = true;
        let patience = self.links.server.options.patience;
        let link = self.link()?;
        let values = values.iter().map(|(value, kind)| (*value, kind.clone()));
        let rows = within(patience, link.client.query_typed_raw(sql, values)).await?;
        let mut rows: std::pin::Pin<Box<RowStream>> = Box::pin(rows);
        while let Some(row) = within(patience, rows.try_next()).await? {
            each(&row)?;
        }
        self.busy = false;
        Ok(())
    }

    /// Runs statements without values in one transaction.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), Failed> {
        self.busy = true;
        let patience = self.links.server.options.patience;
        let link = self.link()?;
        link.warned.store(false, Ordering::Release);
        within(patience, link.client.batch_execute(sql)).await?;
        let warned = link.warned.load(Ordering::Acquire);
        self.busy = false;
        if warned { Err(Failed::Unconfirmed) } else { Ok(()) }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        match self.link.take() {
            Some(link) if self.busy => link.driver.abort(),
            Some(link) if !link.client.is_closed() => {
                self.links.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link);
            }
            Some(_) | None => {}
        }
    }
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failed> {
    match tokio::time::timeout(patience, work).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failed::Late(patience)),
    }
}
