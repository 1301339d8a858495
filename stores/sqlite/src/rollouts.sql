-- What leads to version 2: which rollout of its spec a tenant runs, and works towards. NULL: no restart began it.

ALTER TABLE tenants ADD COLUMN applied_rollout INTEGER;
ALTER TABLE tenants ADD COLUMN target_rollout INTEGER;
