//! The `provider_config` of a tenant that runs as processes.
