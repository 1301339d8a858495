//! Reading a spec from a file or from stdin.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use landlord_compute::machines::spec::{MAX_DOCUMENT_BYTES, Spec, SpecError, TenantComputeSpec};

use super::exit::Failure;

/// Reads and checks a spec; `-` is stdin. What does not end in `.json` is YAML, of which JSON is a part.
pub(crate) fn read(path: &Path) -> Result<Spec, Failure> {
    let stdin = path == Path::new("-");
    let file = if stdin { "stdin".to_owned() } else { path.display().to_string() };
    let text = if stdin { read_bounded(io::stdin().lock()) } else { File::open(path).and_then(read_bounded) }
        .map_err(|source| Failure::File { file: file.clone(), source })?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let spec =
        if is_json { TenantComputeSpec::from_json(&text) } else { TenantComputeSpec::from_yaml(&text) };
    spec.and_then(|spec| spec.check().map_err(SpecError::Invalid))
        .map_err(|source| Failure::Spec { file, source })
}

/// As much as a spec may have, and a byte more: the reader of specs says that it is too much.
fn read_bounded(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(MAX_DOCUMENT_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}
