//! The statement that makes a batch: it checks, writes, and allots positions, or does nothing at all.
//!
//! What to know before it is changed:
//! - All its parts see one snapshot, taken when it begins. Only a row that it locks or updates is read anew. So the position
//!   comes from the row that is updated, never from `max(position)`.
//! - A part that writes runs also where nothing refers to it. It runs in the order in which the others need what it returns.
//! - The row of this engine is locked first and shared, so that an engine that is fenced meanwhile waits for the commit, and the
//!   commit is not made after it. The row that counts positions is locked last, because every other commit waits for it.
//! - It is planned before it is known how many rows an array has, where the plan is kept, and also before anybody counted the rows
//!   of the tables. So it is written for a planner that knows nothing: of a table with one row it is said that there is one;
//!   what was made is passed on whole, or looked up, and not joined again ([`is_in`]); and what holds for most rows is not said as a
//!   comparison ([`often`]). A planner that takes few rows for many compiles the statement, which takes seconds, and one that
//!   takes many for few compares each with each.

use super::batch::{Batch, Parts, TENANT};

/// The number of the first parameter that is an array. Before it: epoch, generation, head.
const FIRST: usize = 4;

/// What is so of the row of an engine that has not ended.
pub(crate) const LIVES: &str = "state IN ('open', 'alone', 'leaving')";

/// What must also be so of the server, where commits have to reach a standby.
pub(crate) fn guard(needs_standby: bool) -> &'static str {
    if needs_standby { " AND current_setting('synchronous_standby_names') <> ''" } else { "" }
}

/// At the end of a part that finds the one row of a key, for each of many keys: it is looked up in the index. Otherwise the planner
/// reads the whole table, up to some hundred thousand rows, because it takes each page of an index for one that is on a disk.
pub(crate) const LOOKED_UP: &str = "LIMIT 1";

/// One row, where the epoch, the generation and the head are as they should be.
fn me(guard: &str) -> String {
    format!(
        "me AS MATERIALIZED (
    SELECT engines.epoch FROM landlord.engines CROSS JOIN (SELECT position FROM landlord.head LIMIT 1) AS head
    WHERE engines.epoch = $1 AND engines.generation = $2 AND engines.{LIVES} AND head.position >= $3{guard}
    FOR SHARE OF engines
)"
    )
}

/// The same condition, for a planner that knows nothing of its columns: it takes a comparison for true of one row in two hundred,
/// and this for true of every second one.
fn often(condition: &str) -> String {
    format!("CASE WHEN {condition} THEN true ELSE false END")
}

/// Whether a column is among the values of another one, which are looked up whatever the planner takes their number for: a join of
/// few rows would compare each with each.
fn is_in(column: &str, values: &str, of: &str) -> String {
    often(&format!("{column} IN (SELECT {values} FROM {of})"))
}

/// The statement for a batch that has these parts. It answers with no row where this engine may not write. Otherwise each row has
/// the head and how many writes were made; and there is one for each write that was not, with its number, the revision
/// that the tenant is at, and why.
pub(crate) fn commit(batch: &Batch<'_>, guard: &str) -> String {
    let names: Vec<&str> = batch.writes.names().collect();
    let mut with = vec![me(guard), judged(batch.parts, &names, &batch.writes.arrays(FIRST))];
    with.extend(tenants(batch));
    let columns = |names: &[&str]| selected(batch, names);
    let mut before = Vec::new();
    if batch.parts.gone {
        with.push(format!(
            "dropped AS (
    DELETE FROM landlord.specs USING made WHERE specs.tenant = made.id AND {} IS NULL
    RETURNING 1
)",
            columns(&["state"])
        ));
        before.push("dropped");
    }
    if batch.parts.specs {
        with.push(
            "described AS (
    INSERT INTO landlord.specs (tenant, version, body_json)
    SELECT id, spec_version, spec_body_json FROM made WHERE spec_version IS NOT NULL
    RETURNING 1
)"
            .to_owned(),
        );
        before.push("described");
    }
    if batch.parts.opened {
        with.push(
            format!(
                "began AS (
    INSERT INTO landlord.operations (id, tenant, incarnation, kind, target_spec, accepted_at, request_id, asked, reason,
        traceparent, tracestate, settled_at, settled_json)
    SELECT {}
    FROM made WHERE opened IS NOT NULL
    RETURNING 1
)",
                columns(&[
                    "opened",
                    "id",
                    "opened_incarnation",
                    "opened_kind",
                    "opened_target_spec",
                    "opened_accepted_at",
                    "request_id",
                    "request_asked",
                    "opened_reason",
                    "opened_traceparent",
                    "opened_tracestate",
                    "opened_settled_at",
                    "opened_settled_json",
                ])
            ),
        );
        before.push("began");
    }
    if batch.parts.settled {
        let arrays = batch.settlements.arrays(FIRST + batch.writes.width());
        let names = batch.settlements.names().collect::<Vec<_>>().join(", ");
        with.push(format!(
            "settled AS (
    UPDATE landlord.operations SET settled_at = settlement.settled_at, settled_json = settlement.settled_json
    FROM unnest({arrays}) AS settlement ({names})
    WHERE operations.id = settlement.operation AND {}
    RETURNING 1
)",
            is_in("settlement.n", "n", "made")
        ));
        before.push("settled");
    }
    with.push(counted(&before));
    with.push(
        "ranked AS NOT MATERIALIZED (
    SELECT made.*,
        (SELECT position FROM counted) - (SELECT count(*) FROM made) + row_number() OVER (ORDER BY made.n) AS position
    FROM made
)"
        .to_owned(),
    );
    with.push(format!(
        "happened AS (
    INSERT INTO landlord.events (position, tenant, incarnation, revision, at, from_state, to_state, operation, attempt,
        what_json, settled_json, settles)
    SELECT position, {}
    FROM ranked
)",
        columns(&[
            "id",
            "event_incarnation",
            "revision",
            "event_at",
            "event_from_state",
            "event_to_state",
            "event_operation",
            "event_attempt",
            "event_what_json",
            "event_settled_json",
            "event_settles",
        ])
    ));
    if batch.parts.requests {
        with.push(format!(
            "named AS (
    INSERT INTO landlord.requests (tenant, request_id, began, operation, asked, revision, position)
    SELECT id, request_id, request_began = 1, {}, revision, position
    FROM ranked WHERE request_id IS NOT NULL
)",
            columns(&["request_operation", "request_asked"])
        ));
    }
    format!(
        "WITH {}
SELECT counted.position, (SELECT count(*) FROM made), refused.n, refused.actual, refused.problem
FROM (SELECT position FROM counted LIMIT 1) AS counted LEFT JOIN (
    SELECT n, actual, problem FROM judged WHERE n NOT IN (SELECT n FROM made)
) AS refused ON true",
        with.join(", ")
    )
}

/// The writes, each with what speaks against it.
fn judged(parts: Parts, names: &[&str], arrays: &str) -> String {
    let mut problems = vec!["WHEN coalesce(tenants.revision, 0) <> written.expected THEN 'revision'"];
    if parts.opened {
        problems.push(
            "WHEN written.opened IS NOT NULL
            AND (SELECT true FROM landlord.operations WHERE operations.id = written.opened LIMIT 1) THEN 'operation'",
        );
    }
    if parts.requests {
        problems.push(
            "WHEN written.request_id IS NOT NULL
            AND (SELECT true FROM landlord.requests
                WHERE requests.tenant = written.id AND requests.request_id = written.request_id LIMIT 1) THEN 'request'",
        );
    }
    if parts.specs {
        problems.push(
            "WHEN written.spec_version IS NOT NULL
            AND (SELECT true FROM landlord.specs
                WHERE specs.tenant = written.id AND specs.version = written.spec_version LIMIT 1) THEN 'spec'",
        );
    }
    format!(
        "judged AS MATERIALIZED (
    SELECT written.*, coalesce(tenants.revision, 0) AS actual, CASE
        {}
        END AS problem
    FROM me CROSS JOIN unnest({arrays}) AS written ({}) LEFT JOIN LATERAL (
        SELECT revision FROM landlord.tenants WHERE tenants.id = written.id {LOOKED_UP}
    ) AS tenants ON true
)",
        problems.join("\n        "),
        names.join(", ")
    )
}

/// Columns of the writes, in this order; one that no write has is empty.
fn selected(batch: &Batch<'_>, names: &[&str]) -> String {
    let columns: Vec<&str> =
        names.iter().map(|name| if batch.writes.has(name) { *name } else { "NULL" }).collect();
    columns.join(", ")
}

/// The records, and which writes were made.
fn tenants(batch: &Batch<'_>) -> Vec<String> {
    let (parts, mut with, mut made) = (batch.parts, Vec::new(), Vec::new());
    let columns = || TENANT.iter().map(|(name, _)| *name);
    if parts.goes_on {
        let value = |name| match batch.writes.has(name) {
            true => format!("{name} = judged.{name}"),
            false => format!("{name} = NULL"),
        };
        let values: Vec<String> = columns().filter(|name| *name != "id").map(value).collect();
        // The revision is checked once more where somebody wrote the row after the snapshot.
        with.push(format!(
            "went_on AS (
    UPDATE landlord.tenants SET {}
    FROM judged
    WHERE {} AND tenants.id = judged.id AND {}
    RETURNING judged.*
)",
            values.join(", "),
            often("judged.problem IS NULL AND judged.expected > 0"),
            often("tenants.revision = judged.expected"),
        ));
        made.push("SELECT * FROM went_on".to_owned());
    }
    if parts.begins {
        with.push(format!(
            "begun AS (
    INSERT INTO landlord.tenants ({0})
    SELECT {0} FROM judged WHERE {1}
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)",
            columns().filter(|name| batch.writes.has(name)).collect::<Vec<_>>().join(", "),
            often("judged.problem IS NULL AND judged.expected = 0"),
        ));
        made.push(format!("SELECT * FROM judged WHERE {}", is_in("judged.id", "id", "begun")));
    }
    with.push(format!("made AS MATERIALIZED ({})", made.join(" UNION ALL ")));
    with
}

/// The row that counts positions: after everything but what needs a position.
fn counted(before: &[&str]) -> String {
    let before: Vec<String> =
        before.iter().map(|part| format!(" AND (SELECT count(*) FROM {part}) >= 0")).collect();
    format!(
        "counted AS (
    UPDATE landlord.head SET position = position + (SELECT count(*) FROM made)
    WHERE EXISTS (SELECT FROM me){}
    RETURNING position
)",
        before.concat()
    )
}

#[cfg(test)]
mod tests {
    use landlord_compute::store::Write;
    use landlord_testing::store::samples::StoredLife;

    use super::*;

    fn batch(writes: &[Write]) -> Batch<'_> {
        let all: Vec<usize> = (0..writes.len()).collect();
        Batch::of(writes, &all, |number, error| panic!("{number}: {error}"))
    }

    #[test]
    fn a_statement_has_what_its_batch_needs_and_no_more() {
        let mut life = StoredLife::new("a");
        let begin = [life.begin()];
        let sql = commit(&batch(&begin), "");
        for part in ["begun AS", "described AS", "began AS"] {
            assert!(sql.contains(part), "{part} in {sql}");
        }
        for part in ["went_on AS", "dropped AS", "settled AS", "named AS"] {
            assert!(!sql.contains(part), "{part} in {sql}");
        }
        let done = [life.done()];
        let sql = commit(&batch(&done), "");
        for part in ["went_on AS", "settled AS"] {
            assert!(sql.contains(part), "{part} in {sql}");
        }
        for part in ["begun AS", "described AS", "began AS", "dropped AS", "named AS"] {
            assert!(!sql.contains(part), "{part} in {sql}");
        }
        assert!(commit(&batch(&[life.end()]), "").contains("dropped AS"));
    }

    #[test]
    fn what_no_write_has_is_written_as_nothing() {
        let mut life = StoredLife::new("a");
        let begin = [life.begin()];
        let sql = commit(&batch(&begin), "");
        assert!(!sql.contains("next_operation"), "a new row has it empty: {sql}");
        let done = [life.done()];
        let sql = commit(&batch(&done), "");
        assert!(sql.contains("next_operation = NULL") && sql.contains("ledger_json = "), "{sql}");
        assert!(!sql.contains("judged.next_operation"), "{sql}");
    }

    #[test]
    fn each_parameter_is_named_once() {
        let writes = [StoredLife::new("a").begin_with(None, Some("r")), {
            let mut life = StoredLife::new("b");
            life.begin();
            life.end()
        }];
        let batch = batch(&writes);
        let sql = commit(&batch, "");
        let last = FIRST + batch.writes.width() + batch.settlements.width();
        for number in 1..last {
            let named = sql.matches(&format!("${number}")).count();
            let longer =
                (0..10).map(|digit| sql.matches(&format!("${number}{digit}")).count()).sum::<usize>();
            assert_eq!(named - longer, 1, "${number} in {sql}");
        }
        assert!(!sql.contains(&format!("${last}")));
    }

    #[test]
    fn what_every_commit_waits_for_is_locked_last() {
        let writes = [StoredLife::new("a").begin()];
        let sql = commit(&batch(&writes), "");
        let at = |part: &str| sql.find(part).expect(part);
        assert!(at("me AS") < at("judged AS") && at("judged AS") < at("begun AS"));
        assert!(sql.contains("(SELECT count(*) FROM began) >= 0"), "operations come before the count");
        assert!(at("began AS") < at("counted AS"));
    }
}
