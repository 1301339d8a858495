-- The store's tables, version 1, in a schema of their own.
--
-- For people: times are in UTC, ids and names are compared byte by byte, and columns that end in _json hold JSON as text,
-- as it was written; cast it to read into it: SELECT ledger_json::jsonb -> 'resources' FROM landlord.tenants.

CREATE TABLE landlord.meta (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    engine text    NOT NULL,
    epoch  bigint  NOT NULL,
    shards integer NOT NULL,
    looked_at timestamptz,
    looked_by bigint
);
COMMENT ON TABLE landlord.meta IS 'One row: what the store is called, and how many engines opened it.';
COMMENT ON COLUMN landlord.meta.engine IS 'Names the store for ever, in the ownership tags of every resource.';
COMMENT ON COLUMN landlord.meta.epoch IS 'Counts the engines that opened it; a write under an older one is refused.';
COMMENT ON COLUMN landlord.meta.shards IS 'Into how many shards tenants are divided.';
COMMENT ON COLUMN landlord.meta.looked_at IS 'When an engine that looks after running tenants had asked for each of them last.';
COMMENT ON COLUMN landlord.meta.looked_by IS 'The epoch of that engine.';
INSERT INTO landlord.meta (engine, epoch, shards) VALUES ('{engine}', 0, {shards});

CREATE TABLE landlord.engines (
    epoch      bigint PRIMARY KEY,
    state      text        NOT NULL CHECK (state IN ('open', 'closed', 'fenced')),
    generation bigint      NOT NULL DEFAULT 0,
    owner      text        NOT NULL,
    opened_at  timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
);
COMMENT ON TABLE landlord.engines IS 'The engines that opened the store. A commit locks the row of its engine, so that none is made after the engine was fenced.';
COMMENT ON COLUMN landlord.engines.generation IS 'Counts the commits whose outcome had to be made sure of; one of an older generation comes too late.';
COMMENT ON COLUMN landlord.engines.owner IS 'Process, program, host.';

CREATE TABLE landlord.beats (
    epoch bigint PRIMARY KEY,
    beat  bigint NOT NULL,
    at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);
COMMENT ON TABLE landlord.beats IS 'An open engine counts its beat up once a second. Whoever sees the same beat for 5 s may delete it, and so fence that engine.';
COMMENT ON COLUMN landlord.beats.at IS 'By the clock of the database, for people who look; nothing is decided by it.';

CREATE TABLE landlord.head (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL,
    trimmed  bigint NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE landlord.head IS 'One row: where the last event stands, and up to where events are no longer kept.';
INSERT INTO landlord.head (position, trimmed) VALUES (0, 0);

CREATE TABLE landlord.tenants (
    id                text COLLATE "C" PRIMARY KEY,
    shard             smallint NOT NULL,
    incarnation       bigint   NOT NULL,
    revision          bigint   NOT NULL,
    state             text,
    provider          text,
    health            text,
    applied_spec      bigint,
    applied_rollout   bigint,
    target_spec       bigint,
    target_rollout    bigint,
    latest_spec       bigint,
    operation         text,
    attempt           bigint,
    direction         text,
    deadline          timestamptz,
    undo_error_json   text,
    run               text,
    call              bigint,
    method            text,
    stop_reason       text,
    stop_operation    text,
    until             timestamptz,
    wake_at           timestamptz,
    next_operation    text,
    next_spec         bigint,
    next_deadline     timestamptz,
    paused_at         timestamptz,
    settled_at        timestamptz,
    repair_count      bigint,
    repair_last       timestamptz,
    repair_due        timestamptz,
    last_failure_json text,
    ledger_json       text,
    retained_json     text
) WITH (fillfactor = 80);
COMMENT ON TABLE landlord.tenants IS 'One row for each tenant that ever lived. What is gone has no state: only its count goes on.';
COMMENT ON COLUMN landlord.tenants.shard IS 'The first two bytes of the SHA-256 of the id, modulo the number of shards.';
COMMENT ON COLUMN landlord.tenants.incarnation IS 'Which of its lives.';
COMMENT ON COLUMN landlord.tenants.revision IS 'Counts its transitions, over all lives.';
COMMENT ON COLUMN landlord.tenants.state IS 'pending, provisioning, running, updating, destroying';
COMMENT ON COLUMN landlord.tenants.health IS 'healthy, unhealthy, unknown';
COMMENT ON COLUMN landlord.tenants.applied_spec IS 'The version that runs.';
COMMENT ON COLUMN landlord.tenants.target_spec IS 'The version that is being worked towards.';
COMMENT ON COLUMN landlord.tenants.operation IS 'The operation on its way.';
COMMENT ON COLUMN landlord.tenants.direction IS 'forward, repair, undo, release';
COMMENT ON COLUMN landlord.tenants.undo_error_json IS 'Why it is undone; NULL: it was cancelled.';
COMMENT ON COLUMN landlord.tenants.run IS 'calling, stopping, waiting';
COMMENT ON COLUMN landlord.tenants.call IS 'The call in flight.';
COMMENT ON COLUMN landlord.tenants.stop_reason IS 'cancel, destroy, deadline';
COMMENT ON COLUMN landlord.tenants.stop_operation IS 'The destroy that follows.';
COMMENT ON COLUMN landlord.tenants.until IS 'When the call is dropped, or the next try begins.';
COMMENT ON COLUMN landlord.tenants.wake_at IS 'When something is to be done.';
COMMENT ON COLUMN landlord.tenants.next_operation IS 'What waits for the current operation.';
COMMENT ON COLUMN landlord.tenants.settled_at IS 'When an operation settled last.';
COMMENT ON COLUMN landlord.tenants.ledger_json IS 'What the provider knows and intends.';
COMMENT ON COLUMN landlord.tenants.retained_json IS 'What a tenant that is gone has left on purpose, or a release on its way removes.';
CREATE INDEX tenants_in_flight ON landlord.tenants (id) WHERE call IS NOT NULL;
CREATE INDEX tenants_due ON landlord.tenants (wake_at, id) WHERE wake_at IS NOT NULL;

CREATE TABLE landlord.specs (
    tenant    text COLLATE "C" NOT NULL,
    version   bigint NOT NULL,
    body_json text   NOT NULL,
    PRIMARY KEY (tenant, version)
);
COMMENT ON TABLE landlord.specs IS 'The bodies of a living tenant''s specs, once for each version.';

CREATE TABLE landlord.operations (
    id           text COLLATE "C" PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,
    incarnation  bigint      NOT NULL,
    kind         text        NOT NULL,
    target_spec  bigint,
    accepted_at  timestamptz NOT NULL,
    request_id   text,
    asked        text,
    reason       text,
    traceparent  text,
    tracestate   text,
    settled_at   timestamptz,
    settled_json text
) WITH (fillfactor = 90);
COMMENT ON TABLE landlord.operations IS 'Operations; one that has settled is kept as long as the event that says so.';
COMMENT ON COLUMN landlord.operations.kind IS 'provision, update, restart, repair, destroy, release';
COMMENT ON COLUMN landlord.operations.request_id IS 'The caller''s name for the request that began it.';
COMMENT ON COLUMN landlord.operations.asked IS 'What that request asked for, as a hash.';
COMMENT ON COLUMN landlord.operations.settled_json IS 'How it ended.';

CREATE TABLE landlord.requests (
    tenant     text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    began      boolean NOT NULL,
    operation  text COLLATE "C",
    asked      text,
    revision   bigint  NOT NULL,
    position   bigint  NOT NULL,
    PRIMARY KEY (tenant, request_id)
);
COMMENT ON TABLE landlord.requests IS 'Every name that a caller gave a request: a name stands for one request, whatever it led to.';
COMMENT ON COLUMN landlord.requests.began IS 'Whether it began the operation; otherwise it is part of it, or nothing was on its way.';
COMMENT ON COLUMN landlord.requests.operation IS 'The operation that it began or is part of, and goes with.';
COMMENT ON COLUMN landlord.requests.revision IS 'The tenant''s, when what it asked for was so.';
COMMENT ON COLUMN landlord.requests.position IS 'The last event then; without an operation it goes with that.';
CREATE INDEX requests_operation ON landlord.requests (operation) WHERE operation IS NOT NULL;
CREATE INDEX requests_position ON landlord.requests (position) WHERE operation IS NULL;

CREATE TABLE landlord.events (
    position     bigint NOT NULL,
    tenant       text COLLATE "C" NOT NULL,
    incarnation  bigint      NOT NULL,
    revision     bigint      NOT NULL,
    at           timestamptz NOT NULL,
    from_state   text        NOT NULL,
    to_state     text,
    operation    text,
    attempt      bigint,
    what_json    text        NOT NULL,
    settled_json text,
    settles      text,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
COMMENT ON TABLE landlord.events IS 'What happened, in the order of positions, which have no holes. A partition whose events are no longer kept is dropped.';
COMMENT ON COLUMN landlord.events.to_state IS 'NULL: it is gone.';
COMMENT ON COLUMN landlord.events.settled_json IS 'The operations that ended with it, and how.';
COMMENT ON COLUMN landlord.events.settles IS 'Their ids, with a comma between two.';
CREATE INDEX events_tenant ON landlord.events (tenant, position);

CREATE TABLE landlord.partitions (
    name   text   PRIMARY KEY,
    first  bigint NOT NULL,
    beyond bigint NOT NULL
);
COMMENT ON TABLE landlord.partitions IS 'The partitions of landlord.events: each has the positions from first, and not beyond.';

CREATE SEQUENCE landlord.document_revisions;
CREATE TABLE landlord.documents (
    kind       text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    revision   bigint NOT NULL,
    body_json  text   NOT NULL,
    reads_from bigint,
    PRIMARY KEY (kind, name)
);
COMMENT ON TABLE landlord.documents IS 'Small named documents: tokens, subscriptions, webhooks.';
COMMENT ON COLUMN landlord.documents.reads_from IS 'A position: events after it are still to be read; NULL: it reads none.';
CREATE INDEX documents_reads_from ON landlord.documents (reads_from) WHERE reads_from IS NOT NULL;
