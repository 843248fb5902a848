//! A key's whole text, as somebody gives it to a command.

use std::io::Read as _;

use anyhow::{Context as _, Result};

use crate::exit::misuse;
use crate::print;

/// The most that is read from stdin; no key is nearly so long.
const MAX_STDIN_BYTES: u64 = 4_096;

/// The key: `argument`, or what is on stdin if that is `-`.
pub(super) fn presented(argument: &str) -> Result<String> {
    if argument == "-" {
        return from_stdin();
    }
    print::warn("other users of this machine can see a key on a command line; better give `-`");
    Ok(argument.to_owned())
}

fn from_stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_STDIN_BYTES)
        .read_to_string(&mut text)
        .context("stdin cannot be read")?;
    let key = text.trim();
    if key.is_empty() { Err(misuse("there is no key on stdin")) } else { Ok(key.to_owned()) }
}
