#!/usr/bin/env bash
# Passes every test and check of the project. Needs cargo and a C compiler, nothing else.
# The tests of ECS install their emulators under target/, and as root the packages of Debian that these need.
#
#   LANDLORD_KILLS=n   kill the engine n times (20)
#   LANDLORD_FAULTS=n  try n cases with several faults for each operation of a planner (5)
#   LANDLORD_SEED=n    repeat a run of kills, or of several faults
#   PROPTEST_CASES=n   widen the properties
#   LANDLORD_MODEL_DEPTH=n  explore a tenant's lives to depth n (8), or all of them
#   LANDLORD_LONG=1    run the tests that take minutes too
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*"; "$@"; }

# Runs a component of the toolchain. Without it the tests still say what they can; the CI does not pass.
component() {
  local name=$1; shift
  if cargo "$name" --version >/dev/null 2>&1; then
    step cargo "$name" "$@"
  else
    printf '\n== NOT RUN: cargo %s is not installed (rustup component add rustfmt clippy)\n' "$name" >&2
    [ "${CI:-}" != true ]
  fi
}

component fmt --all --check
component clippy --workspace --all-targets --all-features -- -D warnings

# The pure crate stays pure (I10): none of these may be among what it is built from.
printf '\n== is landlord-state-machines pure?\n'
if cargo tree -p landlord-state-machines --edges normal --prefix none | grep -E '^(tokio|ractor|tracing|rusqlite|reqwest|hyper|rand|fastrand|aws-|kube)[-a-z]* v'; then
  echo 'no: it depends on the above' >&2
  exit 1
fi
echo yes

step cargo check --no-default-features
if [ "${LANDLORD_LONG:-}" = 1 ]; then
  step cargo test --workspace --all-features -- --include-ignored
else
  step cargo test --workspace --all-features
fi
RUSTDOCFLAGS='-D warnings' step cargo doc --workspace --all-features --no-deps
