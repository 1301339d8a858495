//! Decides to whom the resources belong that a leak sweep found on a platform, by the tenants' records.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, ProviderName};
use crate::tenant::{Record, State};

/// To whom a resource belongs, by the record of the tenant that its tags name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It belongs to the tenant's current life.
    Its,
    /// It cannot be decided yet: an operation is on its way, or nothing should run.
    Unsettled,
    /// It was left on purpose: it waits for the tenant's next life, or for a release.
    Retained,
    /// It belongs to nobody.
    Nobodys(Orphaned),
}

/// What the tags of a resource say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tagged {
    /// A life of the tenant holds it.
    Held,
    /// A life of the tenant retained it.
    Retained,
}

/// Why a resource on a platform belongs to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Orphaned {
    /// No such tenant lives.
    NoTenant,
    /// The tenant runs, in another of its lives.
    AnotherLife {
        /// Which one.
        living: Incarnation,
    },
    /// The tenant is run by another provider.
    AnotherProvider {
        /// Which one.
        living: ProviderName,
    },
}

/// To whom a resource belongs that `provider` lists with this tenant's and this life's tags.
pub fn claim(record: &Record, provider: &ProviderName, incarnation: Incarnation, tagged: Tagged) -> Claim {
    match tagged {
        Tagged::Retained => return Claim::Retained,
        Tagged::Held => {}
    }
    let tenant = match record {
        Record::Absent(_) | Record::Gone(_) => return Claim::Nobodys(Orphaned::NoTenant),
        Record::Live(tenant) => tenant,
    };
    let (here, now) = (tenant.provider == *provider, tenant.incarnation == incarnation);
    match (&tenant.state, here, now) {
        (State::Pending, true, _) => Claim::Unsettled,
        (_, true, true) => Claim::Its,
        (State::Provisioning(_) | State::Updating { .. } | State::Destroying(_), _, _) => Claim::Unsettled,
        (State::Running { .. }, true, false) => {
            Claim::Nobodys(Orphaned::AnotherLife { living: tenant.incarnation })
        }
        (State::Pending | State::Running { .. }, false, _) => {
            Claim::Nobodys(Orphaned::AnotherProvider { living: tenant.provider.clone() })
        }
    }
}

/// The life of this tenant whose resources must exist at `provider`; `None` where none must.
pub fn expected(record: &Record, provider: &ProviderName) -> Option<Incarnation> {
    match record {
        Record::Absent(_) | Record::Gone(_) => None,
        Record::Live(tenant) => match tenant.state {
            State::Running { .. } if tenant.provider == *provider => Some(tenant.incarnation),
            State::Running { .. }
            | State::Pending
            | State::Provisioning(_)
            | State::Updating { .. }
            | State::Destroying(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::samples::configurations;

    /// The page of the machine has every configuration; each is either judged or left alone here.
    #[test]
    fn only_what_is_at_rest_is_judged() {
        let (here, elsewhere) = (ProviderName::new("process").unwrap(), ProviderName::new("ecs").unwrap());
        for configuration in configurations() {
            let record = &configuration.record;
            let (now, other) = match record {
                Record::Live(tenant) => (tenant.incarnation, Incarnation(tenant.incarnation.0 + 1)),
                Record::Absent(_) | Record::Gone(_) => (Incarnation(1), Incarnation(2)),
            };
            let claims = [(&here, now), (&here, other), (&elsewhere, now)]
                .map(|(provider, life)| claim(record, provider, life, Tagged::Held));
            let expected_here = expected(record, &here);
            let wanted = match record {
                Record::Absent(_) | Record::Gone(_) => {
                    assert_eq!(expected_here, None);
                    [(); 3].map(|()| Claim::Nobodys(Orphaned::NoTenant))
                }
                Record::Live(tenant) => match &tenant.state {
                    State::Running { .. } => {
                        assert_eq!(expected_here, Some(now));
                        [
                            Claim::Its,
                            Claim::Nobodys(Orphaned::AnotherLife { living: now }),
                            Claim::Nobodys(Orphaned::AnotherProvider { living: here.clone() }),
                        ]
                    }
                    State::Pending => [
                        Claim::Unsettled,
                        Claim::Unsettled,
                        Claim::Nobodys(Orphaned::AnotherProvider { living: here.clone() }),
                    ],
                    State::Provisioning(_) | State::Updating { .. } | State::Destroying(_) => {
                        assert_eq!(expected_here, None);
                        [Claim::Its, Claim::Unsettled, Claim::Unsettled]
                    }
                },
            };
            assert_eq!(claims, wanted, "{}", configuration.name);
            // Whoever looks at it, and whatever became of the tenant.
            for (provider, life) in [(&here, now), (&here, other), (&elsewhere, now)] {
                assert_eq!(claim(record, provider, life, Tagged::Retained), Claim::Retained);
            }
            assert_eq!(expected(record, &elsewhere), None, "{}", configuration.name);
        }
    }
}
