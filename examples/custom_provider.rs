//! A provider of one's own: a tenant is a page, a file in a folder. `cargo run --example custom_provider` takes a tenant
//! through its life, and `cargo test --test main custom_provider` holds the provider to the contract.
//!
//! Six methods are all that is needed. Retries, undo, serial calls and recovery are the engine's.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind::NotFound};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{NameError, ProviderName, Rollout, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{Invalid, Problem, Spec, TenantComputeSpec, differences};
use landlord_compute::machines::status::{
    ComputeState, ComputeStatus, ContainerStatus, Health, ProvisionResult, ProvisionStatus, UpdateResult,
    UpdateStatus,
};
use landlord_compute::provider::{Capabilities, Context, Destroyed, Provider};
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{Engine, Options};

/// Keeps each tenant's page in a folder. A page has two lines: whose it is, with its life and rollout, and what it was made
/// from.
///
/// Pages are small, so a call does its work at once: it never waits, and is never cut off in the middle.
struct Pages {
    name: ProviderName,
    folder: PathBuf,
}

/// A page that is the tenant's.
struct Page {
    /// Of this life, or of an older one whose record was lost.
    is_of_this_life: bool,
    /// For which rollout of its spec it was made.
    rollout: Rollout,
    /// What it was made from; empty when the page was damaged.
    spec: String,
}

impl Pages {
    fn new(folder: PathBuf) -> Result<Self, NameError> {
        Ok(Self { name: ProviderName::new("pages")?, folder })
    }

    fn file(&self, tenant: &TenantId) -> PathBuf {
        self.folder.join(tenant.as_str())
    }

    /// Names the engine, the provider and the tenant. A page without it is somebody else's, and is not touched.
    fn owner(subject: &Subject) -> String {
        format!("{} {} {}", subject.engine, subject.provider, subject.tenant)
    }

    /// The tenant's page, if there is one.
    fn read(&self, subject: &Subject, kind: ErrorKind) -> Result<Option<Page>, ProviderError> {
        let text = match fs::read_to_string(self.file(&subject.tenant)) {
            Ok(text) => text,
            Err(error) if error.kind() == NotFound => return Ok(None),
            Err(error) => return Err(failed(kind, error)),
        };
        let (tag, spec) = text.split_once('\n').unwrap_or((&text, ""));
        let Some(life) = tag.strip_prefix(&Self::owner(subject)) else { return Err(foreign(kind)) };
        let mut numbers = life.split_whitespace().map(str::parse::<u64>);
        let mut number = || numbers.next().and_then(Result::ok).unwrap_or_default();
        let is_of_this_life = number() == subject.incarnation.0;
        Ok(Some(Page { is_of_this_life, rollout: Rollout(number()), spec: spec.to_owned() }))
    }

    /// Writes the page under another name and renames it, so that it is there as a whole or not at all.
    fn write(&self, cx: &Context, spec: &str, kind: ErrorKind) -> Result<(), ProviderError> {
        let subject = &cx.subject;
        let (file, new) = (self.file(&subject.tenant), self.folder.join(format!(".{}", subject.tenant)));
        let text = format!("{} {} {}\n{spec}", Self::owner(subject), subject.incarnation, cx.rollout);
        fs::write(&new, text).and_then(|()| fs::rename(&new, &file)).map_err(|error| failed(kind, error))
    }
}

/// Disks recover; the engine tries again.
fn failed(kind: ErrorKind, error: io::Error) -> ProviderError {
    ProviderError::new(kind, Remedy::Retry, ErrorCode::ProviderUnavailable, error.to_string())
        .with_source(error)
}

fn foreign(kind: ErrorKind) -> ProviderError {
    let message = "a page of that name is somebody else's; remove it, or use another tenant id";
    ProviderError::new(kind, Remedy::NeedsPerson, ErrorCode::Conflict, message)
}

/// What a page is made from.
fn body(spec: &Spec, kind: ErrorKind) -> Result<String, ProviderError> {
    // Protection is the engine's: an update of it alone never comes here.
    let spec = TenantComputeSpec { deletion_protection: false, ..(**spec).clone() };
    serde_json::to_string(&spec).map_err(|error| failed(kind, error.into()))
}

/// A call that was cancelled before it began does nothing.
fn go_on(cx: &Context, kind: ErrorKind) -> Result<(), ProviderError> {
    match cx.cancel.is_cancelled() {
        false => Ok(()),
        true => Err(ProviderError::new(kind, Remedy::Retry, ErrorCode::UnknownError, "it was cancelled")),
    }
}

/// Logs how a call ended, with the tenant, as the contract asks.
fn logged<T>(cx: &Context, what: &str, done: Result<T, ProviderError>) -> Result<T, ProviderError> {
    let tenant_id = &cx.subject.tenant;
    match &done {
        Ok(_) => tracing::info!(%tenant_id, "{what}: done"),
        Err(error) if error.remedy == Remedy::Retry => tracing::warn!(%tenant_id, %error, "{what}"),
        Err(error) => tracing::error!(%tenant_id, %error, "{what}"),
    }
    done
}

impl Pages {
    fn provision_now(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        let (kind, subject) = (ErrorKind::ProvisionFailed, &cx.subject);
        go_on(cx, kind)?;
        check(spec)?;
        let wanted = body(spec, kind)?;
        match self.read(subject, kind)? {
            Some(page) if page.is_of_this_life && page.spec == wanted && page.rollout == cx.rollout => {}
            // What is damaged is made again.
            Some(page) if page.is_of_this_life && !page.spec.is_empty() && page.spec != wanted => {
                let message = "the page runs another spec; update it";
                return Err(ProviderError::new(kind, Remedy::Permanent, ErrorCode::Conflict, message));
            }
            Some(_) | None => self.write(cx, &wanted, kind)?,
        }
        let file = self.file(&subject.tenant).display().to_string();
        Ok(ProvisionResult {
            tenant_id: subject.tenant.clone(),
            provider_type: self.name(),
            status: ProvisionStatus::Success,
            resource_ids: BTreeMap::from([("file".to_owned(), file)]),
            endpoints: Vec::new(),
            message: None,
            provisioned_at: cx.now(),
        })
    }

    fn update_now(&self, cx: &Context, spec: &Spec) -> Result<UpdateResult, ProviderError> {
        let (kind, subject) = (ErrorKind::UpdateFailed, &cx.subject);
        go_on(cx, kind)?;
        check(spec)?;
        let wanted = body(spec, kind)?;
        let page = self.read(subject, kind)?.filter(|page| page.is_of_this_life);
        let Some(page) = page else { return Err(ProviderError::tenant_not_found(&subject.tenant)) };
        let (status, changes) = if page.spec == wanted && page.rollout == cx.rollout {
            (UpdateStatus::NoChanges, Vec::new())
        } else {
            self.write(cx, &wanted, kind)?;
            // Of a damaged page nothing is known.
            let changes = match Spec::from_stored_json(&page.spec) {
                Ok(before) => differences(&before, spec).iter().map(ToString::to_string).collect(),
                Err(_) => vec!["the page was made again".to_owned()],
            };
            (UpdateStatus::Success, changes)
        };
        Ok(UpdateResult {
            tenant_id: subject.tenant.clone(),
            provider_type: self.name(),
            status,
            changes,
            message: None,
            updated_at: cx.now(),
        })
    }

    fn destroy_now(&self, cx: &Context) -> Result<Destroyed, ProviderError> {
        let kind = ErrorKind::DestroyFailed;
        match self.read(&cx.subject, kind) {
            Ok(Some(_)) => {
                fs::remove_file(self.file(&cx.subject.tenant)).map_err(|error| failed(kind, error))?
            }
            // Nothing is there, or what is somebody else's.
            Ok(None) => {}
            Err(error) if error.code == ErrorCode::Conflict => {}
            Err(error) => return Err(error),
        }
        Ok(Destroyed::default())
    }
}

/// All that this provider asks of a spec, all problems at once.
fn check(spec: &Spec) -> Result<(), Invalid> {
    let mut problems = Vec::new();
    for (n, container) in spec.containers.iter().enumerate() {
        if container.image != "none" {
            problems.push(Problem::new(format!("containers[{n}].image"), "a page has no image; use none"));
        }
    }
    let config = spec.provider_config.as_ref().and_then(|config| config.as_object());
    for field in config.into_iter().flat_map(|config| config.keys()) {
        problems
            .push(Problem::new(format!("provider_config.{field}"), "unknown; pages have no configuration"));
    }
    Invalid::unless_empty(problems)
}

#[async_trait]
impl Provider for Pages {
    fn name(&self) -> ProviderName {
        self.name.clone()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        logged(cx, "provision", self.provision_now(cx, spec))
    }

    async fn update(&self, cx: &Context, _: &TenantId, spec: &Spec) -> Result<UpdateResult, ProviderError> {
        logged(cx, "update", self.update_now(cx, spec))
    }

    async fn destroy(&self, cx: &Context, _: &TenantId) -> Result<Destroyed, ProviderError> {
        logged(cx, "destroy", self.destroy_now(cx))
    }

    async fn get_status(&self, cx: &Context, tenant: &TenantId) -> Result<ComputeStatus, ProviderError> {
        let page = match self.read(&cx.subject, ErrorKind::StatusFailed) {
            Ok(Some(page)) => page,
            Ok(None) => return Err(ProviderError::tenant_not_found(tenant)),
            Err(error) if error.code == ErrorCode::Conflict => {
                return Err(ProviderError::tenant_not_found(tenant));
            }
            Err(error) => return Err(error),
        };
        // What was stored says which containers there are; of a damaged page that is not known.
        let made_from = Spec::from_stored_json(&page.spec);
        let names = made_from.iter().flat_map(|spec| spec.containers.iter().map(|container| &container.name));
        let containers = names.map(|name| ContainerStatus {
            name: name.clone(),
            state: ComputeState::Running,
            ready: true,
            restart_count: 0,
            message: None,
        });
        let (state, health) = match &made_from {
            Ok(_) => (ComputeState::Running, Health::Healthy),
            Err(_) => (ComputeState::Failed, Health::Unhealthy),
        };
        Ok(ComputeStatus {
            tenant_id: tenant.clone(),
            provider_type: self.name(),
            state,
            containers: containers.collect(),
            health,
            last_updated: cx.now(),
            metadata: BTreeMap::new(),
        })
    }

    async fn validate(&self, _: &Context, spec: &Spec) -> Result<(), ProviderError> {
        Ok(check(spec)?)
    }

    /// What is optional, and not here: it lists nobody, so leaks of its pages are looked for by hand.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().not_enforced(["cpu: a page does not run", "memory: a page does not run"])
    }
}

const SPEC: &str = "
tenant_id: acme
provider_type: pages
containers: [{ name: page, image: none }]
resources: { cpu: 128, memory: 128 }
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let provider = Pages::new(folder.path().to_owned())?;
    let engine =
        Engine::builder(MemoryStore::new(MemoryOptions::default())).provider(provider).start().await?;
    let acme = engine.tenant(TenantId::new("acme")?);
    let spec = TenantComputeSpec::from_yaml(SPEC)?;
    println!("provisioned: {}", acme.provision(spec, Options::default()).await?.await?);
    let page = fs::read_to_string(folder.path().join("acme"))?;
    println!("its page: {}", page.lines().last().unwrap_or_default());
    println!("destroyed: {}", acme.destroy(Options::default()).await?.await?);
    println!("its page is there: {}", folder.path().join("acme").exists());
    engine.shutdown(Duration::from_secs(10)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landlord_testing::conformance::{Harm, Platform, Resource, Unable, Variant, run};
    use tempfile::TempDir;

    use super::*;

    /// A folder, as the kit wants to see it.
    struct Folder(TempDir);

    impl Folder {
        fn file(&self, tenant: &TenantId) -> PathBuf {
            self.0.path().join(tenant.as_str())
        }
    }

    #[async_trait]
    impl Platform for Folder {
        #[allow(clippy::expect_used, reason = "a test that cannot go on says why and stops")]
        fn provider(&self) -> Arc<dyn Provider> {
            Arc::new(Pages::new(self.0.path().to_owned()).expect("a valid name"))
        }

        fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable> {
            let mut spec =
                TenantComputeSpec::from_yaml(SPEC).map_err(|error| Unable::new(error.to_string()))?;
            spec.tenant_id = tenant.to_string();
            match variant {
                Variant::First => {}
                Variant::Changed => spec.resources.memory = 256,
                Variant::Invalid | Variant::BadImage => spec.containers[0].image = "nginx:1.29".to_owned(),
                Variant::AddressTaken => return Err(Unable::new("a page has no address")),
                Variant::TooLarge => return Err(Unable::new("a folder has room for every page")),
                Variant::Failing | Variant::Unhealthy => return Err(Unable::new("a page cannot fail")),
                Variant::Secret | Variant::SecretFailing => {
                    return Err(Unable::new("a page gets no secrets"));
                }
            }
            Ok(spec)
        }

        async fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
            let Ok(page) = fs::read_to_string(self.file(tenant)) else { return Vec::new() };
            let made_from = [(":128}", Variant::First), (":256}", Variant::Changed)];
            let made_from = made_from.iter().find(|(memory, _)| page.contains(memory)).map(|(_, of)| *of);
            // Its first line says which rollout it is of: a page of another one is another page.
            vec![Resource { id: page.lines().next().unwrap_or_default().to_owned(), made_from }]
        }

        async fn serves(&self, tenant: &TenantId) -> Result<bool, Unable> {
            Ok(self.file(tenant).exists())
        }

        async fn harm(&self, tenant: &TenantId, harm: Harm) -> Result<(), Unable> {
            let damaged = match (harm, fs::read_to_string(self.file(tenant))) {
                (Harm::Crash | Harm::Sicken | Harm::Hang, Ok(page)) => {
                    page.lines().next().unwrap_or_default().to_owned()
                }
                (Harm::Crash | Harm::Sicken | Harm::Hang, Err(error)) => {
                    return Err(Unable::new(error.to_string()));
                }
                (Harm::Escape, _) => return Err(Unable::new("a page starts nothing")),
                (Harm::FullLogDisk, _) => return Err(Unable::new("a page writes no log")),
                (Harm::Remove, _) => return Err(Unable::new("a page is all that a tenant has")),
                (Harm::Stall | Harm::Outage | Harm::Obstruct, _) => {
                    return Err(Unable::new("a folder answers and obeys"));
                }
            };
            fs::write(self.file(tenant), damaged).map_err(|error| Unable::new(error.to_string()))
        }

        async fn plant(&self, subject: &Subject) -> Result<(), Unable> {
            let somebody = "somebody else's page\nwith \"memory\":0}";
            fs::write(self.file(&subject.tenant), somebody).map_err(|error| Unable::new(error.to_string()))
        }
    }

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let report = run(&Folder(folder)).await;
        println!("{report}");
        report.assert_held();
        assert!(report.not_applicable().all(|row| row.clause != "provision.conflict"), "{report}");
    }
}
