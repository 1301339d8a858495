#!/usr/bin/env bash
# An emulator of ECS with a microburst in front of it, until stdin closes. Says everything else on stderr.
#
#   start.sh DIR ministack          tasks are running at once, nothing runs
#   start.sh DIR ministack-engine   tasks are containers of a Docker engine of its own
#   start.sh DIR moto URL           microburst is in front of URL, which is in front of moto
#
# DIR keeps what is installed. Prints, a line each, emulator=URL, microburst=URL and ready.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$1 kind=$2
exec 3>&1 1>&2

servers=()
home=$root/home.$$
mkdir -p "$home"
# What those left that were killed.
for left in "$root"/home.*; do
  [ -d "/proc/${left##*.}" ] || rm -rf "$left"
done
stop() {
  for server in "${servers[@]}"; do
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  done
  if [ -n "${ENGINE_PID:-}" ]; then
    local engine=$ENGINE_PID stdin=${ENGINE[1]}
    exec {stdin}>&-
    wait "$engine" || true
  fi
  rm -rf "$home"
}
trap stop EXIT
trap 'exit 143' INT TERM HUP

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    grep -qs ":$(printf '%04X' "$port") " /proc/net/tcp /proc/net/tcp6 || break
  done
  echo "$port"
}

# Is it PID that listens on PORT, and not another that was quicker?
listens() {
  local inode
  inode=$(awk -v port=":$(printf '%04X' "$2")" \
    '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' /proc/net/tcp)
  [ -n "$inode" ] && find "/proc/$1/fd" -lname "socket:\[$inode\]" 2>/dev/null | grep -q .
}

answers() {
  local status=
  {
    printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$2" >&4
    read -r -t 5 status <&4 || true
  } 4<>"/dev/tcp/127.0.0.1/$1"
  [[ $status == HTTP/1.?\ 200* ]]
}

# serve PATH COMMAND…: starts a server, where @PORT@ in the command is its port, and waits until it answers GET PATH.
# Sets url. What the environment says about AWS, Docker or proxies is not for the server.
serve() {
  local path=$1 port server until=$((SECONDS + 120))
  shift
  while [ "$SECONDS" -lt "$until" ]; do
    port=$(free_port)
    setpriv --pdeathsig KILL -- \
      env -i PATH="$bin:$PATH" HOME="$home" TMPDIR="$home" LANG=C.UTF-8 PYTHONUNBUFFERED=1 "${@//@PORT@/$port}" </dev/null &
    server=$!
    servers+=("$server")
    url=http://127.0.0.1:$port
    while kill -0 "$server" 2>/dev/null && [ "$SECONDS" -lt "$until" ]; do
      if listens "$server" "$port" && answers "$port" "$path"; then return; fi
      sleep 0.1
    done
    echo "no answer from $* at $url$path, or its end"
    sleep 1
  done
  exit 1
}

# Without an engine of its own MiniStack would use the machine's.
docker_host=unix://$home/none.sock
ministack=(IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 BIND_HOST=127.0.0.1 GATEWAY_PORT=@PORT@)
case $kind in
  ministack)
    bin=$("$here/install.sh" "$root")
    serve /_ministack/health "${ministack[@]}" DOCKER_HOST="$docker_host" ministack
    ;;
  ministack-engine)
    bin=$("$here/install.sh" "$root" engine)
    coproc ENGINE { exec "$here/engine.sh" "$bin"; }
    read -r -u "${ENGINE[0]}" docker_host
    serve /_ministack/health "${ministack[@]}" "$docker_host" ministack
    ;;
  moto)
    bin=$("$here/install.sh" "$root")
    serve /moto-api/ moto_server -H 127.0.0.1 -p @PORT@
    ;;
  *)
    echo "no emulator is called $kind"
    exit 2
    ;;
esac
echo "emulator=$url" >&3
serve /_microburst/health microburst -u "${3:-$url}" -p @PORT@
echo "microburst=$url" >&3
echo ready >&3
while read -r _; do :; done
