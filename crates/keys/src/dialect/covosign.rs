//! covosign: keys for the sandbox and for production.

use super::Definition;
use crate::format::{Alphabet, Format, Formats};

pub(super) const DEFINITION: Definition = Definition::new(
    "covosign",
    Formats::by_environment(
        Format::new("csk_live_", Alphabet::Base62, 38, 16),
        Format::new("csk_sandbox_", Alphabet::Base62, 36, 14),
    ),
);
