//! How specs print: command lines, environments, files, headers and provider configuration may carry secrets, so only
//! their shape does.

use std::collections::BTreeMap;
use std::fmt;

use super::{ContainerSpec, FileSpec, HealthCheckConfig, TenantComputeSpec};

impl fmt::Debug for TenantComputeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Here and below: a new field does not compile until it is decided whether it prints.
        let Self {
            tenant_id,
            provider_type,
            containers,
            resources,
            networking,
            secrets,
            labels,
            provider_config,
            replicas,
            volumes,
            update,
            deletion_protection,
        } = self;
        f.debug_struct("TenantComputeSpec")
            .field("tenant_id", tenant_id)
            .field("provider_type", provider_type)
            .field("containers", containers)
            .field("resources", resources)
            .field("networking", networking)
            .field("secrets", secrets)
            .field("labels", labels)
            .field("provider_config", &provider_config.as_ref().map(|_| Hidden))
            .field("replicas", replicas)
            .field("volumes", volumes)
            .field("update", update)
            .field("deletion_protection", deletion_protection)
            .finish()
    }
}

impl fmt::Debug for ContainerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            image,
            command,
            args,
            env,
            ports,
            health_check,
            resources,
            role,
            depends_on,
            liveness,
            stop,
            files,
            mounts,
            image_pull,
            user,
            working_dir,
            read_only_root,
        } = self;
        f.debug_struct("ContainerSpec")
            .field("name", name)
            .field("image", image)
            .field("command", &hide_all(command))
            .field("args", &hide_all(args))
            .field("env", &hide_values(env))
            .field("ports", ports)
            .field("health_check", health_check)
            .field("resources", resources)
            .field("role", role)
            .field("depends_on", depends_on)
            .field("liveness", liveness)
            .field("stop", stop)
            .field("files", files)
            .field("mounts", mounts)
            .field("image_pull", image_pull)
            .field("user", user)
            .field("working_dir", working_dir)
            .field("read_only_root", read_only_root)
            .finish()
    }
}

impl fmt::Debug for HealthCheckConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            http_path,
            port,
            command,
            interval_seconds,
            timeout_seconds,
            healthy_threshold,
            unhealthy_threshold,
            start_period_seconds,
            scheme,
            headers,
        } = self;
        f.debug_struct("HealthCheckConfig")
            .field("type", kind)
            .field("http_path", http_path)
            .field("port", port)
            .field("command", &hide_all(command))
            .field("interval_seconds", interval_seconds)
            .field("timeout_seconds", timeout_seconds)
            .field("healthy_threshold", healthy_threshold)
            .field("unhealthy_threshold", unhealthy_threshold)
            .field("start_period_seconds", start_period_seconds)
            .field("scheme", scheme)
            .field("headers", &hide_values(headers))
            .finish()
    }
}

impl fmt::Debug for FileSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, content, secret, mode } = self;
        f.debug_struct("FileSpec")
            .field("path", path)
            .field("content", &content.as_ref().map(|_| Hidden))
            .field("secret", secret)
            .field("mode", mode)
            .finish()
    }
}

/// Stands for a value that must not print.
struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

fn hide_all(values: &[String]) -> Vec<Hidden> {
    values.iter().map(|_| Hidden).collect()
}

fn hide_values(entries: &BTreeMap<String, String>) -> BTreeMap<&String, Hidden> {
    entries.keys().map(|name| (name, Hidden)).collect()
}
