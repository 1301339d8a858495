-- What 1813ea4 left of a fleet of processes.
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
INSERT INTO meta VALUES(1,'@ENGINE@',22,0);
CREATE TABLE tenants (
    id                TEXT    NOT NULL PRIMARY KEY,
    incarnation       INTEGER NOT NULL, -- which of its lives
    revision          INTEGER NOT NULL, -- counts its transitions, over all lives
    last_event        INTEGER NOT NULL, -- the position of its last event
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
INSERT INTO tenants VALUES('failed',1,28,99,'pending','process','unknown',NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795889130316806,0,NULL,NULL,'{"at":"2026-11-28T18:05:30.295131Z","operation":"10-1","error":{"kind":"provision_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3","platform":"exited with code 3"}}',NULL);
INSERT INTO tenants VALUES('flight',1,5,145,'provisioning','process','unknown',NULL,1,1,'20-1',3,'forward',NULL,NULL,'calling',5,'provision',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,'{"version":1,"resources":{"web/1-1":"pid @PID flight/web.1-1@"},"endpoints":[{"type":"http","address":"127.0.0.1","port":@PORT flight/web.1-1 80@,"url":"http://127.0.0.1:@PORT flight/web.1-1 80@"}],"facts":{"generation":1,"launches":{"1-1":{"manifest":{"container":"web","fingerprint":"6101a43348d28c639dd48bd158517d22","ports":[{"container_port":80,"host_port":@PORT flight/web.1-1 80@,"protocol":"tcp","name":"http"}],"readiness":{"check":{"type":"http","port":80,"path":"/healthz"},"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"stop_grace_seconds":5},"restarts":0,"run":{"live":{"leader":{"pid":@PID flight/web.1-1@,"start_time":@STARTED flight/web.1-1@},"since":"2026-11-28T18:05:34.277529151Z","ready":false,"health":"unchecked","fresh":false}}}},"looked":true}}');
INSERT INTO tenants VALUES('gone',1,11,110,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO tenants VALUES('leaving',1,8,147,'destroying','process','healthy',NULL,NULL,1,'22-1',1,NULL,NULL,NULL,'calling',6,'destroy',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795889132640413,0,NULL,NULL,NULL,'{"version":1,"resources":{"main/1-1":"pid @PID leaving/main.1-1@, ending"},"facts":{"generation":1,"launches":{"1-1":{"manifest":{"container":"main","fingerprint":"73dfe57c33e087e8c7a2fd4b420d0e35","readiness":{"check":{"type":"alive"},"interval_seconds":1,"timeout_seconds":1,"healthy_threshold":1,"unhealthy_threshold":1},"stop_grace_seconds":3600},"restarts":0,"run":{"stopping":{"leader":{"pid":@PID leaving/main.1-1@,"start_time":@STARTED leaving/main.1-1@},"stop":"term","sent":"2026-11-28T18:05:34.467739259Z"}}}},"looked":true}}');
INSERT INTO tenants VALUES('moving',1,9,143,'updating','process','healthy',1,2,2,'21-1',2,'forward',NULL,NULL,'calling',9,'update',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795889098150936,0,NULL,NULL,NULL,'{"version":1,"resources":{"web/1-1":"pid @PID moving/web.1-1@","web/1-2":"pid @PID moving/web.1-2@"},"endpoints":[{"type":"http","address":"127.0.0.1","port":@PORT moving/web.1-1 80@,"url":"http://127.0.0.1:@PORT moving/web.1-1 80@"}],"facts":{"generation":2,"launches":{"1-1":{"manifest":{"container":"web","fingerprint":"6101a43348d28c639dd48bd158517d22","ports":[{"container_port":80,"host_port":@PORT moving/web.1-1 80@,"protocol":"tcp","name":"http"}],"readiness":{"check":{"type":"http","port":80,"path":"/healthz"},"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"stop_grace_seconds":5},"restarts":0,"run":{"live":{"leader":{"pid":@PID moving/web.1-1@,"start_time":@STARTED moving/web.1-1@},"since":"2026-11-28T18:04:58.134854326Z","ready":true,"health":{"passing":{"times":1,"at":"2026-11-28T18:04:58.147437863Z"}},"fresh":false}}},"1-2":{"manifest":{"container":"web","fingerprint":"bf5df8768e2542f769bd18975120e397","ports":[{"container_port":80,"host_port":@PORT moving/web.1-2 80@,"protocol":"tcp","name":"http"}],"readiness":{"check":{"type":"http","port":80,"path":"/healthz"},"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"stop_grace_seconds":5},"restarts":0,"run":{"live":{"leader":{"pid":@PID moving/web.1-2@,"start_time":@STARTED moving/web.1-2@},"since":"2026-11-28T18:05:34.362076459Z","ready":false,"health":"unchecked","fresh":false}}}},"looked":true}}');
INSERT INTO tenants VALUES('pair',1,5,10,'running','process','healthy',1,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795889096953819,0,NULL,NULL,NULL,'{"version":1,"resources":{"api/1-1":"pid @PID pair/api.1-1@","worker/1-2":"pid @PID pair/worker.1-2@"},"endpoints":[{"type":"tcp","address":"127.0.0.1","port":@PORT pair/api.1-1 8080@,"url":"tcp://127.0.0.1:@PORT pair/api.1-1 8080@"}],"facts":{"generation":2,"launches":{"1-1":{"manifest":{"container":"api","fingerprint":"2eb5f5a61da261692b30ecddb91c0bf5","ports":[{"container_port":8080,"host_port":@PORT pair/api.1-1 8080@,"protocol":"tcp"}],"readiness":{"check":{"type":"tcp","port":8080},"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"stop_grace_seconds":10},"restarts":0,"run":{"live":{"leader":{"pid":@PID pair/api.1-1@,"start_time":@STARTED pair/api.1-1@},"since":"2026-11-28T18:04:51.918674474Z","ready":true,"health":{"passing":{"times":1,"at":"2026-11-28T18:04:52.934438726Z"}},"fresh":false}}},"1-2":{"manifest":{"container":"worker","fingerprint":"aec655db87103772c711cdcf2dd08197","readiness":{"check":{"type":"exec"},"interval_seconds":5,"timeout_seconds":4,"healthy_threshold":2,"unhealthy_threshold":3},"stop_grace_seconds":10},"restarts":0,"run":{"live":{"leader":{"pid":@PID pair/worker.1-2@,"start_time":@STARTED pair/worker.1-2@},"since":"2026-11-28T18:04:51.918674474Z","ready":true,"health":{"passing":{"times":2,"at":"2026-11-28T18:04:56.944840953Z"}},"fresh":true}}}},"looked":true}}');
INSERT INTO tenants VALUES('paused',1,6,121,'running','process','healthy',1,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795889133774276,1795889133726253,0,NULL,NULL,NULL,'{"version":1,"resources":{"main/1-1":"pid @PID paused/main.1-1@"},"facts":{"generation":1,"launches":{"1-1":{"manifest":{"container":"main","fingerprint":"e3a553eeebfa9920b8017376b82ad481","readiness":{"check":{"type":"alive"},"interval_seconds":1,"timeout_seconds":1,"healthy_threshold":1,"unhealthy_threshold":1},"stop_grace_seconds":10},"restarts":0,"run":{"live":{"leader":{"pid":@PID paused/main.1-1@,"start_time":@STARTED paused/main.1-1@},"since":"2026-11-28T18:05:32.709960771Z","ready":true,"health":{"passing":{"times":1,"at":"2026-11-28T18:05:33.7218328Z"}},"fresh":true}}}},"looked":true}}');
INSERT INTO tenants VALUES('queued',1,13,129,'updating','process','healthy',1,2,3,'16-1',4,'forward',NULL,NULL,'waiting',NULL,NULL,NULL,NULL,1795889134046204,NULL,'17-1',3,NULL,1795889133949956,1795889098249628,0,NULL,NULL,NULL,'{"version":1,"resources":{"web/1-1":"pid @PID queued/web.1-1@","web/1-2":"pid @PID queued/web.1-2@"},"endpoints":[{"type":"http","address":"127.0.0.1","port":@PORT queued/web.1-1 80@,"url":"http://127.0.0.1:@PORT queued/web.1-1 80@"}],"facts":{"generation":2,"launches":{"1-1":{"manifest":{"container":"web","fingerprint":"6101a43348d28c639dd48bd158517d22","ports":[{"container_port":80,"host_port":@PORT queued/web.1-1 80@,"protocol":"tcp","name":"http"}],"readiness":{"check":{"type":"http","port":80,"path":"/healthz"},"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"stop_grace_seconds":5},"restarts":0,"run":{"live":{"leader":{"pid":@PID queued/web.1-1@,"start_time":@STARTED queued/web.1-1@},"since":"2026-11-28T18:04:58.235439574Z","ready":true,"health":{"passing":{"times":1,"at":"2026-11-28T18:04:58.242447842Z"}},"fresh":false}}},"1-2":{"manifest":{"container":"web","fingerprint":"bf5df8768e2542f769bd18975120e397","ports":[{"container_port":80,"host_port":@PORT queued/web.1-2 80@,"protocol":"tcp","name":"http"}],"readiness":{"check":{"type":"http","port":80,"path":"/healthz"},"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"stop_grace_seconds":5},"restarts":0,"run":{"live":{"leader":{"pid":@PID queued/web.1-2@,"start_time":@STARTED queued/web.1-2@},"since":"2026-11-28T18:05:33.832254744Z","ready":false,"health":"unchecked","fresh":false}}}},"looked":true}}');
INSERT INTO tenants VALUES('repaired',1,11,144,'updating','process','unhealthy',1,1,1,'19-2',4,'repair',NULL,NULL,'calling',11,'provision',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795889099331933,0,NULL,NULL,NULL,'{"version":1,"resources":{"web/1-1":"ended, files left","web/1-2":"pid @PID repaired/web.1-2@"},"endpoints":[{"type":"http","address":"127.0.0.1","port":@PORT repaired/web.1-2 80@,"url":"http://127.0.0.1:@PORT repaired/web.1-2 80@"}],"facts":{"generation":2,"launches":{"1-1":{"manifest":{"container":"web","fingerprint":"6101a43348d28c639dd48bd158517d22","ports":[{"container_port":80,"host_port":@PORT repaired/web.1-2 80@,"protocol":"tcp","name":"http"}],"readiness":{"check":{"type":"http","port":80,"path":"/healthz"},"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"stop_grace_seconds":5},"restarts":0,"run":{"dead":{"exit":{"cause":"unseen"},"death":"crashed","orphans":false}}},"1-2":{"manifest":{"container":"web","fingerprint":"6101a43348d28c639dd48bd158517d22","ports":[{"container_port":80,"host_port":@PORT repaired/web.1-2 80@,"protocol":"tcp","name":"http"}],"readiness":{"check":{"type":"http","port":80,"path":"/healthz"},"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"stop_grace_seconds":5},"restarts":1,"run":{"live":{"leader":{"pid":@PID repaired/web.1-2@,"start_time":@STARTED repaired/web.1-2@},"since":"2026-11-28T18:05:34.145298668Z","ready":false,"health":"unchecked","fresh":false}}}},"looked":true}}');
INSERT INTO tenants VALUES('undone',1,33,71,'running','process','healthy',1,NULL,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795889115694999,0,NULL,NULL,'{"at":"2026-11-28T18:05:15.681555Z","operation":"9-1","error":{"kind":"update_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3; last line of stderr: no such table","platform":"exited with code 3; last line of stderr: no such table"}}','{"version":1,"resources":{"main/1-1":"pid @PID undone/main.1-1@"},"facts":{"generation":6,"launches":{"1-1":{"manifest":{"container":"main","fingerprint":"e3a553eeebfa9920b8017376b82ad481","readiness":{"check":{"type":"alive"},"interval_seconds":1,"timeout_seconds":1,"healthy_threshold":1,"unhealthy_threshold":1},"stop_grace_seconds":10},"restarts":0,"run":{"live":{"leader":{"pid":@PID undone/main.1-1@,"start_time":@STARTED undone/main.1-1@},"since":"2026-11-28T18:04:59.394997573Z","ready":true,"health":{"passing":{"times":2,"at":"2026-11-28T18:05:15.69083606Z"}},"fresh":true}}}},"looked":true}}');
INSERT INTO tenants VALUES('updated',1,13,43,'running','process','healthy',2,NULL,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795889101544235,0,NULL,NULL,NULL,'{"version":1,"resources":{"main/1-2":"pid @PID updated/main.1-2@"},"facts":{"generation":2,"launches":{"1-2":{"manifest":{"container":"main","fingerprint":"235c060ed1c5e36c6251f7368f75e0b5","readiness":{"check":{"type":"alive"},"interval_seconds":1,"timeout_seconds":1,"healthy_threshold":1,"unhealthy_threshold":1},"stop_grace_seconds":30},"restarts":0,"run":{"live":{"leader":{"pid":@PID updated/main.1-2@,"start_time":@STARTED updated/main.1-2@},"since":"2026-11-28T18:05:00.45677833Z","ready":true,"health":{"passing":{"times":1,"at":"2026-11-28T18:05:01.463381522Z"}},"fresh":false}}}},"looked":true}}');
INSERT INTO tenants VALUES('web',1,5,5,'running','process','healthy',1,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795889091853778,0,NULL,NULL,NULL,'{"version":1,"resources":{"web/1-1":"pid @PID web/web.1-1@"},"endpoints":[{"type":"http","address":"127.0.0.1","port":@PORT web/web.1-1 80@,"url":"http://127.0.0.1:@PORT web/web.1-1 80@"}],"facts":{"generation":1,"launches":{"1-1":{"manifest":{"container":"web","fingerprint":"88b99878d8eb975ca7eec146cde75cd8","ports":[{"container_port":80,"host_port":@PORT web/web.1-1 80@,"protocol":"tcp","name":"http"},{"container_port":53,"host_port":@PORT web/web.1-1 53@,"protocol":"udp"}],"readiness":{"check":{"type":"http","port":80,"path":"/healthz?full=1"},"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"stop_grace_seconds":5},"restarts":0,"run":{"live":{"leader":{"pid":@PID web/web.1-1@,"start_time":@STARTED web/web.1-1@},"since":"2026-11-28T18:04:50.822404764Z","ready":true,"health":{"passing":{"times":1,"at":"2026-11-28T18:04:51.843718927Z"}},"fresh":true}}}},"looked":true}}');
CREATE TABLE specs (
    tenant    TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    body_json TEXT    NOT NULL,
    PRIMARY KEY (tenant, version)
) STRICT, WITHOUT ROWID;
INSERT INTO specs VALUES('failed',1,'{"tenant_id":"failed","provider_type":"process","containers":[{"name":"main","image":"host","command":["/bin/sh","-c","exit 3"]}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('flight',1,'{"tenant_id":"flight","provider_type":"process","containers":[{"name":"web","image":"host","command":["$(SERVER)"],"args":["demo-tenant","--greeting","version 1","--slow","$(SLOW)"],"ports":[{"container_port":80,"protocol":"tcp","name":"http"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3}}],"resources":{"cpu":128,"memory":1024},"networking":{"public_ip":false},"secrets":[{"name":"server","source":"environment","key":"TAKEOVER_SERVER","env_var":"SERVER"},{"name":"slow","source":"environment","key":"TAKEOVER_SLOW","env_var":"SLOW"}],"provider_config":{"stop_grace_seconds":5}}');
INSERT INTO specs VALUES('leaving',1,'{"tenant_id":"leaving","provider_type":"process","containers":[{"name":"main","image":"host","command":["/bin/sh","-c","trap '''' TERM; while :; do sleep 1; done"]}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false},"provider_config":{"stop_grace_seconds":3600}}');
INSERT INTO specs VALUES('moving',1,'{"tenant_id":"moving","provider_type":"process","containers":[{"name":"web","image":"host","command":["$(SERVER)"],"args":["demo-tenant","--greeting","version 1","--slow","$(SLOW)"],"ports":[{"container_port":80,"protocol":"tcp","name":"http"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3}}],"resources":{"cpu":128,"memory":1024},"networking":{"public_ip":false},"secrets":[{"name":"server","source":"environment","key":"TAKEOVER_SERVER","env_var":"SERVER"},{"name":"slow","source":"environment","key":"TAKEOVER_SLOW","env_var":"SLOW"}],"provider_config":{"stop_grace_seconds":5}}');
INSERT INTO specs VALUES('moving',2,'{"tenant_id":"moving","provider_type":"process","containers":[{"name":"web","image":"host","command":["$(SERVER)"],"args":["demo-tenant","--greeting","version 2","--slow","$(SLOW)"],"ports":[{"container_port":80,"protocol":"tcp","name":"http"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3}}],"resources":{"cpu":128,"memory":1024},"networking":{"public_ip":false},"secrets":[{"name":"server","source":"environment","key":"TAKEOVER_SERVER","env_var":"SERVER"},{"name":"slow","source":"environment","key":"TAKEOVER_SLOW","env_var":"SLOW"}],"provider_config":{"stop_grace_seconds":5}}');
INSERT INTO specs VALUES('pair',1,'{"tenant_id":"pair","provider_type":"process","containers":[{"name":"api","image":"host","command":["$(SERVER)","demo-tenant"],"args":["--greeting","pair","--slow","$(SLOW)"],"ports":[{"container_port":8080,"protocol":"tcp"}],"health_check":{"type":"tcp","port":8080,"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3}},{"name":"worker","image":"host","command":["/bin/sh","-c"],"args":["trap ''exit 0'' TERM; while :; do sleep 1; done"],"env":{"QUEUE":"jobs"},"health_check":{"type":"exec","command":["/bin/sh","-c","test \"$QUEUE\" = jobs"],"interval_seconds":5,"timeout_seconds":4,"healthy_threshold":2,"unhealthy_threshold":3},"resources":{"cpu":128,"memory":128}}],"resources":{"cpu":512,"memory":1024},"networking":{"public_ip":false},"secrets":[{"name":"server","source":"environment","key":"TAKEOVER_SERVER","env_var":"SERVER"},{"name":"slow","source":"environment","key":"TAKEOVER_SLOW","env_var":"SLOW"}]}');
INSERT INTO specs VALUES('paused',1,'{"tenant_id":"paused","provider_type":"process","containers":[{"name":"main","image":"host","command":["/bin/sh","-c","trap ''exit 0'' TERM; while :; do sleep 1; done"]}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('queued',1,'{"tenant_id":"queued","provider_type":"process","containers":[{"name":"web","image":"host","command":["$(SERVER)"],"args":["demo-tenant","--greeting","version 1","--slow","$(SLOW)"],"ports":[{"container_port":80,"protocol":"tcp","name":"http"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3}}],"resources":{"cpu":128,"memory":1024},"networking":{"public_ip":false},"secrets":[{"name":"server","source":"environment","key":"TAKEOVER_SERVER","env_var":"SERVER"},{"name":"slow","source":"environment","key":"TAKEOVER_SLOW","env_var":"SLOW"}],"provider_config":{"stop_grace_seconds":5}}');
INSERT INTO specs VALUES('queued',2,'{"tenant_id":"queued","provider_type":"process","containers":[{"name":"web","image":"host","command":["$(SERVER)"],"args":["demo-tenant","--greeting","version 2","--slow","$(SLOW)"],"ports":[{"container_port":80,"protocol":"tcp","name":"http"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3}}],"resources":{"cpu":128,"memory":1024},"networking":{"public_ip":false},"secrets":[{"name":"server","source":"environment","key":"TAKEOVER_SERVER","env_var":"SERVER"},{"name":"slow","source":"environment","key":"TAKEOVER_SLOW","env_var":"SLOW"}],"provider_config":{"stop_grace_seconds":5}}');
INSERT INTO specs VALUES('queued',3,'{"tenant_id":"queued","provider_type":"process","containers":[{"name":"web","image":"host","command":["$(SERVER)"],"args":["demo-tenant","--greeting","version 3","--slow","$(SLOW)"],"ports":[{"container_port":80,"protocol":"tcp","name":"http"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3}}],"resources":{"cpu":128,"memory":1024},"networking":{"public_ip":false},"secrets":[{"name":"server","source":"environment","key":"TAKEOVER_SERVER","env_var":"SERVER"},{"name":"slow","source":"environment","key":"TAKEOVER_SLOW","env_var":"SLOW"}],"provider_config":{"stop_grace_seconds":5}}');
INSERT INTO specs VALUES('repaired',1,'{"tenant_id":"repaired","provider_type":"process","containers":[{"name":"web","image":"host","command":["$(SERVER)"],"args":["demo-tenant","--greeting","version 1","--slow","$(SLOW)"],"ports":[{"container_port":80,"protocol":"tcp","name":"http"}],"health_check":{"type":"http","http_path":"/healthz","port":80,"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3}}],"resources":{"cpu":128,"memory":1024},"networking":{"public_ip":false},"secrets":[{"name":"server","source":"environment","key":"TAKEOVER_SERVER","env_var":"SERVER"},{"name":"slow","source":"environment","key":"TAKEOVER_SLOW","env_var":"SLOW"}],"provider_config":{"stop_grace_seconds":5}}');
INSERT INTO specs VALUES('undone',1,'{"tenant_id":"undone","provider_type":"process","containers":[{"name":"main","image":"host","command":["/bin/sh","-c","trap ''exit 0'' TERM; while :; do sleep 1; done"]}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('undone',2,'{"tenant_id":"undone","provider_type":"process","containers":[{"name":"main","image":"host","command":["/bin/sh","-c","echo ''no such table'' >&2; exit 3"]}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('updated',1,'{"tenant_id":"updated","provider_type":"process","containers":[{"name":"main","image":"host","command":["/bin/sh","-c","trap ''exit 0'' TERM; while :; do sleep 1; done"]}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}');
INSERT INTO specs VALUES('updated',2,'{"tenant_id":"updated","provider_type":"process","containers":[{"name":"main","image":"host","command":["/bin/sh","-c","trap ''exit 0'' TERM; while :; do sleep 1; done # the second version"]}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false},"provider_config":{"stop_grace_seconds":30,"working_dir":"/tmp"}}');
INSERT INTO specs VALUES('web',1,'{"tenant_id":"web","provider_type":"process","containers":[{"name":"web","image":"host","command":["$(SERVER)"],"args":["demo-tenant","--greeting","hello $(GREETING)","--slow","$(SLOW)"],"env":{"COLOUR":"","GREETING":"world"},"ports":[{"container_port":80,"protocol":"tcp","name":"http"},{"container_port":53,"protocol":"udp"}],"health_check":{"type":"http","http_path":"/healthz?full=1","port":80,"interval_seconds":3600,"timeout_seconds":5,"healthy_threshold":1,"unhealthy_threshold":3},"resources":{"cpu":250,"memory":1024,"storage":64}}],"resources":{"cpu":500,"memory":2048,"storage":128},"networking":{"public_ip":true,"security_groups":["sg-1"],"subnets":["subnet-1"],"dns":{"hostname":"web","domain":"example.com"}},"secrets":[{"name":"server","source":"environment","key":"TAKEOVER_SERVER","env_var":"SERVER"},{"name":"slow","source":"environment","key":"TAKEOVER_SLOW","env_var":"SLOW"}],"labels":{"team":"red"},"provider_config":{"stop_grace_seconds":5}}');
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
INSERT INTO operations VALUES('1-1','web',1,'provision',1,1795889090793390,NULL,NULL,NULL,NULL,1795889091853778,'{"as":"done"}');
INSERT INTO operations VALUES('10-1','failed',1,'provision',1,1795889115750027,NULL,NULL,NULL,NULL,1795889130316806,'{"as":"failed","error":{"kind":"provision_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3","platform":"exited with code 3"},"undone":true}');
INSERT INTO operations VALUES('11-1','gone',1,'provision',1,1795889130364152,NULL,NULL,NULL,NULL,1795889131393742,'{"as":"done"}');
INSERT INTO operations VALUES('12-1','gone',1,'destroy',NULL,1795889131448466,NULL,NULL,NULL,NULL,1795889131551122,'{"as":"done"}');
INSERT INTO operations VALUES('13-1','leaving',1,'provision',1,1795889131602323,NULL,NULL,NULL,NULL,1795889132640413,'{"as":"done"}');
INSERT INTO operations VALUES('14-1','paused',1,'provision',1,1795889132685315,NULL,NULL,NULL,NULL,1795889133726253,'{"as":"done"}');
INSERT INTO operations VALUES('16-1','queued',1,'update',2,1795889133811518,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('17-1','queued',1,'update',3,1795889133897919,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('19-2','repaired',1,'repair',1,1795889134124591,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('2-1','pair',1,'provision',1,1795889091896606,NULL,NULL,NULL,NULL,1795889096953819,'{"as":"done"}');
INSERT INTO operations VALUES('20-1','flight',1,'provision',1,1795889134219388,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('21-1','moving',1,'update',2,1795889134336747,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('22-1','leaving',1,'destroy',NULL,1795889134428052,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO operations VALUES('3-1','updated',1,'provision',1,1795889097001938,NULL,NULL,NULL,NULL,1795889098050232,'{"as":"done"}');
INSERT INTO operations VALUES('4-1','moving',1,'provision',1,1795889098107966,NULL,NULL,NULL,NULL,1795889098150936,'{"as":"done"}');
INSERT INTO operations VALUES('5-1','queued',1,'provision',1,1795889098206751,NULL,NULL,NULL,NULL,1795889098249628,'{"as":"done"}');
INSERT INTO operations VALUES('6-1','repaired',1,'provision',1,1795889098284259,NULL,NULL,NULL,NULL,1795889099331933,'{"as":"done"}');
INSERT INTO operations VALUES('7-1','undone',1,'provision',1,1795889099384130,NULL,NULL,NULL,NULL,1795889100405919,'{"as":"done"}');
INSERT INTO operations VALUES('8-1','updated',1,'update',2,1795889100439772,NULL,NULL,NULL,NULL,1795889101544235,'{"as":"done"}');
INSERT INTO operations VALUES('9-1','undone',1,'update',2,1795889101590654,NULL,NULL,NULL,NULL,1795889115694999,'{"as":"failed","error":{"kind":"update_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3; last line of stderr: no such table","platform":"exited with code 3; last line of stderr: no such table"},"undone":true}');
CREATE TABLE events (
    position     INTEGER PRIMARY KEY, -- counts all events, without holes
    tenant       TEXT    NOT NULL,
    incarnation  INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    previous     INTEGER NOT NULL,    -- the position of the same tenant's event before it
    at           INTEGER NOT NULL,
    from_state   TEXT    NOT NULL,
    to_state     TEXT,                -- NULL: it is gone
    operation    TEXT,
    attempt      INTEGER,
    what_json    TEXT    NOT NULL,
    settled_json TEXT                 -- the operations that ended with it
) STRICT;
INSERT INTO events VALUES(1,'web',1,1,0,1795889090793390,'pending','provisioning','1-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(2,'web',1,2,1,1795889090813204,'provisioning','provisioning','1-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(3,'web',1,3,2,1795889090822627,'provisioning','provisioning','1-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(4,'web',1,4,3,1795889091844201,'provisioning','provisioning','1-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(5,'web',1,5,4,1795889091853778,'provisioning','running','1-1',1,'{"kind":"succeeded"}','[{"operation":"1-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(6,'pair',1,1,0,1795889091896606,'pending','provisioning','2-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(7,'pair',1,2,6,1795889091910281,'provisioning','provisioning','2-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(8,'pair',1,3,7,1795889091918893,'provisioning','provisioning','2-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(9,'pair',1,4,8,1795889096945468,'provisioning','provisioning','2-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(10,'pair',1,5,9,1795889096953819,'provisioning','running','2-1',1,'{"kind":"succeeded"}','[{"operation":"2-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(11,'updated',1,1,0,1795889097001938,'pending','provisioning','3-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(12,'updated',1,2,11,1795889097017850,'provisioning','provisioning','3-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(13,'updated',1,3,12,1795889097026663,'provisioning','provisioning','3-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(14,'updated',1,4,13,1795889098041984,'provisioning','provisioning','3-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(15,'updated',1,5,14,1795889098050232,'provisioning','running','3-1',1,'{"kind":"succeeded"}','[{"operation":"3-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(16,'moving',1,1,0,1795889098107966,'pending','provisioning','4-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(17,'moving',1,2,16,1795889098122038,'provisioning','provisioning','4-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(18,'moving',1,3,17,1795889098135063,'provisioning','provisioning','4-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(19,'moving',1,4,18,1795889098147820,'provisioning','provisioning','4-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(20,'moving',1,5,19,1795889098150936,'provisioning','running','4-1',1,'{"kind":"succeeded"}','[{"operation":"4-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(21,'queued',1,1,0,1795889098206751,'pending','provisioning','5-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(22,'queued',1,2,21,1795889098222895,'provisioning','provisioning','5-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(23,'queued',1,3,22,1795889098235633,'provisioning','provisioning','5-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(24,'queued',1,4,23,1795889098242928,'provisioning','provisioning','5-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(25,'queued',1,5,24,1795889098249628,'provisioning','running','5-1',1,'{"kind":"succeeded"}','[{"operation":"5-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(26,'repaired',1,1,0,1795889098284259,'pending','provisioning','6-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(27,'repaired',1,2,26,1795889098302561,'provisioning','provisioning','6-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(28,'repaired',1,3,27,1795889098313252,'provisioning','provisioning','6-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(29,'repaired',1,4,28,1795889099330502,'provisioning','provisioning','6-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(30,'repaired',1,5,29,1795889099331933,'provisioning','running','6-1',1,'{"kind":"succeeded"}','[{"operation":"6-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(31,'undone',1,1,0,1795889099384130,'pending','provisioning','7-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(32,'undone',1,2,31,1795889099389576,'provisioning','provisioning','7-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(33,'undone',1,3,32,1795889099395154,'provisioning','provisioning','7-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(34,'undone',1,4,33,1795889100401508,'provisioning','provisioning','7-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(35,'undone',1,5,34,1795889100405919,'provisioning','running','7-1',1,'{"kind":"succeeded"}','[{"operation":"7-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(36,'updated',1,6,15,1795889100439772,'running','updating','8-1',1,'{"kind":"began","operation_kind":"update","spec":2}',NULL);
INSERT INTO events VALUES(37,'updated',1,7,36,1795889100446564,'updating','updating','8-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(38,'updated',1,8,37,1795889100457065,'updating','updating','8-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(39,'updated',1,9,38,1795889101463704,'updating','updating','8-1',1,'{"kind":"progressed","step":"ask a process to end"}',NULL);
INSERT INTO events VALUES(40,'updated',1,10,39,1795889101482429,'updating','updating','8-1',1,'{"kind":"progressed","step":"ask a process to end"}',NULL);
INSERT INTO events VALUES(41,'updated',1,11,40,1795889101541353,'updating','updating','8-1',1,'{"kind":"progressed","step":"remove the files of an ended process"}',NULL);
INSERT INTO events VALUES(42,'updated',1,12,41,1795889101542954,'updating','updating','8-1',1,'{"kind":"progressed","step":"remove the files of an ended process"}',NULL);
INSERT INTO events VALUES(43,'updated',1,13,42,1795889101544235,'updating','running','8-1',1,'{"kind":"succeeded","changes":["containers[main].command: changed","provider_config: added"]}','[{"operation":"8-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(44,'undone',1,6,35,1795889101590654,'running','updating','9-1',1,'{"kind":"began","operation_kind":"update","spec":2}',NULL);
INSERT INTO events VALUES(45,'undone',1,7,44,1795889101596508,'updating','updating','9-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(46,'undone',1,8,45,1795889101606755,'updating','updating','9-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(47,'undone',1,9,46,1795889102614068,'updating','updating','9-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(48,'undone',1,10,47,1795889102618460,'updating','updating','9-1',2,'{"kind":"will_retry","error":{"kind":"update_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3; last line of stderr: no such table","platform":"exited with code 3; last line of stderr: no such table"},"at":"2026-11-28T18:05:03.17346Z"}',NULL);
INSERT INTO events VALUES(49,'undone',1,11,48,1795889103175397,'updating','updating','9-1',2,'{"kind":"retried"}',NULL);
INSERT INTO events VALUES(50,'undone',1,12,49,1795889103181271,'updating','updating','9-1',2,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(51,'undone',1,13,50,1795889103186997,'updating','updating','9-1',2,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(52,'undone',1,14,51,1795889104192879,'updating','updating','9-1',2,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(53,'undone',1,15,52,1795889104194992,'updating','updating','9-1',3,'{"kind":"will_retry","error":{"kind":"update_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3; last line of stderr: no such table","platform":"exited with code 3; last line of stderr: no such table"},"at":"2026-11-28T18:05:06.015992Z"}',NULL);
INSERT INTO events VALUES(54,'undone',1,16,53,1795889106018345,'updating','updating','9-1',3,'{"kind":"retried"}',NULL);
INSERT INTO events VALUES(55,'undone',1,17,54,1795889106029893,'updating','updating','9-1',3,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(56,'undone',1,18,55,1795889106040334,'updating','updating','9-1',3,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(57,'undone',1,19,56,1795889107045730,'updating','updating','9-1',3,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(58,'undone',1,20,57,1795889107047299,'updating','updating','9-1',4,'{"kind":"will_retry","error":{"kind":"update_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3; last line of stderr: no such table","platform":"exited with code 3; last line of stderr: no such table"},"at":"2026-11-28T18:05:09.261299Z"}',NULL);
INSERT INTO events VALUES(59,'undone',1,21,58,1795889109269797,'updating','updating','9-1',4,'{"kind":"retried"}',NULL);
INSERT INTO events VALUES(60,'undone',1,22,59,1795889109277792,'updating','updating','9-1',4,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(61,'undone',1,23,60,1795889109283021,'updating','updating','9-1',4,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(62,'undone',1,24,61,1795889110288950,'updating','updating','9-1',4,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(63,'undone',1,25,62,1795889110293054,'updating','updating','9-1',5,'{"kind":"will_retry","error":{"kind":"update_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3; last line of stderr: no such table","platform":"exited with code 3; last line of stderr: no such table"},"at":"2026-11-28T18:05:14.657054Z"}',NULL);
INSERT INTO events VALUES(64,'undone',1,26,63,1795889114659232,'updating','updating','9-1',5,'{"kind":"retried"}',NULL);
INSERT INTO events VALUES(65,'undone',1,27,64,1795889114666215,'updating','updating','9-1',5,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(66,'undone',1,28,65,1795889114671783,'updating','updating','9-1',5,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(67,'undone',1,29,66,1795889115679651,'updating','updating','9-1',5,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(68,'undone',1,30,67,1795889115681555,'updating','updating','9-1',1,'{"kind":"undoing","error":{"kind":"update_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3; last line of stderr: no such table","platform":"exited with code 3; last line of stderr: no such table"}}',NULL);
INSERT INTO events VALUES(69,'undone',1,31,68,1795889115691116,'updating','updating','9-1',1,'{"kind":"progressed","step":"remove the files of an ended process"}',NULL);
INSERT INTO events VALUES(70,'undone',1,32,69,1795889115692926,'updating','updating','9-1',1,'{"kind":"progressed","step":"remove the files of an ended process"}',NULL);
INSERT INTO events VALUES(71,'undone',1,33,70,1795889115694999,'updating','running','9-1',1,'{"kind":"undone"}','[{"operation":"9-1","settled":{"as":"failed","error":{"kind":"update_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3; last line of stderr: no such table","platform":"exited with code 3; last line of stderr: no such table"},"undone":true}}]');
INSERT INTO events VALUES(72,'failed',1,1,0,1795889115750027,'pending','provisioning','10-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(73,'failed',1,2,72,1795889115761788,'provisioning','provisioning','10-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(74,'failed',1,3,73,1795889115772445,'provisioning','provisioning','10-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(75,'failed',1,4,74,1795889116776970,'provisioning','provisioning','10-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(76,'failed',1,5,75,1795889116781737,'provisioning','provisioning','10-1',2,'{"kind":"will_retry","error":{"kind":"provision_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3","platform":"exited with code 3"},"at":"2026-11-28T18:05:17.311737Z"}',NULL);
INSERT INTO events VALUES(77,'failed',1,6,76,1795889117314075,'provisioning','provisioning','10-1',2,'{"kind":"retried"}',NULL);
INSERT INTO events VALUES(78,'failed',1,7,77,1795889117320652,'provisioning','provisioning','10-1',2,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(79,'failed',1,8,78,1795889117326141,'provisioning','provisioning','10-1',2,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(80,'failed',1,9,79,1795889118332399,'provisioning','provisioning','10-1',2,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(81,'failed',1,10,80,1795889118333899,'provisioning','provisioning','10-1',3,'{"kind":"will_retry","error":{"kind":"provision_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3","platform":"exited with code 3"},"at":"2026-11-28T18:05:19.886899Z"}',NULL);
INSERT INTO events VALUES(82,'failed',1,11,81,1795889119888797,'provisioning','provisioning','10-1',3,'{"kind":"retried"}',NULL);
INSERT INTO events VALUES(83,'failed',1,12,82,1795889119895586,'provisioning','provisioning','10-1',3,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(84,'failed',1,13,83,1795889119904115,'provisioning','provisioning','10-1',3,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(85,'failed',1,14,84,1795889120915106,'provisioning','provisioning','10-1',3,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(86,'failed',1,15,85,1795889120922376,'provisioning','provisioning','10-1',4,'{"kind":"will_retry","error":{"kind":"provision_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3","platform":"exited with code 3"},"at":"2026-11-28T18:05:23.804376Z"}',NULL);
INSERT INTO events VALUES(87,'failed',1,16,86,1795889123806432,'provisioning','provisioning','10-1',4,'{"kind":"retried"}',NULL);
INSERT INTO events VALUES(88,'failed',1,17,87,1795889123813665,'provisioning','provisioning','10-1',4,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(89,'failed',1,18,88,1795889123818735,'provisioning','provisioning','10-1',4,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(90,'failed',1,19,89,1795889124826683,'provisioning','provisioning','10-1',4,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(91,'failed',1,20,90,1795889124833928,'provisioning','provisioning','10-1',5,'{"kind":"will_retry","error":{"kind":"provision_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3","platform":"exited with code 3"},"at":"2026-11-28T18:05:29.257928Z"}',NULL);
INSERT INTO events VALUES(92,'failed',1,21,91,1795889129259996,'provisioning','provisioning','10-1',5,'{"kind":"retried"}',NULL);
INSERT INTO events VALUES(93,'failed',1,22,92,1795889129270314,'provisioning','provisioning','10-1',5,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(94,'failed',1,23,93,1795889129283721,'provisioning','provisioning','10-1',5,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(95,'failed',1,24,94,1795889130290000,'provisioning','provisioning','10-1',5,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(96,'failed',1,25,95,1795889130295131,'provisioning','provisioning','10-1',1,'{"kind":"undoing","error":{"kind":"provision_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3","platform":"exited with code 3"}}',NULL);
INSERT INTO events VALUES(97,'failed',1,26,96,1795889130305233,'provisioning','provisioning','10-1',1,'{"kind":"progressed","step":"remove the files of an ended process"}',NULL);
INSERT INTO events VALUES(98,'failed',1,27,97,1795889130314582,'provisioning','provisioning','10-1',1,'{"kind":"progressed","step":"remove the files of an ended process"}',NULL);
INSERT INTO events VALUES(99,'failed',1,28,98,1795889130316806,'provisioning','pending','10-1',1,'{"kind":"undone"}','[{"operation":"10-1","settled":{"as":"failed","error":{"kind":"provision_failed","remedy":"retry","code":"UNKNOWN_ERROR","message":"container main ended before it was ready: exited with code 3","platform":"exited with code 3"},"undone":true}}]');
INSERT INTO events VALUES(100,'gone',1,1,0,1795889130364152,'pending','provisioning','11-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(101,'gone',1,2,100,1795889130371354,'provisioning','provisioning','11-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(102,'gone',1,3,101,1795889130375711,'provisioning','provisioning','11-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(103,'gone',1,4,102,1795889131386471,'provisioning','provisioning','11-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(104,'gone',1,5,103,1795889131393742,'provisioning','running','11-1',1,'{"kind":"succeeded"}','[{"operation":"11-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(105,'gone',1,6,104,1795889131448466,'running','destroying','12-1',1,'{"kind":"began","operation_kind":"destroy"}',NULL);
INSERT INTO events VALUES(106,'gone',1,7,105,1795889131462435,'destroying','destroying','12-1',1,'{"kind":"progressed","step":"ask a process to end"}',NULL);
INSERT INTO events VALUES(107,'gone',1,8,106,1795889131482185,'destroying','destroying','12-1',1,'{"kind":"progressed","step":"ask a process to end"}',NULL);
INSERT INTO events VALUES(108,'gone',1,9,107,1795889131544181,'destroying','destroying','12-1',1,'{"kind":"progressed","step":"remove the files of an ended process"}',NULL);
INSERT INTO events VALUES(109,'gone',1,10,108,1795889131550010,'destroying','destroying','12-1',1,'{"kind":"progressed","step":"remove the files of an ended process"}',NULL);
INSERT INTO events VALUES(110,'gone',1,11,109,1795889131551122,'destroying',NULL,'12-1',1,'{"kind":"succeeded"}','[{"operation":"12-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(111,'leaving',1,1,0,1795889131602323,'pending','provisioning','13-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(112,'leaving',1,2,111,1795889131614164,'provisioning','provisioning','13-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(113,'leaving',1,3,112,1795889131622602,'provisioning','provisioning','13-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(114,'leaving',1,4,113,1795889132638296,'provisioning','provisioning','13-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(115,'leaving',1,5,114,1795889132640413,'provisioning','running','13-1',1,'{"kind":"succeeded"}','[{"operation":"13-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(116,'paused',1,1,0,1795889132685315,'pending','provisioning','14-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(117,'paused',1,2,116,1795889132701344,'provisioning','provisioning','14-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(118,'paused',1,3,117,1795889132710158,'provisioning','provisioning','14-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(119,'paused',1,4,118,1795889133722114,'provisioning','provisioning','14-1',1,'{"kind":"progressed","step":"settle"}',NULL);
INSERT INTO events VALUES(120,'paused',1,5,119,1795889133726253,'provisioning','running','14-1',1,'{"kind":"succeeded"}','[{"operation":"14-1","settled":{"as":"done"}}]');
INSERT INTO events VALUES(121,'paused',1,6,120,1795889133774276,'running','running',NULL,NULL,'{"kind":"paused"}',NULL);
INSERT INTO events VALUES(122,'queued',1,6,25,1795889133811518,'running','updating','16-1',1,'{"kind":"began","operation_kind":"update","spec":2}',NULL);
INSERT INTO events VALUES(123,'queued',1,7,122,1795889133826303,'updating','updating','16-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(124,'queued',1,8,123,1795889133832439,'updating','updating','16-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(125,'queued',1,9,124,1795889133891106,'updating','updating','16-1',2,'{"kind":"recovered"}',NULL);
INSERT INTO events VALUES(126,'queued',1,10,125,1795889133897919,'updating','updating','16-1',2,'{"kind":"queued","queued":"17-1","spec":3}',NULL);
INSERT INTO events VALUES(127,'queued',1,11,126,1795889133947426,'updating','updating','16-1',3,'{"kind":"recovered"}',NULL);
INSERT INTO events VALUES(128,'queued',1,12,127,1795889133949956,'updating','updating','16-1',3,'{"kind":"paused"}',NULL);
INSERT INTO events VALUES(129,'queued',1,13,128,1795889134046204,'updating','updating','16-1',4,'{"kind":"recovered"}',NULL);
INSERT INTO events VALUES(130,'repaired',1,6,30,1795889134124591,'running','updating','19-2',1,'{"kind":"began","operation_kind":"repair","spec":1}',NULL);
INSERT INTO events VALUES(131,'repaired',1,7,130,1795889134135611,'updating','updating','19-2',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(132,'repaired',1,8,131,1795889134145488,'updating','updating','19-2',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(133,'flight',1,1,0,1795889134219388,'pending','provisioning','20-1',1,'{"kind":"began","operation_kind":"provision","spec":1}',NULL);
INSERT INTO events VALUES(134,'repaired',1,9,132,1795889134220263,'updating','updating','19-2',2,'{"kind":"recovered"}',NULL);
INSERT INTO events VALUES(135,'flight',1,2,133,1795889134261889,'provisioning','provisioning','20-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(136,'flight',1,3,135,1795889134277753,'provisioning','provisioning','20-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(137,'moving',1,6,20,1795889134336747,'running','updating','21-1',1,'{"kind":"began","operation_kind":"update","spec":2}',NULL);
INSERT INTO events VALUES(138,'flight',1,4,136,1795889134338981,'provisioning','provisioning','20-1',2,'{"kind":"recovered"}',NULL);
INSERT INTO events VALUES(139,'repaired',1,10,134,1795889134342240,'updating','updating','19-2',3,'{"kind":"recovered"}',NULL);
INSERT INTO events VALUES(140,'moving',1,7,137,1795889134351291,'updating','updating','21-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(141,'moving',1,8,140,1795889134362269,'updating','updating','21-1',1,'{"kind":"progressed","step":"start a process"}',NULL);
INSERT INTO events VALUES(142,'leaving',1,6,115,1795889134428052,'running','destroying','22-1',1,'{"kind":"began","operation_kind":"destroy"}',NULL);
INSERT INTO events VALUES(143,'moving',1,9,141,1795889134428824,'updating','updating','21-1',2,'{"kind":"recovered"}',NULL);
INSERT INTO events VALUES(144,'repaired',1,11,139,1795889134428879,'updating','updating','19-2',4,'{"kind":"recovered"}',NULL);
INSERT INTO events VALUES(145,'flight',1,5,138,1795889134428886,'provisioning','provisioning','20-1',3,'{"kind":"recovered"}',NULL);
INSERT INTO events VALUES(146,'leaving',1,7,142,1795889134451514,'destroying','destroying','22-1',1,'{"kind":"progressed","step":"ask a process to end"}',NULL);
INSERT INTO events VALUES(147,'leaving',1,8,146,1795889134467886,'destroying','destroying','22-1',1,'{"kind":"progressed","step":"ask a process to end"}',NULL);
CREATE INDEX tenants_in_flight ON tenants (id) WHERE call IS NOT NULL;
CREATE INDEX tenants_due ON tenants (wake_at, id) WHERE wake_at IS NOT NULL;
CREATE UNIQUE INDEX operations_request ON operations (tenant, request_id) WHERE request_id IS NOT NULL;
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
