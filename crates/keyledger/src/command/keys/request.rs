//! What requests for changes have in common: bodies, paths, and how a change is sent safely.

use clap::Args;
use serde_json::{Map, Value};

use crate::client::{Call, escaped};

/// How a change is sent safely.
#[derive(Args, Debug)]
#[command(next_help_heading = "Safety")]
pub(in crate::command) struct Care {
    /// Decide and answer, but record nothing
    #[arg(long, env = "KEYLEDGER_DRY_RUN")]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) once: Once,
}

/// How a request is sent so that it can be sent again.
#[derive(Args, Debug)]
#[command(next_help_heading = "Safety")]
pub(in crate::command) struct Once {
    /// The same key and the same request give the same outcome, however often it is sent
    #[arg(long, value_name = "TEXT", env = "KEYLEDGER_IDEMPOTENCY_KEY")]
    pub(super) idempotency_key: Option<String>,
}

impl Care {
    pub(in crate::command) fn apply<'a>(&self, call: Call<'a>) -> Call<'a> {
        self.once.apply(call.query("dry_run", self.dry_run.then_some(true)))
    }
}

impl Once {
    pub(in crate::command) fn apply<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.header("idempotency-key", self.idempotency_key.as_ref())
    }
}

/// A body that has only the fields that were given.
#[derive(Default)]
pub(in crate::command) struct Body(Map<String, Value>);

impl Body {
    pub(in crate::command) fn with(mut self, name: &str, value: Option<impl Into<Value>>) -> Body {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// A list, left out when nothing is on it.
    pub(in crate::command) fn list(self, name: &str, values: &[String]) -> Body {
        self.with(name, (!values.is_empty()).then(|| values.to_vec()))
    }

    pub(super) fn pairs(self, name: &str, pairs: &[(String, String)]) -> Body {
        let object = || pairs.iter().cloned().map(|(name, value)| (name, value.into())).collect();
        self.with(name, (!pairs.is_empty()).then(|| Value::Object(object())))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::command) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// The path of a key; the id is from the command line and could be anything.
pub(super) fn path(id: &str, rest: &str) -> String {
    format!("/v1/keys/{}{rest}", escaped(id))
}
