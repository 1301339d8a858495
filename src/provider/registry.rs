//! The providers that an engine can call, and how many calls each may have at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use landlord_state_machines::id::ProviderName;
use tokio::sync::Semaphore;

use super::{Capabilities, Provider};
use crate::telemetry::Place;

/// A provider that cannot be registered, or is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Another provider has the name.
    #[error("two providers are named {0}; register each under its own name")]
    ProviderConflict(ProviderName),
    /// No provider has the name.
    #[error("no provider is named {name:?}; registered are: {registered}")]
    ProviderNotFound {
        /// What was asked for.
        name: String,
        /// What there is.
        registered: String,
    },
}

/// A registered provider. Its calls take turns in the order in which they came, whichever tenant they are for.
pub(crate) struct Registered {
    /// In the order in which they were registered.
    pub(crate) place: Place,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) capabilities: Capabilities,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) call_timeout: Duration,
}

impl Registered {
    /// How many calls have its turn now.
    pub(crate) fn running(&self) -> usize {
        let most = self.capabilities.max_concurrent_calls.clamp(1, Semaphore::MAX_PERMITS);
        most.saturating_sub(self.permits.available_permits())
    }
}

/// Providers by name.
#[derive(Default)]
pub(crate) struct Registry {
    providers: BTreeMap<ProviderName, Arc<Registered>>,
}

impl Registry {
    pub(crate) fn register(&mut self, provider: Arc<dyn Provider>) -> Result<(), RegistryError> {
        let name = provider.name();
        if self.providers.contains_key(&name) {
            return Err(RegistryError::ProviderConflict(name));
        }
        let capabilities = provider.capabilities();
        let registered = Registered {
            place: Place(self.providers.len()),
            permits: Arc::new(Semaphore::new(
                capabilities.max_concurrent_calls.clamp(1, Semaphore::MAX_PERMITS),
            )),
            call_timeout: capabilities.call_timeout,
            capabilities,
            provider,
        };
        self.providers.insert(name, Arc::new(registered));
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Arc<Registered>, RegistryError> {
        self.providers.get(name).ok_or_else(|| RegistryError::ProviderNotFound {
            name: name.chars().take(80).collect(),
            registered: match self.providers.is_empty() {
                true => "none".to_owned(),
                false => self.providers.keys().map(ProviderName::as_str).collect::<Vec<_>>().join(", "),
            },
        })
    }

    /// The place of this provider among all; none where it is not registered.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        self.providers.get(name).map(|registered| registered.place)
    }

    /// The names of all, each in its place.
    pub(crate) fn names(&self) -> Vec<ProviderName> {
        let mut all: Vec<_> = self.providers.iter().collect();
        all.sort_unstable_by_key(|(_, registered)| registered.place);
        all.into_iter().map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Registered>> {
        self.providers.values()
    }
}
