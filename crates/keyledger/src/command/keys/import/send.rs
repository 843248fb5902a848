//! Lines on their way to the server: some hundreds in a request, several requests at a time, each sent
//! again when it broke.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

use super::rows::Row;
use crate::client::{Call, Client, Refused, pause};
use crate::exit::Failure;
use crate::options::Remote;

/// The most lines of a request: as many as the server takes in before it answers, because this client
/// reads the answer when it has sent everything.
const MOST_LINES: usize = 500;
/// The bytes of a request from which on no further line is added.
const LARGE: usize = 256 * 1024;
/// How many requests are under way at a time: the server decides one while the others travel.
const MOST_UNDER_WAY: usize = 4;
/// How often a request is sent, and the time before it is sent a second time, which then doubles.
const ATTEMPTS: u32 = 7;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What became of a line.
pub(super) enum Outcome {
    Imported,
    /// It was imported before.
    Repeated,
    /// With its problem.
    Refused(Value),
}

/// The next request, and those under way.
pub(super) struct Sender {
    client: Arc<Client>,
    dry_run: bool,
    text: String,
    /// The rows of the request, in their order: those that the lines of `text` are of, and those
    /// that are refused already and wait for their turn.
    rows: Vec<Waiting>,
    /// How long the rows or their lines are, whichever is longer.
    bytes: usize,
    /// The oldest first.
    under_way: VecDeque<UnderWay>,
}

/// A row, and its problem if it has no line.
type Waiting = (Row, Option<Value>);

struct UnderWay {
    rows: Vec<Waiting>,
    outcomes: JoinHandle<Result<Vec<Outcome>>>,
}

/// What a thread sends.
struct Request {
    client: Arc<Client>,
    dry_run: bool,
    text: String,
    lines: usize,
}

/// Why a request came to nothing.
enum Failed {
    /// It may be sent again.
    Passing(anyhow::Error),
    Lasting(anyhow::Error),
}

impl Sender {
    pub(super) fn new(remote: &Remote, dry_run: bool) -> Result<Sender> {
        let client = Arc::new(Client::new(remote)?);
        let (text, rows, under_way) = (String::new(), Vec::new(), VecDeque::new());
        Ok(Sender { client, dry_run, text, rows, bytes: 0, under_way })
    }

    /// Adds a row with its line.
    pub(super) fn add(&mut self, row: Row, line: &str) {
        self.text += line;
        self.text.push('\n');
        self.bytes += line.len().max(row.raw.bytes());
        self.rows.push((row, None));
    }

    /// Adds a row that has no line, with its problem.
    pub(super) fn add_refused(&mut self, row: Row, problem: Value) {
        self.bytes += row.raw.bytes();
        self.rows.push((row, Some(problem)));
    }

    /// Whether it is time to send.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= MOST_LINES || self.bytes >= LARGE
    }

    /// Begins to send what was added.
    pub(super) fn send(&mut self) {
        let (text, rows) = (std::mem::take(&mut self.text), std::mem::take(&mut self.rows));
        self.bytes = 0;
        if rows.is_empty() {
            return;
        }
        let lines = rows.iter().filter(|(_, problem)| problem.is_none()).count();
        let (client, dry_run) = (Arc::clone(&self.client), self.dry_run);
        let request = Request { client, dry_run, text, lines };
        let outcomes = std::thread::spawn(move || request.send());
        self.under_way.push_back(UnderWay { rows, outcomes });
    }

    /// Whether as many requests are under way as may be.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.len() >= MOST_UNDER_WAY
    }

    /// Waits for the oldest request: its rows, and what became of each. `None` if none is under way.
    pub(super) fn oldest(&mut self) -> Option<Result<Vec<(Row, Outcome)>>> {
        let UnderWay { rows, outcomes } = self.under_way.pop_front()?;
        let outcomes = outcomes.join().unwrap_or_else(|_| Err(anyhow!("a request was given up")));
        Some(outcomes.map(|outcomes| {
            let mut outcomes = outcomes.into_iter();
            let each = rows.into_iter().map_while(|(row, problem)| {
                Some((row, problem.map(Outcome::Refused).or_else(|| outcomes.next())?))
            });
            each.collect()
        }))
    }
}

impl Request {
    /// Sends the lines; each has an outcome. Again if need be: a line has its idempotency key.
    fn send(&self) -> Result<Vec<Outcome>> {
        if self.lines == 0 {
            return Ok(Vec::new());
        }
        let mut wait = FIRST_PAUSE;
        for attempt in 1.. {
            match self.attempt() {
                Err(Failed::Passing(_)) if attempt < ATTEMPTS => {
                    pause(wait);
                    wait *= 2;
                }
                Ok(outcomes) => return Ok(outcomes),
                Err(Failed::Passing(error) | Failed::Lasting(error)) => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }

    fn attempt(&self) -> Result<Vec<Outcome>, Failed> {
        let call = Call::lines("/v1/keys/import", &self.text);
        let call = call.query("dry_run", self.dry_run.then_some(true));
        let answer = self.client.text(call).map_err(judged)?;
        let mut outcomes = Vec::with_capacity(self.lines);
        for line in answer.lines() {
            let line: Value = serde_json::from_str(line)
                .context("this is no answer to an import")
                .map_err(Failed::Lasting)?;
            if line.get("summary").is_none() {
                outcomes.push(outcome(&line));
            } else if let Some(problem) = line.get("problem") {
                let detail = problem.get("detail").and_then(Value::as_str).unwrap_or_default();
                return Err(Failed::Passing(anyhow!("refused: {}", crate::print::plain(detail))));
            } else if outcomes.len() == self.lines {
                return Ok(outcomes);
            }
        }
        Err(Failed::Passing(anyhow!("the answer was cut off")))
    }
}

fn outcome(line: &Value) -> Outcome {
    match (line.get("problem"), line.get("status").and_then(Value::as_u64), line.get("id")) {
        (Some(problem), _, _) => Outcome::Refused(problem.clone()),
        (None, Some(200), Some(_)) => Outcome::Repeated,
        _ => Outcome::Imported,
    }
}

/// Whether what went wrong may be over soon.
fn judged(error: anyhow::Error) -> Failed {
    let unreachable = matches!(error.downcast_ref(), Some(Failure::Unreachable(_)));
    let busy = error.downcast_ref::<Refused>();
    let busy = busy.is_some_and(|refused| matches!(refused.status, 429 | 502 | 503 | 504));
    if unreachable || busy { Failed::Passing(error) } else { Failed::Lasting(error) }
}
