#!/usr/bin/env bash
# Tests what an operator gets for Prometheus and Grafana: the alert rules with promtool, and the rules, the dashboard and the runbooks
# with a real Prometheus, which scrapes a server whose tenants run, fail and break.
#
#   run.sh PROGRAM          PROGRAM is landlord-compute
#
# It needs Debian's prometheus, and installs it where LANDLORD_INSTALL=1 says so.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prometheus=$(dirname "$here")/prometheus
program=$(realpath "$1")
"$here/install.sh"

promtool check config "$prometheus/prometheus.yml"
promtool check rules --lint-fatal "$prometheus/alerts.yml"
promtool test rules "$prometheus/alerts.test.yml"

folder=$(mktemp -d)
mkdir "$folder/bin"
ln -s "$program" "$folder/bin/landlord-compute"
export PATH="$folder/bin:$PATH" LANDLORD_CONFIG="$folder/landlord.toml"
cd "$folder"
started=()
finish() {
  result=$?
  # What is wrong with the answers is said by whoever asks.
  [ "$result" = 0 ] || [ -n "${asks:-}" ] || tail -n 30 "$folder"/*.said >&2
  landlord-compute sweep -o json 2>/dev/null | grep -o 'pid [0-9]*' | sed 's/pid //' | xargs -r kill -9 || true
  landlord-compute sweep --delete >/dev/null 2>&1 || true
  landlord-compute destroy --timeout 20s acme >/dev/null 2>&1 || true
  landlord-compute destroy --timeout 20s brief >/dev/null 2>&1 || true
  landlord-compute destroy --timeout 20s slow >/dev/null 2>&1 || true
  kill "${started[@]}" 2>/dev/null || true
  wait
  rm -rf "$folder"
  exit "$result"
}
trap finish EXIT
until_said() { # FILE PATTERN
  for _ in $(seq 300); do grep -q "$2" "$1" && return; sleep 0.1; done
  echo "$1 never said: $2" >&2
  return 1
}

cat >landlord.toml <<'TOML'
store = "landlord.db"
[retry]
attempts = 3
first = "1s"
cap = "1s"
[telemetry]
metrics_address = "127.0.0.1:0"
endpoint = "http://127.0.0.1:9"    # nobody listens there
interval = "1s"
sampler = "always_on"
[providers.process]
TOML
: >server.said
landlord-compute serve >>server.said 2>&1 &
started+=($!)
until_said server.said '^running on'
address=$(sed -n 's|^metrics at http://\([0-9.:]*\)/metrics$|\1|p' server.said)

# The example of a configuration, for this server and in less time.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -e "s|localhost:9464|$address|" -e 's|15s|1s|' -e "s|alerts.yml|$prometheus/alerts.yml|" \
  "$prometheus/prometheus.yml" >prometheus.yml
prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port" \
  --log.level=warn >prometheus.said 2>&1 &
started+=($!)

spec() { # TENANT COMMAND
  cat <<JSON
{ "tenant_id": "$1", "provider_type": "process", "resources": { "cpu": 128, "memory": 256 },
  "containers": [{ "name": "web", "image": "host", "command": $2 }],
  "provider_config": { "stop_grace_seconds": 30 } }
JSON
}
serves() { # TENANT OPTIONS…
  local tenant=$1 options=''
  shift
  for option in "$@"; do options+=", \"$option\""; done
  spec "$tenant" "[\"$program\", \"demo-tenant\", \"--greeting\", \"hello\"$options]" |
    sed 's|"image": "host",|& "ports": [{ "container_port": 80, "name": "http" }], "health_check": { "type": "http", "http_path": "/health",\
      "port": 80, "interval_seconds": 1, "timeout_seconds": 1, "healthy_threshold": 1, "unhealthy_threshold": 1 },|'
}
# One that runs and is changed, one that never runs, one that is long on its way, one that breaks again and again, and one
# whose destroy is given up, so that something of it is left.
serves acme >acme.json
serves acme --slow 500 >changed.json
serves awry --broken >awry.json
serves slow --slow 600000 >slow.json
spec brief '["sh", "-c", "sleep 2"]' >brief.json
spec deaf '["sh", "-c", "trap \"\" TERM; while :; do sleep 1; done"]' >deaf.json
landlord-compute provision --no-wait -f slow.json
landlord-compute provision --no-wait -f awry.json
landlord-compute provision --no-wait -f brief.json
landlord-compute provision -f acme.json
landlord-compute provision -f deaf.json
landlord-compute destroy deaf --no-wait
landlord-compute abandon deaf --reason 'a test'
landlord-compute sweep && { echo 'nothing is left of a tenant that was given up' >&2; exit 1; }
landlord-compute update -f changed.json

asks=yes
python3 "$here/check.py" "$(dirname "$here")" "http://127.0.0.1:$port"
