//! What the test knows from outside: what it asked, what was answered before a kill, what subscribers saw.

use std::collections::{BTreeMap, BTreeSet};

use landlord_compute::machines::id::{Revision, TenantId};
use landlord_compute::store::Position;

use super::protocol::{Answer, Ask, Told, Verb};

/// An event as a subscriber of one of the engines saw it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) cursor: Position,
    pub(super) tenant: TenantId,
    pub(super) revision: Revision,
}

#[derive(Default)]
pub(super) struct Ledger {
    asked: BTreeMap<u64, Ask>,
    /// Each answer that was read, in the order of reading.
    answers: Vec<(u64, Answer)>,
    seen: Vec<Sighting>,
    gaps: Vec<Position>,
}

impl Ledger {
    pub(super) fn asked(&mut self, ask: &Ask) {
        self.asked.insert(ask.request, ask.clone());
    }

    pub(super) fn told(&mut self, told: Told) {
        match told {
            Told::Started => {}
            Told::Answered { request, answer } => self.answers.push((request, answer)),
            Told::Seen { cursor, tenant, revision } => self.seen.push(Sighting { cursor, tenant, revision }),
            Told::Gap { resume } => self.gaps.push(resume),
        }
    }

    /// Where the next engine's subscriber goes on.
    pub(super) fn cursor(&self) -> Position {
        self.seen.last().map_or(Position(0), |last| last.cursor)
    }

    /// Every command that was answered, with its answers.
    pub(super) fn answered(&self) -> impl Iterator<Item = (&Ask, &Answer)> {
        self.answers.iter().filter_map(|(request, answer)| Some((self.asked.get(request)?, answer)))
    }

    pub(super) fn seen(&self) -> &[Sighting] {
        &self.seen
    }

    pub(super) fn gaps(&self) -> &[Position] {
        &self.gaps
    }

    /// A request that may be sent again under its number: it was not answered, or it began an operation.
    pub(super) fn repeatable(&self, random: &mut fastrand::Rng) -> Option<Ask> {
        let refused: BTreeSet<u64> = self
            .answers
            .iter()
            .filter(|(_, answer)| !matches!(answer, Answer::Operation(_)))
            .map(|(request, _)| *request)
            .collect();
        let recent: Vec<&Ask> = self
            .asked
            .values()
            .rev()
            .take(200)
            .filter(|ask| {
                matches!(
                    ask.verb,
                    Verb::Provision { .. } | Verb::Update { .. } | Verb::Restart { .. } | Verb::Destroy
                )
            })
            .filter(|ask| !refused.contains(&ask.request))
            .collect();
        random.choice(recent).cloned()
    }

    /// How many commands were sent, accepted and refused, for the report.
    pub(super) fn summary(&self) -> String {
        let refused = self.answers.iter().filter(|(_, answer)| matches!(answer, Answer::Refused(_))).count();
        format!(
            "{} commands sent, {} accepted, {refused} refused, {} events seen",
            self.asked.len(),
            self.answers.len() - refused,
            self.seen.len(),
        )
    }
}
