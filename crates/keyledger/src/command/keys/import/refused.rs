//! The file of the rows that were refused, written like the one they came from.

use std::fs::{File, OpenOptions, remove_file, rename};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use csv::StringRecord;

use super::rows::{Raw, of_file};

/// The extension of such a file.
pub(super) const EXTENSION: &str = "refused";

/// `FILE.refused`: the rows that the last whole import of FILE refused, and no file if there are none.
/// If FILE is such a file itself, it is that file, which so has what is still to be mended.
///
/// It is written aside, since it may be the one that is read, and takes its place at the end. It may
/// hold secrets: only its owner may read it.
pub(super) struct RefusedFile {
    path: PathBuf,
    aside: PathBuf,
    columns: Option<StringRecord>,
    out: Option<Out>,
}

/// What there is at the end.
pub(super) enum Left {
    /// Rows, in this file.
    Rows(PathBuf),
    /// No rows, and no longer this file, which an earlier import left.
    Removed(PathBuf),
    Nothing,
}

enum Out {
    Lines(BufWriter<File>),
    Records(Box<csv::Writer<File>>),
}

impl RefusedFile {
    /// The one of `file`, with these columns, if it has any. Makes nothing yet.
    pub(super) fn of(file: &Path, columns: Option<&StringRecord>) -> RefusedFile {
        let is_one = file.extension().is_some_and(|extension| extension == EXTENSION);
        let path = if is_one { file.to_owned() } else { extended(file, EXTENSION) };
        let aside = extended(&path, "new");
        RefusedFile { path, aside, columns: columns.cloned(), out: None }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &Raw) -> Result<()> {
        if self.out.is_none() {
            self.out = Some(self.create()?);
        }
        match (&mut self.out, row) {
            (Some(Out::Lines(out)), Raw::Line(line)) => {
                writeln!(out, "{line}").map_err(of_file(&self.aside, "written"))
            }
            (Some(Out::Records(out)), Raw::Record(record)) => {
                out.write_record(record).with_context(|| self.aside.display().to_string())
            }
            // A file is written like the one that its rows come from.
            (Some(Out::Lines(_) | Out::Records(_)) | None, Raw::Line(_) | Raw::Record(_)) => Ok(()),
        }
    }

    fn create(&self) -> Result<Out> {
        // What an import that was killed left.
        remove(&self.aside)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&self.aside).map_err(of_file(&self.aside, "written"))?;
        let Some(columns) = &self.columns else { return Ok(Out::Lines(BufWriter::new(file))) };
        // A row that was refused because it has too many cells still does.
        let mut out = csv::WriterBuilder::new().flexible(true).from_writer(file);
        out.write_record(columns).with_context(|| self.aside.display().to_string())?;
        Ok(Out::Records(Box::new(out)))
    }

    /// Puts the rows in their place, after all of FILE was decided.
    pub(super) fn finish(self) -> Result<Left> {
        match self.out {
            None => {
                remove(&self.aside)?;
                let was_there = remove(&self.path)?;
                return Ok(if was_there { Left::Removed(self.path) } else { Left::Nothing });
            }
            Some(Out::Lines(mut out)) => out.flush().and_then(|()| out.get_ref().sync_all()),
            Some(Out::Records(mut out)) => out.flush().and_then(|()| out.get_ref().sync_all()),
        }
        .and_then(|()| rename(&self.aside, &self.path))
        .map_err(of_file(&self.path, "written"))?;
        Ok(Left::Rows(self.path))
    }

    /// Leaves what was there before. What cannot be removed is so by the next import.
    pub(super) fn give_up(self) {
        if self.out.is_some() {
            drop(remove(&self.aside));
        }
    }
}

fn extended(path: &Path, extension: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".");
    path.push(extension);
    path.into()
}

/// Removes a file; whether it was there. One that is not there is no error even where nothing can be
/// written.
fn remove(path: &Path) -> Result<bool> {
    let is_there = path.symlink_metadata().is_ok();
    if is_there {
        remove_file(path).map_err(of_file(path, "removed"))?;
    }
    Ok(is_there)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::command::keys::import::rows::{Row, Rows};

    const COLUMNS: [&str; 3] = ["id", "a, \"b\"", "sha256"];

    /// The rows of a file, as far as it can be read, and whether that is to its end.
    fn rows(path: &Path, is_csv: bool) -> (Vec<Row>, bool) {
        let Ok(mut rows) = Rows::open(path, is_csv) else { return (Vec::new(), false) };
        let mut found = Vec::new();
        loop {
            match rows.next() {
                Ok(Some(row)) => found.push(row),
                Ok(None) => return (found, Some(rows.position()) == rows.length()),
                Err(_) => return (found, false),
            }
            assert!(Some(rows.position()) <= rows.length(), "no more is read than there is");
        }
    }

    /// What the rows have in their columns.
    fn values(rows: &[Row]) -> Vec<Result<Map<String, Value>, String>> {
        rows.iter().map(|row| row.values.clone()).collect()
    }

    /// The rows of the file of those that were refused, which are all of `path`.
    fn refused(path: &Path, is_csv: bool, all: &[Row]) -> Vec<Row> {
        let opened = Rows::open(path, is_csv).unwrap();
        let mut file = RefusedFile::of(path, opened.columns());
        for row in all {
            file.add(&row.raw).unwrap();
        }
        let Left::Rows(path) = file.finish().unwrap() else { return Vec::new() };
        let (again, whole) = rows(&path, is_csv);
        assert!(whole, "it can be read to its end");
        again
    }

    fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
        let cell = "\\PC{0,8}|[\r\n\",; \\\\]{0,4}";
        proptest::collection::vec(proptest::collection::vec(cell, COLUMNS.len()), 0..6)
    }

    proptest! {
        /// Any file has rows, in the order of their lines, and those that are refused are read from
        /// their own file as from the one that they came from.
        #[test]
        fn any_rows_are_refused_as_they_came(
            lines in proptest::collection::vec(
                "\\PC{0,20}|\u{feff}|\"\u{feff}\",|\\{\"a\":[0-9]{1,3}\\}|a,b|\"[^\"]{0,5}\",|\r",
                0..8,
            ),
            tail in proptest::collection::vec(any::<u8>(), 0..3),
            is_csv: bool,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keys");
            std::fs::write(&path, [lines.join("\n").into_bytes(), tail].concat()).unwrap();
            let (found, _) = rows(&path, is_csv);
            prop_assert!(found.is_sorted_by_key(|row| row.line));
            if !found.is_empty() {
                prop_assert_eq!(values(&refused(&path, is_csv, &found)), values(&found));
            }
        }

        /// What a table has is read from it, whatever its cells are.
        #[test]
        fn a_table_is_read_as_it_was_written(table in table(), is_csv: bool) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keys");
            let object = |cells: &Vec<String>| -> Map<String, Value> {
                let names = COLUMNS.iter().map(|&name| name.to_owned());
                names.zip(cells.iter().map(|cell| cell.as_str().into())).collect()
            };
            let meant: Vec<_> = table.iter().map(object).collect();
            if is_csv {
                let mut out = csv::Writer::from_path(&path).unwrap();
                out.write_record(COLUMNS).unwrap();
                for cells in &table {
                    out.write_record(cells).unwrap();
                }
                out.flush().unwrap();
            } else {
                let lines = meant.iter().map(|row| Value::from(row.clone()).to_string() + "\r\n");
                std::fs::write(&path, lines.collect::<String>()).unwrap();
            }
            let (found, whole) = rows(&path, is_csv);
            prop_assert!(whole);
            let meant: Vec<_> = meant.into_iter().map(Ok).collect();
            prop_assert_eq!(values(&found), meant.clone());
            prop_assert_eq!(values(&refused(&path, is_csv, &found)), meant);
        }
    }
}
