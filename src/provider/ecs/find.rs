//! Finds tenants by the tags of what they have, where nothing else tells of them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types as sdk;
use landlord_state_machines::id::{Incarnation, TenantId};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::planner::ecs::{Config, DefinitionStatus, Place, Site, tags};

use super::answer;
use super::api::Ecs;
use super::budget::Who;
use super::error::Failure;
use super::reads::{At, DESCRIBED_AT_ONCE};
use crate::provider::{Asker, Context, OwnedTenant};

/// A tenant in one of its lives.
type Life = (TenantId, Incarnation);

/// What a tenant has: a name for each thing, and its ARN.
type Resources = BTreeMap<String, String>;

impl Ecs {
    /// Where the subject's service or family is. First where the operator's configuration puts it; only when nothing
    /// of it is there, all that there is.
    pub(super) async fn locate(&self, cx: &Context) -> Result<Option<Site>, Failure> {
        let subject = &cx.subject;
        let site = Site::of(&self.defaults, &subject.tenant);
        let at = self.at(&site.place, cx).await;
        let service = at.describe_service(&site.name).await?;
        if service.is_some_and(|service| is_of(&service, subject)) {
            return Ok(Some(site));
        }
        if at.family_of(&site.name, &subject.engine).await?.contains_key(&life(subject)) {
            return Ok(Some(site));
        }
        let found = at.search(&subject.engine, &self.defaults).await?;
        let name =
            found.into_iter().find(|(_, lives)| lives.contains_key(&life(subject))).map(|(name, _)| name);
        Ok(name.map(|name| Site { name, ..site }))
    }

    /// All that an engine owns in the cluster and under the prefix of the operator's configuration.
    pub(super) async fn list(&self, engine: &str) -> Result<Vec<OwnedTenant>, Failure> {
        let at = self.at_for(&Place::of(&self.defaults), Who { tenant: None, asker: Asker::Engine }).await;
        let mut owned: BTreeMap<Life, Resources> = BTreeMap::new();
        for lives in at.search(engine, &self.defaults).await?.into_values() {
            for (life, resources) in lives {
                owned.entry(life).or_default().extend(resources);
            }
        }
        let tenants = owned.into_iter();
        Ok(tenants
            .map(|((tenant, incarnation), resources)| OwnedTenant { tenant, incarnation, resources })
            .collect())
    }
}

impl At {
    /// All that an engine owns in the cluster, and in families that begin as its names do; by name.
    async fn search(
        &self,
        engine: &str,
        defaults: &Config,
    ) -> Result<BTreeMap<String, BTreeMap<Life, Resources>>, Failure> {
        let mut found: BTreeMap<String, BTreeMap<Life, Resources>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for arns in self.list_services().await?.chunks(DESCRIBED_AT_ONCE) {
            for service in self.describe_services(&arns.iter().cloned().collect()).await? {
                let Some(name) = service.service_name.clone() else { continue };
                let Some(there) = answer::service(&service) else { continue };
                if let Some(life) = tags::owner(&there.tags, engine) {
                    let resources = found.entry(name.clone()).or_default().entry(life).or_default();
                    resources.insert(format!("service {name}"), there.arn);
                }
                names.insert(name);
            }
        }
        // A family with a service is its service's.
        for family in self.list_families(&defaults.service_name_prefix).await?.difference(&names) {
            let lives = self.family_of(family, engine).await?;
            if !lives.is_empty() {
                found.insert(family.clone(), lives);
            }
        }
        Ok(found)
    }

    /// Whose revisions there are in a family, of those that an engine owns.
    async fn family_of(&self, family: &str, engine: &str) -> Result<BTreeMap<Life, Resources>, Failure> {
        let mut lives: BTreeMap<Life, Resources> = BTreeMap::new();
        for status in [DefinitionStatus::Active, DefinitionStatus::Inactive] {
            for arn in self.list_definitions(family, status).await? {
                let Some(found) = self.describe_definition(&arn).await? else { continue };
                if let Some(life) = tags::owner(&found.tags, engine) {
                    let revision = arn.rsplit_once('/').map_or(arn.as_str(), |(_, name)| name);
                    lives.entry(life).or_default().insert(format!("task definition {revision}"), found.arn);
                }
            }
        }
        Ok(lives)
    }
}

fn life(subject: &Subject) -> Life {
    (subject.tenant.clone(), subject.incarnation)
}

fn is_of(service: &sdk::Service, subject: &Subject) -> bool {
    let there = answer::service(service);
    there.and_then(|there| tags::owner(&there.tags, &subject.engine)) == Some(life(subject))
}
