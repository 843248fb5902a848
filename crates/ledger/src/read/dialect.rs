//! Queries that only dialects need: a key as a caller, keys by number, prefix and owner.

use keys::{Account, Dialect, Digest, KeyId, Status};
use std::net::IpAddr;

use crate::caller::{Caller, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Page;
use crate::projection::key_view::KeyView;
use crate::projection::table::Key;
use crate::write::request::RequestOptions;

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
        let now = self.judged_at();
        let view = KeyView::present(&key, now);
        let good = key.made.dialect == dialect
            && view.status == Status::Enabled
            && view.key.allowed_ips.allows(ip);
        good.then_some(view)
    }

    /// The id of the key with this text, made by `dialect`, if the caller sees it.
    #[must_use]
    pub fn id_by_text(&self, caller: &Caller, dialect: Dialect, text: &str) -> Option<KeyId> {
        let grant = caller.require(READ).ok()?;
        let key = self.state().table.by_digest(&Digest::of_presented(text)?)?;
        let seen = key.made.dialect == dialect && grant.covers(&key.attributes());
        seen.then_some(key.made.id)
    }

    /// The id of an account's key with this number, if the caller sees it.
    #[must_use]
    pub fn id_by_number(&self, caller: &Caller, account: &Account, number: u64) -> Option<KeyId> {
        let grant = caller.require(READ).ok()?;
        let key = self.state().table.account(account.as_str())?.numbered(number)?;
        grant.covers(&key.attributes()).then_some(key.made.id)
    }

    /// The id of a key with this shown prefix, made by `dialect`, if the caller sees it.
    #[must_use]
    pub fn id_by_prefix(&self, caller: &Caller, dialect: Dialect, prefix: &str) -> Option<KeyId> {
        let grant = caller.require(READ).ok()?;
        let seen = |key: &Key| key.made.dialect == dialect && grant.covers(&key.attributes());
        Some(self.state().table.by_prefix(prefix, seen)?.made.id)
    }

    /// A page of the keys that `dialect` made in `account` and that are not revoked, in the order
    /// they were made, behind the one with the number `after`: the caller's own where the dialect
    /// lists by owner or the caller sees no others, else everybody's. A page can be short, even
    /// empty, and not the last: `next` says.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn keys_of_dialect(
        &self,
        caller: &Caller,
        dialect: Dialect,
        account: &Account,
        after: u64,
        limit: usize,
    ) -> Result<Page<KeyView, u64>, Error> {
        let grant = caller.require(READ)?.within(Some(account));
        let keys = self.state().table.account(account.as_str());
        let (Some(grant), Some(keys)) = (grant, keys) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let mut found = match grant.owner() {
            Some(owner) if !dialect.lists_by_owner() => keys.owned_behind(owner, after, limit),
            Some(_) | None => keys.of_dialect(dialect, &caller.identity.subject, after, limit),
        };
        let next = found.last().filter(|_| found.len() == limit).map(|last| last.made.number);
        found.retain(|key| {
            key.made.dialect == dialect
                && grant.covers(&key.attributes())
                && key.state().status != Status::Revoked
        });
        let now = self.judged_at();
        let items = found.iter().map(|key| KeyView::present(key, now)).collect();
        Ok(Page { items, next })
    }

    /// One key that `dialect` made.
    ///
    /// # Errors
    ///
    /// [`UnknownKey`](keys::Refusal::UnknownKey) also for a key of another dialect, or that the caller does not see.
    pub fn key_of_dialect(
        &self,
        caller: &Caller,
        dialect: Dialect,
        id: KeyId,
    ) -> Result<KeyView, Error> {
        let grant = caller.require(READ)?;
        let options = RequestOptions { only: Some(dialect), ..RequestOptions::default() };
        let key = self.find(grant, id, &options)?;
        Ok(KeyView::present(&key, self.judged_at()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eventlog::Log;
    use eventlog::memory::MemoryLog;
    use keys::{Revocation, Subject};

    use crate::testing::{ManualClock, caller, draft, open, owner};
    use crate::{Change, KeyFilter, Role};

    use super::*;

    /// What a dialect lists is what a look at every key of the account would find, page by page,
    /// live and replayed.
    #[tokio::test]
    async fn a_dialect_lists_its_keys_that_are_not_revoked() {
        let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
        let ledger = open(&log, &clock);
        let dialects = [Dialect::Native, Dialect::Callcov, Dialect::Capgo];
        for n in 0..120_usize {
            let by = Caller { dialect: dialects[n % 3], ..owner() };
            let owner = Some(Subject::new(["ann", "bob"][n % 2]).unwrap());
            let wanted = crate::NewKeyRequest { owner, ..draft(None) };
            let made =
                ledger.create(&by, wanted, RequestOptions::default()).await.unwrap().key.key.id;
            let change = match n % 5 {
                0 => Change::Revoke(Revocation::default()),
                1 => Change::Expire,
                2 => Change::Disable,
                _ => continue,
            };
            ledger.change(&by, made, change, RequestOptions::default()).await.unwrap();
        }
        let all = ledger.keys(&owner(), &KeyFilter::default(), 0, 500).unwrap().items;
        let account = Account::new("acme").unwrap();
        for ledger in [ledger, open(&log, &clock)] {
            for (dialect, by_owner) in
                [(Dialect::Callcov, true), (Dialect::Capgo, false), (Dialect::Composable, false)]
            {
                // The caller is ann.
                let expected = all.iter().filter(|view| {
                    view.key.dialect == dialect
                        && view.status != Status::Revoked
                        && (!by_owner || view.key.owner.as_str() == "ann")
                });
                let expected: Vec<KeyId> = expected.map(|view| view.key.id).collect();
                let mut listed = Vec::new();
                let mut next = Some(0);
                while let Some(after) = next {
                    let page = ledger.keys_of_dialect(&owner(), dialect, &account, after, 3);
                    let page = page.unwrap();
                    listed.extend(page.items.iter().map(|view| view.key.id));
                    next = page.next;
                }
                assert_eq!(listed, expected, "{dialect}");
                // Who sees only its own keys has them listed where others have all.
                let user = caller(Some("acme"), Role::User);
                let own = all.iter().filter(|view| {
                    view.key.dialect == dialect
                        && view.status != Status::Revoked
                        && view.key.owner.as_str() == "ann"
                });
                let own: Vec<KeyId> = own.map(|view| view.key.id).collect();
                let (mut listed, mut next) = (Vec::new(), Some(0));
                while let Some(after) = next {
                    let page = ledger.keys_of_dialect(&user, dialect, &account, after, 3);
                    let page = page.unwrap();
                    listed.extend(page.items.iter().map(|view| view.key.id));
                    next = page.next;
                }
                assert_eq!(listed, own, "{dialect}");
                let stranger = caller(Some("umbrella"), Role::Owner);
                let none = ledger.keys_of_dialect(&stranger, dialect, &account, 0, 9);
                assert!(none.unwrap().items.is_empty());
            }
        }
    }
}
