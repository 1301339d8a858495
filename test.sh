#!/usr/bin/env bash
# Runs the project's tests and checks.
#
#   ./test.sh            what anybody can run: needs cargo and a C compiler, installs nothing
#   ./test.sh backends   what runs on real backends: installs and starts them, which needs root on Debian
#
#   LANDLORD_KILLS=n        kill the engine n times (20)
#   LANDLORD_FAULTS=n       try n cases with several faults for each operation of a planner (5)
#   LANDLORD_SEED=n         repeat a run of kills, or of several faults
#   PROPTEST_CASES=n        widen the properties
#   LANDLORD_MODEL_DEPTH=n  explore a tenant's lives to depth n (8), or all of them
#   LANDLORD_LONG=1         run the tests that take minutes too
set -euo pipefail
cd "$(dirname "$0")"

not_run=()
step() { printf '\n== %s\n' "$*"; "$@"; }

# Runs a component of the toolchain. Without it the tests still say what they can; CI does not pass.
component() {
  local name=$1; shift
  if cargo "$name" --version >/dev/null 2>&1; then
    step cargo "$name" "$@"
  else
    not_run+=("cargo $name: not installed (rustup component add rustfmt clippy)")
    [ "${CI:-}" != true ]
  fi
}

everyday() {
  component fmt --all --check
  component clippy --workspace --all-targets --all-features -- -D warnings
  step cargo check --package landlord-compute --no-default-features
  step cargo check --package landlord-cli
  if [ "${LANDLORD_LONG:-}" = 1 ]; then
    step cargo test --workspace --all-features
    long
  else
    step cargo test --workspace --all-features
    not_run+=('long explorations of faults: LANDLORD_LONG=1 ./test.sh')
  fi
  RUSTDOCFLAGS='-D warnings' step cargo doc --workspace --all-features --no-deps
  not_run+=('providers on real backends: ./test.sh backends')
  not_run+=('fuzzing beyond the kept corpus: just fuzz')
}

long() {
  step cargo test --package landlord-provider-process --package landlord-provider-ecs --lib --all-features -- --ignored
}

# Each provider brings what its backends need: a script that installs, and tests that start them.
backends() {
  local target=${CARGO_TARGET_DIR:-target} bin
  mkdir -p "$target"
  printf '\n== install the emulators of ECS\n'
  bin=$(LANDLORD_INSTALL=1 providers/ecs/tests/backends/emulators/install.sh "$target/ecs-emulators" engine)
  echo "in $bin"
  step cargo test --package landlord-provider-ecs --all-features --test backends -- --include-ignored
}

case ${1:-} in
  '') everyday ;;
  backends) backends ;;
  *)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac

printf '\n== passed\n'
for what in "${not_run[@]}"; do printf 'not covered: %s\n' "$what"; done
