//! The persistent volumes of tenants: directories that outlive a launch.
//!
//! `<state>/<tenant>/volumes/<name>/data` is what launches mount. `tag` beside it says whose it is and how long it is kept.
//! Only the engine's user may enter `volumes`. A name that begins with a dot is one that is being made or removed.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use landlord_state_machines::id::{Incarnation, ProviderName};
use landlord_state_machines::planner::process::Retention;
use serde::{Deserialize, Serialize};

use super::files::{self, entries};
use super::tags::Owner;

const DATA: &str = "data";
const TAG: &str = "tag";

/// Whose a volume is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tag {
    engine: String,
    provider: ProviderName,
    /// The tenant's life that had it last.
    pub(super) incarnation: Incarnation,
    /// How long it is kept.
    pub(super) retention: Retention,
}

impl Tag {
    /// How long it is kept, as a life of the tenant sees it.
    pub(super) fn retention_in(&self, life: Incarnation) -> Retention {
        match self.retention {
            Retention::WithTenant | Retention::Dropped if self.incarnation != life => Retention::Left,
            retention @ (Retention::WithTenant
            | Retention::Retained
            | Retention::Dropped
            | Retention::Left) => retention,
        }
    }
}

/// The volumes of one tenant.
#[derive(Clone, Debug)]
pub(super) struct VolumesDir(PathBuf);

impl VolumesDir {
    /// Those in a tenant's directory.
    pub(super) fn of(tenant: &Path) -> Self {
        Self(tenant.join("volumes"))
    }

    /// What launches mount.
    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.0.join(name).join(DATA)
    }

    /// Where one is.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Those of an owner, by name.
    pub(super) fn held(&self, owner: &Owner) -> io::Result<BTreeMap<String, Tag>> {
        let mut held = BTreeMap::new();
        for path in entries(&self.0)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.starts_with('.') {
                continue;
            }
            match read(&path) {
                Ok(tag) if tag.engine == owner.engine && tag.provider == owner.provider => {
                    held.insert(name.to_owned(), tag);
                }
                Ok(_) => {}
                // It was removed since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(held)
    }

    /// Makes those of an owner exactly these. What is there keeps what is in it. When this fails, what is not wanted may be
    /// gone.
    pub(super) fn hold(
        &self,
        owner: &Owner,
        incarnation: Incarnation,
        wanted: &BTreeMap<String, Retention>,
    ) -> io::Result<()> {
        let mut held = self.held(owner)?;
        let goes = |name: &String, tag: &Tag| {
            !wanted.contains_key(name) || tag.retention_in(incarnation) == Retention::Left
        };
        for (name, _) in held.extract_if(.., |name, tag| goes(name, tag)) {
            self.take_away(&name)?;
        }
        if !wanted.is_empty() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        }
        for (name, retention) in wanted {
            let (engine, provider) = (owner.engine.clone(), owner.provider.clone());
            let tag = Tag { engine, provider, incarnation, retention: *retention };
            match held.get(name) {
                Some(same) if *same == tag => {}
                Some(_) => write(&self.0.join(name), &tag)?,
                None => self.make(name, &tag)?,
            }
        }
        self.clean()
    }

    /// Removes those of an owner that outlived their tenant.
    pub(super) fn release(&self, owner: &Owner) -> io::Result<()> {
        let retained = |tag: &Tag| tag.retention == Retention::Retained;
        for (name, _) in self.held(owner)?.into_iter().filter(|(_, tag)| retained(tag)) {
            self.take_away(&name)?;
        }
        self.clean()
    }

    /// Makes one be no volume any more, at once: nobody finds half of one.
    fn take_away(&self, name: &str) -> io::Result<()> {
        let away = self.0.join(format!(".{name}"));
        files::remove_tree(&away)?;
        std::fs::rename(self.0.join(name), away)
    }

    fn make(&self, name: &str, tag: &Tag) -> io::Result<()> {
        let (place, new) = (self.0.join(name), self.0.join(format!(".{name}")));
        if place.exists() {
            // Another engine's.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        files::remove_tree(&new)?;
        DirBuilder::new().mode(0o700).create(&new)?;
        DirBuilder::new().mode(0o755).create(new.join(DATA))?;
        write(&new, tag)?;
        std::fs::rename(new, place)
    }

    /// Removes what was not wholly made or removed, and the directory when it is empty.
    fn clean(&self) -> io::Result<()> {
        let is_left = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with('.'))
        };
        entries(&self.0)?
            .iter()
            .filter(|path| is_left(path))
            .try_for_each(|path| files::remove_tree(path))?;
        files::remove_if_empty(&self.0)
    }
}

fn read(volume: &Path) -> io::Result<Tag> {
    Ok(serde_json::from_slice(&std::fs::read(volume.join(TAG))?)?)
}

/// Writes a volume's tag, whole or not at all.
fn write(volume: &Path, tag: &Tag) -> io::Result<()> {
    let new = volume.join(format!(".{TAG}"));
    files::remove(&new)?;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(tag)?)?;
    file.sync_all()?;
    std::fs::rename(new, volume.join(TAG))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(engine: &str) -> Owner {
        Owner { engine: engine.to_owned(), provider: ProviderName::new("process").unwrap() }
    }

    fn wanted(names: &[(&str, Retention)]) -> BTreeMap<String, Retention> {
        names.iter().map(|(name, retention)| ((*name).to_owned(), *retention)).collect()
    }

    #[test]
    fn volumes_are_exactly_the_wanted_ones_and_keep_what_is_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let volumes = VolumesDir::of(dir.path());
        let ours = owner("ours");
        let held = |volumes: &VolumesDir| -> BTreeMap<String, Retention> {
            let held = volumes.held(&ours).unwrap().into_iter();
            held.map(|(name, tag)| (name, tag.retention)).collect()
        };
        let both = wanted(&[("data", Retention::WithTenant), ("kept", Retention::Retained)]);
        volumes.hold(&ours, Incarnation(1), &both).unwrap();
        std::fs::write(volumes.data("data").join("rows"), "1").unwrap();
        std::fs::write(volumes.data("kept").join("rows"), "2").unwrap();
        volumes.hold(&ours, Incarnation(1), &both).unwrap();
        assert_eq!(held(&volumes), both);
        let rows = |name: &str| std::fs::read_to_string(volumes.data(name).join("rows")).ok();
        assert_eq!((rows("data").as_deref(), rows("kept").as_deref()), (Some("1"), Some("2")));

        // Another life takes up what was retained, and nothing else.
        assert_eq!(volumes.held(&ours).unwrap()["data"].retention_in(Incarnation(2)), Retention::Left);
        volumes.hold(&ours, Incarnation(2), &both).unwrap();
        assert_eq!(held(&volumes), both);
        assert_eq!((rows("data"), rows("kept").as_deref()), (None, Some("2")));
        assert_eq!(volumes.held(&ours).unwrap()["data"].incarnation, Incarnation(2));

        // What is dropped is there for an undo, and for no other life.
        let dropped = wanted(&[("data", Retention::Dropped), ("kept", Retention::Retained)]);
        std::fs::write(volumes.data("data").join("rows"), "3").unwrap();
        volumes.hold(&ours, Incarnation(2), &dropped).unwrap();
        assert_eq!((held(&volumes), rows("data").as_deref()), (dropped, Some("3")));
        assert_eq!(volumes.held(&ours).unwrap()["data"].retention_in(Incarnation(3)), Retention::Left);
        volumes.hold(&ours, Incarnation(2), &both).unwrap();
        assert_eq!((held(&volumes), rows("data").as_deref()), (both, Some("3")));

        // What a tenant has closed is removed too.
        std::fs::create_dir(volumes.data("data").join("closed")).unwrap();
        std::fs::write(volumes.data("data").join("closed/rows"), "1").unwrap();
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o000);
        std::fs::set_permissions(volumes.data("data").join("closed"), closed).unwrap();
        let kept = wanted(&[("kept", Retention::Retained)]);
        volumes.hold(&ours, Incarnation(2), &kept).unwrap();
        assert_eq!(held(&volumes), kept);
        assert!(!volumes.place("data").exists());

        assert_eq!(volumes.held(&owner("another")).unwrap(), BTreeMap::new());
        volumes.release(&owner("another")).unwrap();
        assert_eq!(std::fs::read_to_string(volumes.data("kept").join("rows")).unwrap(), "2");
        let theirs = volumes.hold(&owner("another"), Incarnation(1), &kept).unwrap_err();
        assert_eq!(theirs.kind(), io::ErrorKind::AlreadyExists);
        volumes.release(&ours).unwrap();
        volumes.release(&ours).unwrap();
        assert!(!dir.path().join("volumes").exists());
    }

    #[test]
    fn what_was_cut_off_is_made_or_removed_again() {
        let dir = tempfile::tempdir().unwrap();
        let volumes = VolumesDir::of(dir.path());
        let ours = owner("ours");
        let data = wanted(&[("data", Retention::WithTenant)]);
        std::fs::create_dir_all(dir.path().join("volumes/.data/data")).unwrap();
        assert_eq!(volumes.held(&ours).unwrap(), BTreeMap::new());
        volumes.hold(&ours, Incarnation(1), &data).unwrap();
        assert_eq!(volumes.held(&ours).unwrap().len(), 1);
        std::fs::rename(volumes.place("data"), volumes.place(".data")).unwrap();
        volumes.hold(&ours, Incarnation(1), &BTreeMap::new()).unwrap();
        assert!(!dir.path().join("volumes").exists());
    }
}
