//! The store: whether it opens, is whole and may be written, how large it is, and who has it. What is here is of one in a file.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landlord_api::{Attendance, Attended, Finding};
use landlord_compute::store::{Events, Position, Reads, Scope};
use landlord_store_sqlite::SqliteReader;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::database::Database;
use super::size;
use crate::attended;
use crate::failure::{Failure, with_causes};
use crate::kept::Kept;
use crate::reader::Reader;

pub(super) const CHECK: &str = "store";

/// Of a larger file the pages are not read: that would take minutes, and hold up its log meanwhile.
const READ_WHOLE: u64 = 2 << 30;
/// A log that is larger than this is no longer copied into the file: somebody reads in a transaction that does not end.
const LONG_LOG: u64 = 512 << 20;

/// A store, as it was found.
#[derive(Debug)]
pub(super) enum Store {
    /// It is not there, and whether it could be made.
    Missing {
        file: PathBuf,
        directory: Directory,
    },
    /// It cannot be read, and why.
    Unreadable(String),
    Open(Open),
    Database(Database),
}

/// The directory of a store that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directory {
    Missing,
    ReadOnly,
    Writable,
}

/// A store that can be read.
#[derive(Clone, Debug)]
pub(super) struct Open {
    file: PathBuf,
    size: u64,
    /// The size of the log beside it.
    log: u64,
    pages: Pages,
    /// What of it this user may not write.
    not_writable: Option<PathBuf>,
    attended: Attended,
    /// When its newest event was recorded.
    newest: Option<Timestamp>,
}

/// Whether the file's pages are sound.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pages {
    Sound,
    /// What SQLite says of them.
    Damaged(Vec<String>),
    /// There are too many of them.
    NotRead,
}

impl Store {
    /// Looks at it, also while an engine has it.
    pub(super) async fn look(kept: &Kept) -> Self {
        let unreadable = |error| Self::Unreadable(with_causes(&error));
        match kept.reader().await {
            Ok(Reader::File(file, reader)) => {
                Open::look(file, &reader).await.map_or_else(unreadable, Self::Open)
            }
            Ok(Reader::Database(reader)) => {
                Database::look(kept.to_string(), &reader).await.map_or_else(unreadable, Self::Database)
            }
            Err(Failure::NoStore(file)) => {
                let parent =
                    file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
                let directory = match (parent.is_dir(), is_writable(parent)) {
                    (false, _) => Directory::Missing,
                    (true, false) => Directory::ReadOnly,
                    (true, true) => Directory::Writable,
                };
                Self::Missing { file, directory }
            }
            Err(failure) => Self::Unreadable(with_causes(&failure)),
        }
    }

    /// When its newest event was recorded.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        match self {
            Self::Open(open) => open.newest,
            Self::Database(database) => database.newest,
            Self::Missing { .. } | Self::Unreadable(_) => None,
        }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Missing { file, directory } => vec![missing(file, *directory)],
            Self::Unreadable(why) => {
                vec![Finding::failed(
                    CHECK,
                    why,
                    "do what it says; nothing is changed while the store cannot be read",
                )]
            }
            Self::Open(open) => open.findings(),
            Self::Database(database) => database.findings(),
        }
    }
}

/// Who has it.
pub(super) fn whose(attended: &Attended) -> String {
    match (attended.state, &attended.owner) {
        (Attendance::LooksAfter | Attendance::Runs, Some(owner)) => format!("{owner} has it"),
        (Attendance::LooksAfter | Attendance::Runs, None) => "an engine has it".to_owned(),
        (Attendance::None, _) => "no engine has it".to_owned(),
        (Attendance::Unknown, _) => "who has it cannot be seen".to_owned(),
    }
}

fn missing(file: &Path, directory: Directory) -> Finding {
    let name = file.display();
    let parent = file.parent().unwrap_or(Path::new(".")).display();
    match directory {
        Directory::Missing => Finding::failed(
            CHECK,
            format!("there is no {name}, and no directory {parent}"),
            format!(
                "`mkdir -p {parent}`, or name another with --store FILE, LANDLORD_STORE or the configuration"
            ),
        ),
        Directory::ReadOnly => Finding::failed(
            CHECK,
            format!("there is no {name}, and this user may not make it in {parent}"),
            "give this user the right to write the directory, or name another store",
        ),
        Directory::Writable => Finding::warning(
            CHECK,
            format!("there is no {name} yet"),
            "where that is a surprise, name the right one with --store FILE; else the first `landlord-compute provision` or \
             `landlord-compute serve` makes it",
        ),
    }
}

impl Open {
    async fn look(file: PathBuf, reader: &SqliteReader) -> Result<Self, landlord_compute::store::StoreError> {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        let (size, log) = (bytes(&file), bytes(&beside(&file, "-wal")));
        let pages = match size {
            ..=READ_WHOLE => match reader.damage().await? {
                damage if damage.is_empty() => Pages::Sound,
                damage => Pages::Damaged(damage),
            },
            _ => Pages::NotRead,
        };
        let last = Position(reader.head().await?.0.saturating_sub(1));
        let newest = match reader.events(last, &Scope::All, 1).await? {
            Events::Page(events) => events.last().map(|(_, event)| event.at),
            Events::Gap { .. } => None,
        };
        let directory = file.parent().unwrap_or(Path::new("."));
        let not_writable = [file.as_path(), directory].into_iter().find(|path| !is_writable(path));
        let not_writable = not_writable.map(Path::to_owned);
        let attended = attended::of_file(reader.attendance());
        Ok(Self { file, size, log, pages, not_writable, attended, newest })
    }

    fn findings(&self) -> Vec<Finding> {
        let Self { file, size: bytes, log, pages, not_writable, attended, newest: _ } = self;
        let name = file.display();
        let owner = whose(attended);
        let opens = format!("{name} opens, of this program's version, {}; {owner}", size(*bytes));
        let mut findings = Vec::new();
        findings.push(match not_writable {
            Some(path) => Finding::failed(
                CHECK,
                format!("{opens}; this user may not write {}", path.display()),
                "give this user the right to write it, or run as the user whose it is: engines cannot use it so",
            ),
            None => Finding::ok(CHECK, opens),
        });
        findings.push(match pages {
            Pages::Sound => Finding::ok(CHECK, "its pages are sound"),
            Pages::Damaged(lines) => Finding::failed(
                CHECK,
                format!("it is damaged: {}", lines.join("; ")),
                format!(
                    "stop the server, copy {name} with the files beside it, then restore a backup or try `sqlite3 {name} .recover`"
                ),
            ),
            Pages::NotRead => Finding::ok(
                CHECK,
                format!("its pages were not read, as they are many: `sqlite3 {name} 'PRAGMA quick_check'` does, on a copy"),
            ),
        });
        if *log > LONG_LOG {
            findings.push(Finding::warning(
                CHECK,
                format!("the log beside it has {}", size(*log)),
                "end what reads the store in a transaction, such as a sqlite3 shell or a backup that hangs: the log grows until then",
            ));
        }
        findings
    }
}

/// Whether this user may write it.
fn is_writable(path: &Path) -> bool {
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

#[cfg(test)]
mod tests {
    use landlord_api::Grade;

    use super::*;

    fn open() -> Open {
        Open {
            file: "/var/lib/landlord/landlord.db".into(),
            size: 5 << 20,
            log: 0,
            pages: Pages::Sound,
            not_writable: None,
            attended: Attended { owner: None, state: Attendance::None, looked_at: None },
            newest: None,
        }
    }

    fn grades(open: &Open) -> Vec<Grade> {
        open.findings().iter().map(|finding| finding.grade).collect()
    }

    #[test]
    fn a_store_is_judged_by_what_was_found() {
        assert_eq!(grades(&open()), [Grade::Ok, Grade::Ok]);
        let damaged = Pages::Damaged(vec!["Page 3: never used".to_owned()]);
        let damaged = Open { pages: damaged, ..open() };
        assert_eq!(grades(&damaged), [Grade::Ok, Grade::Failed]);
        assert!(damaged.findings()[1].found.contains("Page 3"));
        let not_writable = Some("/var/lib/landlord".into());
        assert_eq!(grades(&Open { not_writable, ..open() }), [Grade::Failed, Grade::Ok]);
        assert_eq!(grades(&Open { log: 1 << 30, ..open() }), [Grade::Ok, Grade::Ok, Grade::Warning]);
    }

    #[test]
    fn a_store_that_is_not_there_fails_only_where_it_cannot_be_made() {
        let file = Path::new("/nowhere/landlord.db");
        let grade = |directory| missing(file, directory).grade;
        assert_eq!(grade(Directory::Missing), Grade::Failed);
        assert_eq!(grade(Directory::ReadOnly), Grade::Failed);
        assert_eq!(grade(Directory::Writable), Grade::Warning);
    }
}
