#!/usr/bin/env bash
# Installs the servers that the tests start: Debian's postgresql, of version 15 or newer, and pgbouncer.
#
# Packages are installed where a command is missing, as testing/debian.sh does it.
set -euo pipefail

packages=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || packages+=(pgbouncer)
"$(dirname "$0")/../../../../testing/debian.sh" "${packages[@]}"
