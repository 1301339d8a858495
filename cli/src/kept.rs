//! A store, and where on this machine is what belongs to it: the server's socket, logs of tenants, what providers know of
//! their processes.
//!
//! Of a file it is beside that. A database is on no machine, so there is a directory for it; it remembers whose it is, so
//! that no command asks the server of another store.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use landlord_compute::{Engine, EngineBuilder};
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use rustix::process::{Uid, geteuid};

use super::configuration::{Configuration, Retention};
use super::failure::{Failure, with_causes};
use super::reader::Reader;
use super::store_at::{StoreAt, Url};

/// With what the names begin of all that belongs to a database.
const NAME: &str = "landlord";

/// What the command line, or its variables, say of the store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told<'t> {
    pub(crate) store: Option<&'t StoreAt>,
    pub(crate) data: Option<&'t Path>,
}

/// A store, and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    store: Where,
    /// With what the paths begin of what belongs to it.
    beside: PathBuf,
}

/// Where a store is.
#[derive(Clone, Debug)]
pub(crate) enum Where {
    File(PathBuf),
    Database(Box<PostgresOptions>),
}

impl Kept {
    /// The store that was told, or else that of the configuration.
    pub(crate) fn of(told: Told<'_>, configuration: &Configuration) -> Result<Self, Failure> {
        match told.store.or(configuration.store.as_ref()) {
            Some(StoreAt::Database(url)) => {
                let options = database(url, configuration)?;
                let data = match told.data.or(configuration.data.as_deref()) {
                    Some(data) => std::path::absolute(data)
                        .map_err(|source| Failure::System { doing: "find the directory of --data", source })?,
                    None => default_data(geteuid(), std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))?,
                };
                let kept = Self { beside: data.join(NAME), store: Where::Database(Box::new(options)) };
                kept.check_whose()?;
                Ok(kept)
            }
            Some(StoreAt::File(_)) | None if told.data.is_some() => Err(Failure::Usage(
                "--data and LANDLORD_DATA are for a store in a database; what belongs to one in a file is beside that".to_owned(),
            )),
            Some(StoreAt::File(file)) => Ok(Self::file(file)),
            None => Ok(Self::file(Path::new(super::configuration::STORE))),
        }
    }

    /// A store in a file.
    pub(crate) fn file(path: &Path) -> Self {
        let file = resolve(path);
        Self { beside: file.clone(), store: Where::File(file) }
    }

    /// The directory where what belongs to it is.
    pub(crate) fn directory(&self) -> &Path {
        self.beside.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
    }

    /// Where a server of this store listens.
    pub(crate) fn socket(&self) -> PathBuf {
        beside(&self.beside, ".sock")
    }

    /// What providers keep: logs and records of launches.
    pub(crate) fn state_dir(&self) -> PathBuf {
        beside(&self.beside, ".d")
    }

    /// A look at the store, also while an engine has it.
    pub(crate) async fn reader(&self) -> Result<Reader, Failure> {
        self.require()?;
        Ok(Reader::open(&self.store).await?)
    }

    /// The beginnings of an engine that has the store for itself, and is called `owner` where others are told who has it.
    pub(crate) fn engine(&self, owner: &str, retention: &Retention) -> Result<EngineBuilder, Failure> {
        let (history, waits) = (Some(retention.events.get()), retention.waits.0);
        let owner = Some(owner.to_owned());
        Ok(match &self.store {
            Where::File(file) => {
                let options = SqliteOptions { owner, history, waits, ..SqliteOptions::new(file) };
                Engine::builder(SqliteStore::new(options))
            }
            Where::Database(options) => {
                self.take_directory()?;
                let options = PostgresOptions { owner, history, waits, ..PostgresOptions::clone(options) };
                Engine::builder(PostgresStore::new(options))
            }
        })
    }

    /// Whether there is a store at all, as far as that can be seen without opening it.
    pub(crate) fn require(&self) -> Result<(), Failure> {
        match &self.store {
            // When the path cannot be read, opening the store reports it.
            Where::File(file) => match file.try_exists() {
                Ok(false) => Err(Failure::NoStore(file.clone())),
                Ok(true) | Err(_) => Ok(()),
            },
            Where::Database(_) => Ok(()),
        }
    }

    /// What says whose directory it is.
    fn whose(&self) -> PathBuf {
        beside(&self.beside, ".store")
    }

    /// Makes the directory this store's, where it is nobody's.
    fn take_directory(&self) -> Result<(), Failure> {
        let Where::Database(options) = &self.store else { return Ok(()) };
        let directory = self.directory();
        let failed = |source: io::Error| Failure::System {
            doing: "make the directory for what belongs to the store",
            source: io::Error::new(
                source.kind(),
                format!(
                    "{}: {source}; another one is named with --data DIR, LANDLORD_DATA, or `data` in the configuration",
                    directory.display()
                ),
            ),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        self.check_whose()?;
        let whose = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.whose());
        whose.and_then(|mut file| writeln!(file, "{}", options.address())).map_err(failed)
    }

    /// Whether the directory is another store's.
    fn check_whose(&self) -> Result<(), Failure> {
        let Where::Database(options) = &self.store else { return Ok(()) };
        // Nothing came of it where its URL was mistyped.
        if !self.socket().exists() && !self.state_dir().exists() {
            return Ok(());
        }
        let whose = self.whose();
        // Where it cannot be read, the socket beside it cannot be reached either.
        let Ok(text) = fs::read_to_string(&whose) else { return Ok(()) };
        let (other, own) = (text.trim(), options.address());
        if other.is_empty() || other == own {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "{} belongs to the store {other}, and not to {own}: name another directory with --data DIR, LANDLORD_DATA, or `data` \
             in the configuration; or remove {}, where that is the same store under another name",
            self.directory().display(),
            whose.display(),
        )))
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.store {
            Where::File(file) => file.display().fmt(f),
            Where::Database(options) => f.write_str(&options.place()),
        }
    }
}

/// The options of a URL, with what the configuration says of databases.
pub(crate) fn database(url: &Url, configuration: &Configuration) -> Result<PostgresOptions, Failure> {
    let options = url.options().map_err(|error| Failure::Usage(with_causes(&error)))?;
    let completed = configuration.postgres.complete(options);
    completed.map_err(|message| Failure::Usage(format!("postgres.password_file: {message}")))
}

/// Where what belongs to a database is, when nobody says it.
fn default_data(user: Uid, state_home: Option<OsString>, home: Option<OsString>) -> Result<PathBuf, Failure> {
    if user.is_root() {
        return Ok(Path::new("/var/lib").join(NAME));
    }
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute(state_home).or_else(|| absolute(home).map(|home| home.join(".local/state")));
    state.map(|state| state.join(NAME)).ok_or_else(|| {
        Failure::Usage(
            "this user has no home, so say where the server's socket and the logs of tenants are to be: --data DIR, LANDLORD_DATA, \
             or `data` in the configuration"
                .to_owned(),
        )
    })
}

/// The path with something after it.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// The path without links as far as it exists, so that a store has one directory of processes however it is named.
fn resolve(path: &Path) -> PathBuf {
    if let Ok(resolved) = path.canonicalize() {
        return resolved;
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    };
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        // It cannot be a store; opening it says why.
        (Ok(_) | Err(_), _) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str, data: &Path) -> Result<Kept, Failure> {
        let store = StoreAt::from(OsString::from(url));
        Kept::of(Told { store: Some(&store), data: Some(data) }, &Configuration::default())
    }

    #[test]
    fn a_directory_is_one_stores_once_something_of_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("made/on/demand");
        let mistyped = of("postgres://me@db/tenats", &data).unwrap();
        mistyped.take_directory().unwrap();
        let kept = of("postgres://me:hunter2@db/tenants", &data).unwrap();
        assert_eq!(kept.socket(), data.join("landlord.sock"));
        kept.take_directory().unwrap();
        fs::create_dir(kept.state_dir()).unwrap();
        of("postgres://other@db/tenants?sslmode=require", &data).unwrap().take_directory().unwrap();
        let refused = of("postgres://me@db2/tenants", &data).unwrap_err().to_string();
        assert!(refused.contains("db:5432/tenants") && refused.contains("db2:5432/tenants"), "{refused}");
        assert!(refused.contains("--data"), "{refused}");
        assert!(matches!(mistyped.take_directory(), Err(Failure::Usage(_))));
    }

    #[test]
    fn what_belongs_to_a_file_is_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        let kept = Kept::file(&file);
        assert!(kept.socket().ends_with("x.db.sock") && kept.state_dir().ends_with("x.db.d"));
        let refused = of(file.to_str().unwrap(), folder.path()).unwrap_err().to_string();
        assert!(refused.contains("--data"), "{refused}");
    }

    #[test]
    fn who_has_no_home_is_told_what_to_say() {
        let path = |path: &str| Some(OsString::from(path));
        let user = Uid::from_raw(1000);
        assert_eq!(default_data(user, path("/s"), path("/h")).unwrap(), Path::new("/s/landlord"));
        assert_eq!(default_data(user, path("s"), path("/h")).unwrap(), Path::new("/h/.local/state/landlord"));
        assert!(default_data(user, None, None).unwrap_err().to_string().contains("LANDLORD_DATA"));
        assert_eq!(default_data(Uid::ROOT, None, None).unwrap(), Path::new("/var/lib/landlord"));
    }
}
