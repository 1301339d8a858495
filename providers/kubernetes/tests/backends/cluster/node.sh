#!/usr/bin/env bash
# Writes what a node is made of: the configurations of containerd, its network and the kubelet, and an image.
#
#   node.sh BIN DIR SLOT
set -euo pipefail
bin=$1 dir=$2 slot=$3
cd "$dir"

cat >containerd.toml <<TOML
version = 2
root = "$dir/data/containerd"
state = "$dir/data/containerd-state"
[grpc]
  address = "$dir/data/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "example.test/busybox:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/data/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    # The directory is in memory, where an overlay is not possible everywhere.
    snapshotter = "native"
TOML
mkdir -p data/cni
cat >data/cni/bridge.conflist <<JSON
{
  "cniVersion": "0.4.0", "name": "pods",
  "plugins": [{
    "type": "bridge", "bridge": "lk8s$slot", "isGateway": true, "ipMasq": false,
    "ipam": { "type": "host-local", "dataDir": "$dir/data/addresses", "ranges": [[{ "subnet": "10.214.$slot.0/24" }]] }
  }]
}
JSON
cat >kubelet.yaml <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $((21005 + 10 * slot))
healthzPort: 0
readOnlyPort: 0
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /landlord-kubernetes-$slot
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: $dir/ca.crt } }
authorization: { mode: AlwaysAllow }
evictionHard: { memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1% }
resolvConf: ""
# A test waits for these.
syncFrequency: 2s
fileCheckFrequency: 0s
kubeAPIQPS: 100
kubeAPIBurst: 200
YAML
# It listens there for what the kernel kills.
[ -e /dev/kmsg ] || ln -s null /dev/kmsg
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*/; do
  if [ -e "$hierarchy/cgroup.procs" ]; then mkdir -p "$hierarchy/landlord-kubernetes-$slot"; fi
done

# The image, as `docker save` writes one: a busybox, and a first process of a pod that ends when it is told to.
mkdir -p data/image/layer/{bin,tmp,etc,www}
chmod 1777 data/image/layer/{tmp,www}
cp /bin/busybox data/image/layer/bin
for applet in cat echo env false httpd kill ls nc printf sh sleep sort test touch true wget; do
  ln -s busybox "data/image/layer/bin/$applet"
done
tar --create --file data/image/layer.tar --directory data/image/layer --owner 0 --group 0 .
layer=$(sha256sum data/image/layer.tar | cut -d' ' -f1)
cat >data/image/config.json <<JSON
{
  "architecture": "amd64", "os": "linux",
  "config": {
    "Env": ["PATH=/bin"],
    "Cmd": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]
  },
  "rootfs": { "type": "layers", "diff_ids": ["sha256:$layer"] }
}
JSON
echo '[{ "Config": "config.json", "RepoTags": ["example.test/busybox:1"], "Layers": ["layer.tar"] }]' >data/image/manifest.json
tar --create --file data/image.tar --directory data/image config.json layer.tar manifest.json
