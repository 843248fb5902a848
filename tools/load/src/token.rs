//! Tokens of the service under measurement, from its own `token` command.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Makes a token of the service with the program `server` and the data directory `data`; `arguments`
/// say whose and for what.
pub(crate) fn mint(server: &Path, data: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(server);
    command.arg("token").arg("--data").arg(data).args(arguments);
    let output = command.output().context("cannot run the service's `token`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().last() {
        Some(token) if output.status.success() => Ok(token.to_owned()),
        _ => bail!("`token` made none: {}", String::from_utf8_lossy(&output.stderr)),
    }
}
