//! Which persistent volumes a tenant has, at each stage of a plan.
//!
//! An update drops the volumes that its spec does not have any more, but what is in them stays: until the update has settled
//! it may still be undone, and then its launches want them again. A dropped volume goes before a launch starts of another
//! update, a restart or a repair, or with its tenant.

use std::collections::BTreeMap;

use super::{Retention, Volumes};
use crate::spec::Spec;

/// What becomes of a volume that an earlier operation has dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It makes room for what is about to start.
    Goes,
    /// Nothing is about to start.
    Stays,
}

type Held = BTreeMap<String, Retention>;

/// What outlives the tenant.
pub(super) fn after_the_tenant(volumes: &Volumes) -> Held {
    let retained = volumes.held.iter().filter(|(_, retention)| **retention == Retention::Retained);
    retained.map(|(name, retention)| (name.clone(), *retention)).collect()
}

/// What launches of a spec need beside all that is there. What is new is retained once they work.
pub(super) fn before_a_start(
    spec: &Spec,
    applied: Option<&Spec>,
    volumes: &Volumes,
    dropped: Dropped,
) -> Held {
    // What the spec that ran before has, this very operation may have dropped.
    let is_over = |name: &str| {
        dropped == Dropped::Goes && applied.is_some_and(|applied| !has_persistent(applied, name))
    };
    let stays = |name: &str, retention: Retention| match retention {
        Retention::WithTenant | Retention::Retained => true,
        Retention::Dropped => !is_over(name),
        Retention::Left => false,
    };
    let held = volumes.held.iter().filter(|(name, retention)| stays(name, **retention));
    let held: Held = held.map(|(name, retention)| (name.clone(), *retention)).collect();
    let goes = |(name, retention): (&String, &Retention)| *retention == Retention::Dropped && is_over(name);
    match volumes.held.iter().any(goes) {
        // One of the same name is made after that.
        true => held,
        false => {
            let new = persistent(spec).map(|name| (name.to_owned(), Retention::WithTenant));
            new.chain(held).collect()
        }
    }
}

/// The volumes of a spec that runs, and what was retained or dropped of others.
pub(super) fn at_the_end(spec: &Spec, applied: Option<&Spec>, volumes: &Volumes) -> Held {
    let retention = |retain| if retain { Retention::Retained } else { Retention::WithTenant };
    let own = spec.volumes.iter().filter(|volume| volume.persistent);
    let own = own.map(|volume| (volume.name.clone(), retention(volume.retain)));
    let others = volumes.held.iter().filter_map(|(name, retention)| {
        let ran = applied.is_some_and(|applied| has_persistent(applied, name));
        let retention = match (retention, ran) {
            (Retention::Retained, true | false) => Retention::Retained,
            (Retention::Dropped, true | false) | (Retention::WithTenant, true) => Retention::Dropped,
            // A spec had it that never worked.
            (Retention::WithTenant, false) | (Retention::Left, true | false) => return None,
        };
        Some((name.clone(), retention))
    });
    others.chain(own).collect()
}

fn persistent(spec: &Spec) -> impl Iterator<Item = &str> {
    spec.volumes.iter().filter(|volume| volume.persistent).map(|volume| volume.name.as_str())
}

fn has_persistent(spec: &Spec, name: &str) -> bool {
    persistent(spec).any(|other| other == name)
}
