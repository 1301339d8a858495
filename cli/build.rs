//! Says which commit the program is built from: `LANDLORD_COMMIT`, else the commit of the repository that this is, else none,
//! as in an archive of the source.

use std::path::Path;
use std::process::Command;

/// How much of a commit's name is enough.
const SHORT: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed=LANDLORD_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let given = std::env::var("LANDLORD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let version = env!("CARGO_PKG_VERSION");
    match given.or_else(head) {
        Some(commit) => println!("cargo::rustc-env=LANDLORD_VERSION={version} ({commit})"),
        None => println!("cargo::rustc-env=LANDLORD_VERSION={version}"),
    }
}

/// The commit of this workspace's own repository. Each commit and each checkout writes to the log of HEAD, which
/// is all that is watched.
fn head() -> Option<String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.canonicalize().ok()?;
    // The source may be in a folder of a repository of something else.
    let top = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if top != workspace {
        return None;
    }
    let paths = ["logs/HEAD", "HEAD"].map(|path| git(&["rev-parse", "--git-path", path]));
    let mut paths = paths.into_iter().flatten().map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    if let Some(moves) = paths.find(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", moves.display());
    }
    git(&["rev-parse", &format!("--short={SHORT}"), "HEAD"])
}

/// What git says; none where it is not there, or has nothing to say.
fn git(words: &[&str]) -> Option<String> {
    let said = Command::new("git").args(words).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    (said.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
