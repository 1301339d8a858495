//! The looks at tenants that are on their way. What happens meanwhile is looked at together.

use std::future::pending;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use landlord_state_machines::id::TenantId;

use super::agenda::Visit;
use super::visit::{Visited, Visitor};
use crate::fleet::By;

/// How many looks at few tenants are on their way at a time.
const OF_FEW: usize = 4;
/// The same of looks at many: each lists all that there are, and the next one shows what became of all that happened meanwhile.
const OF_MANY: usize = 1;

/// What is on its way.
#[derive(Default)]
pub(super) struct Visits {
    of_few: FuturesUnordered<BoxFuture<'static, Visited>>,
    of_many: FuturesUnordered<BoxFuture<'static, Visited>>,
}

impl Visits {
    /// Visits these tenants of the cluster with this identity.
    ///
    /// # Errors
    /// Too many looks are on their way: the visits are to be made later.
    pub(super) fn begin(
        &mut self,
        visitor: &Arc<Visitor>,
        cluster: &str,
        visits: Vec<(TenantId, Visit)>,
        by: By,
    ) -> Result<(), Vec<(TenantId, Visit)>> {
        let (under_way, at_most) = match by {
            By::Lists => (&self.of_many, OF_MANY),
            By::Each => (&self.of_few, OF_FEW),
        };
        if under_way.len() >= at_most {
            return Err(visits);
        }
        under_way.push(Box::pin(Arc::clone(visitor).visit(cluster.to_owned(), visits, by)));
        Ok(())
    }

    /// What came of the next one to end. Dropped, it loses nothing.
    pub(super) async fn next(&mut self) -> Visited {
        tokio::select! {
            Some(visited) = self.of_few.next() => visited,
            Some(visited) = self.of_many.next() => visited,
            else => pending().await,
        }
    }
}
