#!/usr/bin/env bash
# A Docker engine in the foreground, as the first process of its own namespaces (engine.sh): what it starts and
# mounts ends with it, however it ends.
#
#   dockerd.sh DIR BRIDGE CGROUP   its socket is DIR/docker.sock
set -euo pipefail
dir=$1 bridge=$2 cgroup=$3

mkdir -p /run/containerd "$dir/data"
mount -t tmpfs tmpfs /run/containerd
mount -t tmpfs tmpfs "$dir/data"
echo '{}' >"$dir/daemon.json"
cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/data/containerd"
state = "$dir/data/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/containerd/own.sock"
TOML

containerd -c "$dir/containerd.toml" --log-level warn &
until [ -S /run/containerd/own.sock ]; do sleep 0.05; done

# The proxy that is not there: an image comes from the engine itself or not at all, at once.
HTTPS_PROXY=http://127.0.0.1:1 HTTP_PROXY=http://127.0.0.1:1 \
  dockerd --config-file "$dir/daemon.json" --log-level warn --containerd /run/containerd/own.sock \
  -H "unix://$dir/docker.sock" --data-root "$dir/data/docker" --exec-root "$dir/data/exec" \
  --pidfile "$dir/data/docker.pid" --bridge "$bridge" --cgroup-parent "$cgroup" \
  --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false &
# Whichever ends first takes the other with it.
wait -n
