# Installs the unit as ops/README.md says, and runs tenants under it.
ln -s /host/landlord-compute "$program"
install -m 0644 /host/landlord-compute.service /etc/systemd/system/
install -D -m 0644 /host/user.service /etc/systemd/user/landlord-compute.service

spec() {
  cat <<END
{ "tenant_id": "$1", "provider_type": "process",
  "containers": [{ "name": "web", "image": "host", "command": ["$program", "demo-tenant", "--greeting", "hello"],
    "ports": [{ "container_port": 80, "name": "http" }],
    "health_check": { "type": "http", "http_path": "/", "port": 80, "interval_seconds": 5, "timeout_seconds": 4,
      "healthy_threshold": 1, "unhealthy_threshold": 3 } }],
  "resources": { "cpu": 500, "memory": 128 } }
END
}

# The tenants are provisioned while the unit is stopped: one engine at a time has the store.
provisioned() {
  local owner=$1
  ctl "$owner" daemon-reload
  ctl "$owner" enable --now landlord-compute
  await looks_after "$owner"
  ctl "$owner" stop landlord-compute
  for tenant in acme other; do
    spec $tenant | cli "$owner" provision -f -
  done
}

# Ends the tenants with their keepers, which were started by a command, so that the engine of the unit starts all anew.
of_the_unit() {
  local owner=$1 before keeper
  ctl "$owner" start landlord-compute
  await all_well "$owner"
  before=$(pids "$owner")
  for process in $before; do
    keeper=$(sed -n 's/^PPid:\t//p' "/proc/$process/status")
    kill -KILL "$keeper" "$process"
  done
  await are_others "$owner" "$before"
  # Where root has groups at the top, they are in no unit.
  [ "$owner" = root ] && return
  for process in $(pids "$owner"); do
    grep -q '/landlord-compute.service/landlord/' "/proc/$process/cgroup"
  done
}

# Both tenants are well, in the processes that they had.
as_before() {
  await all_well "$1"
  [ "$(pids "$1")" = "$2" ]
}

outlives() {
  local owner=$1 before main
  before=$(pids "$owner")
  ctl "$owner" restart landlord-compute
  as_before "$owner" "$before"

  main=$(main_pid "$owner")
  ctl "$owner" kill --kill-whom=main --signal=KILL landlord-compute
  await is_another "$owner" "$main"
  as_before "$owner" "$before"
  cli "$owner" -o json status acme | grep -q '"health": *"healthy"'

  ctl "$owner" stop landlord-compute
  for process in $before; do kill -0 "$process"; done
  ctl "$owner" start landlord-compute
  await looks_after "$owner"
  echo "$before" >/kept-"$owner"
}

hangup() {
  local owner=$1 main
  main=$(main_pid "$owner")
  ctl "$owner" reload landlord-compute
  await says "$owner" 'no configuration file to read again'
  [ "$(main_pid "$owner")" = "$main" ]
}

limited() {
  local first group
  read -r first _ <<<"$(pids root)"
  group=/sys/fs/cgroup$(cut -d: -f3 "/proc/$first/cgroup")
  [ "$(cat "$group/memory.max")" = $((128 * 1048576)) ]
  [ "$(cat "$group/cpu.max")" = '50000 100000' ]
  [ "$(cat "$group/pids.max")" = 4096 ]
}

private() {
  local found
  found=$(find "$(dirname "$(store "$1")")" -perm /077)
  [ -z "$found" ]
}

asked() {
  place "$1-provisioned" provisioned "$1"
  place "$1-of-the-unit" of_the_unit "$1"
  place "$1-outlives" outlives "$1"
  place "$1-hangup" hangup "$1"
  place "$1-private" private "$1"
}
asked root &
asked ordinary &
wait
place root-limited limited
