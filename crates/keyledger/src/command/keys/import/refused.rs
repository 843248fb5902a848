//! The file of the rows that were refused, written like the one they came from.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use csv::StringRecord;

use super::rows::{Raw, of_file};

/// `FILE.refused`, made with the first row. It may hold secrets: only its owner may read it.
pub(super) struct RefusedFile {
    path: PathBuf,
    columns: Option<StringRecord>,
    out: Option<Out>,
}

enum Out {
    Lines(BufWriter<File>),
    Records(Box<csv::Writer<File>>),
}

impl RefusedFile {
    /// The one beside `file`, with these columns, if it has any.
    pub(super) fn beside(file: &Path, columns: Option<&StringRecord>) -> RefusedFile {
        let mut path = file.as_os_str().to_owned();
        path.push(".refused");
        RefusedFile { path: path.into(), columns: columns.cloned(), out: None }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &Raw) -> Result<()> {
        if self.out.is_none() {
            self.out = Some(self.create()?);
        }
        match (&mut self.out, row) {
            (Some(Out::Lines(out)), Raw::Line(line)) => {
                writeln!(out, "{line}").map_err(of_file(&self.path, "written"))
            }
            (Some(Out::Records(out)), Raw::Record(record)) => {
                out.write_record(record).with_context(|| self.path.display().to_string())
            }
            // A file is written like the one that its rows come from.
            (Some(Out::Lines(_) | Out::Records(_)) | None, Raw::Line(_) | Raw::Record(_)) => Ok(()),
        }
    }

    fn create(&self) -> Result<Out> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&self.path).map_err(of_file(&self.path, "written"))?;
        let Some(columns) = &self.columns else { return Ok(Out::Lines(BufWriter::new(file))) };
        // A row that was refused because it has too many cells still does.
        let mut out = csv::WriterBuilder::new().flexible(true).from_writer(file);
        out.write_record(columns).with_context(|| self.path.display().to_string())?;
        Ok(Out::Records(Box::new(out)))
    }

    /// Where the rows are, if there are any.
    pub(super) fn finish(self) -> Result<Option<PathBuf>> {
        match self.out {
            None => return Ok(None),
            Some(Out::Lines(mut out)) => out.flush(),
            Some(Out::Records(mut out)) => out.flush(),
        }
        .map_err(of_file(&self.path, "written"))?;
        Ok(Some(self.path))
    }
}
