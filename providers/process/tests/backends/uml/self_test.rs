//! What the tests that use machines rely on.

use super::Machine;

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn a_machine_runs_scripts_and_keeps_its_disk() {
    let machine = Machine::new();
    let first = machine.boot("#!/bin/sh\ncat /proc/sys/kernel/random/boot_id | tee /kept\nexit 3\n");
    assert_eq!(first.status, "3");

    let second = machine.boot(
        "#!/bin/sh\ncat /kept /proc/sys/kernel/random/boot_id\nstat -f -c %T /sys/fs/cgroup\nid -un 1000\n\
         systemctl is-active user@1000 >&2\n",
    );
    let lines: Vec<&str> = second.output.lines().collect();
    let &[kept, now, cgroups, user, active] = lines.as_slice() else { panic!("{second:?}") };
    assert_eq!(second.status, "0");
    assert_eq!(kept, first.output.trim_end());
    assert_ne!(kept, now, "it was not booted again");
    assert_eq!((cgroups, user, active), ("cgroup2fs", "ordinary", "active"));
}
