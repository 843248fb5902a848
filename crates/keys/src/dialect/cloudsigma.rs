//! cloudsigma: keys of one user, named by their prefix.

use super::Definition;
use crate::format::{Alphabet, Format, Formats};

pub(super) const DEFINITION: Definition = Definition {
    lists_by_owner: true,
    unique_prefix: true,
    ..Definition::new("cloudsigma", Formats::one(Format::new("csk_live_", Alphabet::Hex, 32, 8)))
};
