#!/usr/bin/env bash
# Installs what the tests of ops need: Debian's prometheus, which has promtool, and python3.
#
# Packages are installed where a command is missing, which needs root. Nothing is installed unless LANDLORD_INSTALL=1
# says so. The service of the package is not started.
set -euo pipefail

packages=()
command -v prometheus >/dev/null && command -v promtool >/dev/null || packages+=(prometheus)
command -v python3 >/dev/null || packages+=(python3)
[ ${#packages[@]} -eq 0 ] && exit

if [ "${LANDLORD_INSTALL:-}" != 1 ]; then
  echo 'prometheus, promtool or python3 is not installed; ./test.sh backends installs them' >&2
  exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "These packages of Debian are missing, and only root can install them: ${packages[*]}" >&2
  exit 1
fi
policy=/usr/sbin/policy-rc.d
if ! [ -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${packages[@]}"
