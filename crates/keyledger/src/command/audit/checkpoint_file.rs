//! A checkpoint that an auditor keeps in a file.

use std::path::Path;

use anyhow::Result;

use crate::exit::misuse;

/// Reads it.
pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        misuse(format!("the checkpoint `{}` cannot be read: {error}", path.display()))
    })
}
