#!/usr/bin/env bash
# Runs the project's tests and checks.
#
#   ./test.sh            what anybody can run: needs cargo and a C compiler, installs nothing
#   ./test.sh long       what takes minutes: explorations, each for a share of time, and fleets on simulated time
#   ./test.sh backends   what runs on real backends: installs and starts them, which needs root on Debian
#
#   LANDLORD_KILLS=n        kill the engine n times (20)
#   LANDLORD_FAULTS=n       try n cases with several faults for each operation of a planner (5)
#   LANDLORD_FUZZED=n       ask a server made-up things for n seconds (40)
#   LANDLORD_EXPLORE=n      explore for n seconds in each long test (30); 0 explores all, which takes an hour
#   LANDLORD_LOAD=n         load a server with so many hundredths of 10,000 tenants and 3,000 clients (10)
#   LANDLORD_CLUSTER_KILLS=n  kill, stop or cut off one of three engines n times, or once in twenty the primary (20)
#   LANDLORD_CLUSTER_TIMES=judged  judge there also how long it takes
#   LANDLORD_SEED=n         repeat a run of kills, or of faults
#   PROPTEST_CASES=n        widen the properties
#   LANDLORD_MODEL_DEPTH=n  explore a tenant's lives to depth n (8), or all of them
set -euo pipefail
cd "$(dirname "$0")"

not_run=()
step() {
  local begun=$SECONDS
  printf '\n== %s\n' "$*"
  "$@"
  printf '== took %d s\n' $((SECONDS - begun))
}

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

# Asks for the tests of one kind in the whole workspace: of some packages alone, all of them would be built again with the features
# that these need.
tests() { step cargo test --workspace --all-features "$@"; }

everyday() {
  component fmt --all --check
  component clippy --workspace --all-targets --all-features -- -D warnings
  step cargo check --package landlord-compute --no-default-features
  step cargo check --package landlord-cli
  tests --no-fail-fast
  RUSTDOCFLAGS='-D warnings' step cargo doc --workspace --all-features --no-deps
  not_run+=('explorations and fleets that take minutes: ./test.sh long')
  not_run+=('providers on real backends: ./test.sh backends')
  not_run+=('the Go client, the page in a browser, alerts and dashboard: ./test.sh backends')
  not_run+=('fuzzing beyond the kept corpus: just fuzz')
}

long() {
  export LANDLORD_EXPLORE="${LANDLORD_EXPLORE:-30}"
  # The same cases each time, so that a change fails for what it changed. Another seed explores others.
  export LANDLORD_SEED="${LANDLORD_SEED:-20261123}"
  tests --lib -- --ignored --nocapture --test-threads 2
  # A tenth of the load; LANDLORD_LOAD=100 is all of it.
  tests --test it -- --ignored --nocapture --skip specs::
}

# Each provider, and each store that needs a server, brings what its backends need: a script that installs, and tests that start them.
backends() {
  local target=${CARGO_TARGET_DIR:-target} bin
  mkdir -p "$target"
  printf '\n== install the emulators of ECS\n'
  bin=$(LANDLORD_INSTALL=1 providers/ecs/tests/backends/emulators/install.sh "$target/ecs-emulators" engine)
  echo "in $bin"
  tests --test ecs-backends -- --include-ignored
  printf '\n== build a cluster of Kubernetes\n'
  LANDLORD_INSTALL=1 providers/kubernetes/tests/backends/cluster/install.sh
  # Most of them wait for pods.
  tests --test kubernetes-backends -- --include-ignored --test-threads 8
  printf '\n== install PostgreSQL and pgbouncer\n'
  LANDLORD_INSTALL=1 stores/postgres/tests/backends/install.sh
  tests --test postgres-backends -- --include-ignored --test-threads 4
  # The program on it.
  tests --test on-postgres -- --include-ignored
  # Several engines, kills, stops, cuts and a lost primary; LANDLORD_CLUSTER_KILLS says how many.
  tests --test postgres-cluster
  printf '\n== install nginx, redis and Python\n'
  LANDLORD_INSTALL=1 providers/process/tests/backends/servers/install.sh
  printf '\n== install User Mode Linux, and a Debian for it\n'
  LANDLORD_INSTALL=1 providers/process/tests/backends/uml/install.sh "$target/uml"
  # The example of a spec for processes, whose server is Python's. It also builds the program, which all that follows needs.
  tests --test it -- --ignored specs::
  printf '\n== do what the README says of a server\n'
  LANDLORD_INSTALL=1 cli/tests/readme/run.sh "$target/debug/landlord-compute"
  printf '\n== install schemathesis, and ask a server what its OpenAPI document allows\n'
  LANDLORD_INSTALL=1 server/tests/fuzzed/run.sh "$target/debug/landlord-compute" "$target/schemathesis"
  printf '\n== install a browser, and look at the page\n'
  LANDLORD_INSTALL=1 server/tests/page/run.sh "$target/debug/landlord-compute" "$target/page-tests"
  printf '\n== install Prometheus, and ask it what the alerts and the dashboard ask\n'
  LANDLORD_INSTALL=1 ops/tests/run.sh "$target/debug/landlord-compute"
  printf '\n== install Go\n'
  LANDLORD_INSTALL=1 clients/go/install.sh
  # Its tests start the program as servers.
  (
    program=$(realpath "$target")/debug/landlord-compute
    cd clients/go
    step go vet ./...
    LANDLORD_COMPUTE=$program step go test -count=1 ./...
  )
  # Before the machines, which leave little of this one.
  tests --test process-backends -- --include-ignored servers:: ordinary::
  # The tests of one machine wait for it together, so that those of others need threads of their own.
  tests --test process-backends -- --include-ignored \
    --skip servers:: --skip ordinary:: --test-threads 32
}

case ${1:-} in
  '') everyday ;;
  long) long ;;
  backends) backends ;;
  *)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac

printf '\n== passed, after %d s\n' "$SECONDS"
for what in "${not_run[@]}"; do printf 'not covered: %s\n' "$what"; done
