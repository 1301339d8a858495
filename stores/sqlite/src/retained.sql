-- What leads to version 3: what a tenant that is gone has left on purpose, and where. Of a tenant that lives: what a release
-- on its way removes, which has the direction 'release' and the method 'release'.

ALTER TABLE tenants ADD COLUMN retained_json TEXT;
