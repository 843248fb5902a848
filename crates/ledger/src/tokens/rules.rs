//! Which tokens that were never seen are ended: what was said of whole ranges of them.
//!
//! A rule is forgotten when every token that it ends is past its time.

use hashbrown::HashMap;
use keys::{Account, Timestamp};

use crate::caller::Roles;
use crate::keyring::{Keyring, Mac};
use crate::record::token::{OwnToken, TokenRange, subject_mac};

/// Whose tokens a rule is about: of an account (`None` is any), of a subject (`None` is any), which is
/// named by its MAC: the rule holds though the subject was erased.
type Whose = (Option<Account>, Option<Mac>);

/// All rules.
#[derive(Default)]
pub(super) struct Rules {
    rules: HashMap<Whose, Vec<Limit>>,
    of_account: HashMap<Option<Account>, usize>,
}

/// Tokens that give none but `roles` had to be made at `issued_before` or later.
struct Limit {
    roles: Roles,
    issued_before: Timestamp,
}

impl Rules {
    /// Adds a rule about the subject of that MAC. One that says less of the same is replaced.
    pub(super) fn add(&mut self, range: &TokenRange, mac: Option<Mac>) {
        let TokenRange { account, subject: _, issued_before, roles } = range;
        let limits = self.rules.entry((account.clone(), mac)).or_insert_with(|| {
            *self.of_account.entry(account.clone()).or_default() += 1;
            Vec::new()
        });
        match limits.iter_mut().find(|limit| limit.roles == *roles) {
            Some(limit) => limit.issued_before = limit.issued_before.max(*issued_before),
            None => limits.push(Limit { roles: *roles, issued_before: *issued_before }),
        }
    }

    /// Whether there is one of the same subject and account.
    pub(super) fn has_like(&self, range: &TokenRange, keyring: &Keyring) -> bool {
        self.rules.contains_key(&(range.account.clone(), range.mac(keyring)))
    }

    /// From when on a token like this one must have been made; `None` if no rule is about it.
    pub(super) fn earliest(&self, token: &OwnToken, keyring: &Keyring) -> Option<Timestamp> {
        if self.rules.is_empty() {
            return None;
        }
        let (account, subject) =
            (token.account.clone(), Some(subject_mac(&token.subject, keyring)));
        let mut whose = vec![(None, None), (None, subject)];
        if account.is_some() {
            whose.extend([(account.clone(), None), (account, subject)]);
        }
        let limits = whose.iter().filter_map(|whose| self.rules.get(whose)).flatten();
        let about = limits.filter(|limit| limit.roles.includes(token.roles));
        about.map(|limit| limit.issued_before).max()
    }

    /// Forgets those whose tokens were made before `oldest`.
    pub(super) fn forget(&mut self, oldest: Timestamp) {
        let Rules { rules, of_account } = self;
        rules.retain(|(account, _), limits| {
            limits.retain(|limit| limit.issued_before > oldest);
            if limits.is_empty()
                && let Some(count) = of_account.get_mut(account)
            {
                *count -= 1;
            }
            !limits.is_empty()
        });
        of_account.retain(|_, count| *count > 0);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    /// How many are of `account`.
    pub(super) fn of(&self, account: Option<&Account>) -> usize {
        self.of_account.get(&account.cloned()).copied().unwrap_or(0)
    }
}
