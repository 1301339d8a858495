#!/usr/bin/env bash
# Installs packages of Debian that tests on real backends need.
#
#   debian.sh PACKAGE…
#
# Nothing is installed unless LANDLORD_INSTALL=1 says so, and root asks for it: tests that start on their own change no machine.
# The services of the packages are not started.
set -euo pipefail
[ $# -gt 0 ] || exit 0

if [ "${LANDLORD_INSTALL:-}" != 1 ]; then
  echo "These packages of Debian are missing; ./test.sh backends installs them: $*" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "These packages of Debian are missing, and only root can install them: $*" >&2
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
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
