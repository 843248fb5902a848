//! `keyledger keys list`

use anyhow::{Context as _, Result};
use clap::Args;
use ledger::{Direction, KeySort};
use serde_json::{Value, json};

use super::filter::Filter;
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::option_values::one_of;
use crate::options::{Json, LookBack, Remote};
use crate::print::{self, cell};
use crate::table::Table;

/// List keys, all pages of them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger keys list
  keyledger keys list --status enabled --expires-before 2030-01-01T00:00:00Z
  keyledger keys list --status enabled --as-of 2026-01-02T14:03:00Z
  keyledger keys list --sort last_used_at --order desc --limit 20
  keyledger keys list --metadata team=payments --unused-since 90d
  keyledger keys list --status enabled --never-used --count
  keyledger keys list --owner ann --json")]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    /// Print how many there are instead
    #[arg(long, conflicts_with = "limit", help_heading = "Output")]
    count: bool,
    /// What to sort them by
    #[arg(long, value_parser = one_of(KeySort::ALL.iter().map(|sort| sort.as_str())))]
    sort: Option<String>,
    /// Which way
    #[arg(long, value_parser = one_of(Direction::ALL.iter().map(|way| way.as_str())))]
    order: Option<String>,
    /// The most keys to list
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    #[command(flatten)]
    moment: LookBack,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

impl List {
    fn call(&self) -> Call<'static> {
        let call = self.filter.query(Call::get("/v1/keys"));
        let call = call.query("sort", self.sort.as_ref()).query("order", self.order.as_ref());
        call.query("as_of", self.moment.as_of)
    }
}

pub(super) fn run(options: &List) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    if options.count {
        return count(options, &client);
    }
    if options.json.json {
        let mut keys = Vec::new();
        client.pages(|| options.call(), options.limit, &mut |key| {
            keys.push(key.clone());
            Ok(())
        })?;
        print::json(&Value::Array(keys))?;
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&[
        "ID",
        "STATUS",
        "KEY",
        "NAME",
        "OWNER",
        "ENVIRONMENT",
        "EXPIRES",
        "LAST USED",
    ]);
    client.pages(|| options.call(), options.limit, &mut |key| {
        let fields = ["id", "status", "masked", "name", "owner", "environment", "expires_at"];
        let mut cells: Vec<_> = fields.iter().map(|name| cell(key, &format!("/{name}"))).collect();
        cells.push(cell(key, "/last_used_at"));
        table.row(cells);
        Ok(())
    })?;
    table.print()?;
    Ok(Exit::Fine)
}

/// Prints how many keys match; `at least` so many if there are too many keys to look at each.
fn count(options: &List, client: &Client) -> Result<Exit> {
    let answer = client.call(options.call().query("limit", Some(1)).query("count", Some(true)))?;
    let field = |name| answer.get(name).cloned().context("the answer has no count");
    let (total, total_is) = (field("total")?, field("total_is")?);
    if options.json.json {
        print::json(&json!({ "total": total, "total_is": total_is }))?;
    } else if total_is == "exact" {
        print::line(total)?;
    } else {
        print::line(format_args!("at least {total}"))?;
    }
    Ok(Exit::Fine)
}
