//! `keyledger usage` and `keyledger keys usage`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print::{self, cell};
use crate::table::Table;

/// Show how often the keys of an account were verified, by the hour or the day
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger usage
  keyledger usage --from 2026-01-01T00:00:00Z --by hour
  keyledger usage --account acme --json")]
pub(crate) struct Usage {
    /// The account; of a token of all accounts, all together if missing
    #[arg(long)]
    account: Option<String>,
    #[command(flatten)]
    span: Span,
}

/// Which counts, and how they are printed.
#[derive(Args, Debug)]
pub(crate) struct Span {
    /// From the hour or day on that this lies in
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Up to this moment
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// What a line stands for
    #[arg(long, value_parser = ["hour", "day"], default_value = "day")]
    by: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(crate) fn run(options: &Usage) -> Result<Exit> {
    show("/v1/usage", options.account.as_ref(), &options.span)
}

/// Prints all pages of the counts at `path`.
pub(crate) fn show(path: &str, account: Option<&String>, span: &Span) -> Result<Exit> {
    let call = || {
        Call::get(path)
            .query("account", account)
            .query("from", span.from.as_ref())
            .query("to", span.to.as_ref())
            .query("by", Some(&span.by))
    };
    let mut items = Vec::new();
    Client::new(&span.remote)?.pages(call, None, &mut |item| {
        items.push(item.clone());
        Ok(())
    })?;
    if span.json.json {
        print::json(&Value::Array(items))?;
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&["FROM", "TOTAL", "VALID", "OTHERS"]);
    for item in &items {
        let counts = item.get("counts").and_then(Value::as_object);
        let others = counts.into_iter().flatten().filter(|(code, _)| *code != "VALID");
        let others: Vec<_> =
            others.map(|(code, count)| format!("{} {count}", print::plain(code))).collect();
        table.row(vec![
            cell(item, "/start"),
            cell(item, "/total"),
            cell(item, "/counts/VALID"),
            if others.is_empty() { "-".to_owned() } else { others.join(", ") },
        ]);
    }
    table.print()?;
    Ok(Exit::Fine)
}
