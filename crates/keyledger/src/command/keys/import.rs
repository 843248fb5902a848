//! `keyledger keys import`: keys that were made elsewhere, from a file.

mod fields;
mod refused;
mod rows;
mod send;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use self::fields::Mapping;
use self::refused::RefusedFile;
use self::rows::{Row, Rows};
use self::send::{Outcome, Sender};
use crate::exit::Exit;
use crate::option_values::pair;
use crate::options::{Json, Remote};
use crate::print::{self, Progress, cell};
use crate::table::Table;

/// How many refusals are listed.
const LISTED: usize = 20;

/// Import keys that were made elsewhere, from a file
#[derive(Args, Debug)]
#[command(after_help = "\
A line of NDJSON is the body of a new key with `import`, as POST /v1/keys takes it, or the row of a
table: columns that are named as a field are taken, others with --map. Fields are name description
owner account environment role permissions project allowed_ips expires_at daily_limit tags metadata
metadata.NAME reason, and of where it was made: sha256 secret prefix created_at last_used_at source.
Lists are written with commas or spaces, times as RFC 3339, as SQL writes them, or as seconds or
milliseconds since 1970; times without a zone are UTC.

Rows that are refused go to FILE.refused. The same command can be run again whenever it broke off:
what is there is not made twice.

Examples:
  keyledger keys import keys.csv --map sha256=key_hash --map name=label --source billing --dry-run
  keyledger keys import keys.csv --secret-column key --map owner=consumer --map tags=groups
  keyledger keys import keys.ndjson")]
pub(super) struct Import {
    /// The file, of NDJSON or CSV
    file: PathBuf,
    /// How it is written; by its name, if you do not say
    #[arg(long)]
    format: Option<Format>,
    /// Take this field from that column; may be given more than once
    #[arg(long = "map", value_name = "FIELD=COLUMN", value_parser = pair)]
    map: Vec<(String, String)>,
    /// The column that has the whole text of the keys
    #[arg(long, value_name = "NAME")]
    secret_column: Option<String>,
    /// What the keys were made by, where no column says it
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Decide and answer, but record nothing
    #[arg(long, env = "KEYLEDGER_DRY_RUN", help_heading = "Safety")]
    dry_run: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A JSON object a line
    Ndjson,
    /// Comma-separated, with a line of names
    Csv,
}

/// What became of the rows.
#[derive(Default)]
struct Counts {
    imported: u64,
    repeated: u64,
    refused: u64,
}

/// An import under way.
struct Running<'o> {
    options: &'o Import,
    sender: Sender,
    refused: RefusedFile,
    counts: Counts,
    /// The first refusals.
    listed: Table,
    progress: Progress,
}

pub(super) fn run(options: &Import) -> Result<Exit> {
    let is_csv = options.file.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let format = options.format.unwrap_or(if is_csv { Format::Csv } else { Format::Ndjson });
    let mut mapping = Mapping::new(&options.map, options.secret_column.as_deref())?;
    mapping.source.clone_from(&options.source);
    let mut rows = Rows::open(&options.file, format == Format::Csv)?;
    mapping.fits(rows.columns())?;
    let mut running = Running {
        options,
        sender: Sender::new(&options.remote, options.dry_run)?,
        refused: RefusedFile::beside(&options.file, rows.columns()),
        counts: Counts::default(),
        listed: Table::new(&["LINE", "REFUSED", "WHY"]),
        progress: Progress::new("keys"),
    };
    let sent = running.send(&mut rows, &mapping);
    let imported = sent.and(running.finish());
    let Running { counts, refused, listed, progress, .. } = running;
    drop(progress);
    let refused = refused.finish()?;
    if let Err(error) = imported {
        let done = counts.imported + counts.repeated;
        let again = format!("{done} keys are imported; run the same command again for the rest");
        return Err(error.context(again));
    }
    finish(options, &counts, listed, refused)
}

impl Running<'_> {
    /// Sends every row. What is under way when it fails is not waited for.
    fn send(&mut self, rows: &mut Rows, mapping: &Mapping) -> Result<()> {
        while let Some(row) = rows.next()? {
            let line = row.values.as_ref().map_err(Clone::clone);
            match line.and_then(|values| mapping.line(values)) {
                Ok(line) => self.sender.add(row, &line),
                Err(why) => self.refuse(&row, &json!({ "code": "invalid_row", "detail": why }))?,
            }
            if self.sender.is_full() {
                self.sender.send();
                while self.sender.is_busy() {
                    self.take_oldest().unwrap_or(Ok(()))?;
                }
                self.progress.of(self.counts.all(), rows.position(), rows.length());
            }
        }
        self.sender.send();
        Ok(())
    }

    /// Takes all answers that are still to come. The first thing that is wrong with any.
    fn finish(&mut self) -> Result<()> {
        let mut finished = Ok(());
        while let Some(taken) = self.take_oldest() {
            finished = finished.and(taken);
        }
        finished
    }

    /// Takes the answer to the oldest request under way, if there is one.
    fn take_oldest(&mut self) -> Option<Result<()>> {
        let answer = self.sender.oldest()?;
        Some(answer.and_then(|rows| rows.into_iter().try_for_each(|row| self.take(row))))
    }

    fn take(&mut self, (row, outcome): (Row, Outcome)) -> Result<()> {
        match outcome {
            Outcome::Imported => self.counts.imported += 1,
            Outcome::Repeated => self.counts.repeated += 1,
            Outcome::Refused(problem) => self.refuse(&row, &problem)?,
        }
        Ok(())
    }

    fn refuse(&mut self, row: &Row, problem: &Value) -> Result<()> {
        self.counts.refused += 1;
        self.refused.add(&row.raw)?;
        if self.options.json.json {
            print::json_line(&json!({ "line": row.line, "problem": problem }))?;
        } else if self.counts.refused <= LISTED as u64 {
            let (code, why) = (cell(problem, "/code"), cell(problem, "/detail"));
            self.listed.row(vec![row.line.to_string(), code, why]);
        }
        Ok(())
    }
}

impl Counts {
    fn all(&self) -> u64 {
        self.imported + self.repeated + self.refused
    }
}

/// Prints what came of it.
fn finish(
    options: &Import,
    counts: &Counts,
    listed: Table,
    refused_file: Option<PathBuf>,
) -> Result<Exit> {
    let Counts { imported, repeated, refused } = counts;
    if options.json.json {
        print::json_line(&json!({ "summary": {
            "lines": counts.all(), "imported": imported, "repeated": repeated, "refused": refused,
        } }))?;
    } else {
        if *refused > 0 {
            listed.print()?;
        }
        if let Some(more @ 1..) = refused.checked_sub(LISTED as u64) {
            print::line(format!("and {more} more"))?;
        }
        let would = if options.dry_run { "would be " } else { "" };
        print::line(format!(
            "{imported} {would}imported, {repeated} imported before, {refused} refused"
        ))?;
        if let Some(file) = refused_file {
            print::line(format!("the refused ones are in {}", file.display()))?;
        }
    }
    Ok(if *refused == 0 { Exit::Fine } else { Exit::Bad })
}
