//! What a spec asks for, in ECS's terms.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::call::{Serves, Settings};
use super::definition::Definition;
use super::mapping::{self, Tasking};
use super::site::Site;
use super::tags;
use crate::canonical;
use crate::error::ProviderError;
use crate::id;
use crate::planner::Subject;
use crate::spec::{Invalid, Spec};

/// A whole SHA-256.
const HASH: usize = 32;

/// What a spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Where, and under which name.
    pub site: Site,
    /// What tasks are made from.
    pub source: Source,
    /// How the service runs them.
    pub settings: Settings,
    /// The tags of the service; [`tags::SPEC`](super::tags::SPEC) is one of them, and the hash of everything else here.
    pub tags: BTreeMap<String, String>,
    /// Where the tenant answers.
    pub serves: Vec<Serves>,
    /// The containers that have a health check. Those of a definition that is somebody else's are not known.
    pub checked: BTreeSet<String>,
    /// How long a deployment may take, in seconds.
    pub deployment_timeout_seconds: u32,
    /// For which rollout of the spec.
    pub rollout: id::Rollout,
}

/// What tasks are made from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A task definition that is somebody else's, by its ARN or as `family:revision`.
    Existing(String),
    /// One of the tenant's own.
    Own {
        /// What it says.
        definition: Definition,
        /// The hash of that, and of whose it is. The caller's tags are no part of it: they change where they are.
        content: String,
        /// Its tags; [`tags::CONTENT`](super::tags::CONTENT) is one of them.
        tags: BTreeMap<String, String>,
    },
}

impl Wanted {
    /// What a spec asks for, for a subject whose spec it is, in its first rollout.
    ///
    /// # Errors
    /// `InvalidSpec` with every problem, each with its path.
    pub fn of(subject: &Subject, spec: &Spec) -> Result<Self, ProviderError> {
        Self::in_rollout(subject, spec, id::Rollout::default())
    }

    /// The same, for this rollout of the spec.
    ///
    /// # Errors
    /// As for [`of`](Self::of).
    pub fn in_rollout(subject: &Subject, spec: &Spec, rollout: id::Rollout) -> Result<Self, ProviderError> {
        let (mapped, problems) = mapping::map(spec);
        Invalid::unless_empty(problems)?;
        let mut tags = mapped.tags;
        tags.extend(tags::of(subject));
        let in_rollout = |rollout| match &mapped.source {
            Tasking::Existing(arn) => Source::Existing(arn.clone()),
            Tasking::Own(definition) => Source::own(subject, definition.clone(), &tags, rollout),
        };
        // The spec is the same in each of its rollouts.
        let first = in_rollout(id::Rollout::default());
        let from = match &first {
            Source::Existing(arn) => json!({ "existing": arn }),
            // As older builds hashed it, whose services are still running.
            Source::Own { definition, .. } => json!({ "own": content(definition, &tags) }),
        };
        let source = if rollout.is_first() { first } else { in_rollout(rollout) };
        let all = json!({
            "source": from,
            "settings": mapped.settings,
            "tags": tags,
            "serves": mapped.serves,
        });
        tags.insert(tags::SPEC.to_owned(), canonical::hash(&all, HASH));
        let checked = match &source {
            Source::Own { definition, .. } => {
                let checked =
                    definition.containers.iter().filter(|container| container.health_check.is_some());
                checked.map(|container| container.name.clone()).collect()
            }
            Source::Existing(_) => BTreeSet::new(),
        };
        Ok(Self {
            checked,
            site: mapped.site,
            source,
            settings: mapped.settings,
            tags,
            serves: mapped.serves,
            deployment_timeout_seconds: mapped.deployment_timeout_seconds,
            rollout,
        })
    }
}

impl Source {
    /// A revision's content is what it says, whose it is and for which rollout: ECS may go back from a deployment, and
    /// only its definition tells which one it went back to. It is its life's too, so that a new life never takes a revision
    /// over that carries a dead one's tags.
    fn own(
        subject: &Subject,
        mut definition: Definition,
        tags: &BTreeMap<String, String>,
        rollout: id::Rollout,
    ) -> Self {
        let mut labels = tags::of(subject);
        if !rollout.is_first() {
            labels.insert(tags::ROLLOUT.to_owned(), rollout.to_string());
        }
        for container in &mut definition.containers {
            container.labels.clone_from(&labels);
        }
        let content = content(&definition, &tags::of(subject));
        let mut tags = tags.clone();
        tags.insert(tags::CONTENT.to_owned(), content.clone());
        Self::Own { definition, content, tags }
    }
}

/// The hash of a definition and of tags.
fn content(definition: &Definition, tags: &BTreeMap<String, String>) -> String {
    canonical::hash(&json!({ "definition": definition, "tags": tags }), HASH)
}

/// The content that older builds gave a revision of the subject's with this definition: these tags of the caller's were a
/// part of it. What they left is still known by it.
pub(super) fn content_with_labels(
    subject: &Subject,
    definition: &Definition,
    labels: BTreeMap<String, String>,
) -> String {
    let mut tags = labels;
    tags.extend(tags::of(subject));
    content(definition, &tags)
}
