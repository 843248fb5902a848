//! `keyledger events`: lists, exports and follows events.

use std::io::{BufRead, IsTerminal as _, Write as _, stdout};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::{Args, ValueEnum};
use keys::EventKind;
use serde_json::Value;

use crate::client::{Call, Client, Refused, pause};
use crate::exit::{Exit, Failure, misuse};
use crate::option_values::one_of;
use crate::options::{Json, Remote};
use crate::print::{self, align, cell};

/// What happened: list it, export it, follow it
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger events --after 1000 --limit 20
  keyledger events --follow
  keyledger events --format csv --from 2026-01-01T00:00:00Z > january.csv
  keyledger events --format json --key ID | jq .type")]
pub(crate) struct Events {
    /// Wait for more, for ever
    #[arg(long)]
    follow: bool,
    /// Only those after this seq
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// How to print them; `json` is one event a line
    #[arg(long, value_enum, default_value = "table", conflicts_with = "json")]
    format: Format,
    /// The most events to print
    #[arg(long, value_name = "COUNT", conflicts_with = "follow")]
    limit: Option<u64>,
    /// Of this account's keys
    #[arg(long)]
    account: Option<String>,
    /// Of this key
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = one_of(EventKind::ALL))]
    kind: Option<String>,
    /// By this subject
    #[arg(long, value_name = "SUBJECT")]
    actor: Option<String>,
    /// Recorded at this moment or later
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Recorded before this moment
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns
    Table,
    /// One JSON object a line
    Json,
    /// What the server makes of it for a spreadsheet
    Csv,
}

/// The columns of the table: header, JSON pointer, width. The widths are fixed, because rows are
/// printed as they come.
const COLUMNS: [(&str, &str, usize); 7] = [
    ("SEQ", "/seq", 8),
    ("RECORDED", "/recorded_at", 27),
    ("EVENT", "/type", 8),
    ("KEY", "/key_id", 36),
    ("AFTER", "/after", 8),
    ("BY", "/actor/subject", 16),
    ("REASON", "/reason", 0),
];

/// The pause before a stream that ended is opened again.
const RECONNECT: Duration = Duration::from_secs(1);

pub(crate) fn run(options: &Events) -> Result<Exit> {
    let format = if options.json.json { Format::Json } else { options.format };
    let client = Client::new(&options.remote)?;
    match (options.follow, format) {
        (true, Format::Csv) => Err(misuse("--format csv cannot be followed; use json")),
        (true, Format::Table | Format::Json) => follow(options, &client, format),
        (false, Format::Csv) => csv(options, &client),
        (false, Format::Table | Format::Json) => {
            let call = || options.filters(Call::get("/v1/events")).query("after", options.after);
            let mut begun = false;
            client.pages(call, options.limit, &mut |event| {
                if !std::mem::replace(&mut begun, true) {
                    head(format)?;
                }
                show(event, format)
            })?;
            if begun { Ok(Exit::Fine) } else { head(format).map(|()| Exit::Fine) }
        }
    }
}

impl Events {
    fn filters(&self, call: Call<'static>) -> Call<'static> {
        call.query("account", self.account.as_ref())
            .query("key", self.key.as_ref())
            .query("type", self.kind.as_ref())
            .query("actor", self.actor.as_ref())
            .query("from", self.from.as_ref())
            .query("to", self.to.as_ref())
    }
}

fn csv(options: &Events, client: &Client) -> Result<Exit> {
    let call = options
        .filters(Call::get("/v1/events"))
        .query("after", options.after)
        .header("accept", Some("text/csv"));
    let mut body = client.stream(call)?;
    // The header, and at most `limit` rows. A field may contain line breaks, so quotes are counted:
    // a row does not end inside quotes.
    let mut left = options.limit.map_or(u64::MAX, |limit| limit.saturating_add(1));
    let mut line = Vec::new();
    let mut quoted = false;
    while left > 0 {
        line.clear();
        if body.read_until(b'\n', &mut line).context("the export broke off")? == 0 {
            break;
        }
        quoted = line.iter().fold(quoted, |quoted, byte| quoted ^ (*byte == b'"'));
        left -= u64::from(!quoted);
        if stdout().is_terminal() {
            // A file or a pipe gets exactly what the server sent.
            stdout().write_all(print::lines(&String::from_utf8_lossy(&line)).as_bytes())?;
        } else {
            stdout().write_all(&line)?;
        }
    }
    stdout().flush()?;
    Ok(Exit::Fine)
}

fn head(format: Format) -> Result<()> {
    if format == Format::Table {
        let cells = COLUMNS.map(|(name, ..)| name.to_owned());
        print::line(align(&cells, &COLUMNS.map(|(_, _, width)| width)))?;
    }
    Ok(())
}

fn show(event: &Value, format: Format) -> Result<()> {
    match format {
        Format::Json | Format::Csv => print::json_line(event),
        Format::Table => {
            let cells = COLUMNS.map(|(_, pointer, _)| cell(event, pointer));
            print::line(align(&cells, &COLUMNS.map(|(_, _, width)| width)))
        }
    }
}

/// Follows until the server refuses or the process is stopped. After a connection ended, the next
/// one continues after the last event, so that none is missed and none comes twice.
fn follow(options: &Events, client: &Client, format: Format) -> Result<Exit> {
    let mut last = options.after;
    let mut reached = false;
    loop {
        let call = options.filters(Call::get("/v1/events/stream")).query("after", last);
        match client.stream(call.header("accept", Some("text/event-stream"))) {
            Ok(body) => {
                if !std::mem::replace(&mut reached, true) {
                    head(format)?;
                }
                read_stream(body, &mut last, &mut |event| show(event, format))?;
            }
            Err(error) if is_temporary(&error) && reached => {
                tracing::debug!("{error:#}");
            }
            Err(error) => return Err(error),
        }
        pause(RECONNECT);
    }
}

/// Whether another attempt may succeed.
fn is_temporary(error: &anyhow::Error) -> bool {
    let overloaded = error.downcast_ref::<Refused>().is_some_and(|refused| refused.status >= 500);
    overloaded || matches!(error.downcast_ref(), Some(Failure::Unreachable(_)))
}

/// Reads server-sent events to the end of the connection; `last` is the seq of the last one.
fn read_stream(
    body: impl BufRead,
    last: &mut Option<u64>,
    show: &mut dyn FnMut(&Value) -> Result<()>,
) -> Result<()> {
    let mut data = String::new();
    let mut id = None;
    // A broken connection is treated as one that ended.
    for line in body.lines().map_while(Result::ok) {
        if let Some(text) = line.strip_prefix("data:") {
            data += text.strip_prefix(' ').unwrap_or(text);
        } else if let Some(text) = line.strip_prefix("id:") {
            id = text.trim().parse().ok();
        } else if line.is_empty() && !data.is_empty() {
            let event = std::mem::take(&mut data);
            if let Some(id) = id.take() {
                let event = serde_json::from_str(&event)
                    .map_err(|_| anyhow!("the stream holds something that is no event"))?;
                show(&event)?;
                *last = Some(id);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_from_a_stream_and_heartbeats_are_not() {
        let body = ": heartbeat\n\nid: 4\nevent: created\ndata: {\"seq\":4}\n\n:\n\nid:5\ndata:{\"seq\":5}\n\nid: 6\ndata: {\"se";
        let (mut last, mut seen) = (None, Vec::new());
        read_stream(body.as_bytes(), &mut last, &mut |event| {
            seen.push(event.to_string());
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [r#"{"seq":4}"#, r#"{"seq":5}"#]);
        assert_eq!(last, Some(5));
    }
}
