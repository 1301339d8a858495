//! A page or a file of code that a page or a comment refers to is in the repository, and so is the section that it names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every text of the tree that may refer to a page, by its path from the root.
fn texts() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory that can be listed") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                // What cargo builds has the tag; what other tools keep is hidden.
                let built = path.join("CACHEDIR.TAG").exists();
                if !built && (!name.starts_with('.') || name == ".ci") {
                    directories.push(path);
                }
                continue;
            }
            let extension = path.extension().and_then(|extension| extension.to_str());
            let refers = matches!(extension, Some("rs" | "md" | "toml" | "sh" | "py" | "erl"));
            if refers || matches!(name.as_str(), "justfile" | "run") {
                let text = fs::read_to_string(&path).expect("a text");
                texts.insert(path.strip_prefix(root).expect("below the root").to_owned(), text);
            }
        }
    }
    texts
}

/// The text without line breaks and the marks of comments, so that a reference may go over the end of a line.
fn flowing(text: &str) -> String {
    let marks = ['/', '!', '#', ' ', '\t'];
    text.lines().map(|line| line.trim_start_matches(marks).trim_end()).collect::<Vec<_>>().join(" ")
}

/// The pages that a text names, each with the section where it names one: `PAGE, "Section"`.
fn references(text: &str) -> Vec<(&str, Option<&str>)> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    text.match_indices(".md")
        .filter_map(|(at, end)| {
            let (before, after) = text.split_at(at + end.len());
            let page = before.rsplit(|c| !is_path(c)).next()?;
            // Another word that begins alike, an ending alone, an address.
            let is_word = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if !is_word || page == ".md" || page.contains("//") {
                return None;
            }
            let section = after.strip_prefix(", \"").and_then(|rest| rest.split('"').next());
            Some((page, section))
        })
        .collect()
}

/// The page whose path ends so.
fn find<'t>(texts: &'t BTreeMap<PathBuf, String>, page: &str) -> Option<&'t str> {
    let page = page.trim_start_matches("./").trim_start_matches("../").trim_start_matches('/');
    texts.iter().find(|(path, _)| path.ends_with(page)).map(|(_, text)| text.as_str())
}

#[test]
fn every_page_that_is_referred_to_is_here() {
    let texts = texts();
    let mut wrong = Vec::new();
    let mut sections = 0;
    for (path, text) in &texts {
        for (page, section) in references(&flowing(text)) {
            let Some(named) = find(&texts, page) else {
                wrong.push(format!("{}: there is no {page}", path.display()));
                continue;
            };
            let Some(section) = section else { continue };
            sections += 1;
            if !named
                .lines()
                .any(|line| line.starts_with('#') && line.trim_start_matches('#').trim() == section)
            {
                wrong.push(format!("{}: {page} has no section {section:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        sections > 10,
        "it found {sections} references to a section only: it does not look where they are"
    );
}

/// The files of code that a page names in backticks.
fn files_of_code(page: &str) -> impl Iterator<Item = &str> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.ends_with(".rs") && !name.contains([' ', '*', '{', '<']))
}

#[test]
fn every_file_of_code_that_a_page_names_is_here() {
    let texts = texts();
    let mut found = 0;
    for (path, text) in texts.iter().filter(|(path, _)| path.extension().is_some_and(|it| it == "md")) {
        for file in files_of_code(text) {
            assert!(find(&texts, file).is_some(), "{}: there is no {file}", path.display());
            found += 1;
        }
    }
    assert!(found > 100, "it found {found} names of files only: it does not look where they are");
}

/// What two crates share is a crate. A file that is compiled into another crate than its own has no room.
#[test]
fn no_crate_compiles_another_crates_file() {
    let texts = texts();
    let crates: Vec<&Path> =
        texts.keys().filter(|path| path.ends_with("Cargo.toml")).filter_map(|path| path.parent()).collect();
    let home =
        |file: &Path| file.ancestors().skip(1).find(|above| crates.contains(above)).map(Path::to_owned);
    let attribute = concat!("#[pa", "th = \"");
    for (file, text) in &texts {
        for line in text.lines().filter_map(|line| line.trim().strip_prefix(attribute)) {
            let mut there = file.parent().expect("a file is in a directory").to_owned();
            for step in Path::new(line.split('"').next().unwrap_or_default()) {
                match step.to_str() {
                    Some("..") => assert!(there.pop(), "{} leads out of the tree", file.display()),
                    _ => there.push(step),
                }
            }
            assert_eq!(home(&there), home(file), "{} compiles {}", file.display(), there.display());
        }
    }
}
