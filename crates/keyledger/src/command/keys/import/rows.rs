//! The rows of a file, of NDJSON or CSV.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use csv::StringRecord;
use serde_json::{Map, Value};

use crate::exit::misuse;

/// The longest row: the server takes no line that is nearly so long.
const MAX_ROW_BYTES: u64 = 1 << 20;

/// What some editors write before a text.
const MARK: char = '\u{feff}';

/// One row.
pub(super) struct Row {
    /// The line of the file that it begins on.
    pub(super) line: u64,
    /// As it stands in the file.
    pub(super) raw: Raw,
    /// Its values by their column, or why it has none.
    pub(super) values: Result<Map<String, Value>, String>,
}

/// A row as it stands in the file.
pub(super) enum Raw {
    Line(String),
    Record(StringRecord),
}

/// Rows, one after the other.
pub(super) struct Rows {
    input: Input,
    length: u64,
}

enum Input {
    Ndjson { lines: BufReader<File>, line: u64, position: u64 },
    Csv { reader: Box<csv::Reader<File>>, columns: StringRecord },
}

impl Rows {
    pub(super) fn open(path: &Path, is_csv: bool) -> Result<Rows> {
        let file = File::open(path).map_err(of_file(path, "read"))?;
        let length = file.metadata().map_err(of_file(path, "read"))?.len();
        let input = if is_csv {
            let mut reader = Box::new(csv::ReaderBuilder::new().flexible(true).from_reader(file));
            let columns = reader.headers().context("the first line has no names of columns")?;
            let columns = columns.iter().map(|name| name.trim_start_matches(MARK)).collect();
            Input::Csv { reader, columns }
        } else {
            Input::Ndjson { lines: BufReader::new(file), line: 0, position: 0 }
        };
        Ok(Rows { input, length })
    }

    /// The names of the columns, where the file has them.
    pub(super) fn columns(&self) -> Option<&StringRecord> {
        match &self.input {
            Input::Csv { columns, .. } => Some(columns),
            Input::Ndjson { .. } => None,
        }
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> u64 {
        match &self.input {
            Input::Csv { reader, .. } => reader.position().byte(),
            Input::Ndjson { position, .. } => *position,
        }
    }

    /// How many there are.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The next row that is not empty.
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        match &mut self.input {
            Input::Ndjson { lines, line, position } => loop {
                let mut text = String::new();
                let read = lines.take(MAX_ROW_BYTES).read_line(&mut text);
                let read = read.with_context(|| format!("line {} is no text", *line + 1))?;
                if read == 0 {
                    return Ok(None);
                }
                *line += 1;
                *position += read as u64;
                if read as u64 == MAX_ROW_BYTES && !text.ends_with('\n') {
                    return Err(misuse(format!("line {line} is too long to be a key")));
                }
                let text = text.trim_matches(|one: char| one.is_whitespace() || one == MARK);
                let text = text.to_owned();
                if !text.is_empty() {
                    let values = object(&text);
                    return Ok(Some(Row { line: *line, raw: Raw::Line(text), values }));
                }
            },
            Input::Csv { reader, columns } => {
                let mut record = StringRecord::new();
                if !reader.read_record(&mut record).context("this is no CSV")? {
                    return Ok(None);
                }
                let line = record.position().map_or(0, csv::Position::line);
                let values = cells(columns, &record);
                Ok(Some(Row { line, raw: Raw::Record(record), values }))
            }
        }
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|_| "the line is no JSON object".to_owned())
}

fn cells(columns: &StringRecord, record: &StringRecord) -> Result<Map<String, Value>, String> {
    if record.len() != columns.len() {
        return Err(format!("the row has {} cells, and not {}", record.len(), columns.len()));
    }
    let cells = columns.iter().zip(record).map(|(name, cell)| (name.to_owned(), cell.into()));
    Ok(cells.collect())
}

/// An error of a file that is read or written.
pub(super) fn of_file(path: &Path, verb: &str) -> impl Fn(io::Error) -> anyhow::Error {
    let sentence = format!("`{}` cannot be {verb}", path.display());
    move |error| anyhow!(error).context(sentence.clone())
}
