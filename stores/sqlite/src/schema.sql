-- The store's tables, version 1.
--
-- For people: times are microseconds since 1970 UTC; the views at the end show them as text, so look at
-- tenants_view, operations_view and events_view. Columns that end in _json hold JSON.

-- One row.
CREATE TABLE meta (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    engine   TEXT    NOT NULL, -- names the store for ever, in the ownership tags of every resource
    epoch    INTEGER NOT NULL, -- counts the engines that opened it; a write under an older one is refused
    trimmed  INTEGER NOT NULL  -- the events up to this position are no longer kept
) STRICT;

-- One row for each tenant that ever lived. What is gone has no state: only its count goes on.
CREATE TABLE tenants (
    id                TEXT    NOT NULL PRIMARY KEY,
    incarnation       INTEGER NOT NULL, -- which of its lives
    revision          INTEGER NOT NULL, -- counts its transitions, over all lives
    last_event        INTEGER NOT NULL, -- the position of its last event
    state             TEXT,             -- pending, provisioning, running, updating, destroying
    provider          TEXT,
    health            TEXT,             -- healthy, unhealthy, unknown
    applied_spec      INTEGER,          -- the version that runs
    target_spec       INTEGER,          -- the version that is being worked towards
    latest_spec       INTEGER,
    operation         TEXT,             -- the operation on its way
    attempt           INTEGER,
    direction         TEXT,             -- forward, repair, undo
    deadline          INTEGER,
    undo_error_json   TEXT,             -- why it is undone; NULL: it was cancelled
    run               TEXT,             -- calling, stopping, waiting
    call              INTEGER,          -- the call in flight
    method            TEXT,             -- provision, update, destroy
    stop_reason       TEXT,             -- cancel, destroy, deadline
    stop_operation    TEXT,             -- the destroy that follows
    until             INTEGER,          -- when the call is dropped, or the next try begins
    wake_at           INTEGER,          -- when something is to be done
    next_operation    TEXT,             -- the update that waits for the current operation
    next_spec         INTEGER,
    next_deadline     INTEGER,
    paused_at         INTEGER,
    settled_at        INTEGER,          -- when an operation settled last
    repair_count      INTEGER,
    repair_last       INTEGER,
    repair_due        INTEGER,
    last_failure_json TEXT,
    ledger_json       TEXT              -- what the provider knows and intends
) STRICT, WITHOUT ROWID;

-- What a start and the timers look for, so that neither reads all tenants.
CREATE INDEX tenants_in_flight ON tenants (id) WHERE call IS NOT NULL;
CREATE INDEX tenants_due ON tenants (wake_at, id) WHERE wake_at IS NOT NULL;

-- The bodies of a living tenant's specs, once for each version.
CREATE TABLE specs (
    tenant    TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    body_json TEXT    NOT NULL,
    PRIMARY KEY (tenant, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE operations (
    id           TEXT    NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    incarnation  INTEGER NOT NULL,
    kind         TEXT    NOT NULL, -- provision, update, repair, destroy
    target_spec  INTEGER,
    accepted_at  INTEGER NOT NULL,
    request_id   TEXT,             -- the caller's name for it
    reason       TEXT,
    traceparent  TEXT,
    tracestate   TEXT,
    settled_at   INTEGER,
    settled_json TEXT              -- how it ended
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX operations_request ON operations (tenant, request_id) WHERE request_id IS NOT NULL;

-- One tenant's events are found by going back from its last one. An index would do that too, but cost every
-- transition of a scattered load a page more (measured: 40 µs of processor time for each instead of 25).
CREATE TABLE events (
    position     INTEGER PRIMARY KEY, -- counts all events, without holes
    tenant       TEXT    NOT NULL,
    incarnation  INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    previous     INTEGER NOT NULL,    -- the position of the same tenant's event before it
    at           INTEGER NOT NULL,
    from_state   TEXT    NOT NULL,
    to_state     TEXT,                -- NULL: it is gone
    operation    TEXT,
    attempt      INTEGER,
    what_json    TEXT    NOT NULL,
    settled_json TEXT                 -- the operations that ended with it
) STRICT;

CREATE VIEW tenants_view AS
SELECT id, state, provider, health, incarnation, revision, applied_spec, target_spec, operation, attempt,
    direction, run, call, method, stop_reason,
    strftime('%Y-%m-%d %H:%M:%f', wake_at / 1e6, 'unixepoch') AS wakes,
    strftime('%Y-%m-%d %H:%M:%f', deadline / 1e6, 'unixepoch') AS deadline,
    next_operation, next_spec,
    strftime('%Y-%m-%d %H:%M:%f', paused_at / 1e6, 'unixepoch') AS paused,
    strftime('%Y-%m-%d %H:%M:%f', settled_at / 1e6, 'unixepoch') AS settled,
    repair_count,
    strftime('%Y-%m-%d %H:%M:%f', repair_due / 1e6, 'unixepoch') AS repairs,
    last_failure_json ->> '$.error.message' AS last_failure,
    ledger_json ->> '$.resources' AS resources
FROM tenants WHERE state IS NOT NULL;

CREATE VIEW operations_view AS
SELECT id, tenant, incarnation, kind, target_spec,
    strftime('%Y-%m-%d %H:%M:%f', accepted_at / 1e6, 'unixepoch') AS accepted,
    request_id, reason,
    strftime('%Y-%m-%d %H:%M:%f', settled_at / 1e6, 'unixepoch') AS settled,
    settled_json ->> '$.as' AS settled_as,
    settled_json ->> '$.error.message' AS error
FROM operations;

CREATE VIEW events_view AS
SELECT position, strftime('%Y-%m-%d %H:%M:%f', at / 1e6, 'unixepoch') AS time, tenant, incarnation, revision,
    from_state, coalesce(to_state, 'gone') AS to_state, operation, attempt,
    what_json ->> '$.kind' AS kind, json_remove(what_json, '$.kind') AS detail, settled_json AS settled
FROM events;
