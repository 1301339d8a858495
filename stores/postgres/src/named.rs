//! Statements with names, which the server plans once: for a connection that has a session of the server for itself.
//!
//! A pooler gives each statement of a client another session, where its names mean nothing, or something else. So nothing gets
//! a name before it is known that nobody is between ([`is_direct`]).
//!
//! A plan that is kept suits the tables as they were. The server makes a new one when somebody counts their rows, which may be
//! a minute late where a table is new and grows. So a name is given up after some uses, and lives longer each time.
//!
//! The server keeps a plan of its own accord only where that looks cheaper than one for the values at hand, and for few rows it
//! does not. So a connection on which nothing else is asked tells it to.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Statement};

use super::direct::is_direct;

/// How many texts a connection remembers, each of which takes memory of the server.
const REMEMBERED: usize = 16;

/// How often the first name of a text is used, how much longer each next one lives, and what that ends with. Where it is not told to, the
/// server needs five uses until it keeps a plan.
const USES: u32 = 16;
const LONGER: u32 = 4;
const MOST: u32 = 1_024;

/// What else is asked on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nothing: all of it is asked again and again, and found in one way however many rows there are.
    Nothing,
    Anything,
}

/// What a connection remembers of what it was asked.
#[derive(Debug)]
pub(crate) struct Named {
    beside: Beside,
    session: Session,
    /// What was asked last is at the end.
    known: Vec<Known>,
}

/// Whose the server's session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    Unknown,
    /// Of this connection, as long as it lasts.
    Own,
    /// Of whoever a pooler gives it to.
    Shared,
}

/// A text that was asked before.
#[derive(Debug)]
struct Known {
    sql: String,
    name: Option<Name>,
    /// How often its next name will be used.
    uses: u32,
}

#[derive(Debug)]
struct Name {
    statement: Statement,
    left: u32,
}

impl Named {
    pub(crate) fn new(beside: Beside) -> Self {
        Self { beside, session: Session::Unknown, known: Vec::new() }
    }

    /// The statement of this text, if it has a name: from the second time on that it is asked for, and with a session that is ours.
    pub(crate) async fn statement(
        &mut self,
        client: &Client,
        sql: &str,
        types: impl FnOnce() -> Vec<Type>,
    ) -> Result<Option<Statement>, Error> {
        if self.session == Session::Unknown {
            self.session = self.find_out(client).await?;
        }
        match self.session {
            Session::Own => {}
            Session::Unknown | Session::Shared => return Ok(None),
        }
        let Some(place) = self.known.iter().position(|known| known.sql == sql) else {
            if self.known.len() == REMEMBERED {
                self.known.remove(0);
            }
            self.known.push(Known { sql: sql.to_owned(), name: None, uses: USES });
            return Ok(None);
        };
        let mut known = self.known.remove(place);
        let statement = known.used(client, types).await?;
        self.known.push(known);
        Ok(Some(statement))
    }

    async fn find_out(&self, client: &Client) -> Result<Session, Error> {
        if !is_direct(client).await? {
            return Ok(Session::Shared);
        }
        match self.beside {
            Beside::Nothing => client.batch_execute("SET plan_cache_mode = force_generic_plan").await?,
            Beside::Anything => {}
        }
        Ok(Session::Own)
    }
}

impl Known {
    async fn used(&mut self, client: &Client, types: impl FnOnce() -> Vec<Type>) -> Result<Statement, Error> {
        if let Some(name) = &mut self.name
            && let Some(left) = name.left.checked_sub(1)
        {
            name.left = left;
            return Ok(name.statement.clone());
        }
        // Its last name is given up, so that the server forgets it.
        self.name = None;
        let statement = client.prepare_typed(&self.sql, &types()).await?;
        self.name = Some(Name { statement: statement.clone(), left: self.uses - 1 });
        self.uses = (self.uses * LONGER).min(MOST);
        Ok(statement)
    }
}
