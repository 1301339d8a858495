//! A launch's own view of the machine's files: its volumes, its files, and whether it may write elsewhere.
//!
//! A launcher makes itself a mount namespace, in which nothing that it mounts is seen by anybody else; the program that it
//! becomes, and all that this starts, live in it. It ends with the last of them. An ordinary user gets one with a user
//! namespace that knows only that user, where the kernel permits it.
//!
//! Nothing is ever made on the machine itself. Where a path is not there, the deepest directory that is there is covered
//! by a *mirror*: a directory in memory in which each entry leads to the machine's own, and in which more can be made.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxFlags, mkdirat, open, openat,
    openat2, statx,
};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_move, mount_remount, unmount,
};
use rustix::process::{chdir, getegid, geteuid, pivot_root};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces};
use serde::{Deserialize, Serialize};

use crate::cgroup::unescaped;
use crate::procfs;
use crate::user::Identity;

/// What a launch finds that others do not. Holds values of secrets: it is never written anywhere, and does not print.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Mounts {
    /// An empty directory of the launch, for what is only in memory.
    pub(crate) stage: PathBuf,
    /// Its volumes.
    pub(crate) volumes: Vec<Volume>,
    /// Its files.
    pub(crate) files: Vec<OwnFile>,
    /// Whether it may write in its volumes only.
    pub(crate) read_only_root: bool,
}

/// A directory of the machine that a launch finds elsewhere.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Volume {
    /// Where it is on the machine.
    pub(crate) dir: PathBuf,
    /// Where the launch finds it.
    pub(crate) path: PathBuf,
    /// Whether the launch may not write there.
    pub(crate) read_only: bool,
}

/// A file that only a launch finds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OwnFile {
    /// Where.
    pub(crate) path: PathBuf,
    /// What is in it.
    pub(crate) content: String,
    /// Its permissions.
    pub(crate) mode: u32,
}

/// What was tried, and why it failed.
pub(super) type Failed = (String, io::Error);

pub(super) fn doing<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Failed {
    move |error| (what.into(), error.into())
}

/// Whether a launch of this process's user can have a view of its own. The calling process has one after this, so it must
/// be about to end.
pub(super) fn try_out() -> io::Result<()> {
    leave()?;
    mount("tmpfs", "/", c"tmpfs", MountFlags::empty(), None)?;
    Ok(())
}

/// Gives the calling thread its own view; `root` is what becomes its root directory later.
pub(super) fn enter(mounts: &Mounts, root: Option<&Path>, user: Option<&Identity>) -> Result<(), Failed> {
    leave().map_err(doing("its own view of the machine's files"))?;
    View { root: root.unwrap_or(Path::new("/")), user, own: BTreeSet::new() }.make(mounts)
}

/// Takes on the view of a process, where that has one of its own.
pub(super) fn join(leader: procfs::Identity) -> io::Result<()> {
    let Some(held) = procfs::hold(leader)? else { return Err(Errno::SRCH.into()) };
    let differs = |kind: &str| -> io::Result<bool> {
        let of = |whose: &str| std::fs::read_link(format!("/proc/{whose}/ns/{kind}"));
        Ok(of("self")? != of(&leader.pid().to_string())?)
    };
    let mut kinds = ThreadNameSpaceType::empty();
    kinds.set(ThreadNameSpaceType::MOUNT, differs("mnt")?);
    kinds.set(ThreadNameSpaceType::USER, differs("user")?);
    if kinds.is_empty() {
        return Ok(());
    }
    // Threads share where they are, unless one says that it does not.
    unshare(UnshareFlags::FS)?;
    Ok(move_into_thread_name_spaces(held.descriptor(), kinds)?)
}

/// Leaves the machine's view for one that begins as its copy.
fn leave() -> io::Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    if uid.is_root() {
        unshare(UnshareFlags::NEWNS)?;
    } else {
        unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)?;
        let (uid, gid) = (uid.as_raw(), gid.as_raw());
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    }
    Ok(mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

#[expect(
    deprecated,
    reason = "what makes it unsafe is a flag that is not used here: descriptors stay shared"
)]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    Ok(rustix::thread::unshare(flags)?)
}

/// A view that is being made.
struct View<'a> {
    /// What becomes the root directory.
    root: &'a Path,
    user: Option<&'a Identity>,
    /// The mounts in which something may be made: volumes and mirrors, by their numbers.
    own: BTreeSet<u64>,
}

/// What is mounted somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Directory,
    File,
}

/// Something to mount.
struct Entry<'a> {
    path: &'a Path,
    what: What,
    from: OwnedFd,
    read_only: bool,
}

impl View<'_> {
    fn make(&mut self, mounts: &Mounts) -> Result<(), Failed> {
        let Mounts { stage, volumes, files, read_only_root } = mounts;
        let in_memory = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", stage, c"tmpfs", in_memory, c"mode=0700").map_err(doing("memory for its files"))?;
        self.mirror_those_needed(mounts).map_err(doing("a view of directories that it has more in"))?;
        if *read_only_root && self.root != Path::new("/") {
            // So that it can be read-only without the rest of the machine.
            mount_bind_recursive(self.root, self.root).map_err(doing("its root directory"))?;
        }
        let mut entries = Vec::with_capacity(volumes.len() + files.len());
        for Volume { dir, path, read_only } in volumes {
            let from = self.volume(dir).map_err(doing(format!("the volume at {}", path.display())))?;
            entries.push(Entry { path, what: What::Directory, from, read_only: *read_only });
        }
        for (n, file) in files.iter().enumerate() {
            let at = stage.join(n.to_string());
            let from = self.write(&at, file).map_err(doing(format!("the file {}", file.path.display())))?;
            entries.push(Entry { path: &file.path, what: What::File, from, read_only: true });
        }
        let stage = open_path(stage).map_err(doing("memory for its files"))?;
        // What is inside of another comes after it.
        entries.sort_by_key(|entry| entry.path);
        for entry in &entries {
            self.put(entry).map_err(doing(format!("mounting {}", entry.path.display())))?;
        }
        // Only now: places in a volume that may only be read have been made by now.
        for entry in entries.iter().filter(|entry| entry.read_only) {
            self.seal(entry.path).map_err(doing(format!("mounting {}", entry.path.display())))?;
        }
        if *read_only_root {
            let writable: Vec<&Path> = volumes
                .iter()
                .filter(|volume| !volume.read_only)
                .map(|volume| volume.path.as_path())
                .collect();
            self.seal_all_but(&writable).map_err(doing("a root directory that is only read"))?;
        }
        unmount(in_proc(&stage), UnmountFlags::DETACH).map_err(doing("memory for its files"))
    }

    /// Opens a volume. One that is the engine's user's still is given to the user that mounts it.
    fn volume(&self, dir: &Path) -> io::Result<OwnedFd> {
        if let Some(user) = self.user
            && std::fs::symlink_metadata(dir)?.uid() == geteuid().as_raw()
        {
            std::os::unix::fs::lchown(dir, Some(user.uid), Some(user.gid))?;
        }
        open_path(dir)
    }

    fn write(&self, at: &Path, file: &OwnFile) -> io::Result<OwnedFd> {
        let mut to = OpenOptions::new().create_new(true).write(true).mode(0o600).open(at)?;
        to.write_all(file.content.as_bytes())?;
        if let Some(user) = self.user {
            std::os::unix::fs::fchown(&to, Some(user.uid), Some(user.gid))?;
        }
        to.set_permissions(Permissions::from_mode(file.mode))?;
        open_path(at)
    }

    /// Covers the directories in which something is to be made that is not in a volume; what is above comes first.
    fn mirror_those_needed(&self, mounts: &Mounts) -> io::Result<()> {
        let volumes = || mounts.volumes.iter().map(|volume| volume.path.as_path());
        let paths = volumes().chain(mounts.files.iter().map(|file| file.path.as_path()));
        let is_in_a_volume = |path: &Path| volumes().any(|volume| path != volume && path.starts_with(volume));
        let mut needed = BTreeSet::new();
        for path in paths.filter(|path| !is_in_a_volume(path)) {
            let (deepest, missing) = self.deepest(path)?;
            if missing {
                needed.insert(deepest);
            }
        }
        needed
            .iter()
            .enumerate()
            .try_for_each(|(n, dir)| self.mirror(dir, &mounts.stage.join(format!("mirror-{n}"))))
    }

    /// The deepest directory on the way to a path that is there, and whether that is not the path itself.
    fn deepest<'p>(&self, path: &'p Path) -> io::Result<(&'p Path, bool)> {
        for (n, at) in path.ancestors().enumerate() {
            match self.find(at) {
                Ok(_) => return Ok((at, n > 0)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::NOENT.into())
    }

    /// Covers a directory with one in memory, whose entries lead to its own.
    fn mirror(&self, path: &Path, at: &Path) -> io::Result<()> {
        let dir = self.find(path)?;
        let seen = in_proc(&dir);
        let of = std::fs::metadata(&seen)?;
        DirBuilder::new().mode(0o700).create(at)?;
        let mode = CString::new(format!("mode={:o}", of.mode() & 0o7777))?;
        mount("tmpfs", at, c"tmpfs", MountFlags::NOSUID | MountFlags::NODEV, mode.as_c_str())?;
        // A user's namespace knows no other owner.
        let _its_own_then = std::os::unix::fs::chown(at, Some(of.uid()), Some(of.gid()));
        // An entry may have this in it, which is left out there.
        mount_change(at, MountPropagationFlags::UNBINDABLE)?;
        for entry in std::fs::read_dir(&seen)? {
            let entry = entry?;
            let (from, to, kind) =
                (seen.join(entry.file_name()), at.join(entry.file_name()), entry.file_type()?);
            if kind.is_symlink() {
                std::os::unix::fs::symlink(std::fs::read_link(&from)?, &to)?;
                continue;
            }
            if kind.is_dir() {
                DirBuilder::new().mode(0o700).create(&to)?;
            } else {
                OpenOptions::new().create_new(true).write(true).mode(0o600).open(&to)?;
            }
            match mount_bind_recursive(&from, &to) {
                // It was removed since.
                Err(Errno::NOENT) if kind.is_dir() => std::fs::remove_dir(&to)?,
                Err(Errno::NOENT) => std::fs::remove_file(&to)?,
                bound => bound?,
            }
        }
        if self.root == Path::new("/") && path == Path::new("/") {
            chdir(at)?;
            pivot_root(".", ".")?;
            unmount(".", UnmountFlags::DETACH)?;
            chdir("/")?;
        } else {
            mount_move(at, &seen)?;
        }
        mount_change(in_proc(&self.find(path)?), MountPropagationFlags::PRIVATE)?;
        Ok(())
    }

    /// Mounts something, at a place that is made for it where there is none.
    fn put(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let place = match self.find(entry.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_place(entry.path, entry.what)?;
                self.find(entry.path)?
            }
            found => found?,
        };
        let is_dir = FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) == FileType::Directory;
        match (entry.what, is_dir) {
            (What::Directory, false) => return Err(Errno::NOTDIR.into()),
            (What::File, true) => return Err(Errno::ISDIR.into()),
            (What::Directory, true) | (What::File, false) => {}
        }
        mount_bind(in_proc(&entry.from), in_proc(&place))?;
        let mounted = self.find(entry.path)?;
        add_flags(&mounted, MountFlags::NOSUID | MountFlags::NODEV)?;
        self.own.insert(mount_of(&mounted)?);
        Ok(())
    }

    /// Makes the directories on the way to a path, and an empty directory or file there.
    fn make_place(&self, path: &Path, what: What) -> io::Result<()> {
        let (deepest, _) = self.deepest(path)?;
        let mut at = self.find(deepest)?;
        let missing: Vec<&std::ffi::OsStr> = path
            .strip_prefix(deepest)
            .map_err(|_| Errno::INVAL)?
            .components()
            .map(|part| match part {
                Component::Normal(name) => Ok(name),
                Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
                    Err(Errno::INVAL)
                }
            })
            .collect::<Result<_, _>>()?;
        for (n, name) in missing.iter().enumerate() {
            if what == What::File && n + 1 == missing.len() {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                openat(as_dir(&at)?, *name, flags, Mode::from_raw_mode(0o644))?;
                continue;
            }
            let dir = as_dir(&at)?;
            mkdirat(&dir, *name, Mode::from_raw_mode(0o755))?;
            at = openat(&dir, *name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        }
        Ok(())
    }

    /// Makes what is mounted at a path read-only.
    fn seal(&self, path: &Path) -> io::Result<()> {
        add_flags(&self.find(path)?, MountFlags::RDONLY)
    }

    /// Makes all that is seen read-only, apart from these and what is the kernel's.
    fn seal_all_but(&self, writable: &[&Path]) -> io::Result<()> {
        let mut spared = BTreeSet::new();
        for path in writable {
            spared.insert(mount_of(&self.find(path)?)?);
        }
        for line in std::fs::read_to_string("/proc/thread-self/mountinfo")?.lines() {
            let mut columns = line.split(' ');
            let (Some(number), Some(point)) = (columns.next(), columns.nth(3)) else { continue };
            let (Ok(number), point) = (number.parse::<u64>(), unescaped(point)) else { continue };
            let Ok(inside) = point.strip_prefix(self.root) else { continue };
            if spared.contains(&number) || KERNELS.iter().any(|kernels| inside.starts_with(kernels)) {
                continue;
            }
            match self.find(&Path::new("/").join(inside)) {
                // What is covered by another mount, or out of reach, no process of the launch can reach either.
                Ok(mounted) if mount_of(&mounted)? == number => add_flags(&mounted, MountFlags::RDONLY)?,
                Ok(_) => {}
                Err(error)
                    if [
                        io::ErrorKind::NotFound,
                        io::ErrorKind::PermissionDenied,
                        io::ErrorKind::NotADirectory,
                    ]
                    .contains(&error.kind()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Opens what is at a path of the view. A link never leads out of the root directory.
    fn find(&self, path: &Path) -> io::Result<OwnedFd> {
        let root = open(self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)?)
    }
}

/// What stays writable where the root directory is not: devices, and what is the kernel's.
const KERNELS: [&str; 2] = ["dev", "proc"];

/// Whether files and volumes may be there.
pub(crate) fn is_kernels(path: &Path) -> bool {
    ["/dev", "/proc", "/sys"].iter().any(|kernels| path.starts_with(kernels))
}

fn open_path(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// A directory in which something can be made.
fn as_dir(dir: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn in_proc(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

/// The number of the mount that something is in.
fn mount_of(of: &OwnedFd) -> io::Result<u64> {
    let found = statx(of, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    match StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID) {
        true => Ok(found.stx_mnt_id),
        false => Err(io::Error::new(io::ErrorKind::Unsupported, "it needs Linux 5.8")),
    }
}

/// Adds flags to a mount. Those that it has stay: a user may not take them away.
fn add_flags(mounted: &OwnedFd, add: MountFlags) -> io::Result<()> {
    let has = rustix::fs::fstatvfs(mounted)?.f_flag;
    let kept = [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let kept = kept.into_iter().filter(|(flag, _)| has.contains(*flag)).map(|(_, flag)| flag);
    let flags = kept.fold(MountFlags::BIND | add, |all, flag| all | flag);
    Ok(mount_remount(in_proc(mounted), flags, "")?)
}
