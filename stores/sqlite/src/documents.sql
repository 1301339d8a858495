-- What leads to version 5: small named documents, such as tokens and subscriptions.

-- The last revision that a document got. Counted over all documents, so that no revision is used twice.
ALTER TABLE meta ADD COLUMN documents INTEGER NOT NULL DEFAULT 0;

CREATE TABLE documents (
    kind      TEXT    NOT NULL, -- token, subscription, webhook
    name      TEXT    NOT NULL,
    revision  INTEGER NOT NULL, -- which content this is
    body_json TEXT    NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
