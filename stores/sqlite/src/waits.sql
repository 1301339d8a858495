-- What leads to version 7: documents of readers, for which events wait that are beyond the history.

ALTER TABLE documents ADD COLUMN reads_from INTEGER; -- a position: events after it are still to be read; NULL: it reads none

CREATE INDEX documents_reads_from ON documents (reads_from) WHERE reads_from IS NOT NULL;
