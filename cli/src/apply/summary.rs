//! What became of many tenants, in a line or as a document.

use landlord_compute::machines::id::{OperationId, TenantId};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::hints::Hints;
use super::super::screen::Screen;
use super::fleet::{Ended, How, Outcome, Why};

/// All of it, for programs.
#[derive(Serialize)]
struct Summary<'a> {
    created: usize,
    updated: usize,
    unchanged: usize,
    pruned: usize,
    failed: usize,
    /// Begun, and not waited for.
    begun: usize,
    /// For whom nothing was sent.
    unsent: &'a [TenantId],
    seconds: f64,
    tenants: Vec<One<'a>>,
}

/// What became of a tenant.
#[derive(Serialize)]
struct One<'a> {
    tenant_id: &'a TenantId,
    #[serde(rename = "as")]
    how: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<OperationId>,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// Says what became of all, and fails unless everything is as it was asked for. `attended`: a server goes on with what is
/// left.
pub(super) fn show(screen: &Screen, outcome: Outcome, attended: bool) -> Result<(), Failure> {
    screen.show(&summary(&outcome), || text(&outcome))?;
    let Outcome { ended, unsent, why, .. } = outcome;
    let of = ended.len() + unsent.len();
    let mut left = Vec::new();
    let mut failures = Vec::new();
    for Ended { tenant, operation, how, .. } in ended {
        match how {
            How::Begun => left.extend(operation),
            How::Failed(failure) => failures.push((tenant, failure)),
            How::Created | How::Updated | How::Unchanged | How::Pruned => {}
        }
    }
    match why {
        Why::Interrupted => Err(Failure::LeftSeveral { left, unsent: unsent.len(), attended, in_time: true }),
        Why::TimedOut => Err(Failure::LeftSeveral { left, unsent: unsent.len(), attended, in_time: false }),
        Why::Over | Why::NotWaited if failures.is_empty() => {
            if !left.is_empty() && !attended {
                screen.note("no engine goes on with them now; `landlord-compute run` does");
            }
            Ok(())
        }
        Why::Over | Why::NotWaited => Err(Failure::Unapplied { failures, of }),
    }
}

fn word(how: &How) -> &'static str {
    match how {
        How::Created => "created",
        How::Updated => "updated",
        How::Unchanged => "unchanged",
        How::Pruned => "pruned",
        How::Begun => "begun",
        How::Failed(_) => "failed",
    }
}

fn summary(outcome: &Outcome) -> Summary<'_> {
    let count = |name: &str| outcome.ended.iter().filter(|one| word(&one.how) == name).count();
    let seconds = |took: std::time::Duration| took.as_millis() as f64 / 1000.0;
    let mut tenants: Vec<One<'_>> = outcome
        .ended
        .iter()
        .map(|Ended { tenant, operation, took, how }| One {
            tenant_id: tenant,
            how: word(how),
            operation: *operation,
            seconds: seconds(*took),
            error: match how {
                How::Failed(failure) => Some(failure.json(&Hints::default())["error"].clone()),
                How::Created | How::Updated | How::Unchanged | How::Pruned | How::Begun => None,
            },
        })
        .collect();
    tenants.sort_by_key(|one| one.tenant_id);
    Summary {
        created: count("created"),
        updated: count("updated"),
        unchanged: count("unchanged"),
        pruned: count("pruned"),
        failed: count("failed"),
        begun: count("begun"),
        unsent: &outcome.unsent,
        seconds: seconds(outcome.took),
        tenants,
    }
}

fn text(outcome: &Outcome) -> String {
    let all = json!(summary(outcome));
    let words = ["created", "updated", "unchanged", "pruned", "failed", "begun"];
    let mut parts: Vec<String> = words
        .iter()
        .filter_map(|word| Some((word, all[word].as_u64().filter(|count| *count > 0)?)))
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    if !outcome.unsent.is_empty() {
        parts.push(format!("{} not sent", outcome.unsent.len()));
    }
    let of = outcome.ended.len() + outcome.unsent.len();
    let tenants = if of == 1 { "1 tenant".to_owned() } else { format!("{of} tenants") };
    format!("{tenants} in {:.1} s: {}", outcome.took.as_secs_f64(), parts.join(", "))
}
