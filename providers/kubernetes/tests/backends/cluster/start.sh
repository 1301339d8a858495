#!/usr/bin/env bash
# A cluster of Kubernetes on this machine, until stdin closes: etcd, API server with RBAC, controller manager, scheduler.
# Needs root. Says everything else on stderr.
#
#   start.sh pods       and a node: kubelet, containerd and runc, with the image example.test/busybox:1 and no registry
#   start.sh objects    and no node
#
# Prints, a line each, kubeconfig=PATH, which is an administrator's, and ready.
#
# Copies run beside each other: each has a slot, which is ports, a network, a directory and a cgroup. A slot is free when
# nobody holds its lock, so what was left by a copy that was killed is taken over by a later one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kind=$1
exec 3>&1 1>&2

if [ "$(id -u)" != 0 ]; then
  echo 'only root can start a cluster of Kubernetes'
  exit 1
fi
bin=$("$here/install.sh")

taken() { grep -qs ":$(printf '%04X' "$1") .* 0A " /proc/net/tcp /proc/net/tcp6; }
free() {
  local port
  for port in {0..6}; do
    if taken "$((21000 + 10 * $1 + port))"; then return 1; fi
  done
}
slot=0
until exec 9>"/run/landlord-kubernetes-$slot.lock" && flock -n 9 && free "$slot"; do
  slot=$((slot + 1))
  if [ "$slot" -gt 99 ]; then
    echo 'all slots for clusters are taken: /run/landlord-kubernetes-*.lock, and the ports 21000 to 21999'
    exit 1
  fi
done
name=landlord-kubernetes-$slot
dir=/run/$name
bridge=lk8s$slot
cluster=

stop() {
  if [ -n "$cluster" ]; then
    # The kernel ends everything in the namespaces of the killed.
    kill -KILL "$cluster" 2>/dev/null || true
    wait "$cluster" 2>/dev/null || true
  fi
  ip link delete "$bridge" 2>/dev/null || true
  # A cgroup can be removed once the last of its processes is gone.
  for _ in {1..50}; do
    find /sys/fs/cgroup -depth -type d '(' -name "$name" -o -path "*/$name/*" ')' -exec rmdir {} + 2>/dev/null || true
    [ -n "$(find /sys/fs/cgroup -type d -name "$name" -print -quit)" ] || break
    sleep 0.1
  done
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 143' INT TERM HUP

stop
mkdir -m 700 "$dir"
# What it keeps is gone with it, and is nothing for a disk.
setpriv --pdeathsig KILL -- unshare --mount --pid --fork --kill-child --mount-proc -- \
  "$here/cluster.sh" "$bin" "$dir" "$slot" "$kind" </dev/null 9>&- &
cluster=$!
until [ -e "$dir/ready" ]; do
  kill -0 "$cluster" 2>/dev/null || exit 1
  sleep 0.1
done
echo "kubeconfig=$dir/admin.kubeconfig" >&3
echo ready >&3
while read -r _; do :; done
