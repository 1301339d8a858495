//! What the platforms take of all engines together, drawn from the store that these share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::provider::{Draw, Drawn, Quotas};
use crate::store::{Members, StoreError};

/// The pause before a store that does not answer is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// The quotas that a store keeps.
#[derive(Debug)]
pub(crate) struct Stored(pub(crate) Arc<dyn Members>);

#[async_trait]
impl Quotas for Stored {
    async fn draw(&self, draw: &Draw<'_>) -> Drawn {
        loop {
            match self.0.draw(draw).await {
                Ok(drawn) => return drawn,
                // Nothing is asked any more.
                Err(StoreError::Fenced { .. }) => return Drawn { tokens: 0, next: PAUSE },
                Err(error) => {
                    tracing::debug!(%error, quota = draw.quota, "waits for the store");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
