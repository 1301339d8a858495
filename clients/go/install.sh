#!/usr/bin/env bash
# Installs what tests the Go client: Debian's golang-go.
#
# It is installed where the command go is missing, as testing/debian.sh does it.
set -euo pipefail

command -v go >/dev/null && exit
"$(dirname "$0")/../../testing/debian.sh" golang-go
