//! What a container needs from other objects.

use serde_json::{Value, json};

use crate::fake::defaults::from_base64;
use crate::fake::kinds::Kind;
use crate::fake::world::World;

/// Where values come from.
#[derive(Clone, Copy, Debug)]
struct Source {
    kind: Kind,
    /// In a reference to one value, and to all.
    one: &'static str,
    all: &'static str,
    /// As the node says it.
    small: &'static str,
    large: &'static str,
}

const SOURCES: [Source; 2] = [
    Source { kind: Kind::Secret, one: "secretKeyRef", all: "secretRef", small: "secret", large: "Secret" },
    Source {
        kind: Kind::ConfigMap,
        one: "configMapKeyRef",
        all: "configMapRef",
        small: "configmap",
        large: "ConfigMap",
    },
];

impl Source {
    fn value(self, text: &str) -> String {
        if self.small == "secret" { from_base64(text) } else { text.to_owned() }
    }
}

impl World {
    /// A container's environment, or why it cannot have it.
    pub(super) fn environment(
        &self,
        namespace: &str,
        container: &Value,
    ) -> Result<Vec<(String, String)>, String> {
        let mut all = Vec::new();
        for from in container["envFrom"].as_array().into_iter().flatten() {
            for source in SOURCES {
                let reference = &from[source.all];
                let Some(name) = reference["name"].as_str() else { continue };
                match self.find(source.kind, namespace, name) {
                    Some(found) => {
                        for (key, value) in found["data"].as_object().into_iter().flatten() {
                            all.push((key.clone(), source.value(value.as_str().unwrap_or_default())));
                        }
                    }
                    None if reference["optional"] == json!(true) => {}
                    None => return Err(format!("{} \"{name}\" not found", source.small)),
                }
            }
        }
        for env in container["env"].as_array().into_iter().flatten() {
            let name = env["name"].as_str().unwrap_or_default().to_owned();
            let mut value = env["value"].as_str().unwrap_or_default().to_owned();
            for source in SOURCES {
                let reference = &env["valueFrom"][source.one];
                let (Some(of), Some(key)) = (reference["name"].as_str(), reference["key"].as_str()) else {
                    continue;
                };
                let found = self.find(source.kind, namespace, of);
                let there = found.as_ref().map(|found| found["data"][key].as_str());
                value = match there {
                    Some(Some(text)) => source.value(text),
                    Some(None) | None if reference["optional"] == json!(true) => continue,
                    Some(None) => {
                        return Err(format!("couldn't find key {key} in {} {namespace}/{of}", source.large));
                    }
                    None => return Err(format!("{} \"{of}\" not found", source.small)),
                };
            }
            all.push((name, value));
        }
        Ok(all)
    }

    /// Why a pod's volumes cannot be mounted, where they cannot.
    pub(super) fn unmounted(&self, namespace: &str, pod: &Value) -> Option<String> {
        pod["spec"]["volumes"].as_array().into_iter().flatten().find_map(|volume| {
            let (kind, of, small) = [
                (Kind::Secret, &volume["secret"]["secretName"], "secret"),
                (Kind::ConfigMap, &volume["configMap"]["name"], "configmap"),
            ]
            .into_iter()
            .find(|(_, name, _)| name.is_string())?;
            let source = if small == "secret" { &volume["secret"] } else { &volume["configMap"] };
            let name = of.as_str()?;
            let fails = |why: String| {
                let volume = volume["name"].as_str().unwrap_or_default();
                Some(format!("MountVolume.SetUp failed for volume \"{volume}\" : {why}"))
            };
            let Some(found) = self.find(kind, namespace, name) else {
                if source["optional"] == json!(true) {
                    return None;
                }
                return fails(format!("{small} \"{name}\" not found"));
            };
            let mut items = source["items"].as_array().into_iter().flatten();
            let missing =
                items.any(|item| found["data"].get(item["key"].as_str().unwrap_or_default()).is_none());
            if missing { fails(format!("references non-existent {small} key")) } else { None }
        })
    }
}
