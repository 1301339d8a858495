-- From version 1 as it first was, with an index of each tenant's events, to version 1 as it is.

ALTER TABLE tenants ADD COLUMN last_event INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN previous INTEGER NOT NULL DEFAULT 0;

UPDATE tenants SET last_event = coalesce((SELECT max(position) FROM events WHERE tenant = tenants.id), 0);
UPDATE events SET previous = coalesce(
    (SELECT max(before.position) FROM events AS before
     WHERE before.tenant = events.tenant AND before.position < events.position), 0);

DROP INDEX events_tenant;
