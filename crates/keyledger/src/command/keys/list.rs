//! `keyledger keys list`

use anyhow::Result;
use clap::Args;
use keys::{Environment, Kind, Status};
use serde_json::Value;

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
  keyledger keys list --owner ann --json")]
pub(super) struct List {
    /// Their status
    #[arg(long, value_parser = one_of(Status::ALL))]
    status: Option<String>,
    /// Their environment
    #[arg(long, value_parser = one_of(Environment::ALL))]
    environment: Option<String>,
    /// Their kind
    #[arg(long, value_parser = one_of(Kind::ALL))]
    kind: Option<String>,
    /// The subject they belong to
    #[arg(long)]
    owner: Option<String>,
    /// The project they work on
    #[arg(long)]
    project: Option<String>,
    /// Their role
    #[arg(long)]
    role: Option<String>,
    /// What their shown prefix begins with
    #[arg(long)]
    prefix: Option<String>,
    /// A part of their name or description
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Only those that end before this
    #[arg(long, value_name = "TIME")]
    expires_before: Option<String>,
    /// The account they belong to
    #[arg(long)]
    account: Option<String>,
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
        Call::get("/v1/keys")
            .query("status", self.status.as_ref())
            .query("environment", self.environment.as_ref())
            .query("kind", self.kind.as_ref())
            .query("owner", self.owner.as_ref())
            .query("project", self.project.as_ref())
            .query("role", self.role.as_ref())
            .query("prefix", self.prefix.as_ref())
            .query("q", self.q.as_ref())
            .query("expires_before", self.expires_before.as_ref())
            .query("account", self.account.as_ref())
            .query("as_of", self.moment.as_of)
    }
}

pub(super) fn run(options: &List) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
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
