//! The paths that documents name: a map that shows what is no longer there is worse than none.
//!
//! A path from the root, a link, and a file of Rust, which may be named by its end and without
//! `crates` and `src`: `server/http/serve.rs`, `serve.rs`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{Finding, read};

/// The folders of the repository whose paths are checked wherever a document names one.
const FOLDERS: &[&str] = &["crates/", "docs/", "fuzz/", "schemas/", "tests/", "tools/", "vendor/"];
/// Where documents are.
const DOCUMENTS: &[&str] = &[".", "docs", "docs/adr", "schemas"];

/// Holds every document against the files; `sources` are those of Rust, from the root.
pub(super) fn check<'a>(
    root: &Path,
    sources: impl Iterator<Item = &'a Path>,
) -> Result<Vec<Finding>> {
    let sources: Vec<PathBuf> = sources.map(short).collect();
    let exists = |name: &Path| {
        root.join(name).exists() || sources.iter().any(|source| source.ends_with(short(name)))
    };
    let mut findings = Vec::new();
    for folder in DOCUMENTS {
        for document in documents(&root.join(folder))? {
            let text = read(&document)?;
            let path = document.strip_prefix(root).unwrap_or(&document);
            let path = path.strip_prefix(".").unwrap_or(path);
            findings.extend(missing(path, &text, exists));
        }
    }
    Ok(findings)
}

/// A path without the folders that every crate has.
fn short(path: &Path) -> PathBuf {
    path.iter().filter(|part| *part != "crates" && *part != "src").collect()
}

/// The documents in a folder.
fn documents(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
    Ok(found)
}

/// What a document names and is not there.
fn missing(path: &Path, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let quoted = text.split('`').skip(1).step_by(2);
        let quoted = quoted.filter(|name| {
            let is_source = Path::new(name).extension().is_some_and(|end| end == "rs");
            is_source || FOLDERS.iter().any(|folder| name.starts_with(folder))
        });
        let links = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        let links = links.filter(|link| !link.contains(':') && !link.starts_with('#'));
        let names = quoted.map(PathBuf::from).chain(links.map(|link| beside.join(link)));
        for name in names.filter(|name| is_plain(name) && !exists(name)) {
            let what = format!("`{}` is not there; name what is", name.display());
            findings.push(Finding { path: path.to_path_buf(), line, what });
        }
    }
    findings
}

/// Whether it is one path, and no pattern that stands for several, and no command.
fn is_plain(name: &Path) -> bool {
    !name.to_string_lossy().contains(['*', '<', '{', '…', ' ', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_there_is_found_and_a_pattern_is_not_one() {
        let text = "see `crates/keys/gone`, `crates/<name>` and `tests/it/*.rs`\n\
                    [here](adr/0001.md), [there](https://example.com/x.md), `gone.rs`";
        let found = missing(Path::new("docs/a.md"), text, |_| false);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/a.md:1: `crates/keys/gone` is not there; name what is",
                "docs/a.md:2: `gone.rs` is not there; name what is",
                "docs/a.md:2: `docs/adr/0001.md` is not there; name what is",
            ]
        );
        assert!(missing(Path::new("docs/a.md"), text, |_| true).is_empty());
    }
}
