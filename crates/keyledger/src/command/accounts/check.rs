//! `keyledger accounts check`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use keys::{AccountRules, Permission, SecretPrefix};
use serde_json::{Map, Value, json};

use crate::accounts_file;
use crate::exit::Exit;
use crate::options::Json;
use crate::print::{self, plain};
use crate::table::Table;

/// Check a file before the service reads it, and print the rules of each account
#[derive(Args, Debug)]
#[command(after_help = "\
A file that is wrong is refused with the line and the column, and exit code 1. `-` is no bound.

Examples:
  keyledger accounts check accounts.toml
  keyledger accounts check accounts.toml --json")]
pub(super) struct Check {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &Check) -> Result<Exit> {
    let named = || options.file.display().to_string();
    let bytes = server::read_file(&options.file).with_context(named)?;
    let all = accounts_file::parse(&bytes).with_context(named)?;
    let mut rows: Vec<(&str, &AccountRules)> =
        all.named.iter().map(|(account, rules)| (account.as_str(), rules)).collect();
    rows.sort_unstable_by_key(|(account, _)| *account);
    rows.extend(all.others.as_ref().map(|rules| ("*", rules)));
    if options.json.json {
        let rules = rows.iter().map(|(account, rules)| ((*account).to_owned(), shown(rules)));
        print::json(&json!({ "accounts": rules.collect::<Map<_, _>>() }))?;
        return Ok(Exit::Fine);
    }
    let header =
        ["ACCOUNT", "MAX TTL", "MUST END", "MAX ACTIVE KEYS", "PREFIX", "PERMISSIONS", "ROLES"];
    let mut table = Table::new(&header);
    for (account, rules) in rows {
        table.row(row(account, rules));
    }
    table.print()?;
    let others = if all.others.is_some() { "the rules of `*`" } else { "no rules" };
    print::line(format!("every other account has {others}"))?;
    Ok(Exit::Fine)
}

fn row(account: &str, rules: &AccountRules) -> Vec<String> {
    let none = || "-".to_owned();
    let named = rules.roles.as_deref().map(|all| {
        let named = all.iter().map(|(role, given)| format!("{role}={}", list(given)));
        named.collect::<Vec<_>>().join(" ")
    });
    let prefix = rules.secret_prefix.as_ref().map(|word| word.as_str().to_owned());
    vec![
        plain(account),
        rules.max_ttl_s.map_or_else(none, time),
        if must_end(rules) { "yes" } else { "no" }.to_owned(),
        rules.max_active_keys.map_or_else(none, |most| most.to_string()),
        prefix.unwrap_or_else(none),
        rules.permissions.as_deref().map_or_else(none, list),
        named.unwrap_or_else(none),
    ]
}

/// A longest life is none without an end.
fn must_end(rules: &AccountRules) -> bool {
    rules.require_expiry || rules.max_ttl_s.is_some()
}

/// Permissions in one cell.
fn list(permissions: &[Permission]) -> String {
    if permissions.is_empty() {
        return "none".to_owned();
    }
    permissions.iter().map(Permission::as_str).collect::<Vec<_>>().join(",")
}

/// A time in the largest unit of which it is a whole number.
fn time(seconds: u64) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    match units.iter().find(|(unit, _)| seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

fn shown(rules: &AccountRules) -> Value {
    let texts = |all: &[Permission]| all.iter().map(Permission::as_str).collect::<Vec<_>>().into();
    let named = rules.roles.as_deref().map(|all| {
        all.iter().map(|(role, given)| (role.to_string(), texts(given))).collect::<Map<_, Value>>()
    });
    json!({
        "max_ttl_s": rules.max_ttl_s,
        "require_expiry": must_end(rules),
        "max_active_keys": rules.max_active_keys,
        "secret_prefix": rules.secret_prefix.as_ref().map(SecretPrefix::as_str),
        "permissions": rules.permissions.as_deref().map(texts),
        "roles": named,
    })
}
