//! A question on the terminal, before something that cannot be undone.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::{Context as _, Result};

use crate::exit::misuse;
use crate::print;

/// Whether there is a question to put, unless it was answered on the command line (`yes`).
///
/// # Errors
///
/// There is, and nobody to answer it.
pub(crate) fn is_needed(yes: bool, dry_run: bool) -> Result<bool> {
    let is_needed = !yes && !dry_run;
    if is_needed && !std::io::stdin().is_terminal() {
        return Err(misuse("nobody can be asked here: look with --dry-run, then give --yes"));
    }
    Ok(is_needed)
}

/// Puts the question; whether the answer is yes.
pub(crate) fn confirmed() -> Result<bool> {
    print::line("Go on? [y/N]")?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("the answer cannot be read")?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
