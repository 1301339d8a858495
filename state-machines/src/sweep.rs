//! Whose is what was found on a platform? A leak sweep compares what a provider lists with the records.

use serde::Serialize;

use crate::id::{Incarnation, ProviderName};
use crate::tenant::{Record, State};

/// What a tenant's record says about something with its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It belongs to the tenant as it lives now.
    Its,
    /// An operation is on its way, or nothing should run: it cannot be told yet.
    Unsettled,
    /// It belongs to nobody.
    Nobodys(Orphaned),
}

/// Why something on a platform belongs to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// Whose something is that `provider` lists for this tenant in this life.
pub fn claim(record: &Record, provider: &ProviderName, incarnation: Incarnation) -> Claim {
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

/// The life in which this tenant has to have something at `provider`, if it has to.
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
            let claims =
                [claim(record, &here, now), claim(record, &here, other), claim(record, &elsewhere, now)];
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
            assert_eq!(expected(record, &elsewhere), None, "{}", configuration.name);
        }
    }
}
