#!/usr/bin/env bash
# Starts Restate on an empty folder and the service, registers it, gives the driver its work, and stops all.
#
#   benches/restate/run.sh lifecycle tenants=2000 clients=256
#   benches/restate/run.sh latency slots=2000 clients=256 maximum_seconds=3 seconds=4
#
# Figures go to stdout, one JSON object a line; all else to stderr. install.sh comes first.
#   RESTATE_BENCH_CONFIG=file  another configuration than restate.toml, to try one
#   TMPDIR=folder              where Restate keeps its data
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/../.." && pwd)/target/restate
# The server itself, not npm's wrapper in front of it: a signal has to reach it.
server=$(echo "$target"/server/node_modules/@restatedev/restate-server-*/bin/restate-server)
driver=$target/build/release/landlord-restate-baseline
for program in "$server" "$driver"; do
  if [ ! -x "$program" ]; then
    echo "$program is not there: run benches/restate/install.sh" >&2
    exit 1
  fi
done

folder=$(mktemp -d)
started=()
stop() {
  local status=$?
  trap - EXIT
  kill -KILL "${started[@]}" 2>/dev/null || true
  wait "${started[@]}" 2>/dev/null || true
  if [ "$status" != 0 ] && [ -s "$folder/server.log" ]; then
    tail -n 40 "$folder/server.log" "$folder/service.log" >&2
  fi
  rm -rf "$folder"
  exit "$status"
}
trap stop EXIT
trap 'exit 130' INT TERM

# --pdeathsig: they end with this script, even where it is killed. Random ports, and sockets at known paths.
TMPDIR=$folder RESTATE_CONFIG=${RESTATE_BENCH_CONFIG:-$here/restate.toml} \
  setpriv --pdeathsig KILL "$server" --base-dir "$folder/data" --node-name bench \
  --bind-ip 127.0.0.1 --use-random-ports true --no-logo \
  >"$folder/server.log" 2>&1 &
started+=($!)
setpriv --pdeathsig KILL "$driver" serve address_file="$folder/service" >"$folder/service.log" 2>&1 &
started+=($!)

ingress=$folder/data/bench/ingress.sock
"$driver" register admin="$folder/data/bench/admin.sock" ingress="$ingress" address_file="$folder/service" >&2
setpriv --pdeathsig KILL "$driver" "$@" ingress="$ingress" &
work=$!
started+=("$work")
# In the background and waited for, so that a signal stops it at once, and the end of one of the others is noticed.
status=0
wait -n -p ended "${started[@]}" || status=$?
if [ "$ended" != "$work" ]; then
  echo 'Restate or the service ended before the driver did' >&2
  exit 1
fi
exit "$status"
