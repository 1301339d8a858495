//! Volumes, and where containers find them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Mapping;
use super::names::hash_of;
use super::quantities::mebibytes;
use crate::planner::kubernetes::{Sharing, tags};
use crate::spec::{ContainerSpec, path};

/// The tenant's volumes.
pub(super) struct Volumes {
    /// Those that live as long as a pod.
    pub(super) of_pods: Vec<Value>,
    /// The claims that each pod of a StatefulSet has of its own.
    pub(super) claims: Vec<Value>,
    /// How each is called within a pod.
    names: BTreeMap<String, String>,
}

/// The volumes of a spec.
pub(super) fn volumes(m: &mut Mapping<'_>) -> Volumes {
    let mut volumes = Volumes { of_pods: Vec::new(), claims: Vec::new(), names: BTreeMap::new() };
    for (n, volume) in m.spec.volumes.iter().enumerate() {
        let size = |mb: i64| mebibytes(u64::try_from(mb).unwrap_or_default());
        if !volume.persistent {
            let limit = volume.size_mb.map(size);
            volumes.of_pods.push(json!({ "name": volume.name, "emptyDir": { "sizeLimit": limit } }));
            volumes.names.insert(volume.name.clone(), volume.name.clone());
            continue;
        }
        if volume.retain && m.place.sharing == Sharing::Own {
            m.problems.add(
                path::field(&path::index("volumes", n), "retain"),
                "the tenant's own namespace goes with the tenant, and all that is in it; set retain to false, or let the \
                 operator set provider_config.namespaces to {\"shared\": {\"name\": …}}",
            );
        }
        let name = claim(m, &volume.name);
        // One that outlives the tenant is of no life of it, and so it is not found when what a life has is removed.
        let labels = if volume.retain { tags::stable(m.subject) } else { tags::of(m.subject) };
        volumes.claims.push(json!({
            "metadata": { "name": name, "labels": labels },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": size(volume.size_mb.unwrap_or(m.config.volume_size_mb.into())) } },
                "storageClassName": m.config.storage_class,
            },
        }));
        volumes.names.insert(volume.name.clone(), name);
    }
    volumes
}

/// The name of a claim, which becomes a volume's with the StatefulSet's behind it. In a shared namespace those two could be
/// another tenant's, taken apart elsewhere, and then its pods would find this one's data.
fn claim(m: &Mapping<'_>, volume: &str) -> String {
    match m.place.sharing {
        Sharing::Own => volume.to_owned(),
        Sharing::Shared => {
            let hash = hash_of(&json!([tags::stable(m.subject), volume]));
            let kept = volume.get(..48).unwrap_or(volume).trim_end_matches('-');
            format!("{kept}-{hash}")
        }
    }
}

impl Volumes {
    /// Where a container finds them.
    pub(super) fn mounts(&self, container: &ContainerSpec) -> Vec<Value> {
        let mount = |mount: &crate::spec::MountSpec| {
            let name = self.names.get(&mount.volume)?;
            // The API server leaves out what is false.
            let read_only = mount.read_only.then_some(true);
            Some(json!({ "name": name, "mountPath": mount.path, "readOnly": read_only }))
        };
        container.mounts.iter().filter_map(mount).collect()
    }

    /// A name that no volume of the spec has.
    pub(super) fn free(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.names.values().any(|taken| *taken == name) {
            name.push_str("-x");
        }
        name
    }
}
