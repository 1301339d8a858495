//! Who a launch runs as, where that is not the engine's user.

use std::io;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde::{Deserialize, Serialize};

/// A user, its group and its other groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The user's id.
    pub(crate) uid: u32,
    /// The group's id.
    pub(crate) gid: u32,
    /// The other groups' ids.
    pub(crate) groups: Vec<u32>,
}

/// A user that this machine does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UserError {
    /// There is no such name.
    #[error("{file} has no {name:?}; create it, or give numbers, like 1000:1000")]
    Unknown {
        /// The file that has the names.
        file: String,
        /// The name.
        name: String,
    },
    /// The names cannot be read.
    #[error("{file} cannot be read: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        why: String,
    },
}

/// Finds `user` or `user:group`, by name or number, as the files under `root` have them.
pub(crate) fn find(text: &str, root: &Path) -> Result<Identity, UserError> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let users = Names::read(root, "etc/passwd");
    let (name, uid, own_group) = match user.parse() {
        // A number needs no name; one that has a name has its groups too.
        Ok(uid) => match users.as_ref().ok().and_then(|users| users.find(|row| row.get(2) == Some(&user))) {
            Some(row) => (row.first().copied().map(str::to_owned), uid, number(&row, 3)),
            None => (None, uid, None),
        },
        Err(_) => {
            let users = users.as_ref().map_err(Clone::clone)?;
            let row = users.find(|row| row.first() == Some(&user)).ok_or_else(|| users.lacks(user))?;
            (Some(user.to_owned()), number(&row, 2).ok_or_else(|| users.lacks(user))?, number(&row, 3))
        }
    };
    let groups = Names::read(root, "etc/group");
    let gid = match group {
        None => own_group.unwrap_or(uid),
        Some(group) => match group.parse() {
            Ok(gid) => gid,
            Err(_) => {
                let groups = groups.as_ref().map_err(Clone::clone)?;
                let row =
                    groups.find(|row| row.first() == Some(&group)).ok_or_else(|| groups.lacks(group))?;
                number(&row, 2).ok_or_else(|| groups.lacks(group))?
            }
        },
    };
    let member = |row: &Vec<&str>| {
        let members = row.get(3).copied().unwrap_or_default();
        members.split(',').any(|member| Some(member) == name.as_deref())
    };
    let others =
        groups.iter().flat_map(|groups| groups.rows().filter(member)).filter_map(|row| number(&row, 2));
    Ok(Identity {
        uid,
        gid,
        groups: std::iter::once(gid).chain(others.filter(|other| *other != gid)).collect(),
    })
}

/// Who a process runs as; none where that is the calling process's user.
pub(crate) fn of_process(pid: rustix::process::Pid) -> Option<Identity> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = |name: &str| -> Vec<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
    };
    let (uid, gid) = (*numbers("Uid:").get(1)?, *numbers("Gid:").get(1)?);
    let own = rustix::process::geteuid().as_raw();
    (uid != own).then(|| Identity { uid, gid, groups: numbers("Groups:") })
}

/// Makes the calling thread this user's. It must be about to become another program.
pub(crate) fn become_user(identity: &Identity) -> io::Result<()> {
    let groups: Vec<Gid> = identity.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

/// A file of lines with columns between colons.
struct Names {
    file: String,
    text: String,
}

impl Names {
    fn read(root: &Path, file: &str) -> Result<Self, UserError> {
        let path = root.join(file);
        let file = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self { file, text }),
            Err(error) => Err(UserError::Unreadable { file, why: error.to_string() }),
        }
    }

    fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        self.text.lines().map(|line| line.split(':').collect())
    }

    fn find(&self, is_it: impl Fn(&Vec<&str>) -> bool) -> Option<Vec<&str>> {
        self.rows().find(|row| is_it(row))
    }

    fn lacks(&self, name: &str) -> UserError {
        UserError::Unknown { file: self.file.clone(), name: name.to_owned() }
    }
}

fn number(row: &[&str], column: usize) -> Option<u32> {
    row.get(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(
            dir.path().join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:34:www:/var/www:/sbin/nologin\n",
        )
        .unwrap();
        std::fs::write(
            dir.path().join("etc/group"),
            "root:x:0:\nwww:x:34:\nssl:x:110:mail,www-data\nadm:x:4:www-data\n",
        )
        .unwrap();
        dir
    }

    #[test]
    fn users_and_groups_are_names_or_numbers() {
        let machine = machine();
        let identity = |uid, gid, groups: &[u32]| Ok(Identity { uid, gid, groups: groups.to_vec() });
        for (text, found) in [
            ("www-data", identity(33, 34, &[34, 110, 4])),
            ("33", identity(33, 34, &[34, 110, 4])),
            ("www-data:ssl", identity(33, 110, &[110, 4])),
            ("1000", identity(1000, 1000, &[1000])),
            ("1000:0", identity(1000, 0, &[0])),
        ] {
            assert_eq!(find(text, machine.path()), found, "{text}");
        }
    }

    #[test]
    fn one_that_is_not_known_is_named() {
        let machine = machine();
        let refused = |text| find(text, machine.path()).unwrap_err().to_string();
        assert!(refused("nginx").contains("etc/passwd has no \"nginx\""));
        assert!(refused("www-data:nobody").contains("etc/group has no \"nobody\""));
    }
}
