#!/usr/bin/env bash
# Passes every test and check of the project. Needs cargo and a C compiler, nothing else.
# LANDLORD_KILLS=n kills the engine n times (20), LANDLORD_SEED=n repeats a run, PROPTEST_CASES=n widens properties.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*"; "$@"; }

step cargo fmt --all --check
step cargo clippy --workspace --all-targets --all-features -- -D warnings
# The pure crate stays pure: none of these may be among what it is built from.
if cargo tree -p landlord-state-machines --edges normal --prefix none | grep -E '^(tokio|ractor|tracing|rusqlite|reqwest|hyper|rand|fastrand|aws-|kube)[-a-z]* v'; then
  echo 'landlord-state-machines depends on something that is not pure (above)' >&2
  exit 1
fi
step cargo check --no-default-features
step cargo test --workspace --all-features
step cargo doc --workspace --all-features --no-deps
