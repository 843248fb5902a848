//! Whether a new key fits.

use keys::{Digest, Kind, NewKey};

use super::authority::About;
use super::{Auditor, Extent, Violation};
use crate::record::{Link, Record};

impl Auditor {
    /// Whether the parts of a new key fit each other, the record, and the keys before it.
    pub(super) fn fits(&self, record: &Record, made: &NewKey) -> Result<(), Violation> {
        let first = Link::first(made.id);
        if record.links.own != first {
            return Err(Violation::Link { key: made.id, field: "beginning" });
        }
        self.may_act(record, &About { account: &made.account, owner: Some(&made.owner) })?;
        if made.replaces.is_none() && made.dialect != record.dialect {
            return Err(Violation::Key("is of another dialect than the request"));
        }
        let public = made.public_value.as_deref().map(Digest::of);
        if public.is_some() != (made.kind == Kind::Public) {
            return Err(Violation::Key("is public without its text, or secret with it"));
        }
        if public.is_some_and(|digest| digest != made.digest) {
            return Err(Violation::Key("has a digest that is not that of its text"));
        }
        if self.lookups.knows_digest(&made.digest) {
            return Err(Violation::Key("has the digest of an earlier one"));
        }
        let expected = match (&self.extent, self.lookups.last_number(&made.account)) {
            (Extent::Whole | Extent::Account, None) => 1,
            (Extent::Part(_), None) | (Extent::Key, _) => made.number,
            (Extent::Whole | Extent::Account | Extent::Part(_), Some(last)) => {
                last.saturating_add(1)
            }
        };
        if made.number != expected {
            return Err(Violation::Number { expected, found: made.number });
        }
        Ok(())
    }
}
