//! capgo: keys of an organisation, spelled as a UUID.

use super::Definition;
use crate::format::{Alphabet, Format, Formats};

pub(super) const DEFINITION: Definition =
    Definition::new("capgo", Formats::one(Format::new("ak_", Alphabet::Uuid, 36, 5)));
