//! keyledger's own API: keys with a checksum, each kind and environment with a prefix of its own.

use super::Definition;
use crate::format::{Alphabet, Format, Formats, PerEnvironment};

const fn format(literal: &'static str) -> Format {
    Format::new(literal, Alphabet::Base62, 26, 6).checked()
}

pub(super) const DEFINITION: Definition = Definition::new(
    "native",
    Formats {
        secret: PerEnvironment { live: format("kl_live_"), sandbox: format("kl_sandbox_") },
        public: PerEnvironment { live: format("kl_pub_"), sandbox: format("kl_pub_") },
    },
);
