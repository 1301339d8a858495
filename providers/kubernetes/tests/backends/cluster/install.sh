#!/usr/bin/env bash
# Installs what a cluster needs, and prints the directory of the programs of Kubernetes.
#
#   install.sh          keeps what is built, about 400 MB, in $XDG_CACHE_HOME/landlord-compute or ~/.cache/landlord-compute
#
# Packages of Debian are installed where a command is missing, which needs root. Nothing is installed or built unless
# LANDLORD_INSTALL=1 says so: tests that start on their own change no machine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/landlord-compute/kubernetes
mkdir -p "$root"
exec 3>&1 1>&2

may_install() {
  [ "${LANDLORD_INSTALL:-}" = 1 ] && return
  echo 'no cluster of Kubernetes is installed; ./test.sh backends installs it'
  exit 1
}

# One at a time: several copies of the tests may start together.
exec 9>"$root/install.lock"
flock 9

packages=()
command -v containerd >/dev/null || packages+=(containerd)
command -v runc >/dev/null || packages+=(runc)
[ -x /usr/lib/cni/bridge ] || packages+=(containernetworking-plugins)
command -v ip >/dev/null || packages+=(iproute2)
command -v iptables >/dev/null || packages+=(iptables)
command -v openssl >/dev/null || packages+=(openssl)
# All that is in the images: a busybox that needs no libraries, unlike the one of the package busybox.
dpkg-query -W -f '${Status}' busybox-static 2>/dev/null | grep -q ' installed$' || packages+=(busybox-static)
"$here/../../../../../testing/debian.sh" "${packages[@]}"

# Named by how it is built: another way gets a directory of its own, and none is changed while it is used.
key=$({ uname -m; cat "$here/build.sh"; } | sha256sum)
dir=$root/${key:0:12}
if ! [ -e "$dir/complete" ]; then
  may_install
  "$here/build.sh" "$dir"
  touch "$dir/complete"
  # That takes minutes on some disks, for which nobody has to wait.
  setsid rm -rf "$dir/work" </dev/null >/dev/null 2>&1 3>&- 9>&- &
fi
echo "$dir" >&3
