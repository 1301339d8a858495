//! Before an engine begins: whether the tenants that only engines of one site reach are at this one.

use landlord_state_machines::id::ProviderName;
use landlord_state_machines::members::{Arrival, Site, arrive};

use super::error::StartError;
use crate::provider::registry::Registry;
use crate::store::{
    Document, DocumentKind, DocumentRevision, DocumentWrite, Epoch, Store, StoreError, TenantFilter,
};

/// How many tenants a list looks for: whether there is one.
const ONE: usize = 1;

/// Has the store remember where the tenants of each provider are, unless they are elsewhere. This engine shares the store with nobody
/// where there is such a provider.
pub(crate) async fn settle(
    store: &dyn Store,
    epoch: Epoch,
    registry: &Registry,
    lost: Option<&str>,
) -> Result<(), StartError> {
    for registered in registry.iter() {
        let provider = registered.provider.name();
        let Some(here) = registered.provider.site().await? else { continue };
        let document = store.document(DocumentKind::Site, provider.as_str()).await?;
        let there = document.as_ref().map(read).transpose()?;
        match (arrive(there.as_ref(), &here, lost), there) {
            (Arrival::Home, _) => continue,
            (Arrival::Elsewhere, Some(there)) if has_tenants(store, &provider).await? => {
                return Err(StartError::Elsewhere { provider, there: Box::new(there), here: Box::new(here) });
            }
            (Arrival::Settles | Arrival::Elsewhere, _) => {}
        }
        let write = DocumentWrite {
            kind: DocumentKind::Site,
            name: provider.to_string(),
            expected: document.map_or(DocumentRevision::ABSENT, |document| document.revision),
            json: Some(serde_json::to_string(&here).map_err(|error| corrupt(&provider, error))?),
            reads_from: None,
        };
        if store.put_document(epoch, &write).await?.is_err() {
            let message = format!("another engine changed where the tenants of {provider} are; start again");
            return Err(StoreError::Unavailable { message, source: None }.into());
        }
        tracing::info!(%provider, site = here.at, "the provider's tenants are here");
    }
    Ok(())
}

fn read(document: &Document) -> Result<Site, StoreError> {
    serde_json::from_str(&document.json).map_err(|error| corrupt(&document.name, error))
}

fn corrupt(provider: impl std::fmt::Display, error: serde_json::Error) -> StoreError {
    let message =
        format!("where the tenants of {provider} are is not understood; a newer build may have written it");
    StoreError::Corrupt { message, source: Some(error.into()) }
}

async fn has_tenants(store: &dyn Store, provider: &ProviderName) -> Result<bool, StoreError> {
    let filter = TenantFilter { provider: Some(provider.clone()), ..TenantFilter::default() };
    let mut after = None;
    loop {
        let page = store.list(&filter, after, ONE).await?;
        match page.next {
            _ if !page.items.is_empty() => return Ok(true),
            None => return Ok(false),
            next => after = next,
        }
    }
}
