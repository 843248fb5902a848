//! How many keys of an account are alive, counted only in batches where a rule depends on it.

use hashbrown::HashMap;
use keys::{Account, Event, KeyId, Policy, Status};

use super::{Batch, Drafted};
use crate::error::Error;
use crate::record::Link;

/// The most due keys that are looked at to make room for a new one.
const MOST_DUE: usize = 1_000;

impl Batch<'_> {
    /// Keys of the account that are enabled or disabled as recorded, if that matters.
    pub(super) fn account_alive(&mut self, policy: &Policy, account: &Account) -> u64 {
        if policy.account_alive.is_none() {
            return 0;
        }
        if self.alive.is_none() {
            self.alive = Some(self.counted_so_far());
        }
        let delta = self.alive.as_ref().and_then(|alive| alive.get(account)).copied();
        let keys = self.state.table.account(account.as_str());
        keys.map_or(0, |keys| keys.alive_keys()).saturating_add_signed(delta.unwrap_or(0))
    }

    /// By how much the records of the batch change the number of alive keys.
    fn counted_so_far(&self) -> HashMap<Account, i64> {
        let mut alive = HashMap::new();
        let mut made: HashMap<KeyId, &Account> = HashMap::new();
        for Drafted { record, .. } in &self.drafted {
            if let Event::Created(key) = &record.event {
                made.insert(key.id, &key.account);
            }
            let own = &record.links.own;
            let account = match made.get(&own.key) {
                Some(account) => Some(Account::clone(account)),
                None => self.state.table.get(own.key).map(|key| key.made.account.clone()),
            };
            if let Some(account) = account {
                count(&mut alive, own, || account);
            }
        }
        alive
    }

    /// Records the ends of the account's due keys where they leave no room for a new one: whoever
    /// meets a due key records that first.
    pub(super) fn expire_for_room(
        &mut self,
        policy: &Policy,
        account: &Account,
        dry_run: bool,
    ) -> Result<(), Error> {
        let Some(most) = policy.account_alive else { return Ok(()) };
        if dry_run || self.account_alive(policy, account) < most {
            return Ok(());
        }
        for id in self.state.table.due(self.now, MOST_DUE) {
            let key = self.state.table.get(id).filter(|key| key.made.account == *account);
            if let Some(key) = key {
                self.expire_if_due(&key, dry_run)?;
            }
        }
        Ok(())
    }
}

/// Counts what a record does to a key, as its link says.
pub(super) fn count(
    alive: &mut HashMap<Account, i64>,
    link: &Link,
    account: impl FnOnce() -> Account,
) {
    let step = match (link.before.is_some_and(Status::is_alive), link.after.is_alive()) {
        (false, true) => 1,
        (true, false) => -1,
        (true, true) | (false, false) => return,
    };
    *alive.entry(account()).or_default() += step;
}

#[cfg(test)]
#[path = "alive_tests.rs"]
mod tests;
