#!/usr/bin/env bash
# Installs what the tests of the page need: Debian's chromium and its driver, Node, Python and openssl, and axe-core of npm.
#
#   install.sh DIR          axe-core goes into DIR
#
# Packages are installed where a command is missing, which needs root. Nothing is installed unless LANDLORD_INSTALL=1
# says so.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
root=$(cd "$1" && pwd)

packages=()
command -v chromium >/dev/null || packages+=(chromium)
command -v chromedriver >/dev/null || packages+=(chromium-driver)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
command -v python3 >/dev/null || packages+=(python3)
command -v openssl >/dev/null || packages+=(openssl)
has_axe() { cmp -s "$here/package-lock.json" "$root/installed.json"; }
[ ${#packages[@]} -eq 0 ] && has_axe && exit

if [ "${LANDLORD_INSTALL:-}" != 1 ]; then
  echo 'a browser, its driver, node or axe-core is not installed; ./test.sh backends installs them' >&2
  exit 1
fi
"$here/../../../testing/debian.sh" "${packages[@]}"
if ! has_axe; then
  cp "$here/package.json" "$here/package-lock.json" "$root"
  (cd "$root" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp "$here/package-lock.json" "$root/installed.json"
fi
