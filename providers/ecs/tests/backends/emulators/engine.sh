#!/usr/bin/env bash
# A Docker engine of its own, with the image busybox:test and no way to any registry, until stdin closes. Needs root.
#
#   engine.sh BIN   BIN: what install.sh printed; prints DOCKER_HOST=…
#
# Copies run beside each other: each has a slot, which is a network, a directory and a cgroup. A slot is free when
# nobody holds its lock, so what was left by a copy that was killed is taken over by a later one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$1
exec 3>&1 1>&2

if [ "$(id -u)" != 0 ]; then
  echo 'only root can start a Docker engine'
  exit 1
fi
slot=0
until exec 9>"/run/landlord-ecs-$slot.lock" && flock -n 9; do
  slot=$((slot + 1))
  if [ "$slot" -gt 255 ]; then
    echo 'all slots for Docker engines are taken: /run/landlord-ecs-*.lock'
    exit 1
  fi
done
name=landlord-ecs-$slot
bridge=lecs$slot
dir=/run/$name
engine=

stop() {
  if [ -n "$engine" ]; then
    # The kernel ends everything in the namespaces of the killed.
    kill -KILL "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
  fi
  ip link delete "$bridge" 2>/dev/null || true
  # A cgroup can be removed once the last of its processes is gone.
  for _ in {1..50}; do
    find /sys/fs/cgroup -depth -type d -path "*/$name*" -exec rmdir {} + 2>/dev/null || true
    [ -n "$(find /sys/fs/cgroup -type d -name "$name*" -print -quit)" ] || break
    sleep 0.1
  done
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 143' INT TERM HUP

stop
mkdir -p "$dir"
ip link add "$bridge" type bridge
ip address add "10.213.$slot.1/24" dev "$bridge"
ip link set "$bridge" up

setpriv --pdeathsig KILL -- unshare --mount --pid --fork --kill-child --mount-proc -- \
  "$here/dockerd.sh" "$dir" "$bridge" "/$name" </dev/null 9>&- &
engine=$!

DOCKER_HOST=unix://$dir/docker.sock "$bin/python" "$here/busybox_image.py" "$engine"
echo "DOCKER_HOST=unix://$dir/docker.sock" >&3
while read -r _; do :; done
