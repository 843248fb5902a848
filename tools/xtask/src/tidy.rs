//! The rules no compiler checks: who imports whom, that no files do in a circle, how long files and
//! functions are, macros that mean "later", vague words in names, paths in documents that are gone.

mod circles;
mod imports;
mod paths;
mod source;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cargo;

/// One broken rule: where, what, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Relative to the root of the workspace.
    path: PathBuf,
    /// Counted from 1.
    line: usize,
    /// The rule and the way out.
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// Prints every circle of files in one crate.
pub(crate) fn circles(name: &str) -> Result<()> {
    circles::list(&cargo::metadata()?, name)
}

/// Prints every vague name below a folder.
pub(crate) fn words(folder: &str) -> Result<()> {
    let texts = texts(cargo::metadata()?.workspace_root.as_std_path())?;
    for finding in words::list(folder, by_reference(&texts)) {
        println!("{finding}");
    }
    Ok(())
}

/// Checks the whole tree and prints what it found.
pub(crate) fn run() -> Result<()> {
    let metadata = cargo::metadata()?;
    let root = metadata.workspace_root.as_std_path();
    let mut findings = imports::check(&metadata)?;
    findings.extend(circles::check(&metadata)?);
    let files = texts(root)?;
    for (path, text) in by_reference(&files) {
        findings.extend(source::check(path, text));
    }
    findings.extend(words::check(by_reference(&files)));
    findings.extend(paths::check(root, by_reference(&files).map(|(path, _)| path))?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy found {} to mend", findings.len());
    }
    println!("tidy: {} crates and {} files in order", metadata.packages.len(), files.len());
    Ok(())
}

/// Every file's path from the root, and text.
fn texts(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let text = |path: PathBuf| {
        let text = read(&path)?;
        Ok((path.strip_prefix(root).unwrap_or(&path).to_path_buf(), text))
    };
    rust_files(root)?.into_iter().map(text).collect()
}

fn by_reference(texts: &[(PathBuf, String)]) -> impl Iterator<Item = (&Path, &str)> {
    texts.iter().map(|(path, text)| (path.as_path(), text.as_str()))
}

/// A file's text.
fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Every `.rs` file below `root` but what was built, what is hidden, and what others wrote.
fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type()?;
            let ours = name != "target" && name != "vendor";
            if kind.is_dir() && ours && !name.to_string_lossy().starts_with('.') {
                folders.push(entry.path());
            } else if kind.is_file() && entry.path().extension().is_some_and(|end| end == "rs") {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
