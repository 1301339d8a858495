#!/usr/bin/env bash
# Asks a server everything that its OpenAPI document allows, and much that it does not, with schemathesis: nothing is
# answered by a 5xx, or by what the document does not say.
#
#   run.sh PROGRAM DIR      PROGRAM is landlord-compute; schemathesis is kept in a Python environment under DIR
#
# It needs Python's venv. Nothing is installed unless LANDLORD_INSTALL=1 says so. The server has no provider: what is made
# up here must not run anywhere. Streams without an end are left out; the tests in it/events.rs have them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "$1")
mkdir -p "$2"
root=$(cd "$2" && pwd)

key=$({ echo "$root"; python3 --version; cat "$here/requirements.txt" "$here/constraints.txt"; } | sha256sum)
venv=$root/venv-${key:0:12}
if ! [ -e "$venv/complete" ]; then
  if [ "${LANDLORD_INSTALL:-}" != 1 ]; then
    echo 'schemathesis is not installed; LANDLORD_INSTALL=1 installs it' >&2
    exit 1
  fi
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input \
    -r "$here/requirements.txt" -c "$here/constraints.txt"
  touch "$venv/complete"
fi

folder=$(mktemp -d)
cat >"$folder/landlord.toml" <<'TOML'
store = "landlord.db"
[listen]
address = "127.0.0.1:0"
plain = true
[requests]
per_second = 1000000
burst = 1000000
[providers]
TOML
# There before it is read: the server's own shell may come to it later.
: >"$folder/said"
"$program" --config "$folder/landlord.toml" serve >>"$folder/said" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server"; rm -rf "$folder"' EXIT
for _ in $(seq 300); do
  address=$(sed -n 's/^listening on \([0-9.:]*\),.*/\1/p' "$folder/said")
  [ -n "$address" ] && [ -S "$folder/landlord.db.sock" ] && break
  kill -0 "$server" || { cat "$folder/said" >&2; exit 1; }
  sleep 0.1
done
token=$("$program" --config "$folder/landlord.toml" token create fuzzed --role operator --tenants '*' 2>/dev/null)
cd "$folder"
"$venv/bin/st" run "http://$address/v1/openapi.json" --header "Authorization: Bearer $token" \
  --exclude-path-regex 'events' --max-time "${LANDLORD_FUZZED:-40}" --seed 1 --no-color \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
kill -0 "$server" || { echo 'the server has ended' >&2; cat said >&2; exit 1; }
