#!/usr/bin/env bash
# Builds an API server, a controller manager, a scheduler and a kubelet from the source package that Debian 12 has of
# Kubernetes, and takes etcd from Debian's package. No registry of binaries is needed. Takes some 5 minutes on 2 cores.
#
#   build.sh DIR    the programs are in DIR; what the build needed besides is in DIR/work
#
# Nothing is installed: the compiler is unpacked beside the source, and apt has lists of its own.
set -euo pipefail
release=bookworm
dir=$(mkdir -p "$1" && cd "$1" && pwd)
work=$dir/work
rm -rf "$work"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"

# The sources of the packages come from where this machine gets its packages from.
apt-get indextargets --format '$(URI) $(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
  awk -v of="$release" '$2 ~ "^" of && $3 == "main" { print "deb", $4, $2, $3; print "deb-src", $4, $2, $3 }' |
  sort -u >"$work/sources.list"
if ! [ -s "$work/sources.list" ]; then
  echo "apt knows no packages of Debian $release, of which Kubernetes is built"
  exit 1
fi
cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
CONF
export APT_CONFIG=$work/apt.conf
cd "$work"
apt-get -q update
apt-get -q source --download-only kubernetes
apt-get -q download golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev etcd-server
for package in *.deb; do dpkg-deb --extract "$package" root; done
tar --extract --file kubernetes_*.orig.tar.gz
source=$(echo "$work"/kubernetes-1.20*/)
# The one that comes with it corrupts memory under this compiler.
reflect2=$source/vendor/github.com/modern-go/reflect2
rm "$reflect2"/*.go "$reflect2"/*.s
cp root/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$reflect2"

export GOROOT=$work/root/usr/lib/go-1.19 GOPATH=$work/gopath GOCACHE=$work/gocache
export GO111MODULE=off GOFLAGS= GOPROXY=off CGO_ENABLED=0 PATH=$work/root/usr/lib/go-1.19/bin:$PATH
mkdir -p "$GOPATH/src/k8s.io"
ln -s "${source%/}" "$GOPATH/src/k8s.io/kubernetes"
cd "$GOPATH/src/k8s.io/kubernetes"

# Server-side apply needs the schemas of the objects, which are generated and not in the source.
go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
documented=$(grep -rlE '^// \+k8s:openapi-gen=' --include='*.go' pkg cmd plugin staging | xargs -n1 dirname |
  sed -E 's,^staging/src/,,; s,^(pkg|cmd|plugin),k8s.io/kubernetes/\1,' | sort -u |
  grep -vE 'code-generator|sample-|_examples|/test' | paste -sd,)
"$work/openapi-gen" --logtostderr -h hack/boilerplate/boilerplate.generatego.txt -O zz_generated.openapi \
  -p k8s.io/kubernetes/pkg/generated/openapi -r /dev/null --output-base "$GOPATH/src" -i "$documented"

flags='-s -w'
for package in component-base/version client-go/pkg/version; do
  for value in gitVersion=v1.20.2 gitMajor=1 gitMinor=20; do
    flags+=" -X k8s.io/kubernetes/vendor/k8s.io/$package.$value"
  done
done
go build -ldflags "$flags" -o "$work/bin/" \
  ./cmd/kube-apiserver ./cmd/kube-controller-manager ./cmd/kube-scheduler ./cmd/kubelet
mv "$work"/bin/* "$work/root/usr/bin/etcd" "$dir"
