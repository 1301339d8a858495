//! The requests that only look.

use landlord_state_machines::planner::kubernetes::{Object, ObjectId, ObjectKind, Place};
use serde_json::Value;

use super::budget::Rank;
use super::cluster::Cluster;
use super::error::{Failure, Why};
use super::page::Page;
use super::request::{Ask, Part, Resource, What};

/// A cluster, and what it is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) rank: Rank,
    pub(super) writes: Writes,
}

/// What becomes of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    /// It is so from then on.
    Kept,
    /// The API server says what would come of it, and keeps nothing.
    Tried,
}

impl At<'_> {
    /// Makes one request, once, when it is its turn.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Value, Failure> {
        self.cluster.ask(ask, self.rank).await
    }

    /// What is there; none, where it is not.
    pub(super) async fn get(&self, resource: Resource, part: Part) -> Result<Option<Value>, Failure> {
        let got = self.ask(&Ask::new(resource, What::Get(part))).await;
        self.if_there(got)
    }

    /// An object of a tenant; none, where it is not there.
    pub(super) async fn object(
        &self,
        place: &Place,
        id: &ObjectId,
        api_version: &str,
    ) -> Result<Option<Object>, Failure> {
        let got = self.get(Resource::of(place, id, api_version), part_of(id.kind)).await?;
        Ok(got.and_then(|body| Object::read(id.kind, body)))
    }

    /// All that a list has.
    pub(super) async fn list(&self, ask: &Ask) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        self.each(ask, |item| {
            all.push(serde_json::from_str(item)?);
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// Takes each thing in that a list has, page by page, as it is written.
    pub(super) async fn each(
        &self,
        ask: &Ask,
        mut take: impl FnMut(&str) -> Result<(), serde_json::Error>,
    ) -> Result<(), Failure> {
        let mut next = Some(ask.clone());
        while let Some(ask) = next {
            self.cluster.turn(self.rank).await?;
            let answer = self.cluster.bytes(&ask).await?;
            let page = Page::read(&ask, &answer)?;
            for item in page.items() {
                take(item).map_err(|error| Failure::unreadable(&ask, error.to_string()))?;
            }
            next = page.next(&ask);
        }
        Ok(())
    }

    /// The same; nothing, where the cluster does not have the kind.
    pub(super) async fn list_if_known(&self, ask: &Ask) -> Result<Vec<Value>, Failure> {
        let listed = self.list(ask).await;
        Ok(self.if_there(listed)?.unwrap_or_default())
    }

    /// The objects of a kind that have these labels.
    pub(super) async fn objects(
        &self,
        kind: ObjectKind,
        api_version: &str,
        namespace: Option<&str>,
        labels: &str,
        part: Part,
    ) -> Result<Vec<Object>, Failure> {
        let resource = Resource::all(api_version, kind.plural(), namespace);
        let items = self.list_if_known(&Ask::list(resource, labels, part)).await?;
        let whole = |mut body: Value| {
            // What is in a list does not say what it is.
            if let Some(fields) = body.as_object_mut() {
                fields.insert("apiVersion".to_owned(), api_version.into());
                fields.insert("kind".to_owned(), kind.name().into());
            }
            body
        };
        Ok(items.into_iter().filter_map(|body| Object::read(kind, whole(body))).collect())
    }

    /// None, where there is no such thing.
    pub(super) fn if_there<T>(&self, answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure { why: Why::NotThere | Why::NoNamespace, .. }) => Ok(None),
            Err(Failure { why: Why::NoKind, .. }) => {
                self.forget_discovered();
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Of a Secret its values are not asked for.
pub(super) fn part_of(kind: ObjectKind) -> Part {
    match kind {
        ObjectKind::Secret => Part::Metadata,
        ObjectKind::Namespace
        | ObjectKind::ServiceAccount
        | ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy
        | ObjectKind::ExternalSecret
        | ObjectKind::ConfigMap
        | ObjectKind::PersistentVolumeClaim
        | ObjectKind::Deployment
        | ObjectKind::StatefulSet
        | ObjectKind::Service
        | ObjectKind::PodDisruptionBudget
        | ObjectKind::Ingress
        | ObjectKind::HttpRoute => Part::Whole,
    }
}

/// Whether it is a kind that somebody installs, and that the engine need not have rights to.
pub(super) fn is_others(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::ExternalSecret | ObjectKind::HttpRoute)
}
