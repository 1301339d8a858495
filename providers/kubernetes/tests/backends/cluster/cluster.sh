#!/usr/bin/env bash
# The programs of a cluster, as the first process of its own namespaces (start.sh): what it starts and mounts ends with it,
# however it ends. One that ends is started again.
#
#   cluster.sh BIN DIR SLOT KIND
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$1 dir=$2 slot=$3 kind=$4
name=landlord-kubernetes-$slot
port=$((21000 + 10 * slot))
etcd=$((port + 3))
server=https://127.0.0.1:$port
cd "$dir"

mkdir -p /run/containerd /run/netns /var/log
for mounted in /run/containerd /run/netns /var/log; do mount -t tmpfs tmpfs "$mounted"; done
mkdir data
mount -t tmpfs tmpfs data
# A kubelet and its network change these of the machine. Here they have their own.
mkdir data/settings
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys \
  kernel/keys/root_maxbytes net/ipv4/ip_forward; do
  own=data/settings/${setting//\//.}
  cat "/proc/sys/$setting" >"$own"
  mount --bind "$own" "/proc/sys/$setting"
done

# start NAME COMMAND…: goes on until the namespaces end.
start() {
  local log=$dir/$1.log
  shift
  while :; do
    "$@" </dev/null >>"$log" 2>&1 || true
    sleep 0.2
  done &
}
# until_so SECONDS COMMAND…
until_so() {
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$until" ]; then
      echo "it never came to: $*"
      tail -n 5 "$dir"/*.log
      exit 1
    fi
    sleep 0.1
  done
}

# Certificates: one that signs, the API server's, and one by which it is known to the kubelet.
ssl() { openssl "$@" 2>/dev/null; }
ssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=ca \
  -addext keyUsage=critical,keyCertSign,cRLSign
# certificate NAME SUBJECT EXTENSION…
certificate() {
  ssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2"
  ssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" \
    -extfile <(printf '%s\n' "${@:3}")
}
certificate server /CN=kube-apiserver extendedKeyUsage=serverAuth 'subjectAltName=IP:127.0.0.1,IP:10.96.0.1,DNS:localhost'
certificate kubelet /O=system:masters/CN=admin extendedKeyUsage=clientAuth
ssl genrsa -out accounts.key 2048
ssl rsa -in accounts.key -pubout -out accounts.pub

# A user of each program, whose token is in its kubeconfig.
for user in admin system:kube-controller-manager system:kube-scheduler system:node:localhost; do
  token=$(openssl rand -hex 16)
  echo "$token,$user,$user,system:masters" >>tokens.csv
  cat >"${user##*system:}.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: cluster, cluster: {server: "$server", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: user, user: {token: $token}}]
contexts: [{name: admin, context: {cluster: cluster, user: user}}]
current-context: admin
YAML
done

start etcd "$bin/etcd" --data-dir data/etcd --unsafe-no-fsync \
  --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
  --listen-peer-urls "http://127.0.0.1:$((etcd + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((etcd + 1))" \
  --initial-cluster "default=http://127.0.0.1:$((etcd + 1))"
start kube-apiserver "$bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd" --secure-port "$port" \
  --bind-address 127.0.0.1 --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/16 \
  --tls-cert-file server.crt --tls-private-key-file server.key --client-ca-file ca.crt --token-auth-file tokens.csv \
  --authorization-mode RBAC --allow-privileged --profiling=false \
  --service-account-key-file accounts.pub --service-account-signing-key-file accounts.key \
  --service-account-issuer https://kubernetes.default.svc --disable-admission-plugins TaintNodesByCondition \
  --kubelet-client-certificate kubelet.crt --kubelet-client-key kubelet.key --kubelet-preferred-address-types Hostname
listens() { (exec 4<>"/dev/tcp/127.0.0.1/$1"); }
until_so 60 listens "$port"
# They try again until the API server answers; their own limits would be what a benchmark measures.
start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig kube-controller-manager.kubeconfig \
  --leader-elect=false --bind-address 127.0.0.1 --secure-port "$((port + 1))" --port 0 \
  --service-account-private-key-file accounts.key --root-ca-file ca.crt --use-service-account-credentials=false \
  --controllers '*,-nodelifecycle,-nodeipam,-route,-service,-bootstrapsigner,-tokencleaner' \
  --concurrent-namespace-syncs 10 --kube-api-qps 2000 --kube-api-burst 4000
start kube-scheduler "$bin/kube-scheduler" --kubeconfig kube-scheduler.kubeconfig --leader-elect=false \
  --bind-address 127.0.0.1 --secure-port "$((port + 2))" --port 0 --kube-api-qps 2000 --kube-api-burst 4000
until_so 60 listens "$((port + 1))"

if [ "$kind" = pods ]; then
  "$here/node.sh" "$bin" "$dir" "$slot"
  start containerd containerd -c containerd.toml --log-level warn
  until_so 30 ctr -a data/containerd.sock version
  ctr -a data/containerd.sock -n k8s.io images import data/image.tar >/dev/null
  start kubelet "$bin/kubelet" --kubeconfig node:localhost.kubeconfig --config kubelet.yaml --root-dir "$dir/data/kubelet" \
    --cert-dir "$dir/data/kubelet-certificates" --hostname-override localhost --register-node=true \
    --container-runtime remote --container-runtime-endpoint "unix://$dir/data/containerd.sock"
fi
touch ready
wait
