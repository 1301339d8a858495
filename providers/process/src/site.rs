//! Which site this is: a state directory has a name of its own, which it keeps wherever it is mounted and whatever the machine is
//! called. What runs and is kept under it is found with it alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use landlord_state_machines::members::Site;

/// The file with the name. No tenant is called so.
const NAME: &str = ".site";

/// The site of a state directory. It gets a name when it has none.
pub(super) fn of(dir: &Path) -> io::Result<Site> {
    let id = match fs::read_to_string(dir.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => name(dir),
        read => read,
    }?;
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "?".to_owned());
    Ok(Site { id: id.trim().to_owned(), at: format!("{}:{}", host.trim(), dir.display()) })
}

/// Gives a directory a name, for ever.
fn name(dir: &Path) -> io::Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let draft = dir.join(format!("{NAME}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(id.as_bytes())?;
    // A store may remember it for longer than this machine remembers anything.
    file.sync_all()?;
    fs::rename(&draft, dir.join(NAME))?;
    File::open(dir)?.sync_all()?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_name_also_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let [one, other, moved] = ["one", "other", "moved"].map(|name| root.path().join(name));
        let first = of(&one).unwrap();
        assert_eq!(of(&one).unwrap(), first);
        assert!(first.at.ends_with(one.to_str().unwrap()), "{first:?}");
        assert_ne!(of(&other).unwrap().id, first.id);
        fs::rename(&one, &moved).unwrap();
        assert_eq!(of(&moved).unwrap().id, first.id);
    }
}
