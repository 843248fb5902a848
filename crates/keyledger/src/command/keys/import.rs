//! `keyledger keys import`: keys that were made elsewhere, from a file.

mod fields;
mod refused;
mod rows;
mod send;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use self::fields::Mapping;
use self::refused::{EXTENSION, Left, RefusedFile};
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
milliseconds since 1970; times without a zone are UTC. A row without a name is called `imported
key`; a line whose `import` is an object is sent as it is, and has to have a name.

Rows that are refused go to FILE.refused, of stdin to stdin.ndjson.refused or stdin.csv.refused:
mend them and import that file with the same options. It has then what is still refused, and is
removed when nothing is. A dry run leaves it as it is. The same command can be run again whenever it
broke off: what is there is not made twice.

Examples:
  keyledger keys import keys.csv --map sha256=key_hash --map name=label --source billing --dry-run
  keyledger keys import keys.csv --secret-column key --map owner=consumer --map tags=groups
  keyledger keys import keys.ndjson")]
pub(super) struct Import {
    /// The file, of NDJSON or CSV; `-` is stdin
    file: PathBuf,
    /// How it is written; if you do not say, CSV if its name ends in `.csv` or `.csv.refused`, else NDJSON
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

impl Format {
    /// That of a file with this name. One of refused rows is written like the file they come from.
    fn guessed(file: &Path) -> Format {
        let mut name = file.to_owned();
        while name.extension().is_some_and(|extension| extension == EXTENSION) {
            name.set_extension("");
        }
        let is_csv =
            name.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        if is_csv { Format::Csv } else { Format::Ndjson }
    }
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
    /// None of a dry run.
    refused: Option<RefusedFile>,
    counts: Counts,
    /// The first refusals.
    listed: Table,
    progress: Progress,
}

pub(super) fn run(options: &Import) -> Result<Exit> {
    let is_csv = options.format.unwrap_or_else(|| Format::guessed(&options.file)) == Format::Csv;
    let mut mapping = Mapping::new(&options.map, options.secret_column.as_deref())?;
    mapping.source.clone_from(&options.source);
    let (mut rows, file) = if options.file.as_os_str() == "-" {
        let name = if is_csv { "stdin.csv" } else { "stdin.ndjson" };
        (Rows::of_stdin(is_csv)?, Path::new(name))
    } else {
        (Rows::open(&options.file, is_csv)?, options.file.as_path())
    };
    mapping.fits(rows.columns())?;
    let mut running = Running {
        options,
        sender: Sender::new(&options.remote, options.dry_run)?,
        refused: (!options.dry_run).then(|| RefusedFile::of(file, rows.columns())),
        counts: Counts::default(),
        listed: Table::new(&["LINE", "REFUSED", "WHY"]),
        progress: Progress::new("keys"),
    };
    let sent = running.send(&mut rows, &mapping);
    let imported = sent.and(running.finish());
    let Running { counts, refused, listed, progress, .. } = running;
    drop(progress);
    if let Err(error) = imported {
        if let Some(file) = refused {
            file.give_up();
        }
        let done = counts.imported + counts.repeated;
        let again = format!("{done} keys are imported; run the same command again for the rest");
        return Err(error.context(again));
    }
    let left = refused.map_or(Ok(Left::Nothing), RefusedFile::finish)?;
    finish(options, &counts, listed, &left)
}

impl Running<'_> {
    /// Sends every row. What is under way when it fails is not waited for.
    fn send(&mut self, rows: &mut Rows, mapping: &Mapping) -> Result<()> {
        while let Some(row) = rows.next()? {
            let line = row.values.as_ref().map_err(Clone::clone);
            match line.and_then(|values| mapping.line(values)) {
                Ok(line) => self.sender.add(row, &line),
                Err(why) => {
                    let problem = json!({ "code": "invalid_row", "detail": why });
                    self.sender.add_refused(row, problem);
                }
            }
            if self.sender.is_full() {
                self.sender.send();
                while self.sender.is_busy() {
                    self.take_oldest().unwrap_or(Ok(()))?;
                }
                match rows.length() {
                    Some(length) => self.progress.of(self.counts.all(), rows.position(), length),
                    None => self.progress.at(self.counts.all()),
                }
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
        if let Some(file) = &mut self.refused {
            file.add(&row.raw)?;
        }
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
fn finish(options: &Import, counts: &Counts, listed: Table, left: &Left) -> Result<Exit> {
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
        match left {
            Left::Rows(file) => print::line(format!(
                "the refused ones are in {}: mend them and import that file with the same options",
                file.display()
            ))?,
            Left::Removed(file) => print::line(format!("{} is removed", file.display()))?,
            Left::Nothing => {}
        }
    }
    Ok(if *refused == 0 { Exit::Fine } else { Exit::Bad })
}
