//! The file `parts`: what a data directory had beside its log when it was last served. Without it a
//! deleted part would be made again without notice.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use eventlog::files;
use server::token::TokenVerifier;

/// The first line of the file.
const FIRST_LINE: &str = "keyledger parts v1";

/// What a data directory has beside its log, as its file `parts` lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// The public half of the key in `token.key`, in hexadecimal digits.
    token: Option<String>,
    /// Whether there is an access journal.
    access: bool,
}

impl Inventory {
    /// Reads the file. Empty for a new directory and for one of an earlier version.
    pub(crate) fn read(data: &Path) -> Result<Inventory> {
        let path = path(data);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Inventory::default());
            }
            text => text.with_context(|| format!("`{}` cannot be read", path.display()))?,
        };
        let inventory = decode(&text);
        inventory.with_context(|| format!("`{}` is damaged; remove it", path.display()))
    }

    /// Logs a warning if the token key was replaced, because tokens of the former key are refused.
    pub(crate) fn warn_of_token_key(&self, now: &TokenVerifier) {
        let now = hex::encode(now.public_key());
        if self.token.as_ref().is_some_and(|before| *before != now) {
            tracing::warn!(
                "token.key is not the one of the last start: tokens made with that one are refused"
            );
        }
    }

    /// Refuses a directory whose access journal is missing, unless `accept`.
    pub(crate) fn check_access(&self, access: &Path, accept: bool) -> Result<()> {
        let exists = access
            .join("FORMAT")
            .try_exists()
            .with_context(|| format!("`{}` cannot be read; look at the disk", access.display()))?;
        if self.access && !exists && !accept {
            bail!(
                "`{}` is gone, the journal of who read the trail; restore it from a backup, or \
                 start once with --accept-rollback, which begins a new one",
                access.display()
            );
        }
        Ok(())
    }

    /// Writes the file for what there is now.
    pub(crate) fn save(&self, data: &Path, token: &TokenVerifier) -> Result<()> {
        let now = Inventory { token: Some(hex::encode(token.public_key())), access: true };
        if now == *self {
            return Ok(());
        }
        let path = path(data);
        files::replace(&path, encode(&now).as_bytes())
            .with_context(|| format!("`{}` cannot be written; look at the disk", path.display()))
    }
}

fn encode(inventory: &Inventory) -> String {
    let token = inventory.token.as_ref().map(|token| format!("token {token}\n"));
    let access = if inventory.access { "access\n" } else { "" };
    format!("{FIRST_LINE}\n{}{access}", token.unwrap_or_default())
}

/// Reads what [`encode`] wrote; `None` for anything else.
fn decode(text: &str) -> Option<Inventory> {
    let mut inventory = Inventory::default();
    for line in text.strip_prefix(FIRST_LINE)?.lines().skip(1) {
        match line.split_once(' ') {
            Some(("token", token)) => inventory.token = Some(token.to_owned()),
            None if line == "access" => inventory.access = true,
            _ => return None,
        }
    }
    (encode(&inventory) == text).then_some(inventory)
}

fn path(data: &Path) -> PathBuf {
    data.join("parts")
}

#[cfg(test)]
mod tests {
    use server::token::TokenKey;

    use super::*;

    #[test]
    fn a_missing_access_journal_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (data, access) = (folder.path(), folder.path().join("access"));
        let token = TokenKey::from_seed(&[7; 32]).verifier();
        let inventory = Inventory::read(data).unwrap();
        assert_eq!(inventory, Inventory::default());
        inventory.check_access(&access, false).unwrap();
        inventory.save(data, &token).unwrap();
        let inventory = Inventory::read(data).unwrap();
        let refused = inventory.check_access(&access, false).unwrap_err().to_string();
        assert!(refused.contains("is gone"), "{refused}");
        inventory.check_access(&access, true).unwrap();
        std::fs::create_dir(&access).unwrap();
        std::fs::write(access.join("FORMAT"), "").unwrap();
        inventory.check_access(&access, false).unwrap();
        std::fs::write(path(data), "keyledger parts v1\ntoken\n").unwrap();
        assert!(Inventory::read(data).unwrap_err().to_string().contains("damaged"));
    }
}
