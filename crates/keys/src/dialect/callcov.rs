//! callcov: keys of one user, of which at most ten are active.

use super::Definition;
use crate::format::{Alphabet, Format, Formats};

pub(super) const DEFINITION: Definition = Definition {
    most_active: Some(10),
    lists_by_owner: true,
    ..Definition::new(
        "callcov",
        Formats::by_environment(
            Format::new("sk_live_", Alphabet::Base62, 48, 6),
            Format::new("sk_test_", Alphabet::Base62, 48, 6),
        ),
    )
};
