#!/usr/bin/env bash
# Installs what the tests of ops need: Debian's prometheus, which has promtool, and python3.
#
# Packages are installed where a command is missing, as testing/debian.sh does it.
set -euo pipefail

packages=()
command -v prometheus >/dev/null && command -v promtool >/dev/null || packages+=(prometheus)
command -v python3 >/dev/null || packages+=(python3)
"$(dirname "$0")/../../testing/debian.sh" "${packages[@]}"
