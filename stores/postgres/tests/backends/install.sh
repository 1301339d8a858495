#!/usr/bin/env bash
# Installs the servers that the tests start: Debian's postgresql, of version 15 or newer, and pgbouncer.
#
# Packages are installed where a command is missing, which needs root. Nothing is installed unless LANDLORD_INSTALL=1
# says so: tests that start on their own change no machine. The services of the packages are not started.
set -euo pipefail

packages=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || packages+=(pgbouncer)
[ ${#packages[@]} -eq 0 ] && exit

if [ "${LANDLORD_INSTALL:-}" != 1 ]; then
  echo 'postgresql or pgbouncer is not installed; ./test.sh backends installs them' >&2
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
