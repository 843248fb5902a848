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

impl Raw {
    /// How long its text is, but for what separates its cells.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Raw::Line(line) => line.len(),
            Raw::Record(record) => record.as_slice().len(),
        }
    }
}

/// Rows, one after the other.
pub(super) struct Rows {
    input: Input,
    length: Option<u64>,
}

/// Where the bytes come from.
type Source = Box<dyn io::Read>;

enum Input {
    Ndjson { lines: BufReader<Source>, line: u64, position: u64 },
    Csv { reader: Box<csv::Reader<Source>>, columns: StringRecord },
}

impl Rows {
    /// Those of a file.
    pub(super) fn open(path: &Path, is_csv: bool) -> Result<Rows> {
        let file = File::open(path).map_err(of_file(path, "read"))?;
        let length = file.metadata().map_err(of_file(path, "read"))?.len();
        Rows::of(Box::new(file), Some(length), is_csv)
    }

    /// Those on stdin.
    pub(super) fn of_stdin(is_csv: bool) -> Result<Rows> {
        Rows::of(Box::new(io::stdin()), None, is_csv)
    }

    fn of(source: Source, length: Option<u64>, is_csv: bool) -> Result<Rows> {
        let input = if is_csv {
            let mut reader = Box::new(csv::ReaderBuilder::new().flexible(true).from_reader(source));
            let columns = reader.headers().context("the first line has no names of columns")?;
            let columns = columns.iter().map(|name| name.trim_start_matches(MARK)).collect();
            separated_by_commas(&columns)?;
            Input::Csv { reader, columns }
        } else {
            Input::Ndjson { lines: BufReader::new(source), line: 0, position: 0 }
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

    /// How many there are; none of stdin, which does not say it.
    pub(super) fn length(&self) -> Option<u64> {
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

/// Refuses names of columns that are one name only because nobody separates them by commas. They are
/// not shown: without a line of names they are the first key.
fn separated_by_commas(columns: &StringRecord) -> Result<()> {
    let only = columns.get(0).filter(|_| columns.len() == 1).unwrap_or_default();
    let others = [(';', "semicolons"), ('\t', "tabs")];
    let Some((_, by)) = others.iter().find(|(other, _)| only.contains(*other)) else {
        return Ok(());
    };
    Err(misuse(format!("the columns are separated by {by}; write the file anew with commas")))
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
