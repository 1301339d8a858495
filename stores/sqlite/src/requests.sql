-- What leads to version 6: requests under a caller's name that began no operation. Those that began one are with the operation.

CREATE TABLE requests (
    tenant     TEXT    NOT NULL,
    request_id TEXT    NOT NULL, -- the caller's name for it
    asked      TEXT    NOT NULL, -- what it asked for, as a hash
    operation  TEXT,             -- which it is part of, and goes with; NULL: nothing was on its way
    revision   INTEGER NOT NULL, -- the tenant's, when what it asked for was so
    position   INTEGER NOT NULL, -- the last event then; without an operation it goes with that
    PRIMARY KEY (tenant, request_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_operation ON requests (operation) WHERE operation IS NOT NULL;
CREATE INDEX requests_position ON requests (position) WHERE operation IS NULL;
