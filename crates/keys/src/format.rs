//! The shapes of secrets: one for every kind of key that any dialect makes.

use crate::{Dialect, Environment, Kind};

/// How many characters a checksum has.
pub(crate) const CHECKSUM: usize = 6;

/// How a secret is spelled: a literal, then random characters, then perhaps a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What every key of this format begins with.
    pub literal: &'static str,
    /// How the random part is spelled.
    pub(crate) alphabet: Alphabet,
    /// Characters of the random part.
    pub(crate) random: usize,
    /// Characters of the random part that may be shown.
    pub(crate) shown: usize,
    /// Whether a CRC-32 of everything before it ends the key, as 6 base62 characters.
    pub(crate) checksum: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// `0-9A-Za-z`.
    Base62,
    /// `0-9a-f`.
    Hex,
    /// The text of a UUID version 4.
    Uuid,
}

const fn base62(literal: &'static str, random: usize, shown: usize) -> Format {
    Format { literal, alphabet: Alphabet::Base62, random, shown, checksum: false }
}

const fn hex(literal: &'static str, random: usize, shown: usize) -> Format {
    Format { literal, alphabet: Alphabet::Hex, random, shown, checksum: false }
}

const fn native(literal: &'static str) -> Format {
    Format { literal, alphabet: Alphabet::Base62, random: 26, shown: 6, checksum: true }
}

const NATIVE_LIVE: Format = native("kl_live_");
const NATIVE_SANDBOX: Format = native("kl_sandbox_");
const NATIVE_PUBLIC: Format = native("kl_pub_");
const COVOSIGN_LIVE: Format = base62("csk_live_", 38, 16);
const COVOSIGN_SANDBOX: Format = base62("csk_sandbox_", 36, 14);
const CALLCOV_LIVE: Format = base62("sk_live_", 48, 6);
const CALLCOV_SANDBOX: Format = base62("sk_test_", 48, 6);
const CLOUDSIGMA: Format = hex("csk_live_", 32, 8);
const CAPGO: Format =
    Format { literal: "ak_", alphabet: Alphabet::Uuid, random: 36, shown: 5, checksum: false };
const COMPOSABLE_SECRET: Format = hex("sk-", 48, 8);
const COMPOSABLE_PUBLIC: Format = hex("pk-", 48, 8);

impl Format {
    /// All formats with a checksum, by which a mistyped key is known without a lookup.
    pub(crate) const CHECKED: &[Format] = &[NATIVE_LIVE, NATIVE_SANDBOX, NATIVE_PUBLIC];

    /// All formats without one.
    pub(crate) const UNCHECKED: &[Format] = &[
        COVOSIGN_LIVE,
        COVOSIGN_SANDBOX,
        CALLCOV_LIVE,
        CALLCOV_SANDBOX,
        CAPGO,
        COMPOSABLE_SECRET,
        COMPOSABLE_PUBLIC,
    ];

    /// All formats of keys that are secrets.
    pub(crate) const SECRET: &[Format] = &[
        NATIVE_LIVE,
        NATIVE_SANDBOX,
        COVOSIGN_LIVE,
        COVOSIGN_SANDBOX,
        CALLCOV_LIVE,
        CALLCOV_SANDBOX,
        CLOUDSIGMA,
        CAPGO,
        COMPOSABLE_SECRET,
    ];

    /// How long a key of this format is.
    pub(crate) fn length(&self) -> usize {
        self.literal.len() + self.random + if self.checksum { CHECKSUM } else { 0 }
    }

    /// Whether the random part may have this character.
    pub(crate) fn is_spelled_with(&self, byte: u8) -> bool {
        match self.alphabet {
            Alphabet::Base62 => byte.is_ascii_alphanumeric(),
            Alphabet::Hex => byte.is_ascii_hexdigit(),
            Alphabet::Uuid => byte.is_ascii_hexdigit() || byte == b'-',
        }
    }

    /// The format of the keys that `dialect` makes.
    #[must_use]
    pub fn of(dialect: Dialect, kind: Kind, environment: Environment) -> Format {
        match (dialect, kind, environment) {
            (Dialect::Native, Kind::Public, _) => NATIVE_PUBLIC,
            (Dialect::Native, Kind::Secret, Environment::Live) => NATIVE_LIVE,
            (Dialect::Native, Kind::Secret, Environment::Sandbox) => NATIVE_SANDBOX,
            (Dialect::Covosign, _, Environment::Live) => COVOSIGN_LIVE,
            (Dialect::Covosign, _, Environment::Sandbox) => COVOSIGN_SANDBOX,
            (Dialect::Callcov, _, Environment::Live) => CALLCOV_LIVE,
            (Dialect::Callcov, _, Environment::Sandbox) => CALLCOV_SANDBOX,
            (Dialect::Cloudsigma, _, _) => CLOUDSIGMA,
            (Dialect::Capgo, _, _) => CAPGO,
            (Dialect::Composable, Kind::Secret, _) => COMPOSABLE_SECRET,
            (Dialect::Composable, Kind::Public, _) => COMPOSABLE_PUBLIC,
        }
    }
}
