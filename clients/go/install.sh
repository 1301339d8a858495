#!/usr/bin/env bash
# Installs what tests the Go client: Debian's golang-go.
#
# It is installed where the command go is missing, which needs root. Nothing is installed unless LANDLORD_INSTALL=1 says
# so: tests that start on their own change no machine.
set -euo pipefail

command -v go >/dev/null && exit

if [ "${LANDLORD_INSTALL:-}" != 1 ]; then
  echo 'go is not installed; ./test.sh backends installs it' >&2
  exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo 'The package golang-go of Debian is missing, and only root can install it' >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends golang-go
