-- What the first builds with a SQLite store left (8b87deb).
PRAGMA application_id = 1280066372;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE meta (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    engine   TEXT    NOT NULL, -- names the store for ever, in the ownership tags of every resource
    epoch    INTEGER NOT NULL, -- counts the engines that opened it; a write under an older one is refused
    trimmed  INTEGER NOT NULL  -- the events up to this position are no longer kept
) STRICT;
INSERT INTO meta VALUES(1,'ac7a93b116d168bd',1,0);
CREATE TABLE tenants (
    id                TEXT    NOT NULL PRIMARY KEY,
    incarnation       INTEGER NOT NULL, -- which of its lives
    revision          INTEGER NOT NULL, -- counts its transitions, over all lives
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
INSERT INTO tenants VALUES('failed',1,4,'pending','scripted','unknown',NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795890710997354,0,NULL,NULL,'{"at":"2026-11-28T18:31:50.993296Z","operation":"1-15","error":{"kind":"update_failed","remedy":"permanent","code":"RESOURCE_EXHAUSTED","message":"there is no room","platform":"no capacity"}}',NULL);
INSERT INTO tenants VALUES('flight',1,2,'provisioning','scripted','unknown',NULL,1,1,'1-30',1,'forward',NULL,NULL,'calling',1,'provision',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,'{"version":1,"resources":{"half":"flight"},"facts":null}');
INSERT INTO tenants VALUES('full',1,2,'running','scripted','healthy',1,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795890710982851,0,NULL,NULL,NULL,NULL);
INSERT INTO tenants VALUES('gone',1,4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO tenants VALUES('leaving',1,3,'destroying','scripted','healthy',NULL,NULL,1,'1-35',1,NULL,NULL,NULL,'calling',3,'destroy',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795890710991205,0,NULL,NULL,NULL,NULL);
INSERT INTO tenants VALUES('moving',1,5,'updating','scripted','healthy',1,2,2,'1-32',1,'forward',NULL,NULL,'calling',3,'update',NULL,NULL,NULL,NULL,'1-34',1,NULL,NULL,1795890710989457,0,NULL,NULL,NULL,'{"version":1,"resources":{"half":"moving"},"facts":null}');
INSERT INTO tenants VALUES('paused',1,3,'running','scripted','healthy',1,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795890711007943,1795890710987788,0,NULL,NULL,NULL,NULL);
INSERT INTO tenants VALUES('plain',1,2,'running','scripted','healthy',1,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795890710980581,0,NULL,NULL,NULL,NULL);
INSERT INTO tenants VALUES('undone',1,6,'running','scripted','healthy',1,NULL,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795890711007177,0,NULL,NULL,'{"at":"2026-11-28T18:31:51.006491Z","operation":"1-23","error":{"kind":"update_failed","remedy":"permanent","code":"RESOURCE_EXHAUSTED","message":"there is no room","platform":"no capacity"}}','{"version":1,"resources":{"half":"undone"},"facts":null}');
INSERT INTO tenants VALUES('updated',1,4,'running','scripted','healthy',2,NULL,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795890711004050,0,NULL,NULL,NULL,NULL);
CREATE TABLE specs (
    tenant    TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    body_json TEXT    NOT NULL,
    PRIMARY KEY (tenant, version)
) STRICT, WITHOUT ROWID;
INSERT INTO specs VALUES('failed',1,'{"tenant_id":"failed","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:1"}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('flight',1,'{"tenant_id":"flight","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:2","command":["app"],"args":["--port","80"],"env":{"EMPTY":"","MODE":"fast"},"ports":[{"container_port":80,"host_port":8080,"protocol":"tcp","name":"http"},{"container_port":53,"protocol":"udp"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":10,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"resources":{"cpu":250,"memory":300,"storage":64}},{"name":"side","image":"side","health_check":{"type":"exec","command":["check"],"interval_seconds":5,"timeout_seconds":1,"healthy_threshold":2,"unhealthy_threshold":2}}],"resources":{"cpu":500,"memory":1024,"storage":128},"networking":{"public_ip":true,"security_groups":["sg-1"],"subnets":["subnet-1"],"dns":{"hostname":"web","domain":"example.com"}},"secrets":[{"name":"db","source":"aws-secrets-manager","key":"db","env_var":"DB"}],"labels":{"team":"blue"},"provider_config":{"nested":{"list":[1,2.5,"three",null,true]},"size":3}}');
INSERT INTO specs VALUES('full',1,'{"tenant_id":"full","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:2","command":["app"],"args":["--port","80"],"env":{"EMPTY":"","MODE":"fast"},"ports":[{"container_port":80,"host_port":8080,"protocol":"tcp","name":"http"},{"container_port":53,"protocol":"udp"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":10,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"resources":{"cpu":250,"memory":300,"storage":64}},{"name":"side","image":"side","health_check":{"type":"exec","command":["check"],"interval_seconds":5,"timeout_seconds":1,"healthy_threshold":2,"unhealthy_threshold":2}}],"resources":{"cpu":500,"memory":1024,"storage":128},"networking":{"public_ip":true,"security_groups":["sg-1"],"subnets":["subnet-1"],"dns":{"hostname":"web","domain":"example.com"}},"secrets":[{"name":"db","source":"aws-secrets-manager","key":"db","env_var":"DB"}],"labels":{"team":"blue"},"provider_config":{"nested":{"list":[1,2.5,"three",null,true]},"size":3}}');
INSERT INTO specs VALUES('leaving',1,'{"tenant_id":"leaving","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:2","command":["app"],"args":["--port","80"],"env":{"EMPTY":"","MODE":"fast"},"ports":[{"container_port":80,"host_port":8080,"protocol":"tcp","name":"http"},{"container_port":53,"protocol":"udp"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":10,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"resources":{"cpu":250,"memory":300,"storage":64}},{"name":"side","image":"side","health_check":{"type":"exec","command":["check"],"interval_seconds":5,"timeout_seconds":1,"healthy_threshold":2,"unhealthy_threshold":2}}],"resources":{"cpu":500,"memory":1024,"storage":128},"networking":{"public_ip":true,"security_groups":["sg-1"],"subnets":["subnet-1"],"dns":{"hostname":"web","domain":"example.com"}},"secrets":[{"name":"db","source":"aws-secrets-manager","key":"db","env_var":"DB"}],"labels":{"team":"blue"},"provider_config":{"nested":{"list":[1,2.5,"three",null,true]},"size":3}}');
INSERT INTO specs VALUES('moving',1,'{"tenant_id":"moving","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:1"}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('moving',2,'{"tenant_id":"moving","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:2","command":["app"],"args":["--port","80"],"env":{"EMPTY":"","MODE":"fast"},"ports":[{"container_port":80,"host_port":8080,"protocol":"tcp","name":"http"},{"container_port":53,"protocol":"udp"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":10,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"resources":{"cpu":250,"memory":300,"storage":64}},{"name":"side","image":"side","health_check":{"type":"exec","command":["check"],"interval_seconds":5,"timeout_seconds":1,"healthy_threshold":2,"unhealthy_threshold":2}}],"resources":{"cpu":500,"memory":1024,"storage":128},"networking":{"public_ip":true,"security_groups":["sg-1"],"subnets":["subnet-1"],"dns":{"hostname":"web","domain":"example.com"}},"secrets":[{"name":"db","source":"aws-secrets-manager","key":"db","env_var":"DB"}],"labels":{"team":"blue"},"provider_config":{"nested":{"list":[1,2.5,"three",null,true]},"size":3}}');
INSERT INTO specs VALUES('paused',1,'{"tenant_id":"paused","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:1"}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('plain',1,'{"tenant_id":"plain","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:1"}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('undone',1,'{"tenant_id":"undone","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:1"}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('undone',2,'{"tenant_id":"undone","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:2","command":["app"],"args":["--port","80"],"env":{"EMPTY":"","MODE":"fast"},"ports":[{"container_port":80,"host_port":8080,"protocol":"tcp","name":"http"},{"container_port":53,"protocol":"udp"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":10,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"resources":{"cpu":250,"memory":300,"storage":64}},{"name":"side","image":"side","health_check":{"type":"exec","command":["check"],"interval_seconds":5,"timeout_seconds":1,"healthy_threshold":2,"unhealthy_threshold":2}}],"resources":{"cpu":500,"memory":1024,"storage":128},"networking":{"public_ip":true,"security_groups":["sg-1"],"subnets":["subnet-1"],"dns":{"hostname":"web","domain":"example.com"}},"secrets":[{"name":"db","source":"aws-secrets-manager","key":"db","env_var":"DB"}],"labels":{"team":"blue"},"provider_config":{"nested":{"list":[1,2.5,"three",null,true]},"size":3}}');
INSERT INTO specs VALUES('updated',1,'{"tenant_id":"updated","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:1"}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('updated',2,'{"tenant_id":"updated","provider_type":"scripted","containers":[{"name":"web","image":"registry.example.com/app:2","command":["app"],"args":["--port","80"],"env":{"EMPTY":"","MODE":"fast"},"ports":[{"container_port":80,"host_port":8080,"protocol":"tcp","name":"http"},{"container_port":53,"protocol":"udp"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":10,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"resources":{"cpu":250,"memory":300,"storage":64}},{"name":"side","image":"side","health_check":{"type":"exec","command":["check"],"interval_seconds":5,"timeout_seconds":1,"healthy_threshold":2,"unhealthy_threshold":2}}],"resources":{"cpu":500,"memory":1024,"storage":128},"networking":{"public_ip":true,"security_groups":["sg-1"],"subnets":["subnet-1"],"dns":{"hostname":"web","domain":"example.com"}},"secrets":[{"name":"db","source":"aws-secrets-manager","key":"db","env_var":"DB"}],"labels":{"team":"blue"},"provider_config":{"nested":{"list":[1,2.5,"three",null,true]},"size":3}}');
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
INSERT INTO operations VALUES('1-1','plain',1,'provision',1,1795890710979566,'first','to be recorded',NULL,NULL,1795890710980581,'{"as":"done"}');
INSERT INTO operations VALUES('1-11','moving',1,'provision',1,1795890710988772,'first','to be recorded',NULL,NULL,1795890710989457,'{"as":"done"}');
INSERT INTO operations VALUES('1-13','leaving',1,'provision',1,1795890710990477,'first','to be recorded',NULL,NULL,1795890710991205,'{"as":"done"}');
INSERT INTO operations VALUES('1-15','failed',1,'provision',1,1795890710992092,'first','to be recorded',NULL,NULL,1795890710997354,'{"as":"failed","error":{"kind":"update_failed","remedy":"permanent","code":"RESOURCE_EXHAUSTED","message":"there is no room","platform":"no capacity"},"undone":true}');
INSERT INTO operations VALUES('1-19','gone',1,'provision',1,1795890710998627,'first','to be recorded',NULL,NULL,1795890710999502,'{"as":"done"}');
INSERT INTO operations VALUES('1-21','updated',1,'update',2,1795890711000468,NULL,NULL,NULL,NULL,1795890711004050,'{"as":"done"}');
INSERT INTO operations VALUES('1-23','undone',1,'update',2,1795890711005038,NULL,NULL,NULL,NULL,1795890711007177,'{"as":"failed","error":{"kind":"update_failed","remedy":"permanent","code":"RESOURCE_EXHAUSTED","message":"there is no room","platform":"no capacity"},"undone":true}');
INSERT INTO operations VALUES('1-28','gone',1,'destroy',NULL,1795890711008610,NULL,NULL,NULL,NULL,1795890711009388,'{"as":"done"}');
INSERT INTO operations VALUES('1-3','full',1,'provision',1,1795890710982049,'first','to be recorded',NULL,NULL,1795890710982851,'{"as":"done"}');
INSERT INTO operations VALUES('1-30','flight',1,'provision',1,1795890711010998,'first','to be recorded',NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('1-32','moving',1,'update',2,1795890711012330,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('1-34','moving',1,'update',1,1795890711014052,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('1-35','leaving',1,'destroy',NULL,1795890711014704,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('1-5','updated',1,'provision',1,1795890710983896,'first','to be recorded',NULL,NULL,1795890710984618,'{"as":"done"}');
INSERT INTO operations VALUES('1-7','undone',1,'provision',1,1795890710985534,'first','to be recorded',NULL,NULL,1795890710986150,'{"as":"done"}');
INSERT INTO operations VALUES('1-9','paused',1,'provision',1,1795890710987076,'first','to be recorded',NULL,NULL,1795890710987788,'{"as":"done"}');
CREATE TABLE events (
    position     INTEGER PRIMARY KEY, -- counts all events, without holes
    tenant       TEXT    NOT NULL,
    incarnation  INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    from_state   TEXT    NOT NULL,
    to_state     TEXT,                -- NULL: it is gone
    operation    TEXT,
    attempt      INTEGER,
    what_json    TEXT    NOT NULL,
    settled_json TEXT                 -- the operations that ended with it
) STRICT;
INSERT INTO events VALUES(1,'plain',1,1,1795890710979566,'pending','provisioning','1-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(2,'plain',1,2,1795890710980581,'provisioning','running','1-1',1,'{"kind":"succeeded"}','[{"operation":"1-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(3,'full',1,1,1795890710982049,'pending','provisioning','1-3',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(4,'full',1,2,1795890710982851,'provisioning','running','1-3',1,'{"kind":"succeeded"}','[{"operation":"1-3","settled":{"as":"done"}}]');
INSERT INTO events VALUES(5,'updated',1,1,1795890710983896,'pending','provisioning','1-5',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(6,'updated',1,2,1795890710984618,'provisioning','running','1-5',1,'{"kind":"succeeded"}','[{"operation":"1-5","settled":{"as":"done"}}]');
INSERT INTO events VALUES(7,'undone',1,1,1795890710985534,'pending','provisioning','1-7',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(8,'undone',1,2,1795890710986150,'provisioning','running','1-7',1,'{"kind":"succeeded"}','[{"operation":"1-7","settled":{"as":"done"}}]');
INSERT INTO events VALUES(9,'paused',1,1,1795890710987076,'pending','provisioning','1-9',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(10,'paused',1,2,1795890710987788,'provisioning','running','1-9',1,'{"kind":"succeeded"}','[{"operation":"1-9","settled":{"as":"done"}}]');
INSERT INTO events VALUES(11,'moving',1,1,1795890710988772,'pending','provisioning','1-11',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(12,'moving',1,2,1795890710989457,'provisioning','running','1-11',1,'{"kind":"succeeded"}','[{"operation":"1-11","settled":{"as":"done"}}]');
INSERT INTO events VALUES(13,'leaving',1,1,1795890710990477,'pending','provisioning','1-13',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(14,'leaving',1,2,1795890710991205,'provisioning','running','1-13',1,'{"kind":"succeeded"}','[{"operation":"1-13","settled":{"as":"done"}}]');
INSERT INTO events VALUES(15,'failed',1,1,1795890710992092,'pending','provisioning','1-15',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(16,'failed',1,2,1795890710992736,'provisioning','provisioning','1-15',1,'{"kind":"progressed","step":"half"}',NULL);
INSERT INTO events VALUES(17,'failed',1,3,1795890710993296,'provisioning','provisioning','1-15',1,'{"kind":"undoing","error":{"kind":"update_failed","remedy":"permanent","code":"RESOURCE_EXHAUSTED","message":"there is no room","platform":"no capacity"}}',NULL);
INSERT INTO events VALUES(18,'failed',1,4,1795890710997354,'provisioning','pending','1-15',1,'{"kind":"undone"}','[{"operation":"1-15","settled":{"as":"failed","error":{"kind":"update_failed","remedy":"permanent","code":"RESOURCE_EXHAUSTED","message":"there is no room","platform":"no capacity"},"undone":true}}]');
INSERT INTO events VALUES(19,'gone',1,1,1795890710998627,'pending','provisioning','1-19',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(20,'gone',1,2,1795890710999502,'provisioning','running','1-19',1,'{"kind":"succeeded"}','[{"operation":"1-19","settled":{"as":"done"}}]');
INSERT INTO events VALUES(21,'updated',1,3,1795890711000468,'running','updating','1-21',1,'{"kind":"began","operation_kind":"update","spec":2}',NULL);
INSERT INTO events VALUES(22,'updated',1,4,1795890711004050,'updating','running','1-21',1,'{"kind":"succeeded","changes":["containers[web].image: registry.example.com/app:1 → registry.example.com/app:2","containers[web].command: added","containers[web].args: added","containers[web].env.EMPTY: added","containers[web].env.MODE: added","containers[web].ports: none → http=8080:80/tcp, 53/udp","containers[web].health_check: added","containers[web].resources.cpu: none → 250","containers[web].resources.memory: none → 300","containers[web].resources.storage: none → 64","containers[side]: added","resources.cpu: 128 → 500","resources.memory: 128 → 1024","resources.storage: none → 128","networking.public_ip: false → true","networking.security_groups: none → sg-1","networking.subnets: none → subnet-1","networking.dns.hostname: none → web","networking.dns.domain: none → example.com","secrets[db]: added","labels.team: none → blue","provider_config: added"]}','[{"operation":"1-21","settled":{"as":"done"}}]');
INSERT INTO events VALUES(23,'undone',1,3,1795890711005038,'running','updating','1-23',1,'{"kind":"began","operation_kind":"update","spec":2}',NULL);
INSERT INTO events VALUES(24,'undone',1,4,1795890711005916,'updating','updating','1-23',1,'{"kind":"progressed","step":"half"}',NULL);
INSERT INTO events VALUES(25,'undone',1,5,1795890711006491,'updating','updating','1-23',1,'{"kind":"undoing","error":{"kind":"update_failed","remedy":"permanent","code":"RESOURCE_EXHAUSTED","message":"there is no room","platform":"no capacity"}}',NULL);
INSERT INTO events VALUES(26,'undone',1,6,1795890711007177,'updating','running','1-23',1,'{"kind":"undone"}','[{"operation":"1-23","settled":{"as":"failed","error":{"kind":"update_failed","remedy":"permanent","code":"RESOURCE_EXHAUSTED","message":"there is no room","platform":"no capacity"},"undone":true}}]');
INSERT INTO events VALUES(27,'paused',1,3,1795890711007943,'running','running',NULL,NULL,'{"kind":"paused"}',NULL);
INSERT INTO events VALUES(28,'gone',1,3,1795890711008610,'running','destroying','1-28',1,'{"kind":"began","operation_kind":"destroy"}',NULL);
INSERT INTO events VALUES(29,'gone',1,4,1795890711009388,'destroying',NULL,'1-28',1,'{"kind":"succeeded"}','[{"operation":"1-28","settled":{"as":"done"}}]');
INSERT INTO events VALUES(30,'flight',1,1,1795890711010998,'pending','provisioning','1-30',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(31,'flight',1,2,1795890711011914,'provisioning','provisioning','1-30',1,'{"kind":"progressed","step":"half"}',NULL);
INSERT INTO events VALUES(32,'moving',1,3,1795890711012330,'running','updating','1-32',1,'{"kind":"began","operation_kind":"update","spec":2}',NULL);
INSERT INTO events VALUES(33,'moving',1,4,1795890711013442,'updating','updating','1-32',1,'{"kind":"progressed","step":"half"}',NULL);
INSERT INTO events VALUES(34,'moving',1,5,1795890711014052,'updating','updating','1-32',1,'{"kind":"queued","queued":"1-34","spec":1}',NULL);
INSERT INTO events VALUES(35,'leaving',1,3,1795890711014704,'running','destroying','1-35',1,'{"kind":"began","operation_kind":"destroy"}',NULL);
CREATE INDEX tenants_in_flight ON tenants (id) WHERE call IS NOT NULL;
CREATE INDEX tenants_due ON tenants (wake_at, id) WHERE wake_at IS NOT NULL;
CREATE UNIQUE INDEX operations_request ON operations (tenant, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX events_tenant ON events (tenant);
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
COMMIT;
