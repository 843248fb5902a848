//! Tokens whose bearers were erased.

use std::sync::{Arc, Weak};

use keys::Subject;

use super::super::row::TokenRow;
use super::Table;
use crate::record::token::OwnToken;

impl Table {
    /// Whether it was ended, and its bearer was erased since.
    pub(in super::super) fn was_of_erased(&self, token: &OwnToken) -> bool {
        !self.ended_of_erased.is_empty()
            && self.ended_of_erased.contains_key(&token.mac(&self.keyring))
    }

    /// Forgets a subject: its tokens are as if they had never been seen, but those that were ended
    /// stay so.
    pub(in super::super) fn erase(&mut self, subject: &Subject) {
        let rows = self.rows.values().map(|entry| Arc::clone(&entry.row));
        let unlisted = self.unlisted.iter().filter_map(Weak::upgrade);
        let of_subject = |row: &Arc<TokenRow>| row.token.subject == *subject;
        let rows: Vec<_> = rows.chain(unlisted).filter(of_subject).collect();
        for row in rows {
            if let Some(at) = row.ended_at() {
                self.ended_of_erased.insert(row.token.mac(&self.keyring), at);
            }
            self.remove(&row.token.jti);
            // Who remembers it must see its end.
            self.remember_unlisted(&row);
        }
        let Table { rows, unrecorded, .. } = self;
        unrecorded.retain(|jti| rows.contains_key(jti));
    }
}
