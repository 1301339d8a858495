#!/usr/bin/env bash
# Prints the path of the kubectl that Debian's package kubernetes-client has.
#
# Where it is not installed, it is taken out of the package and kept in $XDG_CACHE_HOME/landlord-compute or
# ~/.cache/landlord-compute, and the machine stays as it is. Nothing is fetched unless LANDLORD_INSTALL=1 says so.
set -euo pipefail
if dpkg-query -W -f '${Status}' kubernetes-client 2>/dev/null | grep -q ' installed$'; then
  echo /usr/bin/kubectl
  exit
fi
dir=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/landlord-compute/kubectl
if ! [ -x "$dir/usr/bin/kubectl" ]; then
  if [ "${LANDLORD_INSTALL:-}" != 1 ]; then
    echo "no kubectl of Debian's is installed: apt-get install kubernetes-client, or set LANDLORD_INSTALL=1" >&2
    exit 1
  fi
  fetched=$(mktemp -d)
  trap 'rm -rf "$fetched"' EXIT
  cd "$fetched"
  apt-get -q -o APT::Sandbox::User=root download kubernetes-client >&2 ||
    { apt-get -q update && apt-get -q -o APT::Sandbox::User=root download kubernetes-client; } >&2
  mkdir -p "$dir"
  dpkg-deb --extract kubernetes-client_*.deb "$dir"
fi
echo "$dir/usr/bin/kubectl"
