//! How the file with the rules of accounts is, for metrics and `/readyz`. Who reads it, says so here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How the file with the rules of accounts is. Without such a file it is in order and empty.
#[derive(Debug, Default)]
pub struct AccountsFile {
    /// Whether it cannot be used as it is: the rules of before hold.
    unusable: AtomicBool,
    accounts: AtomicU64,
    reloads: AtomicU64,
}

impl AccountsFile {
    /// The file has rules for so many accounts, `*` included.
    pub fn loaded(&self, accounts: usize) {
        self.accounts.store(accounts as u64, Ordering::Relaxed);
        self.usable();
    }

    /// It has other rules than before.
    pub fn reloaded(&self, accounts: usize) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.loaded(accounts);
    }

    /// The file can be used as it is.
    pub fn usable(&self) {
        self.unusable.store(false, Ordering::Relaxed);
    }

    /// The file cannot be used as it is.
    pub fn unusable(&self) {
        self.unusable.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_usable(&self) -> bool {
        !self.unusable.load(Ordering::Relaxed)
    }

    /// How many accounts have rules, and how often since the start they were replaced.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.accounts.load(Ordering::Relaxed), self.reloads.load(Ordering::Relaxed))
    }
}
