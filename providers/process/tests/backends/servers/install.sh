#!/usr/bin/env bash
# Installs the servers that the tests run as tenants: Debian's nginx-light, redis-server and python3.
#
# Packages are installed where a command is missing, as testing/debian.sh does it.
set -euo pipefail

packages=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || packages+=(nginx-light)
command -v redis-server >/dev/null || packages+=(redis-server)
command -v python3 >/dev/null || packages+=(python3)
"$(dirname "$0")/../../../../../testing/debian.sh" "${packages[@]}"
