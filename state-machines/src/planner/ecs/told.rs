//! Which settings of a service ECS has to be told.

use std::collections::BTreeSet;

use super::call::{Count, Service, Setting, Settings, Shown};
use super::mapping;
use super::next::Plan;
use super::wanted::Wanted;
use crate::planner::Means;

impl Plan<'_> {
    /// What ECS has to be told of the settings: what changed since it was told last, and what it shows in another way.
    pub(super) fn differing(&self, wanted: &Wanted, service: &Service, by: Means) -> BTreeSet<Setting> {
        let wanted = &wanted.settings;
        let mut differing = BTreeSet::new();
        if let Some(told) = &self.facts.settings {
            differing.extend(told.differing(wanted));
            // A launch is changed by a deployment, for which there is no need if it runs on it.
            if service.shown.launch.is_some() {
                differing.remove(&Setting::Launch);
            }
        }
        // ECS may show in another form what this method asked for.
        let asked = self.facts.seen.asked.as_ref() == Some(wanted);
        if !asked {
            differing.extend(service.shown.differing(wanted));
        }
        if !asked && self.tells_count(wanted.desired_count, service.shown.desired_count, by) {
            differing.insert(Setting::Count);
        }
        differing
    }

    /// Whether ECS has to be told how many tasks are wanted. Who scales the service is contradicted only where nothing would
    /// run, or where it has just as many as the spec before said.
    fn tells_count(&self, wanted: Count, shown: u32, by: Means) -> bool {
        let Count::Of(count) = wanted else { return false };
        match (&self.facts.settings, self.facts.counting) {
            (Some(_) | None, Some(_) | None) if shown == 0 && count > 0 => true,
            (Some(_), Some(told)) => told != count || shown != count,
            // An older build kept no note of a count that it had intended and not sent. ECS shows the one before.
            (Some(settings), None) => {
                settings.desired_count != wanted || shown != count && self.was_applied(shown)
            }
            // Without a ledger nobody knows what ECS was told. A provision and a repair want the spec that runs.
            (None, Some(_) | None) => by == Means::Update && shown != count,
        }
    }

    /// Whether the spec before said that there should be this many.
    fn was_applied(&self, count: u32) -> bool {
        let before = |spec| mapping::map(spec).0.settings.desired_count;
        self.applied.is_some_and(|spec| before(spec) == Count::Of(count))
    }
}

impl Settings {
    /// What is wanted in another way than this, but for the count.
    fn differing(&self, wanted: &Self) -> impl Iterator<Item = Setting> {
        let deployment = |of: &Self| (of.circuit_breaker, of.minimum_healthy_percent, of.maximum_percent);
        named([
            (Setting::Launch, self.launch != wanted.launch),
            (Setting::Network, self.network != wanted.network),
            (Setting::LoadBalancers, self.load_balancers != wanted.load_balancers),
            (Setting::Registries, self.registries != wanted.registries),
            (Setting::Deployment, deployment(self) != deployment(wanted)),
            (Setting::GracePeriod, self.grace_period_seconds != wanted.grace_period_seconds),
        ])
    }
}

impl Shown {
    /// What is wanted in another way than ECS shows it, but for the count. What it does not show does not differ.
    pub(super) fn differing(&self, wanted: &Settings) -> BTreeSet<Setting> {
        fn other<T: PartialEq>(shown: Option<&T>, wanted: &T) -> bool {
            shown.is_some_and(|shown| shown != wanted)
        }
        let network = match (&self.network, &wanted.network) {
            // Without groups of its own ECS gives it the network's.
            (Some(shown), Some(wanted)) => {
                shown.subnets != wanted.subnets
                    || shown.assign_public_ip != wanted.assign_public_ip
                    || (!wanted.security_groups.is_empty() && shown.security_groups != wanted.security_groups)
            }
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        let deployment = other(self.circuit_breaker.as_ref(), &wanted.circuit_breaker)
            || other(self.minimum_healthy_percent.as_ref(), &wanted.minimum_healthy_percent)
            || other(self.maximum_percent.as_ref(), &wanted.maximum_percent);
        let grace = wanted.grace_period_seconds;
        named([
            (Setting::Launch, other(self.launch.as_ref(), &wanted.launch)),
            (Setting::Network, network),
            (Setting::LoadBalancers, other(self.load_balancers.as_ref(), &wanted.load_balancers)),
            (Setting::Registries, other(self.registries.as_ref(), &wanted.registries)),
            (Setting::Deployment, deployment),
            (
                Setting::GracePeriod,
                grace.is_some_and(|wanted| other(self.grace_period_seconds.as_ref(), &wanted)),
            ),
        ])
        .collect()
    }
}

fn named<const N: usize>(settings: [(Setting, bool); N]) -> impl Iterator<Item = Setting> {
    settings.into_iter().filter(|(_, differs)| *differs).map(|(setting, _)| setting)
}
