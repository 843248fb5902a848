//! The keys of a person in all accounts: those that it has, and those that it had. Memory only.

use keys::{Account, Subject};

use crate::caller::{Caller, Role};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Page;
use crate::projection::key_view::KeyView;
use crate::read::query::{MOST_LOOKED_AT, SLICE};

/// Who may look at all that there is about a person.
const PERSONS: &[Role] = &[Role::Admin];

impl Ledger {
    /// The accounts in which `subject` has a key, or ever had one, a page from a place on (0 is the
    /// start). A page can be short, even empty, and not the last: `next` says.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for admins of all accounts.
    pub fn accounts_of(
        &self,
        caller: &Caller,
        subject: &Subject,
        from: usize,
    ) -> Result<Page<Account, usize>, Error> {
        caller.require_all(PERSONS)?;
        let table = &self.state().table;
        let (mut items, mut place) = (Vec::new(), from);
        while place < from.saturating_add(MOST_LOOKED_AT) {
            self.still_wanted()?;
            let slice = table.slice(place, SLICE);
            if slice.is_empty() {
                return Ok(Page { items, next: None });
            }
            place += slice.len();
            // Each account has one first key, which stands for it.
            let accounts = slice.iter().filter(|key| key.made.number == 1);
            let accounts = accounts.map(|key| &key.made.account).filter(|name| {
                table.account(name.as_str()).is_some_and(|keys| keys.knows(subject))
            });
            items.extend(accounts.cloned());
        }
        Ok(Page { items, next: Some(place) })
    }

    /// The keys of one account that `subject` has or had, a page behind the one with the number
    /// `after` (0 is the start).
    ///
    /// # Errors
    ///
    /// As [`Ledger::accounts_of`].
    pub fn keys_had(
        &self,
        caller: &Caller,
        account: &Account,
        subject: &Subject,
        after: u64,
        limit: usize,
    ) -> Result<Page<KeyView, u64>, Error> {
        caller.require_all(PERSONS)?;
        let keys = self.state().table.account(account.as_str());
        let keys = keys.map(|keys| keys.owned_behind(subject, after, limit)).unwrap_or_default();
        let now = self.judged_at();
        let next = keys.last().map(|last| last.made.number).filter(|_| keys.len() == limit);
        let items = keys.iter().map(|key| KeyView::present(key, now)).collect();
        Ok(Page { items, next })
    }

    /// How many keys `subject` has in all accounts. Looks at every key.
    ///
    /// # Errors
    ///
    /// As [`Ledger::accounts_of`].
    pub fn count_keys_of(&self, caller: &Caller, subject: &Subject) -> Result<usize, Error> {
        let (mut count, mut from) = (0, Some(0));
        while let Some(place) = from {
            let page = self.accounts_of(caller, subject, place)?;
            let keys =
                page.items.iter().filter_map(|name| self.state().table.account(name.as_str()));
            count += keys.map(|keys| keys.len_owned(subject)).sum::<usize>();
            from = page.next;
        }
        Ok(count)
    }
}

#[cfg(test)]
#[path = "person_tests.rs"]
mod tests;
