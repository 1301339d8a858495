//! Files: of a ConfigMap where their content is given, else of the Secret that has it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Mapping;
use super::names::{hash, hash_of};
use super::secrets::Secrets;
use super::volumes::Volumes;
use crate::planner::kubernetes::ObjectKind;
use crate::spec::{FileSpec, Spec};

/// The permissions of a file, and of one that holds a secret.
const MODE: u32 = 0o444;
const SECRET_MODE: u32 = 0o400;

/// The files of all containers.
#[derive(Default)]
pub(super) struct Files {
    /// The volumes that they are in.
    pub(super) volumes: Vec<Value>,
    /// Where each container finds them, in the order of the containers.
    pub(super) mounts: Vec<Vec<Value>>,
    /// Whether one of them holds a secret.
    pub(super) has_secrets: bool,
}

/// Puts the files of a spec where containers find them.
pub(super) fn files(m: &mut Mapping<'_>, secrets: &Secrets<'_>, volumes: &Volumes) -> Files {
    let spec: &Spec = m.spec;
    let mut contents: BTreeMap<String, &str> = BTreeMap::new();
    let mut items: Vec<Value> = Vec::new();
    let mut of_secrets: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut files = Files::default();
    let of_map = volumes.free("files");
    for container in &spec.containers {
        let mut mounts = Vec::new();
        for (n, file) in container.files.iter().enumerate() {
            let key = format!("{}.{n}", container.name);
            let volume = match (&file.content, &file.secret) {
                (Some(content), _) => {
                    items.push(item(&key, &key, file.permissions().unwrap_or(MODE)));
                    contents.insert(key.clone(), content);
                    of_map.clone()
                }
                (None, Some(secret)) => {
                    // Where there is none, that is told with the secrets.
                    let Some(from) = secrets.file(secret) else { continue };
                    let mode = file.permissions().unwrap_or(SECRET_MODE);
                    of_secrets.entry(from.secret.clone()).or_default().push(item(&from.key, &key, mode));
                    volume_of(volumes, &from.secret)
                }
                (None, None) => continue,
            };
            mounts.push(mount(&volume, &key, file));
        }
        files.mounts.push(mounts);
    }
    if !contents.is_empty() {
        let name = m.names.with(&format!("files-{}", hash_of(&json!(contents))));
        m.push(ObjectKind::ConfigMap, &name, json!({ "immutable": true, "data": contents }));
        files.volumes.push(json!({ "name": of_map, "configMap": { "name": name, "items": items } }));
    }
    files.has_secrets = !of_secrets.is_empty();
    for (secret, items) in of_secrets {
        let volume = volume_of(volumes, &secret);
        files.volumes.push(json!({ "name": volume, "secret": { "secretName": secret, "items": items } }));
    }
    files
}

fn volume_of(volumes: &Volumes, secret: &str) -> String {
    volumes.free(&format!("secret-{}", hash(secret)))
}

fn item(key: &str, path: &str, mode: u32) -> Value {
    json!({ "key": key, "path": path, "mode": mode })
}

fn mount(volume: &str, key: &str, file: &FileSpec) -> Value {
    json!({ "name": volume, "mountPath": file.path, "subPath": key, "readOnly": true })
}
