#!/usr/bin/env bash
# Installs what the fleet benchmark runs its Erlang baseline with: Debian's erlang-base, and nothing else of OTP.
set -euo pipefail

if command -v erl >/dev/null && command -v erlc >/dev/null; then
  exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo 'Erlang/OTP is not installed: install erl and erlc (Debian: apt-get install erlang-base),' >&2
  echo 'or leave it out: --without erlang,erlang-hibernated' >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends erlang-base
