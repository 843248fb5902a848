//! Keys for people to read.

use anyhow::Result;
use serde_json::Value;

use crate::print::{self, cell};

/// Prints a key, or what else has attributes, one a line.
pub(super) fn print_key(key: &Value) -> Result<()> {
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
pub(super) fn print_new(answer: &Value) -> Result<()> {
    print_key(answer.get("key").unwrap_or(&Value::Null))?;
    match answer.get("secret").and_then(Value::as_str) {
        Some(secret) => {
            print::line(format!("\nKeep this secret, it is not shown again:\n{secret}"))
        }
        None => print::line("\nThere is no secret to show: nothing was made by this request."),
    }
}
