-- Version 2: several engines share the store.

ALTER TABLE landlord.engines DROP CONSTRAINT engines_state_check;
ALTER TABLE landlord.engines ADD CONSTRAINT engines_state_check CHECK (state IN ('open', 'alone', 'leaving', 'closed', 'fenced'));
COMMENT ON COLUMN landlord.engines.state IS 'open: it takes shards; alone: the same, and it shares the store with nobody; leaving: it hands over what it has; closed: it has ended; fenced: another engine has ended it.';
CREATE INDEX engines_live ON landlord.engines (epoch) WHERE state IN ('open', 'alone', 'leaving');

CREATE TABLE landlord.shards (
    shard smallint PRIMARY KEY,
    owner bigint,
    quiet_since bigint
) WITH (fillfactor = 50);
COMMENT ON TABLE landlord.shards IS 'Which engine makes the calls of which tenants. Any engine takes their commands.';
COMMENT ON COLUMN landlord.shards.owner IS 'The epoch of the engine. A shard of an engine that has ended is nobody''s.';
COMMENT ON COLUMN landlord.shards.quiet_since IS 'Of a shard that was given up in order, or that nobody ever had: nothing was begun that was committed after this position.';
-- Nothing has ever begun in a store without an event.
INSERT INTO landlord.shards (shard, quiet_since)
    SELECT generate_series(0, shards - 1), (SELECT 0 FROM landlord.head WHERE position = 0) FROM landlord.meta;

CREATE TABLE landlord.quotas (
    name   text COLLATE "C" PRIMARY KEY,
    tokens double precision NOT NULL,
    taken  bigint NOT NULL,
    at     timestamptz NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE landlord.quotas IS 'What a platform takes of all engines together: buckets that fill while time passes, by the clock of the database.';
COMMENT ON COLUMN landlord.quotas.tokens IS 'How many requests could be made when it was drawn from last.';
COMMENT ON COLUMN landlord.quotas.taken IS 'How many tokens were taken out then.';

DROP INDEX landlord.tenants_in_flight;
DROP INDEX landlord.tenants_due;
CREATE INDEX tenants_in_flight ON landlord.tenants (id) INCLUDE (shard) WHERE call IS NOT NULL;
CREATE INDEX tenants_due ON landlord.tenants (wake_at, id) INCLUDE (shard) WHERE wake_at IS NOT NULL;
