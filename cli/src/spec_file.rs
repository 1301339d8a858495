//! Reading a spec from a file or from stdin.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use landlord_compute::machines::spec::{Draft, Format, MAX_DOCUMENT_BYTES};

use super::exit::Failure;

/// What a spec's file is called that comes from there.
pub(crate) const STDIN: &str = "stdin";

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

/// A spec from a file, with all that is wrong with it so far.
pub(crate) struct SpecDraft {
    /// Where from, for people.
    pub(crate) file: String,
    pub(crate) draft: Draft,
}

/// Reads a spec; `-` is stdin. A file whose name does not end in `.json` is read as YAML, which includes JSON.
pub(crate) fn read(path: &Path) -> Result<SpecDraft, Failure> {
    let Document { file, text, format } = document(path)?;
    match Draft::read(&text, format) {
        Ok(draft) => Ok(SpecDraft { file, draft }),
        Err(source) => Err(Failure::Spec { file, source }),
    }
}

/// A text that was read.
pub(crate) struct Document {
    /// Where from, for people.
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) format: Format,
}

/// Reads a text; `-` is stdin.
pub(crate) fn document(path: &Path) -> Result<Document, Failure> {
    let stdin = path == Path::new("-");
    let file = if stdin { STDIN.to_owned() } else { path.display().to_string() };
    let read = if stdin { bounded(io::stdin().lock()) } else { File::open(path).and_then(bounded) };
    let text = read.map_err(|source| Failure::File { file: file.clone(), source })?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    Ok(Document { file, text, format: if is_json { Format::Json } else { Format::Yaml } })
}

/// The whole text, which may also come from something without an end.
fn bounded(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(MAX_DOCUMENT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_DOCUMENT_BYTES {
        let problem = format!("it is longer than the {MAX_DOCUMENT_BYTES} bytes that a spec may have");
        return Err(io::Error::new(ErrorKind::FileTooLarge, problem));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_spec() {
        Draft::read(EXAMPLE, Format::Yaml).unwrap().check().unwrap();
    }
}
