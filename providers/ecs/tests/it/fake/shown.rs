//! All that is there as the API shows it, and a platform on which that is there. So what somebody left can be written
//! down, and be found again.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::definitions::{self, FIELDS};
use super::deployments;
use super::home::{
    Cluster, Deployment, Family, Good, Home, Ids, Journey, Now, Revision, RevisionStatus, Rollout, Service,
    ServiceStatus,
};
use super::lagged::Lagged;
use super::scheduler::Kind;
use super::services::{DEPLOYED, OTHER};
use super::task::Task;
use super::wire::{list, text};
use super::{Fake, show, tags};

/// No id of a platform that was shown is as high.
const UNUSED: u64 = 1 << 32;

/// The states of a service deployment.
const JOURNEYS: [&str; 6] = [
    "IN_PROGRESS",
    "ROLLBACK_REQUESTED",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_SUCCESSFUL",
    "STOPPED",
    "SUCCESSFUL",
];

impl Fake {
    /// Everything, in the words of the API's descriptions. Of tasks those that live.
    pub(crate) fn shown(&self) -> Value {
        self.pass();
        let platform = self.lock();
        let now = platform.now(Instant::now());
        let homes: Vec<Value> = platform.homes.values().map(|home| home.shown(&now)).collect();
        json!({ "at": now.stamp(now.at), "homes": homes })
    }

    /// Makes everything be there that was shown, as it was then.
    pub(crate) fn put(&self, shown: &Value) {
        let mut platform = self.lock();
        let now = platform.reads_now(Instant::now(), number(shown, "at"));
        for one in list(shown, "homes") {
            let (account, region) = (said(one, "account"), said(one, "region"));
            platform.home(&account, &region).put(one, &now);
        }
    }
}

impl Now {
    /// When something was that ECS shows with this time.
    fn instant(&self, stamp: f64) -> Instant {
        let ago = std::time::Duration::try_from_secs_f64(self.wall() - stamp).unwrap_or_default();
        self.at.checked_sub(ago).unwrap_or(self.at)
    }

    /// The time, in seconds.
    fn wall(&self) -> f64 {
        self.stamp(self.at).as_f64().unwrap_or_default()
    }
}

impl Home {
    fn shown(&self, now: &Now) -> Value {
        let clusters: Vec<Value> = self.clusters.values().map(|cluster| cluster.shown(now)).collect();
        let families: Map<String, Value> = self
            .families
            .iter()
            .map(|(name, family)| {
                let revisions = family.revisions.values().filter_map(|row| row.is.as_ref());
                let revisions: Vec<Value> = revisions
                    .map(|one| {
                        json!({ "taskDefinition": definitions::shown(one, now), "tags": tags::shown(&one.tags) })
                    })
                    .collect();
                (name.clone(), json!({ "last": family.last, "revisions": revisions }))
            })
            .collect();
        json!({ "account": self.account, "region": self.region, "clusters": clusters, "families": families })
    }

    fn put(&mut self, shown: &Value, now: &Now) {
        self.ids = Ids::from(UNUSED);
        for (name, family) in shown["families"].as_object().into_iter().flatten() {
            let put = Family {
                last: u32::try_from(family["last"].as_u64().unwrap_or_default()).unwrap_or_default(),
                registered: None,
                revisions: list(family, "revisions")
                    .iter()
                    .map(|one| revision(one, now))
                    .map(|(number, revision)| (number, Lagged::new(None, Some(revision), earlier(now))))
                    .collect(),
            };
            self.families.insert(name.clone(), put);
        }
        for cluster in list(shown, "clusters") {
            let services: Vec<Service> =
                list(cluster, "services").iter().map(|one| self.service(one, cluster, now)).collect();
            let there = self.make_cluster(&said(cluster, "clusterName"));
            for service in services {
                let name = service.name.clone();
                there.services.insert(name, Lagged::new(None, Some(service), earlier(now)));
            }
        }
    }

    /// A service with its tasks and its service deployments.
    fn service(&mut self, shown: &Value, cluster: &Value, now: &Now) -> Service {
        let arn = said(shown, "serviceArn");
        let settings: Map<String, Value> = DEPLOYED
            .into_iter()
            .chain(OTHER)
            .filter_map(|name| Some((name.to_owned(), shown.get(name)?.clone())))
            .collect();
        let deployments: Vec<Deployment> =
            list(shown, "deployments").iter().map(|one| deployment(one, now)).collect();
        let good = deployments.iter().find(|one| one.rollout == Rollout::Completed);
        let group = format!("service:{}", said(shown, "serviceName"));
        let its = list(cluster, "tasks").iter().filter(|task| text(task, "group") == Some(&group));
        let tasks = its.map(|task| self.task(task, now)).collect();
        let journeys = list(cluster, "serviceDeployments").iter();
        let journeys = journeys.filter(|one| text(one, "serviceArn") == Some(&arn));
        let events = list(shown, "events").iter().rev();
        Service {
            name: said(shown, "serviceName"),
            status: match text(shown, "status") {
                Some("DRAINING") => ServiceStatus::Draining { since: now.at },
                Some("INACTIVE") => ServiceStatus::Inactive { since: now.at },
                Some(_) | None => ServiceStatus::Active,
            },
            created: now.instant(number(shown, "createdAt")),
            made_from: Value::Null,
            definition: said(shown, "taskDefinition"),
            desired: count(shown, "desiredCount"),
            tags: tags::read(shown).expect("tags that it had"),
            last_good: good.map(|good| Good {
                deployment: good.id.clone(),
                definition: good.definition.clone(),
                settings: settings.clone(),
            }),
            journeys: journeys.map(|one| journey(one, now)).collect(),
            events: events
                .map(|event| (now.instant(number(event, "createdAt")), said(event, "message")))
                .collect(),
            looked: now.at,
            sick: false,
            arn,
            settings,
            deployments,
            tasks,
        }
    }

    fn task(&mut self, shown: &Value, now: &Now) -> Task {
        let definition = said(shown, "taskDefinitionArn");
        let revision = self.revision(&definition).and_then(|row| row.is.as_ref()).expect("its definition");
        let kind = revision.kind.clone();
        let address = &list(shown, "containers").first().expect("a container")["networkInterfaces"][0];
        Task {
            id: said(shown, "taskArn").rsplit('/').next().unwrap_or_default().to_owned(),
            deployment: said(shown, "startedBy"),
            created: now.instant(number(shown, "createdAt")),
            address: said(address, "privateIpv4Address"),
            fate: kind.fate,
            checked: kind.checked,
            containers: kind.containers,
            end: None,
            definition,
        }
    }
}

impl Cluster {
    fn shown(&self, now: &Now) -> Value {
        let services = || self.services.values().filter_map(|row| row.is.as_ref());
        let tasks = services().flat_map(|service| {
            let living = service.tasks.iter().filter(|task| task.end.is_none());
            living.map(move |task| show::task(task, service, now, &self.arn, true))
        });
        let journeys = services().flat_map(|service| {
            service.journeys.iter().map(move |journey| deployments::shown(journey, service, now))
        });
        json!({
            "clusterName": self.name,
            "services": services().map(|one| show::service(one, now, &self.arn, true)).collect::<Vec<_>>(),
            "tasks": tasks.collect::<Vec<_>>(),
            "serviceDeployments": journeys.collect::<Vec<_>>(),
        })
    }
}

/// A revision and its number.
fn revision(shown: &Value, now: &Now) -> (u32, Revision) {
    let is = &shown["taskDefinition"];
    let content: Map<String, Value> =
        FIELDS.into_iter().filter_map(|name| Some((name.to_owned(), is.get(name)?.clone()))).collect();
    let revision = Revision {
        arn: said(is, "taskDefinitionArn"),
        kind: Kind::of(&content),
        status: match text(is, "status") {
            Some("INACTIVE") => RevisionStatus::Inactive,
            Some("DELETE_IN_PROGRESS") => RevisionStatus::Deleting { since: now.at },
            Some(_) | None => RevisionStatus::Active,
        },
        registered: now.instant(number(is, "registeredAt")),
        tags: tags::read(shown).expect("tags that it had"),
        content,
    };
    (count(is, "revision"), revision)
}

fn deployment(shown: &Value, now: &Now) -> Deployment {
    let created = now.instant(number(shown, "createdAt"));
    Deployment {
        id: said(shown, "id"),
        definition: said(shown, "taskDefinition"),
        primary: text(shown, "status") == Some("PRIMARY"),
        desired: count(shown, "desiredCount"),
        failed: count(shown, "failedTasks"),
        rollout: match text(shown, "rolloutState") {
            Some("COMPLETED") => Rollout::Completed,
            Some("FAILED") => Rollout::Failed,
            Some(_) | None => Rollout::InProgress,
        },
        reason: said(shown, "rolloutStateReason"),
        created,
        updated: now.instant(number(shown, "updatedAt")),
        next_start: created,
    }
}

fn journey(shown: &Value, now: &Now) -> Journey {
    let status = said(shown, "status");
    Journey {
        arn: said(shown, "serviceDeploymentArn"),
        status: JOURNEYS.into_iter().find(|known| *known == status).expect("a known state"),
        reason: text(shown, "statusReason").map(str::to_owned),
        created: now.instant(number(shown, "createdAt")),
        finished: shown["finishedAt"].as_f64().map(|stamp| now.instant(stamp)),
    }
}

/// Long enough ago that everybody sees it.
fn earlier(now: &Now) -> Instant {
    now.at.checked_sub(now.pace.lag).unwrap_or(now.at)
}

fn said(of: &Value, field: &str) -> String {
    text(of, field).unwrap_or_default().to_owned()
}

fn number(of: &Value, field: &str) -> f64 {
    of[field].as_f64().unwrap_or_default()
}

fn count(of: &Value, field: &str) -> u32 {
    of[field].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default()
}
