//! Where a cluster is, and who the engine is there. Nothing is guessed: a stray file or variable must not lead to another cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::Config;
use kube::client::ClientBuilder;
use kube::config::{ExecConfig, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use landlord_compute::provider::Lease;
use landlord_state_machines::planner::kubernetes::ClusterSource;

use super::guarded;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a write to a connection may take.
const WRITE: Duration = Duration::from_secs(30);

/// Why a cluster cannot be found.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// The engine does not run in a pod.
    #[error("the engine does not run in a pod with a service account; give a kubeconfig instead: {0}")]
    NotInCluster(#[source] Arc<InClusterError>),
    /// The file cannot be read.
    #[error("the kubeconfig {path} cannot be read: {error}{hint}")]
    Unread {
        /// The file.
        path: String,
        /// Why.
        #[source]
        error: Arc<std::io::Error>,
        /// What may be wrong with the path.
        hint: &'static str,
    },
    /// The file is no kubeconfig. What is in it is not told, as that may be a token.
    #[error(
        "the kubeconfig {path} cannot be read{place}: that is no YAML, or not what a kubeconfig has there; correct it"
    )]
    Malformed {
        /// The file.
        path: String,
        /// Where in it.
        place: String,
    },
    /// The file does not say which of its contexts is meant.
    #[error("the kubeconfig {0} has no current context; name one of its contexts as `context`")]
    NoCurrentContext(String),
    /// The file cannot be used.
    #[error("the kubeconfig {path}: {error}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        error: Arc<KubeconfigError>,
    },
    /// The file has no such context.
    #[error("the kubeconfig {path} has no context {context}; it has: {known}")]
    NoContext {
        /// The file.
        path: String,
        /// The context that it should have.
        context: String,
        /// Those that it has.
        known: String,
    },
    /// The context's user needs a program that is not there.
    #[error(
        "the kubeconfig {path} needs the exec plugin {command}, which is not on this machine's PATH; install it{hint}"
    )]
    NoPlugin {
        /// The file.
        path: String,
        /// The program.
        command: String,
        /// What the file says about installing it.
        hint: String,
    },
    /// The client cannot be made of it.
    #[error("no client can be made for the cluster: {0}")]
    Client(#[source] Arc<kube::Error>),
}

/// Whether a client can be made for a cluster, as far as this machine shows. Asks nobody.
///
/// # Errors
/// [`SourceError`] names what is missing.
pub(super) fn check(source: &ClusterSource) -> Result<(), SourceError> {
    match source {
        ClusterSource::InCluster => in_cluster().map(drop),
        ClusterSource::Kubeconfig { path, context } => {
            read(path.as_deref(), context.as_deref())?;
            Ok(())
        }
    }
}

/// A client for a cluster, and its address, for people. It sends nothing once the lease has ended, where there is one. It may run an
/// exec plugin, which takes as long as that does.
///
/// # Errors
/// [`SourceError`].
pub(super) async fn connect(
    source: &ClusterSource,
    lease: Option<Lease>,
) -> Result<(kube::Client, String), SourceError> {
    let mut config = match source {
        ClusterSource::InCluster => in_cluster()?,
        ClusterSource::Kubeconfig { path, context } => {
            let kubeconfig = read(path.as_deref(), context.as_deref())?;
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
            config.map_err(|error| unusable(path.as_deref(), error))?
        }
    };
    // A request is made once: what is made again, and when, the planner decides.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    // Every request has a time of its own; a log that is followed has none.
    config.read_timeout = None;
    let address = address(&config.cluster_url);
    let built = tokio::task::spawn_blocking(|| match lease {
        None => ClientBuilder::try_from(config).map(ClientBuilder::build),
        Some(lease) => guarded::client(&config, lease),
    });
    match built.await {
        Ok(Ok(client)) => Ok((client, address)),
        Ok(Err(error)) => Err(SourceError::Client(Arc::new(error))),
        Err(stopped) => Err(SourceError::Client(Arc::new(kube::Error::Service(Box::new(stopped))))),
    }
}

/// Where a server is, without a password that may be in the URL.
fn address(url: &http::Uri) -> String {
    let host = url.host().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn in_cluster() -> Result<Config, SourceError> {
    Config::incluster_env().map_err(|error| SourceError::NotInCluster(Arc::new(error)))
}

/// Reads a kubeconfig and looks for what its context needs. Without a path it is the one that `kubectl` takes.
fn read(path: Option<&str>, context: Option<&str>) -> Result<Kubeconfig, SourceError> {
    let kubeconfig = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let kubeconfig = kubeconfig.map_err(|error| unusable(path, error))?;
    let Some(context) = context.or(kubeconfig.current_context.as_deref()) else {
        return Err(unusable(path, KubeconfigError::CurrentContextNotSet));
    };
    let named = kubeconfig.contexts.iter().find(|named| named.name == context);
    let Some(named) = named else {
        let known: Vec<&str> = kubeconfig.contexts.iter().map(|named| named.name.as_str()).collect();
        let (path, context) = (shown(path), context.to_owned());
        return Err(SourceError::NoContext { path, context, known: known.join(", ") });
    };
    let user = named.context.as_ref().and_then(|context| context.user.as_ref());
    let user = kubeconfig.auth_infos.iter().find(|named| Some(&named.name) == user);
    if let Some(exec) = user.and_then(|user| user.auth_info.as_ref()).and_then(|info| info.exec.as_ref()) {
        look_for(exec, path)?;
    }
    Ok(kubeconfig)
}

/// Looks for the program of an exec plugin. A bare name is looked for on the `PATH`.
fn look_for(exec: &ExecConfig, path: Option<&str>) -> Result<(), SourceError> {
    let Some(command) = exec.command.as_deref() else { return Ok(()) };
    let is_there = match command.contains(std::path::MAIN_SEPARATOR) {
        true => Path::new(command).is_file(),
        false => std::env::var_os("PATH")
            .is_some_and(|paths| std::env::split_paths(&paths).any(|dir| dir.join(command).is_file())),
    };
    if is_there {
        return Ok(());
    }
    let hint = exec.install_hint.as_deref().map(|hint| format!(": {}", hint.trim())).unwrap_or_default();
    Err(SourceError::NoPlugin { path: shown(path), command: command.to_owned(), hint })
}

fn unusable(path: Option<&str>, error: KubeconfigError) -> SourceError {
    match error {
        KubeconfigError::ReadConfig(error, file) => {
            let hint = if file.starts_with("~") {
                "; a ~ stands for nothing here, write the whole path"
            } else {
                ""
            };
            SourceError::Unread { path: file.display().to_string(), error: Arc::new(error), hint }
        }
        KubeconfigError::Parse(error) => {
            let place = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
            SourceError::Malformed { path: shown(path), place: place.unwrap_or_default() }
        }
        KubeconfigError::CurrentContextNotSet => SourceError::NoCurrentContext(shown(path)),
        error @ (KubeconfigError::FindPath | KubeconfigError::MissingClusterUrl | _) => {
            SourceError::Kubeconfig { path: shown(path), error: Arc::new(error) }
        }
    }
}

/// The file, for a person.
fn shown(path: Option<&str>) -> String {
    path.unwrap_or("(of KUBECONFIG, or ~/.kube/config)").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> SourceError {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        std::fs::write(&path, text).unwrap();
        read(path.to_str(), None).unwrap_err()
    }

    #[test]
    fn what_is_in_a_kubeconfig_is_told_nowhere() {
        for text in [
            "users:\n- name: u\n  user:\n    token: [TOPSECRET]\n",
            "users:\n- name: u\n  user:\n    token: TOPSECRET\n   bad: x\n",
            "users: TOPSECRET\n",
        ] {
            let error = told(text);
            assert!(matches!(error, SourceError::Malformed { .. }), "{error}");
            assert!(error.to_string().contains(" at line "), "{error}");
            assert!(!format!("{error} {error:?}").contains("TOPSECRET"), "{error:?}");
            assert!(std::error::Error::source(&error).is_none());
        }
    }

    #[test]
    fn a_file_that_does_not_say_enough_is_named() {
        let words = told("kind: Config\n").to_string();
        assert!(words.ends_with("has no current context; name one of its contexts as `context`"), "{words}");
        let words = read(Some("~/kubeconfig"), None).unwrap_err().to_string();
        assert!(words.starts_with("the kubeconfig ~/kubeconfig cannot be read: No such file"), "{words}");
        assert!(words.ends_with("write the whole path"), "{words}");
    }

    #[test]
    fn an_address_has_no_password() {
        assert_eq!(address(&"https://me:TOPSECRET@example.com:6443/a".parse().unwrap()), "example.com:6443");
        assert_eq!(address(&"https://[::1]/".parse().unwrap()), "[::1]");
    }
}
