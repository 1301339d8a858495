//! Finds tenants by the tags of what they have, where nothing else tells of them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types as sdk;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use landlord_state_machines::id::{Incarnation, TenantId};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::planner::ecs::{DefinitionStatus, EcsConfig, Place, Search, Site, tags};

use super::answer;
use super::api::Ecs;
use super::budget::{Rank, Who};
use super::error::{Failure, NO_CLUSTER};
use super::reads::{At, DESCRIBED_AT_ONCE};
use landlord_compute::provider::{Context, OwnedTenant};

/// A tenant in one of its lives.
type Life = (TenantId, Incarnation);

/// What a tenant has: a name for each thing, and its ARN.
type Resources = BTreeMap<String, String>;

/// What each life has of something.
type Lives = BTreeMap<Life, Resources>;

/// How many requests a search makes at a time.
const AT_A_TIME: usize = 8;

impl Ecs {
    /// Where the subject's service or family is: looked for by the name that the operator's configuration gives it, and
    /// only when nothing of the subject has that name, in the whole cluster.
    pub(super) async fn locate(&self, cx: &Context, search: Search) -> Result<Option<Site>, Failure> {
        let subject = &cx.subject;
        let site = Site::of(&self.defaults, &subject.tenant);
        let at = self.at(&site.place, cx).await;
        let service = match at.describe_service(&site.name).await {
            // The cluster may be gone, and the family be left.
            Err(failure) if failure.is(NO_CLUSTER) && search == Search::Everything => None,
            found => found?,
        };
        if service.is_some_and(|service| is_of(&service, subject)) {
            return Ok(Some(site));
        }
        let (engine, provider) = (&subject.engine, subject.provider.as_str());
        let found = match search {
            Search::Service => at.search_services(engine, provider).await?,
            Search::Everything => {
                if at.family_of(&site.name, engine, provider).await?.contains_key(&life(subject)) {
                    return Ok(Some(site));
                }
                at.search(engine, provider, &self.defaults).await?
            }
        };
        let is_its = |lives: &Lives| lives.contains_key(&life(subject));
        let name = found.into_iter().find(|(_, lives)| is_its(lives)).map(|(name, _)| name);
        Ok(name.map(|name| Site { name, ..site }))
    }

    /// All that an engine owns in the cluster and under the prefix of the operator's configuration.
    pub(super) async fn list(&self, engine: &str, provider: &str) -> Result<Vec<OwnedTenant>, Failure> {
        let at = self.at_for(&Place::of(&self.defaults), Who { tenant: None, rank: Rank::Engine }).await;
        let mut owned: BTreeMap<Life, Resources> = BTreeMap::new();
        for lives in at.search(engine, provider, &self.defaults).await?.into_values() {
            for (life, resources) in lives {
                owned.entry(life).or_default().extend(resources);
            }
        }
        let tenants = owned.into_iter();
        Ok(tenants
            .map(|((tenant, incarnation), resources)| OwnedTenant::new(tenant, incarnation, resources))
            .collect())
    }
}

impl At {
    /// All that an engine owns in the cluster, and in families that begin as its names do; by name.
    async fn search(
        &self,
        engine: &str,
        provider: &str,
        defaults: &EcsConfig,
    ) -> Result<BTreeMap<String, Lives>, Failure> {
        let mut found = self.search_services(engine, provider).await?;
        let families = self.list_families(&defaults.service_name_prefix).await?;
        // A family whose service was found belongs to that service.
        let alone: Vec<String> = families.into_iter().filter(|family| !found.contains_key(family)).collect();
        let asked = stream::iter(alone).map(async |family| {
            let lives = self.family_of(&family, engine, provider).await?;
            Ok((family, lives))
        });
        let lives: Vec<(String, Lives)> = asked.buffer_unordered(AT_A_TIME).try_collect().await?;
        found.extend(lives.into_iter().filter(|(_, lives)| !lives.is_empty()));
        Ok(found)
    }

    /// The services of the cluster that an engine owns; by name.
    async fn search_services(
        &self,
        engine: &str,
        provider: &str,
    ) -> Result<BTreeMap<String, Lives>, Failure> {
        let all = self.list_services().await?;
        let tens: Vec<BTreeSet<String>> =
            all.chunks(DESCRIBED_AT_ONCE).map(|arns| arns.iter().cloned().collect()).collect();
        let asked = stream::iter(tens).map(async |arns| self.describe_services(&arns).await);
        let services: Vec<Vec<sdk::Service>> = asked.buffer_unordered(AT_A_TIME).try_collect().await?;
        let mut found: BTreeMap<String, Lives> = BTreeMap::new();
        for service in services.into_iter().flatten() {
            if let Some(name) = service.service_name.clone()
                && let Some(there) = answer::service(&service)
                && let Some(life) = tags::owner(&there.tags, engine, provider)
            {
                let resources = found.entry(name.clone()).or_default().entry(life).or_default();
                resources.insert(format!("service {name}"), there.arn);
            }
        }
        Ok(found)
    }

    /// Whose revisions there are in a family, of those that an engine owns.
    async fn family_of(&self, family: &str, engine: &str, provider: &str) -> Result<Lives, Failure> {
        let mut lives = Lives::new();
        for status in [DefinitionStatus::Active, DefinitionStatus::Inactive] {
            for arn in self.list_definitions(family, status).await? {
                let Some(found) = self.describe_definition(&arn).await? else { continue };
                if let Some(life) = tags::owner(&found.tags, engine, provider) {
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

pub(super) fn is_of(service: &sdk::Service, subject: &Subject) -> bool {
    let there = answer::service(service);
    there.and_then(|there| tags::owner(&there.tags, &subject.engine, subject.provider.as_str()))
        == Some(life(subject))
}
