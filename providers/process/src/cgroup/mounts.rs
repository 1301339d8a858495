//! Where cgroups are mounted, and which group the calling process is in.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::Version;

/// A hierarchy as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) version: Version,
    /// Its controllers with cgroup v1; with v2 the groups say.
    pub(super) controllers: Vec<String>,
    /// The topmost group that is seen.
    pub(super) top: PathBuf,
    /// The group of this process.
    pub(super) own: PathBuf,
    /// Whether nothing can be made in it.
    pub(super) read_only: bool,
}

/// The hierarchies that are mounted, each once.
pub(super) fn mounted() -> io::Result<Vec<Mounted>> {
    let (mounts, groups) =
        (std::fs::read_to_string("/proc/self/mountinfo")?, std::fs::read_to_string("/proc/self/cgroup")?);
    Ok(parse(&mounts, &groups))
}

/// Takes `/proc/self/mountinfo` and `/proc/self/cgroup` apart (proc_pid_mountinfo(5), cgroups(7)). A line that is not
/// understood is none of ours.
fn parse(mountinfo: &str, own: &str) -> Vec<Mounted> {
    let mut all: Vec<Mounted> = Vec::new();
    for mounted in mountinfo.lines().filter_map(|line| mount(line, own)) {
        let same =
            |other: &Mounted| other.version == mounted.version && other.controllers == mounted.controllers;
        if !all.iter().any(same) {
            all.push(mounted);
        }
    }
    all
}

fn mount(line: &str, own: &str) -> Option<Mounted> {
    let (place, kind) = line.split_once(" - ")?;
    let place: Vec<&str> = place.split(' ').collect();
    let &[_, _, _, root, point, options, ..] = place.as_slice() else { return None };
    let &[kind, _, of_all] = kind.split(' ').collect::<Vec<&str>>().as_slice() else { return None };
    let version = match kind {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let (controllers, path) = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let this = match version {
            Version::V2 => controllers.is_empty(),
            // `cpu,cpuacct` is the option `cpu` and the option `cpuacct`, in any order.
            Version::V1 => !controllers.is_empty() && controllers.split(',').all(|one| has(of_all, one)),
        };
        this.then_some((controllers, path))
    })?;
    let top = unescaped(point);
    let own = below(&top, &unescaped(root), Path::new(path));
    let read_only = has(options, "ro") || has(of_all, "ro");
    let controllers = controllers.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
    Some(Mounted { version, controllers, top, own, read_only })
}

fn has(options: &str, option: &str) -> bool {
    options.split(',').any(|one| one == option)
}

/// Where the group `path` is under a mount whose topmost group is `root`. A group outside it is not seen; then it is
/// the topmost.
fn below(top: &Path, root: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix(root) {
        Ok(rest) if rest.components().all(|part| matches!(part, Component::Normal(_))) => {
            if rest.as_os_str().is_empty() { top.to_owned() } else { top.join(rest) }
        }
        Ok(_) | Err(_) => top.to_owned(),
    }
}

/// The kernel writes space, tab, newline and backslash as `\040` and so on.
pub(crate) fn unescaped(text: &str) -> PathBuf {
    let mut parts = text.split('\\');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code {
            Some(code) => {
                path.push(char::from(code));
                path.push_str(&part[3..]);
            }
            None => {
                path.push('\\');
                path.push_str(part);
            }
        }
    }
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(mountinfo: &str, own: &str) -> Vec<String> {
        let show = |mounted: Mounted| {
            let Mounted { version, controllers, top, own, read_only } = mounted;
            let controllers = controllers.join(",");
            format!("{version:?} [{controllers}] {} {} {read_only}", top.display(), own.display())
        };
        parse(mountinfo, own).into_iter().map(show).collect()
    }

    #[test]
    fn a_unit_of_a_machine_with_v2() {
        let mountinfo = "\
23 28 0:21 / /proc rw,relatime shared:12 - proc proc rw
30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
";
        assert_eq!(
            seen(mountinfo, "0::/system.slice/landlord.service\n"),
            ["V2 [] /sys/fs/cgroup /sys/fs/cgroup/system.slice/landlord.service false"]
        );
    }

    #[test]
    fn containers_with_v2() {
        let private = "700 690 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n";
        assert_eq!(seen(private, "0::/\n"), ["V2 [] /sys/fs/cgroup /sys/fs/cgroup true"]);
        // Started by `docker exec` into the group of another container.
        assert_eq!(seen(private, "0::/../other\n"), ["V2 [] /sys/fs/cgroup /sys/fs/cgroup true"]);
        let bound = "700 690 0:26 /docker/c1 /sys/fs/c\\040group rw - cgroup2 cgroup rw\n";
        assert_eq!(seen(bound, "0::/docker/c1/x\n"), ["V2 [] /sys/fs/c group /sys/fs/c group/x false"]);
        assert_eq!(seen(bound, "0::/docker/c10\n"), ["V2 [] /sys/fs/c group /sys/fs/c group false"]);
    }

    #[test]
    fn a_hybrid_machine() {
        let mountinfo = "\
34 25 0:29 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
35 34 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
36 34 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
37 34 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
38 34 0:33 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
39 34 0:33 / /mnt/cpuset rw - cgroup cgroup rw,cpuset
";
        let own = "3:cpuset:/\n2:cpu,cpuacct:/system.slice\n1:name=systemd:/system.slice/a.service\n0::/a\n";
        assert_eq!(
            seen(mountinfo, own),
            [
                "V2 [] /sys/fs/cgroup/unified /sys/fs/cgroup/unified/a false",
                "V1 [name=systemd] /sys/fs/cgroup/systemd /sys/fs/cgroup/systemd/system.slice/a.service false",
                "V1 [cpu,cpuacct] /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/system.slice false",
                "V1 [cpuset] /sys/fs/cgroup/cpuset /sys/fs/cgroup/cpuset false",
            ]
        );
    }
}
