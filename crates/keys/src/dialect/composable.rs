//! composable: secret keys and public keys.

use super::Definition;
use crate::format::{Alphabet, Format, Formats};

pub(super) const DEFINITION: Definition = Definition::new(
    "composable",
    Formats::by_kind(
        Format::new("sk-", Alphabet::Hex, 48, 8),
        Format::new("pk-", Alphabet::Hex, 48, 8),
    ),
);
