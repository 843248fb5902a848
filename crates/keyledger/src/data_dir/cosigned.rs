//! `cosigned`: the newest checkpoint that a quorum of witnesses cosigned.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::data_dir::layout;

/// What was cosigned before in the directory `data`; `None` if nothing was.
pub(crate) fn read(data: &Path) -> Result<Option<String>> {
    let path = layout::cosigned(data);
    match std::fs::read(&path) {
        // What is in it is checked when it is used.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}
