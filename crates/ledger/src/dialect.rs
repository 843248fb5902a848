//! What the dialects ask of the ledger beside the native API: keys as callers, other handles.

use std::net::IpAddr;
use std::sync::Arc;

use keys::{Account, Dialect, Digest, KeyId, Refusal, Status};

use crate::api::{Ask, Error, KeyView};
use crate::caller::Caller;
use crate::command::view;
use crate::ledger::Ledger;

impl Ledger {
    /// The key that a caller presents to prove who it is: made by `dialect`, enabled, not due,
    /// and allowed from `ip`. Anything else is nobody, and counts no use.
    #[must_use]
    pub fn presented(
        &self,
        dialect: Dialect,
        presented: &str,
        ip: Option<IpAddr>,
    ) -> Option<KeyView> {
        let digest = Digest::of_presented(presented)?;
        let key = self.state().table.by_digest(&digest)?;
        let now = self.now();
        let standing = key.state().standing;
        let good = key.made.dialect == dialect
            && standing.status_at(now) == Status::Enabled
            && key.made.allowed_ips.allows(ip);
        good.then(|| view(&key, standing, now))
    }

    /// The id of the key with this text, made by `dialect`, in an account that the caller sees.
    #[must_use]
    pub fn id_by_text(&self, caller: &Caller, dialect: Dialect, text: &str) -> Option<KeyId> {
        let key = self.state().table.by_digest(&Digest::of_presented(text)?)?;
        let seen = key.made.dialect == dialect && caller.sees(&key.made.account);
        seen.then_some(key.made.id)
    }

    /// The id of an account's key with this number.
    #[must_use]
    pub fn id_by_number(&self, account: &Account, number: u64) -> Option<KeyId> {
        Some(self.state().table.account(account.as_str())?.numbered(number)?.made.id)
    }

    /// The id of a key with this shown prefix, made by `dialect`, in an account that the caller
    /// sees.
    #[must_use]
    pub fn id_by_prefix(&self, caller: &Caller, dialect: Dialect, prefix: &str) -> Option<KeyId> {
        let seen =
            |key: &crate::table::Key| key.made.dialect == dialect && caller.sees(&key.made.account);
        Some(self.state().table.by_prefix(prefix, seen)?.made.id)
    }

    /// One key that `dialect` made, for a caller that may change keys though it may not list them.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`] also for a key of another dialect or account.
    pub fn key_of_dialect(
        &self,
        caller: &Caller,
        dialect: Dialect,
        id: KeyId,
    ) -> Result<KeyView, Error> {
        let key = self.find(caller, id, &Ask { only: Some(dialect), ..Ask::default() })?;
        let key = Arc::clone(&key);
        if caller.identity.duties.is_empty() {
            return Err(Error::Refused(Refusal::UnknownKey));
        }
        Ok(view(&key, key.state().standing, self.now()))
    }
}
