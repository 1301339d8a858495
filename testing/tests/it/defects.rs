//! Ways to break the contract, and which clauses notice.

use std::collections::BTreeSet;

use landlord_testing::conformance::{Verdict, clauses, run};

use super::model::ModelPlatform;
use super::on_paused_time;

/// One way in which the model is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Defect {
    NameChanges,
    NameOfTheSecondDiffers,
    ResultNamesAnother,
    KnowsOneEngine,
    ProvisionsAgain,
    LeavesNet,
    NamesNoResources,
    NamesOneOfTwo,
    LedgerNamesOneOfTwo,
    ProvisionDoesNotValidate,
    ConflictWithoutCode,
    IgnoresAddresses,
    AloneIsUnfinished,
    ProvisionHurries,
    KeepsOldApp,
    UpdateAlwaysChanges,
    RemovesOldFirst,
    NoRollback,
    ListsNoChanges,
    UpdateProvisions,
    IgnoresDrift,
    KeepsWhatHangs,
    UpdateKeepsChildren,
    IgnoresRollout,
    ReplacesForProtection,
    UpdateHurries,
    RunsOneReplica,
    ReplacesReplicas,
    DestroysOnce,
    DestroyKeepsRelabelled,
    AbsentIsAnError,
    PartlyGoneIsAnError,
    DestroyKeepsChildren,
    DestroyIsCancelled,
    NeedsLedger,
    HidesWhatItRetains,
    NamesRetainedOnce,
    ReleaseNeedsLedger,
    ReleasesOnce,
    TakesNothingUp,
    ListsRetainedAsHeld,
    StatusIsCached,
    DestroyedIsUnclear,
    StatusIsSlow,
    ContainersHaveOtherNames,
    SickLooksWell,
    StatusWaitsForEver,
    StopsAtFullLog,
    LosesLinesSilently,
    ValidateRefusesTheGood,
    ValidateCreates,
    IgnoresConfig,
    IgnoresLimits,
    IgnoresImages,
    TellsOneProblem,
    InvalidIsRetryable,
    ProvisionFailsAsUpdate,
    UpdateFailsAsProvision,
    DestroyFailsAsProvision,
    NotFoundWithoutCode,
    OutageIsPermanent,
    NoPlatformWords,
    BeginsThoughCancelled,
    WaitsThoughCancelled,
    IgnoresDeadline,
    LogsOutsideSpan,
    OneCallATenant,
    OneAtATime,
    DestroysByPrefix,
    OnlyCutsNames,
    KeepsOlderLives,
    LogsNoSuccess,
    RetryableIsDebug,
    FatalIsWarning,
    LogsWithoutTenantId,
    DestroyKeepsCrashed,
    UndoKeepsCrashed,
    ForgetsOnFailure,
    CancelledProvisionStays,
    CancelledUpdateStays,
    OrphansWhenCancelled,
    ProvisionDoubles,
    UpdateDoubles,
    HalfIsNothing,
    LedgerComesLate,
    TagsLate,
    DestroysForeign,
    DestroysForAllEngines,
    ListsNobody,
    ResultShowsSecrets,
    CauseShowsSecrets,
    LedgerKeepsSecrets,
    ObservationShowsSecrets,
    StepShowsSecrets,
    LogsSecrets,
    OldSchema,
    HidesThatItLists,
    NoRoomForCalls,
    PlansForNothing,
    SeesNothing,
    StatusNeedsLedger,
    WaitsForTheDead,
    IgnoresFence,
    SaysNotWhatIsLeft,
    StatusPanics,
}

/// A defect, the clause that is there for it, and those that cannot but notice it too.
type Broken = (Defect, &'static str, &'static [&'static str]);

const DEFECTS: &[Broken] = &[
    (Defect::NameChanges, "name.identifier", &[]),
    (Defect::NameOfTheSecondDiffers, "name.unique", &[]),
    (Defect::ResultNamesAnother, "name.provider-type", &[]),
    (Defect::KnowsOneEngine, "name.engine", &[]),
    (Defect::ProvisionsAgain, "provision.idempotent", &["update.protection"]),
    (Defect::LeavesNet, "provision.atomic", &[]),
    (Defect::NamesNoResources, "provision.resource-ids", &[]),
    (Defect::NamesOneOfTwo, "provision.resource-ids", &[]),
    (Defect::LedgerNamesOneOfTwo, "undo.ledger", &["interrupted.intent"]),
    (Defect::ProvisionDoesNotValidate, "provision.validates", &[]),
    (Defect::ConflictWithoutCode, "provision.conflict", &[]),
    (Defect::IgnoresAddresses, "provision.address-taken", &[]),
    (Defect::AloneIsUnfinished, "provision.ready", &[]),
    (Defect::ProvisionHurries, "provision.waits", &["context.cancelled", "tenants.parallel"]),
    (
        Defect::KeepsOldApp,
        "update.applies",
        &[
            "update.hang",
            "update.escaped",
            "update.restart",
            "replicas.run",
            "replicas.kept",
            "logs.disk-full",
            "tenants.concurrent",
            "interrupted.update",
            "cancelled.update",
        ],
    ),
    (Defect::UpdateAlwaysChanges, "update.idempotent", &[]),
    (Defect::RemovesOldFirst, "update.no-downtime", &[]),
    (Defect::NoRollback, "update.rolls-back", &[]),
    (Defect::ListsNoChanges, "update.changes", &[]),
    (Defect::UpdateProvisions, "update.absent", &[]),
    (Defect::IgnoresDrift, "update.drift", &[]),
    (Defect::KeepsWhatHangs, "update.hang", &[]),
    (Defect::UpdateKeepsChildren, "update.escaped", &[]),
    (Defect::IgnoresRollout, "update.restart", &["logs.lost-lines"]),
    (Defect::ReplacesForProtection, "update.protection", &[]),
    (Defect::RunsOneReplica, "replicas.run", &["replicas.kept"]),
    (Defect::ReplacesReplicas, "replicas.kept", &[]),
    (Defect::UpdateHurries, "update.ready", &[]),
    (Defect::DestroysOnce, "destroy.idempotent", &["destroy.retains-again"]),
    (
        Defect::DestroyKeepsRelabelled,
        "destroy.everything",
        &["name.engine", "replicas.run", "logs.disk-full", "tenants.concurrent"],
    ),
    (
        Defect::AbsentIsAnError,
        "destroy.absent",
        &["cancelled.engine", "interrupted.found-again", "ownership.engines"],
    ),
    (Defect::PartlyGoneIsAnError, "destroy.partly-gone", &[]),
    (Defect::DestroyKeepsChildren, "destroy.escaped", &[]),
    (Defect::DestroyIsCancelled, "destroy.not-cancelled", &[]),
    (Defect::NeedsLedger, "destroy.lost-ledger", &["replicas.run", "interrupted.found-again"]),
    (Defect::HidesWhatItRetains, "destroy.retains", &[]),
    (Defect::NamesRetainedOnce, "destroy.retains-again", &[]),
    (Defect::ReleaseNeedsLedger, "release.everything", &[]),
    (Defect::ReleasesOnce, "release.idempotent", &[]),
    (Defect::TakesNothingUp, "release.next-life", &[]),
    (Defect::ListsRetainedAsHeld, "list.retained", &[]),
    (Defect::StatusIsCached, "status.current", &["status.health"]),
    (Defect::DestroyedIsUnclear, "status.not-found", &[]),
    (Defect::StatusIsSlow, "status.fast", &[]),
    (Defect::ContainersHaveOtherNames, "status.health", &[]),
    (Defect::SickLooksWell, "status.health", &[]),
    (Defect::StatusWaitsForEver, "status.timeout", &[]),
    (Defect::StopsAtFullLog, "logs.disk-full", &["logs.lost-lines"]),
    (Defect::LosesLinesSilently, "logs.lost-lines", &[]),
    (Defect::ValidateRefusesTheGood, "validate.accepts", &["name.engine"]),
    (Defect::ValidateCreates, "validate.no-side-effects", &[]),
    (Defect::IgnoresConfig, "validate.config", &["validate.all-problems"]),
    (Defect::IgnoresLimits, "validate.limits", &[]),
    (Defect::IgnoresImages, "validate.images", &[]),
    (Defect::TellsOneProblem, "validate.all-problems", &[]),
    (Defect::InvalidIsRetryable, "errors.invalid-spec", &[]),
    (Defect::ProvisionFailsAsUpdate, "errors.provision-failed", &[]),
    (Defect::UpdateFailsAsProvision, "errors.update-failed", &[]),
    (Defect::DestroyFailsAsProvision, "errors.destroy-failed", &[]),
    (Defect::NotFoundWithoutCode, "errors.tenant-not-found", &[]),
    (Defect::OutageIsPermanent, "errors.retryable", &[]),
    (Defect::NoPlatformWords, "errors.platform-words", &[]),
    (Defect::BeginsThoughCancelled, "context.cancelled-before", &[]),
    (Defect::WaitsThoughCancelled, "context.cancelled", &[]),
    (Defect::IgnoresDeadline, "context.deadline", &[]),
    (Defect::LogsOutsideSpan, "context.propagated", &[]),
    (Defect::OneCallATenant, "tenants.concurrent", &[]),
    (Defect::OneAtATime, "tenants.parallel", &[]),
    (Defect::DestroysByPrefix, "tenants.apart", &[]),
    (Defect::OnlyCutsNames, "tenants.long-names", &[]),
    (Defect::KeepsOlderLives, "tenants.lives", &[]),
    (Defect::LogsNoSuccess, "logging.success", &[]),
    (Defect::RetryableIsDebug, "logging.retryable", &[]),
    (Defect::FatalIsWarning, "logging.fatal", &[]),
    (Defect::LogsWithoutTenantId, "logging.tenant", &[]),
    (Defect::DestroyKeepsCrashed, "undo.provision", &[]),
    (Defect::UndoKeepsCrashed, "undo.update", &[]),
    (Defect::ForgetsOnFailure, "undo.ledger", &[]),
    (Defect::CancelledProvisionStays, "cancelled.provision", &["undo.itemised"]),
    (Defect::CancelledUpdateStays, "cancelled.update", &[]),
    (Defect::OrphansWhenCancelled, "cancelled.engine", &[]),
    (Defect::ProvisionDoubles, "interrupted.provision", &[]),
    (Defect::UpdateDoubles, "interrupted.update", &["update.hang", "update.restart"]),
    (Defect::HalfIsNothing, "interrupted.destroy", &["cancelled.engine"]),
    (Defect::LedgerComesLate, "interrupted.intent", &[]),
    (Defect::TagsLate, "interrupted.found-again", &["interrupted.provision"]),
    (Defect::DestroysForeign, "ownership.foreign", &[]),
    (Defect::DestroysForAllEngines, "ownership.engines", &[]),
    (
        Defect::ListsNobody,
        "ownership.listed",
        &["interrupted.found-again", "list.retained", "ownership.sweepable"],
    ),
    (Defect::HidesThatItLists, "ownership.sweepable", &[]),
    (Defect::ResultShowsSecrets, "secrets.results", &["secrets.events"]),
    (Defect::CauseShowsSecrets, "secrets.errors", &["secrets.events"]),
    (Defect::LedgerKeepsSecrets, "secrets.ledger", &[]),
    (Defect::ObservationShowsSecrets, "secrets.observations", &[]),
    (Defect::StepShowsSecrets, "secrets.events", &[]),
    (Defect::LogsSecrets, "secrets.logs", &[]),
    (Defect::OldSchema, "describes.schema", &[]),
    (Defect::NoRoomForCalls, "describes.capabilities", &[]),
    (Defect::PlansForNothing, "describes.plan", &["update.protection"]),
    (Defect::SeesNothing, "describes.observe", &[]),
    (Defect::StatusNeedsLedger, "status.lost-ledger", &[]),
    (Defect::WaitsForTheDead, "provision.fails-early", &[]),
    (Defect::IgnoresFence, "context.fenced", &[]),
    (Defect::SaysNotWhatIsLeft, "undo.itemised", &[]),
];

#[test]
fn a_provider_that_keeps_the_contract_holds_every_clause() {
    let report = on_paused_time(async || run(&ModelPlatform::new(None)).await);
    println!("{report}");
    assert!(report.all_held());
    // The model can do all that a clause may need, so that none is left unsaid.
    assert_eq!(report.not_applicable().count(), 0);
}

#[test]
fn each_clause_has_a_defect_that_breaks_it() {
    for clause in clauses() {
        assert!(DEFECTS.iter().any(|(_, id, _)| *id == clause.id), "no defect breaks {}", clause.id);
    }
}

#[test]
fn a_panic_breaks_the_clause_that_meets_it_and_no_other() {
    let judged = |id: &str| {
        let clause = *clauses().iter().find(|clause| clause.id == id).expect("a clause");
        on_paused_time(async || clause.check(&ModelPlatform::new(Some(Defect::StatusPanics))).await)
    };
    let why = "a panic: the status of a tenant".to_owned();
    assert_eq!(judged("status.fast"), Verdict::Broken { why });
    assert_eq!(judged("provision.resource-ids"), Verdict::Held);
}

/// What is wrong about which clauses a defect breaks.
fn misjudged((defect, clause, also): &Broken) -> Option<String> {
    let report = on_paused_time(async || run(&ModelPlatform::new(Some(*defect))).await);
    let broken: BTreeSet<&str> = report.broken().map(|row| row.clause).collect();
    let expected: BTreeSet<&str> = [*clause].into_iter().chain(also.iter().copied()).collect();
    let why = report.broken().map(|row| format!("\n    {}: {:?}", row.clause, row.verdict));
    (broken != expected)
        .then(|| format!("{defect:?} should break {expected:?}, and breaks{}", why.collect::<String>()))
}

#[test]
fn each_defect_breaks_its_clause_and_no_other() {
    let half = DEFECTS.len() / 2;
    let (first, second) = DEFECTS.split_at(half);
    let judge = |defects: &[Broken]| defects.iter().filter_map(misjudged).collect::<Vec<_>>();
    let wrong = std::thread::scope(|scope| {
        let other = scope.spawn(|| judge(second));
        let mut wrong = judge(first);
        wrong.extend(other.join().expect("no panic in there"));
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} defects, each found by its clause", DEFECTS.len());
}
