//! Where groups of processes can be made on a machine with systemd and cgroup v2: the unit tests of them, run there.
//!
//! All run in one boot, one place after the other.

use std::sync::OnceLock;

use crate::cargo;
use crate::uml::{Answers, Machine};

/// `/host/tests` are this crate's unit tests; what a place says of groups is compared there, by
/// `groups_are_where_the_starter_expects_them`. `tests` makes groups and limits, `finds` is for a place without limits.
const SCRIPT: &str = r#"#!/bin/bash
tests=(/host/tests cgroup::tests --test-threads 1)
finds=("${tests[@]}" --skip memory --skip limit --skip throttled --skip as_fast)
unified=/sys/fs/cgroup
export LANDLORD_TEST_GROUPS_AT

# A unit of the machine's systemd, and of the user's. Arguments: its name, properties, and what it runs.
unit() { systemd-run --quiet --wait --pipe --unit="$1" --setenv=LANDLORD_TEST_GROUPS_AT "${@:2}"; }
scope() {
  runuser -u ordinary -- env XDG_RUNTIME_DIR=/run/user/1000 systemd-run --quiet --user --scope --unit="$1" "${@:2}"
}
place() {
  "${@:2}" >/host/"$1".output 2>&1
  echo $? >/host/"$1".status
}

# Keepers and launches: where groups have limits, where they have none, and where there are none.
keepers=(/host/tests keeper::tests launch::tests --test-threads 1)
place keepers-root unit keepers-root "${keepers[@]}"
place keepers-service unit keepers-service -p User=ordinary -p Delegate=yes "${keepers[@]}"
place keepers-closed unit keepers-closed -p User=ordinary "${keepers[@]}"

LANDLORD_TEST_GROUPS_AT="$unified/landlord/where.engine"
place root unit root "${tests[@]}"
place root-delegated unit root-delegated -p Delegate=yes "${tests[@]}"

# A container's namespaces, with a mount that it may write to, and with one that it may not.
cat >/run/in-namespace <<'END'
#!/bin/sh -e
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -o "remount,bind,$1" /sys/fs/cgroup
shift
exec "$@"
END
chmod +x /run/in-namespace
place container unit container -p Delegate=yes unshare --cgroup --mount /run/in-namespace rw "${tests[@]}"
LANDLORD_TEST_GROUPS_AT="cgroups are mounted read-only at $unified; \
in a container, mount them writable, in a cgroup namespace of its own"
place read-only unit read-only unshare --cgroup --mount /run/in-namespace ro /host/tests groups_are_where

LANDLORD_TEST_GROUPS_AT="$unified/user.slice/user-1000.slice/user@1000.service/app.slice/free.scope/landlord/where.engine"
place scope scope free -p Delegate=yes "${tests[@]}"

# What DelegateSubgroup=engine does, which systemd 254 brought.
cat >/run/in-subgroup <<'END'
#!/bin/sh -e
group=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
mkdir "$group/engine"
echo $$ >"$group/engine/cgroup.procs"
chown -R ordinary: "$group"
exec setpriv --reuid=ordinary --regid=ordinary --init-groups "$@"
END
chmod +x /run/in-subgroup
LANDLORD_TEST_GROUPS_AT="$unified/system.slice/sub.service/landlord/where.engine"
place subgroup unit sub -p Delegate=yes /run/in-subgroup "${tests[@]}"

why="$unified/system.slice/whole.service could not be started again while tenants run under limits; give the unit \
DelegateSubgroup=engine (systemd 254 or newer), or run the engine as root"
LANDLORD_TEST_GROUPS_AT="$unified/system.slice/whole.service/landlord/where.engine
memory: $why
cpu: $why
pids: $why"
place service unit whole -p User=ordinary -p Delegate=yes "${finds[@]}"

LANDLORD_TEST_GROUPS_AT="the group $unified/system.slice/closed.service is not delegated to the engine's user; \
run the engine as a systemd unit with Delegate=yes and DelegateSubgroup=engine, or with \
\`systemd-run --user --scope -p Delegate=yes\`"
place closed unit closed -p User=ordinary "${tests[@]}"

# An engine that is started again while a process of a tenant lives in its groups.
cat >/run/engine <<'END'
#!/bin/bash
/host/tests --exact cgroup::tests::a_tenant_that_was_not_made_has_nothing >&2 || exit
group=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/landlord/left
mkdir -p "$group"
sleep 1000 &
echo $! >"$group/cgroup.procs"
echo started >>/host/again.output
exec sleep 1000
END
chmod +x /run/engine
started() {
  for _ in {1..200}; do
    [ "$(grep -c started /host/again.output)" = "$1" ] && return
    sleep 0.1
  done
  systemctl --no-pager status again >>/host/again.output
  return 1
}
again() {
  systemd-run --quiet --unit=again -p User=ordinary -p Delegate=yes -p KillMode=process -p Restart=always \
    -p RestartSec=0 /run/engine
  started 1 && systemctl kill --kill-who=main --signal=KILL again && started 2
}
install -o ordinary -m 0644 /dev/null /host/again.output
again 2>>/host/again.output
echo $? >/host/again.status
"#;

/// What came of the tests in each place: the exit status, and what they wrote.
fn places() -> &'static Answers {
    static PLACES: OnceLock<Answers> = OnceLock::new();
    PLACES.get_or_init(|| {
        let machine = Machine::new();
        let package = env!("CARGO_PKG_NAME");
        let unit_tests = cargo::built(&["test", "--package", package, "--all-features", "--lib", "--no-run"]);
        std::fs::copy(unit_tests, machine.host().join("tests")).expect("the machine gets the tests");
        let ran = machine.boot(SCRIPT);
        assert_eq!(ran.status, "0", "{}", ran.output);
        machine.answers()
    })
}

/// All passed in this place, and did what they are for.
fn passed(place: &str) {
    let (status, output) = places().get(place).expect("the script goes there");
    assert_eq!(status, "0", "{output}");
    assert!(!output.contains("NOT TESTED"), "{output}");
    assert!(output.contains("test result: ok"), "{output}");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn root_makes_groups_at_the_top() {
    passed("root");
    passed("root-delegated");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn a_container_makes_groups_in_its_namespace_if_they_are_mounted_writable() {
    passed("container");
    passed("read-only");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn an_ordinary_user_makes_groups_in_a_delegated_scope() {
    passed("scope");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn an_ordinary_user_makes_groups_beside_the_leaf_of_the_engine() {
    passed("subgroup");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn groups_in_the_service_of_an_ordinary_user_find_and_kill_and_have_no_limits() {
    passed("service");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn keepers_keep_their_launches_with_groups_and_without() {
    passed("keepers-root");
    passed("keepers-service");
    passed("keepers-closed");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn a_service_is_started_again_while_its_tenants_live() {
    let (status, output) = places().get("again").expect("the script goes there");
    assert_eq!(status, "0", "{output}");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn an_ordinary_user_is_told_why_there_are_no_groups() {
    let (status, output) = places().get("closed").expect("the script goes there");
    assert_eq!(status, "0", "{output}");
    assert!(output.contains("NOT TESTED"), "{output}");
}
