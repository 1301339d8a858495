# Every command of the project. `just` lists them.
default:
    @just --list

# All checks and tests that need nothing but cargo and a C compiler.
test:
    ./test.sh

# The tests on real backends, which this installs and starts (as root, on Debian).
backends:
    ./test.sh backends

# What the continuous integration runs: the same with larger counts.
ci:
    .ci/run

# A tenant's life on real processes, with a killed engine in the middle.
demo:
    cargo run --release -- demo

# Everything beside what one would take instead, as BENCHMARKS.md shows it; `just bench --help` for less.
bench *args:
    benches/erlang.sh
    cargo bench --bench fleet -- {{args}}

# The small things, each alone: a decision, a check, a row of the store, an activation.
bench-micro *args:
    cargo bench --bench micro --all-features -- {{args}}

# How many instructions a transition takes, which repeats where times do not; needs valgrind. Of the engine's package alone: other
# crates of the workspace switch features of tracing on that cost some.
bench-instructions *args:
    cargo bench -p landlord-compute --bench instructions -- {{args}}

# The same beside engines that are watched.
bench-watched *args:
    cargo bench -p landlord-compute --bench instructions -- --watched {{args}}

# A thousand tenants on ECS against AWS's quotas, on simulated time, beside a client with the SDK's retries alone.
bench-ecs tenants="1000":
    cargo bench --package landlord-provider-ecs --bench ecs_quota -- --tenants {{tenants}}

# Local processes beside supervisord (`pip install supervisor`).
bench-process *args:
    cargo bench --package landlord-provider-process --bench supervised -- {{args}}

# A thousand tenants on a real cluster of Kubernetes beside kubectl; installs both, as root, on Debian.
bench-kubernetes *args:
    LANDLORD_INSTALL=1 providers/kubernetes/tests/backends/cluster/install.sh
    LANDLORD_INSTALL=1 providers/kubernetes/benches/rollouts/kubectl.sh
    cargo bench --package landlord-provider-kubernetes --features testing --bench rollouts -- {{args}}

# Ten thousand tenants at rest on the tests' fake of Kubernetes, and a thousand pods that die at once.
bench-kubernetes-watch *args:
    cargo bench --profile release --package landlord-provider-kubernetes --bench watched -- {{args}}

# Every long exploration of faults, to its end: an hour. `just faults 600` gives each ten minutes.
faults seconds="0":
    LANDLORD_EXPLORE={{seconds}} ./test.sh long

# Kill the engine many times; give a seed to repeat a run.
kills count="200" seed="":
    cargo build --package landlord-compute --example engine-process
    LANDLORD_KILLS={{count}} LANDLORD_SEED={{seed}} cargo test --package landlord-compute --test main kills:: -- --nocapture

# Kill, stop and cut off three engines that share a PostgreSQL, and lose its primary, while a cloud judges:
# `just cluster kills=200 seed=7`; with `times=judged` also how long it takes. Installs PostgreSQL, as root, on Debian.
cluster kills="20" seed="" times="":
    LANDLORD_INSTALL=1 stores/postgres/tests/backends/install.sh
    LANDLORD_CLUSTER_KILLS={{trim_start_match(kills, "kills=")}} LANDLORD_SEED={{trim_start_match(seed, "seed=")}} \
      LANDLORD_CLUSTER_TIMES={{trim_start_match(times, "times=")}} \
      cargo test --workspace --all-features --test postgres-cluster

# Ask a server, with schemathesis, everything that its OpenAPI document allows, and much that it does not.
fuzz-api seconds="60":
    cargo build --package landlord-cli
    LANDLORD_INSTALL=1 LANDLORD_FUZZED={{seconds}} server/tests/fuzzed/run.sh target/debug/landlord-compute target/schemathesis

# Put a server under all of the load: 10,000 tenants, 2,000 clients, 1,000 streams, 50 webhooks, and a kill in the middle.
load hundredths="100":
    LANDLORD_LOAD={{hundredths}} cargo test --release --package landlord-server --test it -- --ignored --nocapture load

# Write the generated pages again, and accept snapshots after looking at each.
pages:
    UPDATE_PAGES=1 cargo test -p landlord-state-machines --all-features page
    UPDATE_PAGES=1 cargo test -p landlord-testing --test it page
    UPDATE_PAGES=1 cargo test -p landlord-server --test it document
    UPDATE_PAGES=1 cargo test -p landlord-benchmark-page page

# Licences, advisories and sources of all dependencies.
deny:
    cargo deny check

# Fuzz a target (spec_json, spec_yaml, step); needs cargo-fuzz and a nightly toolchain.
fuzz target seconds="600":
    cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}}

# Explore a tenant's lives to a depth, or `all` of them.
model depth="12":
    LANDLORD_MODEL_DEPTH={{depth}} cargo test -p landlord-state-machines model:: -- --nocapture
