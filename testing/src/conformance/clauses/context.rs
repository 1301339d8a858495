//! What a context asks for: to stop, to be done in time, to be passed on.

use std::sync::Arc;

use jiff::SignedDuration;
use landlord_state_machines::error::ErrorCode;
use tokio::time::{Instant, sleep};

use super::undo::keeps_ledger;
use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, Kept, failed, succeeded};
use crate::conformance::steps::spread;
use crate::conformance::{Checked, Unable, Variant, expect};
use landlord_compute::clock::Clock;
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "context.cancelled-before",
        section::CANCELLATION,
        "a call that is cancelled before it begins changes nothing",
        |bench| Box::pin(cancelled_before(bench)),
    ),
    must(
        "context.cancelled",
        section::CANCELLATION,
        "a call that waits for the platform ends soon after a cancel",
        |bench| Box::pin(cancelled_meanwhile(bench)),
    ),
    should(
        "context.deadline",
        section::CANCELLATION,
        "called alone, it ends soon after its deadline, and is undone",
        |bench| Box::pin(deadline(bench)),
    ),
    should("context.propagated", section::CONTEXT, "what it does belongs to the caller's trace", |bench| {
        Box::pin(propagated(bench))
    }),
    must(
        "context.fenced",
        section::CHECKPOINT,
        "a ledger that is not stored ends the call; nothing is done after",
        |bench| Box::pin(fenced(bench)),
    ),
];

async fn fenced(bench: &Bench<'_>) -> Checked {
    keeps_ledger(bench).await?;
    let mut quiet = bench.tenant();
    quiet.start(Variant::First).await?;
    let writes = quiet.kept.all().len();
    for takes in spread(0, writes - 1, bench.limits.interruptions) {
        let mut tenant = bench.tenant();
        tenant.kept = Arc::new(Kept::taking(takes));
        let spec = tenant.spec(Variant::First)?;
        let answer = tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?;
        let what = format!("a provision that could store its ledger {takes} times");
        // A call writes as often as the platform lets it wait: this one may have needed fewer than the quiet one.
        if tenant.kept.has_refused() {
            failed(&what, answer)?;
        } else {
            succeeded(&what, answer)?;
            expect(takes > 0, || format!("{what} never wrote what it intends"))?;
        }
        if takes == 0 {
            tenant.holds_nothing("a provision that could not store what it intends").await?;
        }
    }
    Ok(())
}

async fn cancelled_before(bench: &Bench<'_>) -> Checked {
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let mut tenant = bench.tenant();
        let cx = tenant.cx(by);
        cx.cancel.cancel();
        let spec = tenant.spec(Variant::First)?;
        failed("a provision that was cancelled before", tenant.provision(&cx, &spec).await?)?;
        tenant.holds_nothing("a provision that was cancelled before it began").await?;
        let count = tenant.start(Variant::First).await?;
        let cx = tenant.cx(by);
        cx.cancel.cancel();
        let changed = tenant.spec(Variant::Changed)?;
        failed("an update that was cancelled before", tenant.update(&cx, &changed).await?)?;
        tenant.holds(count, Variant::First, "an update that was cancelled before it began").await?;
    }
    Ok(())
}

async fn cancelled_meanwhile(bench: &Bench<'_>) -> Checked {
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let mut tenant = bench.tenant();
        let spec = tenant.spec(Variant::Unhealthy)?;
        let cx = tenant.cx(by);
        let cancel = async {
            sleep(bench.limits.soon).await;
            cx.cancel.cancel();
            Instant::now()
        };
        let (answer, cancelled) = tokio::join!(tenant.provision(&cx, &spec), cancel);
        let late = Instant::now() - cancelled;
        failed("a provision that was cancelled", answer?)?;
        expect(late <= bench.limits.prompt, || format!("it ended {late:?} after the cancel"))?;
        tenant.reborn();
    }
    Ok(())
}

async fn deadline(bench: &Bench<'_>) -> Checked {
    bench.undoes_alone()?;
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::Unhealthy)?;
    let mut cx = tenant.cx(UndoBy::Provider);
    let soon = SignedDuration::try_from(bench.limits.soon).unwrap_or(SignedDuration::MAX);
    cx.deadline = bench.clock.now().checked_add(soon).ok();
    let begun = Instant::now();
    let error = failed("a provision that was late", tenant.provision(&cx, &spec).await?)?;
    let late = begun.elapsed().saturating_sub(bench.limits.soon);
    expect(late <= bench.limits.prompt, || format!("it ended {late:?} after its deadline"))?;
    expect(error.code == ErrorCode::ProviderTimeout, || {
        format!("it does not say that it was late: {error}")
    })?;
    tenant.holds_nothing("a provision that was late").await
}

async fn propagated(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let changed = tenant.spec(Variant::Changed)?;
    succeeded("an update", tenant.update(&tenant.cx(UndoBy::Engine), &changed).await?)?;
    succeeded("a destroy", tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    let lines = bench.lines();
    let ours: Vec<_> = lines.iter().filter(|line| line.text.contains(tenant.id().as_str())).collect();
    if ours.is_empty() {
        return Err(Unable::new("it logs nothing").into());
    }
    let astray = ours.iter().find(|line| !line.within_caller);
    match astray {
        None => Ok(()),
        Some(line) => expect(false, || format!("outside of the caller's span:{}", line.text)),
    }
}
