//! What must not be seen is not seen: in events, spans, errors and `Debug`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use landlord_state_machines::planner::ecs::{
    AssumeRole, Container, Definition, EcsCall, Ending, LaunchType, NetworkMode, Place, Register, Site,
};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span;
use tracing_subscriber::layer::{Context as Layered, Layer, SubscriberExt};

use crate::testing::{Answer, Server, credentials, cx, refuse};
use crate::{EcsOptions, EcsProvider, SharedCredentialsProvider};
use landlord_compute::provider::Provider;
use landlord_compute::provider::converge::Api;

const SECRETS: [&str; 3] = ["hunter2", "between-us", "the-secret-key"];

/// Keeps all that is said by this crate, at every level, and by others at `info` and above.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<String>>);

impl Visit for &Ear {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0.lock().unwrap(), "{}={value:?} ", field.name()).unwrap();
    }
}

impl<S: tracing::Subscriber> Layer<S> for Ear {
    fn enabled(&self, about: &tracing::Metadata<'_>, _: Layered<'_, S>) -> bool {
        about.target().starts_with("landlord_") || *about.level() <= tracing::Level::INFO
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Layered<'_, S>) {
        attributes.record(&mut &*self);
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Layered<'_, S>) {
        event.record(&mut &*self);
    }
}

fn silent(what: &str) {
    for secret in SECRETS {
        assert!(!what.contains(secret), "{secret} is in: {what}");
    }
}

#[tokio::test]
async fn secrets_are_in_no_event_and_no_error() {
    let ear = Ear::default();
    let _heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(ear.clone()));
    let role = AssumeRole {
        role_arn: "arn:aws:iam::222222222222:role/r".to_owned(),
        external_id: Some("between-us".to_owned()),
        session_name: None,
    };
    let container = Container {
        name: "web".to_owned(),
        image: "nginx".to_owned(),
        entry_point: vec!["--password=hunter2".to_owned()],
        command: Vec::new(),
        environment: BTreeMap::from([("PASSWORD".to_owned(), "hunter2".to_owned())]),
        secrets: BTreeMap::new(),
        ports: Vec::new(),
        health_check: None,
        cpu: None,
        memory: None,
        log: None,
        labels: BTreeMap::new(),
        ending: Ending::EndsTheTask,
        depends_on: BTreeMap::new(),
        memory_reservation: None,
        stop_timeout_seconds: None,
        user: None,
        working_directory: None,
        read_only_root: false,
        repository_credentials: None,
        mounts: Vec::new(),
    };
    let definition = Definition {
        requires: LaunchType::Fargate,
        network_mode: NetworkMode::Awsvpc,
        cpu: 256,
        memory: 512,
        ephemeral_storage_gib: None,
        task_role_arn: None,
        execution_role_arn: None,
        cpu_architecture: None,
        volumes: Vec::new(),
        containers: vec![container],
    };
    let answers: [fn() -> Answer; 3] = [
        || refuse(400, "ThrottlingException", "Rate exceeded"),
        || refuse(403, "AccessDeniedException", "no"),
        || Answer::Cut,
    ];
    for answer in answers {
        for assume_role in [None, Some(role.clone())] {
            let server = Server::start(move |_| answer()).await;
            let site = Site { place: Place { assume_role, ..server.place() }, ..server.site() };
            let call = EcsCall::RegisterDefinition(Box::new(Register {
                site,
                definition: definition.clone(),
                content: "hash".to_owned(),
                tags: BTreeMap::new(),
            }));
            let api = server.ecs();
            let error = api.call(&cx(), &call).await.unwrap_err();
            silent(&format!("{error:?}"));
            silent(&format!("{call:?} {api:?}"));
        }
    }
    silent(&ear.0.lock().unwrap());
}

#[test]
fn the_external_id_is_in_no_description_of_the_provider() {
    let role = json!({ "role_arn": "arn:aws:iam::222222222222:role/r", "external_id": "between-us" });
    let mut options = EcsOptions::new(json!({ "assume_role": role }));
    options.credentials = Some(SharedCredentialsProvider::new(credentials()));
    silent(&format!("{options:?}"));
    let provider = EcsProvider::new(options).unwrap();
    silent(&format!("{provider:?}"));
    silent(&provider.config_defaults().to_string());
}
