//! What is seen while many tenants are on their way: a few lines that change in a terminal, else a line for each end.

use std::collections::BTreeMap;
use std::time::Instant;

use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::tenant::LifecycleEvent;

use super::super::failure::Failure;
use super::super::screen::Screen;
use super::super::words;
use super::fleet::{Ended, How};

/// How many tenants on their way are named at most.
const NAMED: usize = 8;

/// What is on its way, and how much has ended.
pub(super) struct Board<'a> {
    screen: &'a Screen,
    all: usize,
    ended: usize,
    failed: usize,
    begun: Instant,
    /// Whom something was begun for, since when, and what happened last.
    on_their_way: BTreeMap<TenantId, (Instant, String)>,
}

impl<'a> Board<'a> {
    pub(super) fn new(screen: &'a Screen, all: usize) -> Self {
        Self { screen, all, ended: 0, failed: 0, begun: Instant::now(), on_their_way: BTreeMap::new() }
    }

    /// Something was begun.
    pub(super) fn began(&mut self, tenant: &TenantId) {
        self.on_their_way.insert(tenant.clone(), (Instant::now(), "is sent".to_owned()));
    }

    /// Something happened.
    pub(super) fn tell(&mut self, event: &LifecycleEvent) {
        if let Some((_, last)) = self.on_their_way.get_mut(&event.tenant_id) {
            *last = words::event(event);
        }
    }

    /// Something has ended.
    pub(super) fn ended(&mut self, ended: Ended, all: &mut Vec<Ended>) -> Result<(), Failure> {
        self.on_their_way.remove(&ended.tenant);
        self.ended += 1;
        self.failed += usize::from(matches!(ended.how, How::Failed(_)));
        let worth_a_line = !self.screen.has_region() || matches!(ended.how, How::Failed(_));
        // Of what was so already there is nothing to say.
        if worth_a_line && !matches!(ended.how, How::Unchanged) {
            self.screen.note(&line(&ended));
        }
        all.push(ended);
        Ok(())
    }

    /// Shows what is on its way.
    pub(super) fn draw(&self) {
        if !self.screen.has_region() {
            return;
        }
        let (on, waiting) = (self.on_their_way.len(), self.all - self.ended - self.on_their_way.len());
        let mut head = format!("{} of {} done", self.ended, self.all);
        for (count, what) in [(self.failed, "failed"), (on, "on their way"), (waiting, "to come")] {
            if count > 0 {
                head += &format!(", {count} {what}");
            }
        }
        let mut lines = vec![format!("{head}  ({:.0} s)", self.begun.elapsed().as_secs_f64())];
        // Those that take longest.
        let mut oldest: Vec<_> = self.on_their_way.iter().collect();
        oldest.sort_by_key(|(_, (since, _))| *since);
        let width = oldest.iter().take(NAMED).map(|(tenant, _)| tenant.as_str().len()).max().unwrap_or(0);
        for (tenant, (_, last)) in oldest.iter().take(NAMED) {
            lines.push(format!("  {:<width$}  {last}", tenant.as_str()));
        }
        if on > NAMED {
            lines.push(format!("  … and {} more", on - NAMED));
        }
        self.screen.region(&lines);
    }

    /// Nothing is on its way any more, or it is not waited for.
    pub(super) fn end(&self) {
        self.screen.end_progress();
    }
}

/// How something ended, in a line.
fn line(ended: &Ended) -> String {
    let Ended { tenant, operation, took, how } = ended;
    let took = format!("in {:.1} s", took.as_secs_f64());
    match how {
        How::Created => format!("{tenant}: created {took}"),
        How::Updated => format!("{tenant}: updated {took}"),
        How::Unchanged => format!("{tenant}: unchanged"),
        How::Pruned => format!("{tenant}: destroyed {took}, it is in no file"),
        How::Begun => match operation {
            Some(id) => format!("{tenant}: operation {id} began"),
            None => format!("{tenant}: began"),
        },
        How::Failed(failure) => format!("{tenant}: {failure}"),
    }
}
