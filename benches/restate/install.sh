#!/usr/bin/env bash
# Installs Restate's server under target/ and builds the service and the driver. Does nothing where both are there.
# Needs npm, which it installs as root on Debian, and cargo. Prints nothing to stdout.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec >&2

version=1.7.12
prefix=target/restate/server

if [ "$("$prefix/node_modules/.bin/restate-server" --version 2>/dev/null)" != "restate-server $version" ]; then
  if ! command -v npm >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -q
      DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends nodejs npm
    else
      echo 'npm is not installed: install it (on Debian: apt-get install nodejs npm), or leave Restate out' >&2
      exit 1
    fi
  fi
  mkdir -p "$prefix"
  # --ignore-scripts: one of its packages reports the installation to its makers.
  npm install --prefix "$prefix" --ignore-scripts --no-save --no-audit --no-fund "@restatedev/restate-server@$version"
fi

cargo build --release --locked --manifest-path benches/restate/Cargo.toml --target-dir target/restate/build
