//! `parts`: what belonged to a data directory when it was last served, so that what is gone since
//! is missed. Without it, a part that was deleted would be made anew without a word.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use eventlog::files;
use server::token::TokenVerifier;

/// What the file begins with.
const FIRST_LINE: &str = "keyledger parts v1";

/// What a data directory has beside its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// The public half of the key in `token.key`, in hexadecimal digits.
    token: Option<String>,
    /// Whether there is an access journal.
    access: bool,
}

impl Inventory {
    /// What there was. Nothing if nobody knows: a directory of an earlier version, or a new one.
    pub(crate) fn read(data: &Path) -> Result<Inventory> {
        let path = path(data);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Inventory::default());
            }
            text => text.with_context(|| format!("`{}` cannot be read", path.display()))?,
        };
        let parts = decode(&text);
        parts.with_context(|| format!("`{}` is damaged; remove it", path.display()))
    }

    /// Says in the log that tokens of the key before this one are no longer taken.
    pub(crate) fn warn_of_token_key(&self, now: &TokenVerifier) {
        let now = hex::encode(now.public_key());
        if self.token.as_ref().is_some_and(|before| *before != now) {
            tracing::warn!(
                "token.key is not the one of the last start: tokens made with that one are refused"
            );
        }
    }

    /// Refuses an access journal that is gone, unless the operator accepts that.
    pub(crate) fn check_access(&self, access: &Path, accept: bool) -> Result<()> {
        let there = access
            .join("FORMAT")
            .try_exists()
            .with_context(|| format!("`{}` cannot be read; look at the disk", access.display()))?;
        if self.access && !there && !accept {
            bail!(
                "`{}` is gone, the journal of who read the trail; restore it from a backup, or \
                 start once with --accept-rollback, which begins a new one",
                access.display()
            );
        }
        Ok(())
    }

    /// Remembers what there is now.
    pub(crate) fn keep(&self, data: &Path, token: &TokenVerifier) -> Result<()> {
        let now = Inventory { token: Some(hex::encode(token.public_key())), access: true };
        if now == *self {
            return Ok(());
        }
        let path = path(data);
        files::replace(&path, encode(&now).as_bytes())
            .with_context(|| format!("`{}` cannot be written; look at the disk", path.display()))
    }
}

fn encode(parts: &Inventory) -> String {
    let token = parts.token.as_ref().map(|token| format!("token {token}\n"));
    let access = if parts.access { "access\n" } else { "" };
    format!("{FIRST_LINE}\n{}{access}", token.unwrap_or_default())
}

/// Reads what [`encode`] wrote, and nothing else.
fn decode(text: &str) -> Option<Inventory> {
    let mut parts = Inventory::default();
    for line in text.strip_prefix(FIRST_LINE)?.lines().skip(1) {
        match line.split_once(' ') {
            Some(("token", token)) => parts.token = Some(token.to_owned()),
            None if line == "access" => parts.access = true,
            _ => return None,
        }
    }
    (encode(&parts) == text).then_some(parts)
}

fn path(data: &Path) -> PathBuf {
    data.join("parts")
}

#[cfg(test)]
mod tests {
    use server::token::TokenKey;

    use super::*;

    #[test]
    fn what_is_gone_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let (data, access) = (folder.path(), folder.path().join("access"));
        let token = TokenKey::from_seed(&[7; 32]).verifier();
        let parts = Inventory::read(data).unwrap();
        assert_eq!(parts, Inventory::default());
        parts.check_access(&access, false).unwrap();
        parts.keep(data, &token).unwrap();
        let parts = Inventory::read(data).unwrap();
        let refused = parts.check_access(&access, false).unwrap_err().to_string();
        assert!(refused.contains("is gone"), "{refused}");
        parts.check_access(&access, true).unwrap();
        std::fs::create_dir(&access).unwrap();
        std::fs::write(access.join("FORMAT"), "").unwrap();
        parts.check_access(&access, false).unwrap();
        std::fs::write(path(data), "keyledger parts v1\ntoken\n").unwrap();
        assert!(Inventory::read(data).unwrap_err().to_string().contains("damaged"));
    }
}
