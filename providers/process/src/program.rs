//! Where a container's program is: on this machine, or in a root directory.

use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::environment::Base;

/// Where a container's processes have their root directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// They see this machine as the engine does: `image: host`.
    Host,
    /// They see this directory as `/`.
    Directory(PathBuf),
}

/// An `image` that says neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither \"host\" nor the absolute path of a root directory")]
pub(super) struct ImageError(String);

impl Root {
    /// Reads a container's `image`.
    pub(super) fn of_image(image: &str) -> Result<Self, ImageError> {
        match image {
            "host" => Ok(Self::Host),
            path if path.starts_with('/') => Ok(Self::Directory(PathBuf::from(path))),
            other => Err(ImageError(other.to_owned())),
        }
    }

    /// Where programs are found there.
    pub(super) fn base(&self) -> Base {
        match self {
            Self::Host => Base::of_engine(),
            Self::Directory(_) => Base::of_root(),
        }
    }

    /// What they see as `/`.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Host => Path::new("/"),
            Self::Directory(root) => root,
        }
    }

    /// The program's path as the processes will see it. Looked for as a shell does: on `path` unless its name has
    /// a slash, and then from `working_dir`. What the launch has of its own, only the launch can see.
    pub(super) fn locate(
        &self,
        program: &str,
        path: &str,
        working_dir: &Path,
        own: impl Fn(&Path) -> bool,
    ) -> io::Result<PathBuf> {
        if program.contains('/') {
            let candidate = working_dir.join(program);
            if !own(&candidate) {
                self.executable(&candidate)?;
            }
            return Ok(candidate);
        }
        let mut refused = io::Error::from(Errno::NOENT);
        for dir in path.split(':').filter(|dir| dir.starts_with('/')) {
            let candidate = Path::new(dir).join(program);
            match self.executable(&candidate) {
                Ok(()) => return Ok(candidate),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn executable(&self, program: &Path) -> io::Result<()> {
        let seen = match self {
            Self::Host => program.to_owned(),
            Self::Directory(root) => {
                let seen = within(root, program);
                if seen.is_symlink() {
                    // It points to somewhere in the root directory; only a process in there can follow it.
                    return Ok(());
                }
                seen
            }
        };
        if seen.metadata()?.is_file() {
            Ok(access(&seen, Access::EXEC_OK)?)
        } else {
            Err(Errno::ACCESS.into())
        }
    }
}

/// A path in a root directory as this machine sees it.
fn within(root: &Path, path: &Path) -> PathBuf {
    let inside = path.components().filter(|part| !matches!(part, Component::RootDir | Component::Prefix(_)));
    inside.fold(root.to_owned(), |at, part| at.join(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_host_or_a_path() {
        assert_eq!(Root::of_image("host"), Ok(Root::Host));
        assert_eq!(Root::of_image("/srv/root"), Ok(Root::Directory("/srv/root".into())));
        assert!(Root::of_image("nginx:1.27").unwrap_err().to_string().contains("neither"));
    }

    #[test]
    fn programs_are_found_as_a_shell_does() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("text"), "").unwrap();
        let kind = |result: io::Result<PathBuf>| result.unwrap_err().kind();
        let here = dir.path();
        assert_eq!(Root::Host.locate("sh", "/nowhere:/bin", here, |_| false).unwrap(), Path::new("/bin/sh"));
        assert_eq!(kind(Root::Host.locate("sh", "/nowhere", here, |_| false)), io::ErrorKind::NotFound);
        assert_eq!(kind(Root::Host.locate("/nowhere/sh", "/bin", here, |_| false)), io::ErrorKind::NotFound);
        assert_eq!(
            kind(Root::Host.locate("bin", bin.to_str().unwrap(), here, |_| false)),
            io::ErrorKind::NotFound
        );
        assert_eq!(
            kind(Root::Host.locate("./bin", "/bin", here, |_| false)),
            io::ErrorKind::PermissionDenied
        );
        assert_eq!(
            kind(Root::Host.locate("bin/text", "/bin", here, |_| false)),
            io::ErrorKind::PermissionDenied
        );
        let root = Root::Directory(here.into());
        assert_eq!(kind(root.locate("sh", "/bin", Path::new("/"), |_| false)), io::ErrorKind::NotFound);
        std::os::unix::fs::symlink("/elsewhere", bin.join("link")).unwrap();
        assert_eq!(root.locate("link", "/bin", Path::new("/"), |_| false).unwrap(), Path::new("/bin/link"));
    }
}
