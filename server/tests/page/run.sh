#!/usr/bin/env bash
# Looks at the page in a real browser: what happens is seen live, by keyboard alone, without a violation that axe-core finds, and
# with 100,000 tenants; what pages of other sites send is refused.
#
#   run.sh PROGRAM DIR      PROGRAM is landlord-compute; axe-core is kept under DIR, and so is what went wrong
#
# LANDLORD_SCREENSHOTS=FOLDER keeps a picture of every view.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "$1")
"$here/install.sh" "$2"
LANDLORD_COMPUTE=$program LANDLORD_AXE=$(cd "$2" && pwd)/node_modules/axe-core/axe.min.js \
  exec timeout 300 node --test --test-reporter=spec "$here/"*.test.mjs
