//! What tests do to a tenant's resources, and look at, without the API: by hand.

use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::planner::ecs::tags;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::home::{RevisionStatus, Service, ServiceStatus};
use super::task::{Life, containers};
use super::{ACCOUNT, Fake, Pace, REGION};

/// Something on the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its ARN or id.
    pub(crate) id: String,
    /// The images that it runs.
    pub(crate) images: Vec<String>,
}

impl Fake {
    /// Lets time pass for all services.
    pub(super) fn pass(&self) {
        let mut platform = self.lock();
        let now = platform.now(Instant::now());
        for home in platform.homes.values_mut() {
            let clusters: Vec<(String, Vec<String>)> = home
                .clusters
                .iter()
                .map(|(name, cluster)| (name.clone(), cluster.services.keys().cloned().collect()))
                .collect();
            for (cluster, services) in clusters {
                home.schedule(&now, &cluster, &services);
            }
        }
    }

    /// Everything of this name that is there: what is being deleted or stopped for good counts as gone.
    pub(crate) fn find(&self, name: &str) -> Vec<Found> {
        self.pass();
        let platform = self.lock();
        let mut found = Vec::new();
        for home in platform.homes.values() {
            for service in
                home.clusters.values().filter_map(|cluster| cluster.services.get(name)?.is.as_ref())
            {
                if service.is_there() {
                    let draining = matches!(service.status, ServiceStatus::Draining { .. });
                    found.push(Found {
                        id: format!("{}{}", service.arn, if draining { " (draining)" } else { "" }),
                        images: Vec::new(),
                    });
                }
                let living = service.tasks.iter().filter(|task| task.end.is_none());
                found.extend(living.map(|task| Found {
                    id: format!("task {}", task.id),
                    images: task.containers.iter().map(|one| one.image.clone()).collect(),
                }));
            }
            let revisions = home.families.get(name).into_iter().flat_map(|family| family.revisions.values());
            for revision in revisions.filter_map(|row| row.is.as_ref()) {
                if !matches!(revision.status, RevisionStatus::Deleting { .. }) {
                    let containers = containers(&revision.content);
                    let image = |one: &Value| one["image"].as_str().unwrap_or_default().to_owned();
                    found.push(Found {
                        id: revision.arn.clone(),
                        images: containers.iter().map(image).collect(),
                    });
                }
            }
        }
        found
    }

    /// Changes a service behind everybody's back.
    fn change(&self, name: &str, change: impl Fn(&mut Service)) {
        self.pass();
        let mut platform = self.lock();
        for home in platform.homes.values_mut() {
            for cluster in home.clusters.values_mut() {
                if let Some(service) = cluster.services.get_mut(name).and_then(|row| row.is.as_mut()) {
                    change(service);
                }
            }
        }
    }

    /// Somebody scales a service to nothing, and its tasks are killed: ECS starts no other ones.
    pub(crate) fn scale_to_nothing(&self, name: &str) {
        let (at, pace) = (Instant::now(), self.lock().pace);
        self.change(name, |service| {
            service.desired = 0;
            for deployment in &mut service.deployments {
                deployment.desired = 0;
            }
            for task in &mut service.tasks {
                task.kill(at, &pace);
            }
            service.looked = at;
        });
    }

    /// The tasks of a service end; ECS replaces them.
    pub(crate) fn kill_tasks(&self, name: &str) {
        let (at, pace) = (Instant::now(), self.lock().pace);
        self.change(name, |service| service.tasks.iter_mut().for_each(|task| task.kill(at, &pace)));
    }

    /// The health checks of a service's tasks fail, or pass again.
    pub(crate) fn sicken(&self, name: &str, sick: bool) {
        self.change(name, |service| service.sick = sick);
    }

    /// A service is gone at once, as if somebody had deleted it long ago.
    pub(crate) fn remove_service(&self, name: &str) {
        for home in self.lock().homes.values_mut() {
            for cluster in home.clusters.values_mut() {
                cluster.services.remove(name);
            }
        }
    }

    /// Somebody deletes a cluster, with all that is in it.
    pub(crate) fn remove_cluster(&self, name: &str) {
        for home in self.lock().homes.values_mut() {
            home.clusters.remove(name);
        }
    }

    /// Somebody else makes a service, without tags.
    pub(crate) fn plant(&self, name: &str) {
        let mut platform = self.lock();
        let now = platform.now(Instant::now());
        let home = platform.home(ACCOUNT, REGION);
        let container = json!({ "name": "main", "image": "registry.test/foreign:1", "memory": 128 });
        let definition = json!({ "family": "foreign", "containerDefinitions": [container] });
        let service = json!({ "serviceName": name, "taskDefinition": "foreign", "desiredCount": 1 });
        home.register_task_definition(&now, &definition).expect("a definition");
        home.create_service(&now, &service).expect("a service");
    }

    /// Tenants of an engine run already, each with a task: their services are there, without anybody having asked.
    pub(crate) fn fill<'a>(&self, subjects: impl IntoIterator<Item = &'a Subject>) {
        let mut platform = self.lock();
        let now = platform.now(Instant::now());
        let home = platform.home(ACCOUNT, REGION);
        let check = json!({ "command": ["CMD", "true"] });
        let web =
            json!({ "name": "web", "image": "registry.test/app:1", "memory": 128, "healthCheck": check });
        let definition = json!({ "family": "filled", "containerDefinitions": [web] });
        home.register_task_definition(&now, &definition).expect("a definition");
        for subject in subjects {
            let tags = tags::of(subject);
            let tags: Vec<Value> =
                tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
            let name = format!("landlord-{}", subject.tenant);
            let service =
                json!({ "serviceName": name, "taskDefinition": "filled", "desiredCount": 1, "tags": tags });
            home.create_service(&now, &service).expect("a service");
        }
    }

    /// Whether a task of the service answers.
    pub(crate) fn serves(&self, name: &str) -> bool {
        self.pass();
        let platform = self.lock();
        let (at, pace) = (Instant::now(), platform.pace);
        let services = platform.homes.values().flat_map(|home| home.clusters.values());
        let mut services = services.filter_map(|cluster| cluster.services.get(name)?.is.as_ref());
        services.any(|service| {
            service.tasks.iter().any(|task| task.life(at, &pace) == Life::Running && !service.sick)
        })
    }

    /// From now on things take as long as this.
    pub(crate) fn set_pace(&self, pace: Pace) {
        self.lock().pace = pace;
    }

    /// Takes away the traps for a name.
    pub(crate) fn clear_traps(&self, name: &str) {
        self.lock().traps.clear(name);
    }
}
