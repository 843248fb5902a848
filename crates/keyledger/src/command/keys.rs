//! `keyledger keys …`: keys over HTTP.

mod change;
mod create;
mod history;
mod list;
mod rotate;
mod show;
mod verify;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::client::Call;
use crate::exit::Exit;
use crate::print::{self, cell};

/// Make, find, change and verify keys
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger keys create --name ci --permission orders.read --ttl 90d
  keyledger keys list --status enabled
  keyledger keys list --as-of 2026-01-02T14:03:00Z
  keyledger keys rotate ID --overlap 1h
  keyledger keys revoke ID --reason-code compromised
  keyledger keys verify - --permission orders.read < key.txt")]
pub(crate) struct Keys {
    #[command(subcommand)]
    what: What,
}

/// What there is to do with keys.
#[derive(Debug, Subcommand)]
enum What {
    /// Make a key; its secret is shown once
    Create(Box<create::Create>),
    /// List keys, all pages of them
    List(Box<list::List>),
    /// Show one key
    Show(show::Show),
    /// Show everything that happened to one key, oldest first
    History(history::History),
    /// Switch a key back on
    Enable(change::Change),
    /// Switch a key off; it can be enabled again
    Disable(change::Change),
    /// End a key before its time
    Expire(change::Change),
    /// Put a new key in the place of an old one
    Rotate(Box<rotate::Rotate>),
    /// Withdraw a key for good
    Revoke(change::Revoke),
    /// Ask whether a key may be used
    Verify(verify::Verify),
}

pub(crate) fn run(asked: &Keys) -> Result<Exit> {
    match &asked.what {
        What::Create(asked) => create::run(asked),
        What::List(asked) => list::run(asked),
        What::Show(asked) => show::run(asked),
        What::History(asked) => history::run(asked),
        What::Enable(asked) => change::run(asked, "enable"),
        What::Disable(asked) => change::run(asked, "disable"),
        What::Expire(asked) => change::run(asked, "expire"),
        What::Rotate(asked) => rotate::run(asked),
        What::Revoke(asked) => change::revoke(asked),
        What::Verify(asked) => verify::run(asked),
    }
}

/// How a change is asked for.
#[derive(Args, Debug)]
#[command(next_help_heading = "Safety")]
struct Care {
    /// Decide and answer, but record nothing
    #[arg(long, env = "KEYLEDGER_DRY_RUN")]
    dry_run: bool,
    /// The same key and the same request give the same outcome, however often it is sent
    #[arg(long, value_name = "TEXT", env = "KEYLEDGER_IDEMPOTENCY_KEY")]
    idempotency_key: Option<String>,
}

impl Care {
    fn apply<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.query("dry_run", self.dry_run.then_some(true))
            .header("idempotency-key", self.idempotency_key.as_ref())
    }
}

/// A body that has only the fields that were given.
#[derive(Default)]
struct Body(Map<String, Value>);

impl Body {
    fn with(mut self, name: &str, value: Option<impl Into<Value>>) -> Body {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// A list, left out when nothing is on it.
    fn list(self, name: &str, values: &[String]) -> Body {
        self.with(name, (!values.is_empty()).then(|| values.to_vec()))
    }

    fn pairs(self, name: &str, pairs: &[(String, String)]) -> Body {
        let object = || pairs.iter().cloned().map(|(name, value)| (name, value.into())).collect();
        self.with(name, (!pairs.is_empty()).then(|| Value::Object(object())))
    }

    fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// The path of a key; the id is from the command line and could be anything.
fn path(id: &str, rest: &str) -> String {
    format!("/v1/keys/{}{rest}", crate::client::escaped(id))
}

/// Prints a key, a line an attribute.
fn print_key(key: &Value) -> Result<()> {
    let attributes = key.as_object().into_iter().flatten();
    for (name, value) in attributes {
        if !is_empty(value) {
            print::line(format!("{name:<14} {}", cell(value, "")))?;
        }
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Prints a new key and, on the last line, its secret.
fn print_new(answer: &Value) -> Result<()> {
    print_key(answer.get("key").unwrap_or(&Value::Null))?;
    match answer.get("secret").and_then(Value::as_str) {
        Some(secret) => {
            print::line(format!("\nKeep this secret, it is not shown again:\n{secret}"))
        }
        None => print::line("\nThere is no secret to show: nothing was made by this request."),
    }
}
