-- What leads to version 4: what the request that began an operation asked for, as a hash. NULL: it had no id, or an older build
-- took it.

ALTER TABLE operations ADD COLUMN asked TEXT;
