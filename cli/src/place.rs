//! A store with the providers that its tenants run on, and who does what a command asks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use landlord_client::Client;
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::provider::{Provider, RegistryError, Setup, SetupError};
use landlord_compute::store::{MemoryOptions, MemoryStore, StoreError};
use landlord_compute::telemetry::Watcher;
use landlord_compute::{Engine, EngineBuilder, ObservePolicy, StartError};
use landlord_server::Served;
use serde_json::Value;

use super::built_with::{BUILT_WITH, Built, Configs, DEFAULT};
use super::configuration::{Configuration, Section};
use super::failure::Failure;
use super::here;
use super::kept::Kept;
use super::patience::LOOK;
use super::screen::Screen;
use super::spec_file::{self, Document};

/// What this program is called.
const PROGRAM: &str = "landlord-compute";

/// A store with what belongs to it, and the providers.
#[derive(Clone)]
pub(crate) struct Place {
    kept: Kept,
    providers: Vec<Arc<dyn Provider>>,
    /// What an engine of this program is called where another program is told who has the store.
    owner: String,
    /// How long the store is waited for while another engine has it.
    wait: Duration,
    configuration: Arc<Configuration>,
    /// The server that everything is asked, where one was named.
    remote: Option<Client>,
}

/// What an engine is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A store that is not there is made.
    Create,
    /// A store that is not there is an error: a path that was mistyped must not become an empty store.
    Refuse,
}

/// Who does what a command asks for.
pub(crate) enum Started {
    /// The server that runs.
    Server(Client),
    /// An engine of this program.
    Engine(Arc<Engine>, Client),
}

/// Waits for a store that another engine has.
struct Turn<'a> {
    screen: &'a Screen,
    begun: Instant,
    wait: Duration,
}

impl<'a> Turn<'a> {
    fn new(screen: &'a Screen, wait: Duration) -> Self {
        Self { screen, begun: Instant::now(), wait }
    }

    /// The engine; none while another one has the store, after a moment.
    async fn engine(&mut self, engine: EngineBuilder) -> Result<Option<Engine>, Failure> {
        match engine.start().await {
            Err(StartError::Store(StoreError::InUse { owner, .. })) if self.begun.elapsed() < self.wait => {
                self.screen.progress(&format!("waits for the store, which {owner} has"));
                tokio::time::sleep(LOOK).await;
                Ok(None)
            }
            Err(StartError::Store(in_use @ StoreError::InUse { .. })) => {
                self.screen.end_progress();
                Err(Failure::InUse { in_use, waited: self.begun.elapsed() })
            }
            started => Ok(Some(started?)),
        }
    }
}

impl Place {
    /// A store with the providers of its configuration; where that names none, with every provider that can run tenants as
    /// it is. A provider whose own file is given is as that file says.
    pub(crate) fn new(
        kept: Kept,
        configs: &Configs,
        configuration: Arc<Configuration>,
    ) -> Result<Self, Failure> {
        let (place, unsound) = Self::of_what_is_sound(kept, configs, configuration);
        unsound.into_iter().next().map_or(Ok(place), Err)
    }

    /// The same with the providers whose configuration is sound, and why the others are not there.
    pub(crate) fn of_what_is_sound(
        kept: Kept,
        configs: &Configs,
        configuration: Arc<Configuration>,
    ) -> (Self, Vec<Failure>) {
        let sections = configuration.sections().filter(|(name, _, _)| !configs.0.contains_key(name));
        let of_sections = sections.map(|(name, kind, section)| {
            let provider = of_section(&kept, name, kind, section);
            provider.map_err(|error| Failure::Usage(format!("providers.{name}: {error}")))
        });
        let built = BUILT_WITH.iter().filter_map(|built| match configs.0.get(built.kind) {
            Some(file) => Some(configured(built, &kept, file)),
            None if built.needs_config || configuration.providers.is_some() => None,
            None => {
                let provider = started(built, &kept, built.kind, Value::Null);
                Some(provider.map_err(|error| Failure::Usage(error.to_string())))
            }
        });
        let (mut providers, mut unsound) = (Vec::new(), Vec::new());
        for provider in of_sections.chain(built) {
            match provider {
                Ok(provider) => providers.push(provider),
                Err(failure) => unsound.push(failure),
            }
        }
        let owner = PROGRAM.to_owned();
        (Self { kept, providers, owner, wait: Duration::ZERO, configuration, remote: None }, unsound)
    }

    /// The same, where everything is asked of this server.
    pub(crate) fn of_server(self, remote: Option<Client>) -> Self {
        Self { remote, ..self }
    }

    /// What tenants can run on.
    pub(crate) fn providers(&self) -> &[Arc<dyn Provider>] {
        &self.providers
    }

    pub(crate) fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// With engines of this command, which wait so long for the store.
    pub(crate) fn for_command(self, command: &str, wait: Duration) -> Self {
        Self { owner: format!("{PROGRAM} {command}"), wait, ..self }
    }

    /// The same, with engines that do not wait for the store.
    pub(crate) fn without_waiting(&self) -> Self {
        Self { wait: Duration::ZERO, ..self.clone() }
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Where the logs of a tenant are on this machine, if there are any.
    pub(crate) fn logs(&self, provider: &ProviderName, tenant: &TenantId) -> Option<PathBuf> {
        let kept_here = provider.as_str() == DEFAULT && self.remote.is_none();
        let logs = self.kept.state_dir().join("logs").join(tenant.as_str());
        (kept_here && logs.is_dir()).then_some(logs)
    }

    /// The one that every build of this program has.
    pub(crate) fn default_provider(&self) -> Result<Arc<dyn Provider>, Failure> {
        let name = ProviderName::new(DEFAULT).map_err(|error| Failure::Usage(error.to_string()))?;
        self.provider(&name).map_err(|error| Failure::Usage(error.to_string()))
    }

    /// The provider of this name.
    pub(crate) fn provider(&self, name: &ProviderName) -> Result<Arc<dyn Provider>, RegistryError> {
        self.providers.iter().find(|provider| provider.name() == *name).cloned().ok_or_else(|| {
            let registered = self.providers.iter().map(|provider| provider.name().to_string());
            let registered: Vec<String> = registered.collect();
            RegistryError::ProviderNotFound { name: name.to_string(), registered: registered.join(", ") }
        })
    }

    /// The server that was named, or that of this store, if one runs.
    pub(crate) async fn server(&self) -> Option<Client> {
        if let Some(remote) = &self.remote {
            return Some(remote.clone());
        }
        let socket = self.kept.socket();
        Client::answers(&socket).await.then(|| Client::unix(socket))
    }

    /// Whoever can say what is known of the tenants, also while another engine has the store.
    pub(crate) async fn look(&self) -> Result<Client, Failure> {
        if let Some(server) = self.server().await {
            return Ok(server);
        }
        let reader = self.kept.reader().await?;
        Ok(here::client(reader.served(self.providers.clone()).await?))
    }

    /// The same where there may be no store yet: then there are no tenants.
    pub(crate) async fn look_if_there(&self) -> Client {
        match self.look().await {
            Ok(client) => client,
            // Where the store cannot be read, whoever opens it says why.
            Err(_) => {
                let nobody = MemoryStore::new(MemoryOptions::default());
                here::client(Served::store(nobody, "nobody".into(), self.providers.clone()))
            }
        }
    }

    /// The beginnings of an engine that has the store for itself.
    pub(crate) fn engine(&self, missing: Missing) -> Result<EngineBuilder, Failure> {
        match missing {
            Missing::Create => {}
            Missing::Refuse => self.kept.require()?,
        }
        let engine = self.kept.engine(&self.owner, &self.configuration.retention)?;
        let engine = engine.policy(self.configuration.policy()).limits(self.configuration.limits());
        Ok(self.providers.iter().cloned().fold(engine, EngineBuilder::provider))
    }

    /// The server of this store, or else an engine; while another one has the store, it is tried again for a moment.
    pub(crate) async fn start(
        &self,
        screen: &Screen,
        missing: Missing,
        observe: ObservePolicy,
    ) -> Result<Started, Failure> {
        let mut turn = Turn::new(screen, self.wait);
        loop {
            if let Some(server) = self.server().await {
                screen.end_progress();
                return Ok(Started::Server(server));
            }
            if let Some(engine) = turn.engine(self.engine(missing)?.observe(observe)).await? {
                let engine = Arc::new(engine);
                let client = here::client(self.served(&engine).await?);
                return Ok(Started::Engine(engine, client));
            }
        }
    }

    /// An engine that keeps running and is watched; while another one has the store, it is tried again for a moment.
    pub(crate) async fn keep(
        &self,
        screen: &Screen,
        watcher: Arc<dyn Watcher>,
        lost: Option<String>,
    ) -> Result<Arc<Engine>, Failure> {
        let mut turn = Turn::new(screen, self.wait);
        loop {
            let engine = self.engine(Missing::Create)?.observe(self.configuration.observe());
            let engine = engine.watched_by(Arc::clone(&watcher));
            let engine = lost.iter().fold(engine, EngineBuilder::lost);
            if let Some(engine) = turn.engine(engine).await? {
                return Ok(Arc::new(engine));
            }
        }
    }

    /// What an engine of this store answers.
    pub(crate) async fn served(&self, engine: &Arc<Engine>) -> Result<Served, Failure> {
        Ok(self.kept.reader().await?.attends(Served::engine(Arc::clone(engine))))
    }
}

/// A provider over the configuration in a file.
fn configured(built: &Built, kept: &Kept, file: &Path) -> Result<Arc<dyn Provider>, Failure> {
    let Document { origin, text, format } = spec_file::document(file)?;
    let unfit = |message: String| Failure::Config { file: origin.to_string(), message };
    match format.parse(&text) {
        Ok(config) => started(built, kept, built.kind, config).map_err(|source| unfit(source.to_string())),
        Err(source) => Err(unfit(source.to_string())),
    }
}

/// A provider of a configuration's section.
pub(crate) fn of_section(
    kept: &Kept,
    name: &str,
    kind: &str,
    section: &Section,
) -> Result<Arc<dyn Provider>, SetupError> {
    let Some(built) = BUILT_WITH.iter().find(|built| built.kind == kind) else {
        let kinds: Vec<&str> = BUILT_WITH.iter().map(|built| built.kind).collect();
        let problem = format!("there is no kind {kind:?} in this build; there are {}", kinds.join(", "));
        return Err(SetupError::new(problem));
    };
    let config = match section.config.is_empty() {
        true => Value::Null,
        false => Value::Object(section.config.clone()),
    };
    started(built, kept, name, config)
}

fn started(built: &Built, kept: &Kept, name: &str, config: Value) -> Result<Arc<dyn Provider>, SetupError> {
    let mut state_dir = kept.state_dir();
    // What a kind keeps under its own name is where it always was.
    if name != built.kind {
        state_dir = state_dir.join("providers").join(name);
    }
    let name = ProviderName::new(name).map_err(SetupError::new)?;
    (built.start)(Setup { name, config, state_dir })
}
