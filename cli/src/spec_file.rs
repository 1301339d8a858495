//! Reading specs from files, from directories, and from stdin.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use landlord_api::Code;
use landlord_client::{ClientError, SpecText};
use landlord_compute::machines::id::{SpecVersion, TenantId};
use landlord_compute::machines::spec::{Format, MAX_DOCUMENT_BYTES};

use super::failure::Failure;

/// What a spec's file is called that comes from there.
pub(crate) const STDIN: &str = "stdin";

/// The longest file with specs; each of them has [`MAX_DOCUMENT_BYTES`] at most.
const MAX_FILE_BYTES: usize = 64 * MAX_DOCUMENT_BYTES;

/// The smallest spec that answers HTTP.
const EXAMPLE: &str = "\
tenant_id: acme
provider_type: process
containers:
  - name: web
    image: host
    # A program that serves a page of its own; yours listens on 127.0.0.1 and the port in PORT.
    command: [landlord-compute, demo-tenant, --greeting, hello]
    ports: [{ container_port: 80, name: http }]
resources: { cpu: 128, memory: 512 }
";

/// The example for `--help`.
pub(crate) fn example() -> String {
    format!("A spec:\n{}", EXAMPLE.lines().map(|line| format!("  {line}\n")).collect::<String>())
}

/// Where a spec is from, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file that is one spec.
    File(String),
    /// One spec of a file, counted from 1, and the line where it begins.
    Part { file: String, number: usize, line: usize },
    /// What a tenant ran earlier.
    Kept { tenant: TenantId, version: SpecVersion },
}

impl Origin {
    /// The file, as `-f` takes it.
    pub(crate) fn file(&self) -> Option<&str> {
        match self {
            Self::File(file) | Self::Part { file, .. } if file == STDIN => Some("-"),
            Self::File(file) | Self::Part { file, .. } => Some(file),
            Self::Kept { .. } => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.write_str(file),
            Self::Part { file, number, line } => write!(f, "{file}, document {number} (from line {line})"),
            Self::Kept { tenant, version } => write!(f, "spec {version} of tenant {tenant}"),
        }
    }
}

/// A text that was read. It has no `Debug` with its text, which may hold a secret.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) origin: Origin,
    pub(crate) text: String,
    pub(crate) format: Format,
}

impl Document {
    /// As a spec.
    pub(crate) fn spec(&self) -> SpecText {
        match self.format {
            Format::Json => SpecText::json(self.text.as_str()),
            Format::Yaml => SpecText::yaml(self.text.as_str()),
        }
    }

    /// Why a request with it was not done.
    pub(crate) fn refused(&self, error: ClientError) -> Failure {
        match error {
            ClientError::Problem(problem) if matches!(problem.code, Code::InvalidSpec | Code::TooLarge) => {
                Failure::Spec { origin: self.origin.clone(), problem }
            }
            other @ (ClientError::Problem(_)
            | ClientError::Unreachable(_)
            | ClientError::NotUnderstood(_)
            | _) => other.into(),
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Reads a text; `-` is stdin. A file whose name does not end in `.json` is read as YAML, which includes JSON.
pub(crate) fn document(path: &Path) -> Result<Document, Failure> {
    read(path, MAX_DOCUMENT_BYTES)
}

/// What was read of files and directories.
#[derive(Debug, Default)]
pub(crate) struct Specs {
    pub(crate) documents: Vec<Document>,
    /// Everything that cannot be read.
    pub(crate) failures: Vec<Failure>,
}

impl Specs {
    /// The only one there is, or all of them.
    ///
    /// # Errors
    /// Why there is not even one.
    pub(crate) fn one_or_more(mut self) -> Result<Result<Document, Self>, Failure> {
        match (self.documents.len(), self.failures.len()) {
            (0, 1) => Err(self.failures.remove(0)),
            (1, 0) => Ok(Ok(self.documents.remove(0))),
            _ => Ok(Err(self)),
        }
    }
}

/// Reads the specs in files and in directories, in their order, each file's as they come. A file of YAML may have several,
/// between lines of `---`; of a directory the files count whose names end in `.yaml`, `.yml` or `.json`.
pub(crate) fn documents(paths: &[PathBuf]) -> Specs {
    let mut specs = Specs::default();
    for path in paths {
        let read =
            files(path).map(|files| files.into_iter().map(|file| read(&file, MAX_FILE_BYTES)).collect());
        let read: Vec<Result<Document, Failure>> = read.unwrap_or_else(|failure| vec![Err(failure)]);
        for one in read {
            match one {
                Ok(document) => specs.documents.extend(document.parts()),
                Err(failure) => specs.failures.push(failure),
            }
        }
    }
    specs
}

/// A file, or those of a directory that hold specs, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unread = |source| Failure::File { file: path.display().to_string(), source };
    let entries: Result<Vec<PathBuf>, io::Error> =
        fs::read_dir(path).map_err(unread)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files = entries.map_err(unread)?;
    files.retain(|file| {
        let named = |name: &std::ffi::OsStr| !name.as_encoded_bytes().starts_with(b".");
        let ends =
            |end: &std::ffi::OsStr| ["yaml", "yml", "json"].iter().any(|one| end.eq_ignore_ascii_case(one));
        file.file_name().is_some_and(named) && file.extension().is_some_and(ends) && !file.is_dir()
    });
    if files.is_empty() {
        let message = format!("directory {} has no file named .yaml, .yml or .json", path.display());
        return Err(Failure::Usage(message));
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, bytes: usize) -> Result<Document, Failure> {
    let stdin = path == Path::new("-");
    let file = if stdin { STDIN.to_owned() } else { path.display().to_string() };
    let read = if stdin {
        bounded(io::stdin().lock(), bytes)
    } else {
        File::open(path).and_then(|file| bounded(file, bytes))
    };
    let text = read.map_err(|source| Failure::File { file: file.clone(), source })?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let format = if is_json { Format::Json } else { Format::Yaml };
    Ok(Document { origin: Origin::File(file), text, format })
}

impl Document {
    /// The specs in it. One that is empty but for comments is left out, unless there is no other.
    fn parts(self) -> Vec<Self> {
        let Origin::File(file) = &self.origin else { return vec![self] };
        let all = match self.format {
            Format::Json => Vec::new(),
            Format::Yaml => yaml_documents(&self.text),
        };
        if all.len() < 2 {
            return vec![self];
        }
        let part = |(index, (line, text)): (usize, (usize, String))| {
            let origin = Origin::Part { file: file.clone(), number: index + 1, line };
            Self { origin, text, format: Format::Yaml }
        };
        all.into_iter().enumerate().map(part).collect()
    }
}

/// The documents of a stream of YAML that say something, each with the number of its first line. A line that begins with
/// `---` ends a document wherever it is, and so does `...`: YAML allows neither within a text.
fn yaml_documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = vec![(1, String::new())];
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let marks = |mark: &str| {
            line.strip_prefix(mark)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        if marks("---") {
            documents.push((index + 1, line.to_owned()));
        } else if marks("...") {
            documents.push((index + 2, String::new()));
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
        }
    }
    let says = |line: &str| {
        let line = line.strip_prefix("---").unwrap_or(line).trim();
        !line.is_empty() && !line.starts_with(['#', '%'])
    };
    documents.retain(|(_, document)| document.lines().any(says));
    documents
}

/// The whole text, which may also come from something without an end.
fn bounded(from: impl Read, most: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let problem = format!("it is longer than the {most} bytes that are read of a file");
        return Err(io::Error::new(ErrorKind::FileTooLarge, problem));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use landlord_compute::machines::spec::Draft;

    use super::*;

    #[test]
    fn the_example_is_a_spec() {
        Draft::read(EXAMPLE, Format::Yaml).unwrap().check().unwrap();
    }
    #[test]
    fn a_file_has_as_many_specs_as_say_something() {
        let lines = |text: &str| yaml_documents(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(lines("a: 1\n"), [1]);
        assert_eq!(lines("# about\n---\na: 1\n---\n\n# nothing\n--- # two\nb: |\n  ---x\n  text\n"), [2, 7]);
        assert_eq!(lines("a: 1\n...\n---\nb: 1"), [1, 3]);
        assert_eq!(lines("--- {a: 1}\n--- {b: 1}\n----\n"), [1, 2]);
        assert_eq!(lines("---\n# nothing\n"), Vec::<usize>::new());
    }
}
