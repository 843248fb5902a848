//! The rules of accounts while the service runs: read from their file, and again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use keys::RulesByAccount;
use ledger::Ledger;
use server::{AccountsFile, FileError, read_file, watch_file};

use crate::accounts_file::parse;

/// How often it is logged that the file cannot be used.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The file, and what was last read from it.
pub(super) struct AccountsWatch {
    path: PathBuf,
    status: Arc<AccountsFile>,
    /// Its bytes when the rules that hold were read.
    bytes: Vec<u8>,
    /// Other bytes that were found the last time: they count when they are found again, because an
    /// editor may be at work on them.
    found: Option<Vec<u8>>,
    /// Why it could not be used the last time, and when that was last logged.
    failed: Option<(String, Instant)>,
}

impl AccountsWatch {
    /// Reads the file for the first time.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is wrong; the error names the place.
    pub(super) fn read(path: &Path) -> Result<(AccountsWatch, RulesByAccount)> {
        let named = || format!("--accounts `{}`", path.display());
        let bytes = read_file(path).with_context(named)?;
        let rules = parse(&bytes).with_context(named)?;
        let status = Arc::new(AccountsFile::default());
        status.loaded(count(&rules));
        let path = path.to_path_buf();
        Ok((AccountsWatch { path, status, bytes, found: None, failed: None }, rules))
    }

    /// How the file is.
    pub(super) fn status(&self) -> Arc<AccountsFile> {
        Arc::clone(&self.status)
    }

    /// Has the ledger judge by what the file says, for ever.
    pub(super) async fn keep(mut self, ledger: Ledger) {
        watch_file(self.path.clone(), "accounts", |found| {
            if let Some(rules) = self.take(found, Instant::now()) {
                ledger.set_account_rules(rules);
            }
        })
        .await;
    }

    /// Looks at the result of a read. Other rules, if the file has them.
    fn take(&mut self, found: Result<Vec<u8>, FileError>, now: Instant) -> Option<RulesByAccount> {
        let bytes = match found {
            Ok(bytes) => bytes,
            Err(error) => {
                self.fail(error.to_string(), now);
                return None;
            }
        };
        if bytes == self.bytes {
            self.found = None;
            self.recover();
            return None;
        }
        if self.found.as_ref() != Some(&bytes) {
            self.found = Some(bytes);
            return None;
        }
        match parse(&bytes) {
            Ok(rules) => {
                let accounts = count(&rules);
                tracing::info!(accounts, "the rules of accounts were read again");
                (self.bytes, self.found, self.failed) = (bytes, None, None);
                self.status.reloaded(accounts);
                Some(rules)
            }
            Err(wrong) => {
                self.fail(wrong.to_string(), now);
                None
            }
        }
    }

    /// The file cannot be used now: the rules of before hold.
    fn fail(&mut self, why: String, now: Instant) {
        self.status.unusable();
        let is_logged = self.failed.as_ref().is_some_and(|(before, at)| {
            *before == why && now.saturating_duration_since(*at) < LOG_EVERY
        });
        if is_logged {
            return;
        }
        let path = self.path.display();
        tracing::error!(%path, why, "the file with the rules of accounts cannot be used: those of before hold");
        self.failed = Some((why, now));
    }

    /// The file is again as it was when the rules that hold were read.
    fn recover(&mut self) {
        if self.failed.take().is_some() {
            tracing::info!("the file with the rules of accounts is in order again");
            self.status.usable();
        }
    }
}

/// How many accounts have rules, `*` included.
fn count(rules: &RulesByAccount) -> usize {
    rules.named.len() + usize::from(rules.others.is_some())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// What is read in turn, each with the number of keys that the new rules allow, if there are
    /// any, and whether something is wrong with the file afterwards.
    #[test]
    fn other_rules_hold_when_they_were_found_twice_and_are_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.toml");
        std::fs::write(&path, "[\"*\"]\nmax_active_keys = 1\n").unwrap();
        let (mut watch, rules) = AccountsWatch::read(&path).unwrap();
        let most =
            |rules: &RulesByAccount| rules.others.as_ref().and_then(|all| all.max_active_keys);
        assert_eq!(most(&rules), Some(1));
        let file = |most: u64| format!("[\"*\"]\nmax_active_keys = {most}\n");
        let now = Instant::now();
        let table: [(Option<String>, Option<u64>, bool); 14] = [
            (Some(file(1)), None, false),
            (Some(file(2)), None, false),
            (Some(file(2)), Some(2), false),
            (Some(file(2)), None, false),
            // Cut short for a moment, as some editors do it.
            (Some(String::new()), None, false),
            (Some(file(3)), None, false),
            (Some(file(3)), Some(3), false),
            (Some("[acme".to_owned()), None, false),
            (Some("[acme".to_owned()), None, true),
            (Some(file(3)), None, false),
            (None, None, true),
            (Some(file(4)), None, true),
            (Some(file(4)), Some(4), false),
            (None, None, true),
        ];
        for (step, (found, want, wrong)) in table.into_iter().enumerate() {
            let gone = || FileError::Io(io::Error::from(io::ErrorKind::NotFound));
            let taken = watch.take(found.map(String::into_bytes).ok_or_else(gone), now);
            assert_eq!(taken.as_ref().and_then(most), want, "{step}");
            assert_eq!(watch.failed.is_some(), wrong, "{step}");
        }
    }

    #[test]
    fn a_file_that_is_wrong_at_the_start_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.toml");
        std::fs::write(&path, "[acme]\nmax = 1\n").unwrap();
        let error = format!("{:#}", AccountsWatch::read(&path).err().unwrap());
        assert!(error.contains("accounts.toml") && error.contains("line 2"), "{error}");
    }
}
