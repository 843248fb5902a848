//! `keyledger keys verify --lines`: many keys, a hundred in a request.

use std::io::{BufRead, Read as _};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Verify, is_valid};
use crate::client::{Call, Client};
use crate::exit::{Exit, misuse};
use crate::print::{self, Progress, cell};
use crate::table::Table;

/// The most keys of one request.
const MOST: usize = 100;
/// The bytes of a request from which on no further key is added; the server takes 65,536.
const LONG: usize = 48 * 1024;
/// The most bytes of a line; no key is nearly so long.
const MAX_LINE_BYTES: u64 = 4_096;

/// Asks about the key on each line of stdin.
pub(super) fn run(options: &Verify) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let mut lines = Lines { input: std::io::stdin().lock(), number: 0 };
    let mut table = Table::new(&["LINE", "CODE", "ID", "OWNER", "NAME"]);
    let (mut progress, mut all_valid) = (Progress::new("keys"), true);
    loop {
        let (numbers, keys) = batch(options, &mut lines)?;
        if keys.is_empty() {
            break;
        }
        let body = json!({ "keys": keys });
        let answer = client.call(Call::post("/v1/keys/verify/batch", &body))?;
        let results = answer.get("results").and_then(Value::as_array);
        for (number, result) in numbers.iter().zip(results.context("there are no results")?) {
            all_valid &= is_valid(result)?;
            if options.json.json {
                print::json_line(result)?;
            } else {
                let fields = ["/code", "/key/id", "/key/owner", "/key/name"];
                let cells = fields.iter().map(|field| cell(result, field));
                table.row(std::iter::once(number.to_string()).chain(cells).collect());
            }
        }
        progress.at(lines.number);
    }
    drop(progress);
    if !options.json.json {
        table.print()?;
    }
    Ok(if all_valid { Exit::Fine } else { Exit::Bad })
}

/// The keys of the next request, and the lines they are on; none at the end.
fn batch(options: &Verify, lines: &mut Lines<impl BufRead>) -> Result<(Vec<u64>, Vec<Value>)> {
    let as_of = options.moment.as_of.map(|as_of| as_of.to_string());
    let (mut numbers, mut keys, mut bytes) = (Vec::new(), Vec::new(), 0);
    while keys.len() < MOST
        && bytes < LONG
        && let Some(key) = lines.next()?
    {
        let body = options.question.of(&key).with("as_of", as_of.clone()).done();
        bytes += body.to_string().len();
        numbers.push(lines.number);
        keys.push(body);
    }
    Ok((numbers, keys))
}

/// Lines that are not empty.
struct Lines<R> {
    input: R,
    /// That of the last line, counted from 1.
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<String>> {
        loop {
            let mut line = String::new();
            let mut input = (&mut self.input).take(MAX_LINE_BYTES);
            if input.read_line(&mut line).context("stdin cannot be read")? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if input.limit() == 0 && !line.ends_with('\n') {
                return Err(misuse(format!("line {} is too long to be a key", self.number)));
            }
            let key = line.trim();
            if !key.is_empty() {
                return Ok(Some(key.to_owned()));
            }
        }
    }
}
