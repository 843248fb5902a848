//! Roles of keys, each of which holds those before it.

use keys::{KeyRole, Permission};
use ledger::Changes;

use crate::error::ApiError;

/// The roles of a dialect's keys, the weakest first. A key of one may do what those before it may;
/// a key of the last one may do everything.
#[derive(Clone, Copy)]
pub(super) struct RoleTable(pub(super) &'static [&'static str]);

/// What a key of a role has.
pub(super) struct Granted {
    pub(super) role: KeyRole,
    pub(super) permissions: Box<[Permission]>,
}

impl RoleTable {
    /// The place of a role, from 0.
    pub(super) fn place(self, word: &str) -> Option<usize> {
        self.0.iter().position(|role| *role == word)
    }

    /// The roles before and at `place`.
    pub(super) fn up_to(self, place: usize) -> RoleTable {
        RoleTable(self.0.get(..=place).unwrap_or(self.0))
    }

    /// Its words, for a sentence.
    pub(super) fn words(self) -> String {
        self.0.join(" ")
    }

    /// What a key with the role at `place` has.
    pub(super) fn grant(self, place: usize) -> Granted {
        let lawful = "a table holds roles that are permissions too";
        let role = self.0.get(place).and_then(|word| KeyRole::new(*word).ok());
        let words = if place + 1 >= self.0.len() { &["*"] } else { self.up_to(place).0 };
        let permissions: Result<_, _> = words.iter().map(|word| Permission::new(word)).collect();
        Granted {
            role: role.unwrap_or_else(|| unreachable!("{lawful}")),
            permissions: permissions.unwrap_or_else(|_| unreachable!("{lawful}")),
        }
    }

    /// Binds a rotation: a new role is one of those before and at `last`, and the permissions follow
    /// from it.
    pub(super) fn bind(self, changes: &mut Changes, last: usize) -> Result<(), ApiError> {
        if changes.permissions.is_some() {
            let rule = "follow from the role for a key of this dialect";
            return Err(ApiError::field("permissions", rule));
        }
        let Some(role) = &changes.role else { return Ok(()) };
        let allowed = self.up_to(last);
        let place = allowed.place(role.as_str()).ok_or_else(|| {
            ApiError::field("role", format_args!("must be one of: {}", allowed.words()))
        })?;
        changes.permissions = Some(self.grant(place).permissions);
        Ok(())
    }
}
