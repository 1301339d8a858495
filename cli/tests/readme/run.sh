#!/usr/bin/env bash
# Does what the README says of a server, word by word: its commands for HTTP, and from another machine with a token.
#
#   run.sh PROGRAM          PROGRAM is landlord-compute
#
# It needs curl and openssl, and installs them where LANDLORD_INSTALL=1 says so.
set -euo pipefail
program=$(realpath "$1")
readme=$(cd "$(dirname "$0")/../../.." && pwd)/README.md

for tool in curl openssl; do
  if ! command -v "$tool" >/dev/null; then
    if [ "${LANDLORD_INSTALL:-}" != 1 ]; then
      echo "$tool is not installed; LANDLORD_INSTALL=1 installs it" >&2
      exit 1
    fi
    apt-get install --yes --quiet=2 --no-install-recommends "$tool" >/dev/null
  fi
done

# Every block of a language below a heading.
blocks() { awk -v of="$1" -v below="$2" '
  /^```/ { code = !code; wanted = code && here && $0 == "```" of; next }
  code { if (wanted) print; next }
  /^#+ / { here = ($0 == below) }' "$readme"; }

folder=$(mktemp -d)
mkdir "$folder/bin"
ln -s "$program" "$folder/bin/landlord-compute"
export PATH="$folder/bin:$PATH"
cd "$folder"
# What is answered by an error is one here.
curl() { command curl --fail-with-body "$@"; }
until_there() { for _ in $(seq 300); do grep -q '^running on' said && return; sleep 0.1; done; cat said >&2; return 1; }
finish() {
  landlord-compute destroy acme >/dev/null 2>&1 || true
  kill "$server" 2>/dev/null || true
  wait "$server" || true
  rm -rf "$folder"
}
trap finish EXIT

blocks yaml '## On the command line' >acme.yaml
landlord-compute serve >said 2>&1 &
server=$!
until_there
# The stream of events has no end.
blocks sh '## Over HTTP' | sed "s|^api -N |timeout 2 curl -sS --unix-socket landlord.db.sock -N |" >http.sh
[ "$(grep -c api http.sh)" -ge 5 ] || { echo "the README has no commands for HTTP" >&2; exit 1; }
timeout() { command timeout "$1" "${@:2}" || [ $? = 124 ]; }
set -x
. ./http.sh >answers
{ set +x; } 2>/dev/null
grep -q '"acknowledged"' answers && grep -q '^event: succeeded' answers
kill "$server"
wait "$server" || true

blocks toml '### From other machines' | sed 's|0.0.0.0:8443|127.0.0.1:0|' >landlord.toml
blocks sh '### From other machines' >remote.sh
sed -n '/^openssl/,/[^\\]$/p' remote.sh >certificate.sh
. ./certificate.sh 2>/dev/null
cp server.pem ca.pem
landlord-compute --config landlord.toml serve --check
# Not what the first one has said.
: >said
landlord-compute --config landlord.toml serve >>said 2>&1 &
server=$!
until_there
address=$(sed -n 's/^listening on [0-9.]*:\([0-9]*\),.*/localhost:\1/p' said)
landlord-compute provision -f acme.yaml
grep -E '^(landlord-compute token create|landlord-compute --server|curl)' remote.sh |
  sed "s|compute.example.com:8443|$address|" >commands.sh
grep '^landlord-compute token revoke' remote.sh >>commands.sh
[ "$(wc -l <commands.sh)" = 4 ] || { echo "the README has other commands for other machines" >&2; exit 1; }
# The tenant of the README is not one of those.
sed -i "s|'acme-\*'|'acme*'|" commands.sh
set -x
. ./commands.sh >answers
{ set +x; } 2>/dev/null
grep -q '^acme ' answers && grep -q '"tenant_id":"acme"' answers
refused=0
landlord-compute --server "https://$address" --token-file ci.token --ca ca.pem list 2>/dev/null || refused=$?
[ "$refused" = 12 ] || { echo "a token that was revoked is answered by $refused" >&2; exit 1; }
