//! The rules of volumes, of files, and of the variables in a container's texts.

use std::collections::BTreeMap;

use super::{CONTAINER_SHARE, Rules};
use crate::id::{NAME_RULE, is_valid_name};
use crate::spec::path::{self, Place};
use crate::spec::{ContainerSpec, TenantComputeSpec, variables};

const VOLUMES: usize = 64;
const FILES: usize = 256;
const CONTENT: usize = 256 * 1024;

impl Rules {
    pub(super) fn volumes(&mut self, spec: &TenantComputeSpec) {
        let list = Place::Root.field("volumes");
        self.count(&list, spec.volumes.len(), VOLUMES);
        let mut names = BTreeMap::new();
        for (n, volume) in spec.volumes.iter().enumerate() {
            let at = list.index(n);
            if !is_valid_name(&volume.name) {
                self.add(
                    &at.field("name"),
                    format!("{} is not valid; {NAME_RULE}", path::quoted(&volume.name)),
                );
            }
            self.unique(&mut names, &volume.name, &at, "name", || path::quoted(&volume.name));
            if let Some(size) = volume.size_mb {
                self.number(&at.field("size_mb"), size, CONTAINER_SHARE);
            }
            if volume.retain && !volume.persistent {
                self.add(
                    &at.field("retain"),
                    "only what is persistent can be retained; set persistent to true",
                );
            }
        }
    }

    pub(super) fn mounts(&mut self, at: &Place<'_>, container: &ContainerSpec, spec: &TenantComputeSpec) {
        let list = at.field("mounts");
        self.count(&list, container.mounts.len(), VOLUMES);
        let mut paths = BTreeMap::new();
        for (n, mount) in container.mounts.iter().enumerate() {
            let at = list.index(n);
            self.known(&at.field("volume"), &mount.volume, spec.volumes.iter().map(|volume| &volume.name));
            self.absolute(&at.field("path"), &mount.path);
            self.unique(&mut paths, &mount.path, &at, "path", || path::quoted(&mount.path));
        }
    }

    pub(super) fn files(&mut self, at: &Place<'_>, container: &ContainerSpec, spec: &TenantComputeSpec) {
        let list = at.field("files");
        self.count(&list, container.files.len(), FILES);
        let secrets = || spec.secrets.iter().map(|secret| &secret.name);
        let mut paths = BTreeMap::new();
        for (n, file) in container.files.iter().enumerate() {
            let at = list.index(n);
            self.absolute(&at.field("path"), &file.path);
            self.unique(&mut paths, &file.path, &at, "path", || path::quoted(&file.path));
            match (&file.content, &file.secret) {
                (Some(content), None) => self.length(&at.field("content"), content, CONTENT),
                (None, Some(secret)) => self.known(&at.field("secret"), secret, secrets()),
                (None, None) => self.add(&at, "give its content, or the secret whose value is in it"),
                (Some(_), Some(_)) => self.add(&at, "give either its content or a secret"),
            }
            if file.mode.is_some() && file.permissions().is_none() {
                self.add(
                    &at.field("mode"),
                    "not permissions; write three octal digits in quotes, like \"0640\"",
                );
            }
        }
        if let Some(credentials) = container.image_pull.as_ref().and_then(|pull| pull.credentials.as_ref()) {
            self.known(&at.field("image_pull").field("credentials"), credentials, secrets());
        }
    }

    /// `$(NAME)` means a variable of the container, on every platform.
    pub(super) fn variables(&mut self, at: &Place<'_>, container: &ContainerSpec, spec: &TenantComputeSpec) {
        let known = variables::names(container, spec);
        for (field, texts) in [("command", &container.command), ("args", &container.args)] {
            let list = at.field(field);
            for (n, text) in texts.iter().enumerate() {
                for name in variables::references(text).filter(|name| !known.contains(*name)) {
                    self.unknown_variable(&list.index(n), name);
                }
            }
        }
        let env = at.field("env");
        for (name, text) in &container.env {
            let at = env.key(name);
            for other in variables::references(text).filter(|other| !known.contains(*other)) {
                self.unknown_variable(&at, other);
            }
            if variables::stands_for_itself(name, container) {
                self.add(&at, "stands for itself in the end; remove one of the references");
            }
        }
    }

    fn unknown_variable(&mut self, at: &Place<'_>, name: &str) {
        self.add(
            at,
            format!("$({name}): the container has no such variable; add it to env, or write $$({name}) for the text itself"),
        );
    }
}
