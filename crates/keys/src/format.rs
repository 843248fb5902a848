//! How the text of a key is spelled.

use crate::kind::{Environment, Kind};
use crate::secret_prefix::{self, SecretPrefix};

/// How many characters a checksum has.
pub(crate) const CHECKSUM: usize = 6;

/// How a key is spelled: a literal, then random characters, then perhaps a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What every key of this format begins with, but for a word of its account's own.
    pub literal: &'static str,
    /// What stands in place of the literal's first word.
    word: Option<SecretPrefix>,
    /// How the random part is spelled.
    pub(crate) alphabet: Alphabet,
    /// Characters of the random part.
    pub(crate) random: usize,
    /// Characters of the random part that may be shown.
    pub(crate) shown: usize,
    /// Whether a CRC-32 of everything before it ends the key, as 6 base62 characters.
    pub(crate) checksum: bool,
}

/// The characters of a key's random part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// `0-9A-Za-z`.
    Base62,
    /// `0-9a-f`.
    Hex,
    /// The text of a UUID version 4.
    Uuid,
}

impl Format {
    /// `random` characters of `alphabet` after `literal`, of which `shown` may be shown.
    pub(crate) const fn new(
        literal: &'static str,
        alphabet: Alphabet,
        random: usize,
        shown: usize,
    ) -> Format {
        Format { literal, word: None, alphabet, random, shown, checksum: false }
    }

    /// The same with a checksum at the end, by which a mistyped key is recognized without a lookup.
    pub(crate) const fn checked(self) -> Format {
        Format { checksum: true, ..self }
    }

    /// The same with a word of its account's own in place of `kl`. How the keys of dialects begin,
    /// their documents say: such a format stays as it is.
    #[must_use]
    pub fn with_prefix(self, word: SecretPrefix) -> Format {
        if self.behind_word().is_some() { Format { word: Some(word), ..self } } else { self }
    }

    /// The two parts of what keys of this format begin with.
    pub(crate) fn parts(&self) -> (&str, &str) {
        match (&self.word, self.behind_word()) {
            (Some(word), Some(rest)) => (word.as_str(), rest),
            (_, _) => ("", self.literal),
        }
    }

    /// What follows the word, in a format whose keys begin with one that an account may change.
    pub(crate) fn behind_word(&self) -> Option<&'static str> {
        self.literal.strip_prefix(secret_prefix::DEFAULT).filter(|rest| rest.starts_with('_'))
    }

    /// How long a key of this format is, with a literal that nothing stands in place of.
    pub(crate) const fn length(&self) -> usize {
        self.literal.len() + self.random_and_checksum()
    }

    /// How many characters follow what its keys begin with.
    pub(crate) const fn random_and_checksum(&self) -> usize {
        self.random + if self.checksum { CHECKSUM } else { 0 }
    }

    /// Whether the random part may have this character.
    pub(crate) fn is_spelled_with(&self, byte: u8) -> bool {
        match self.alphabet {
            Alphabet::Base62 => byte.is_ascii_alphanumeric(),
            Alphabet::Hex => byte.is_ascii_hexdigit(),
            Alphabet::Uuid => byte.is_ascii_hexdigit() || byte == b'-',
        }
    }
}

/// The formats of a dialect's keys: one for each kind and environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formats {
    pub(crate) secret: PerEnvironment,
    pub(crate) public: PerEnvironment,
}

/// The formats of one kind of key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerEnvironment {
    pub(crate) live: Format,
    pub(crate) sandbox: Format,
}

impl Formats {
    /// Every key has the same format.
    pub(crate) const fn one(format: Format) -> Formats {
        Formats::by_kind(format, format)
    }

    /// Secret keys have one format and public keys another, in both environments.
    pub(crate) const fn by_kind(secret: Format, public: Format) -> Formats {
        Formats {
            secret: PerEnvironment { live: secret, sandbox: secret },
            public: PerEnvironment { live: public, sandbox: public },
        }
    }

    /// Live keys have one format and sandbox keys another, whatever their kind.
    pub(crate) const fn by_environment(live: Format, sandbox: Format) -> Formats {
        let both = PerEnvironment { live, sandbox };
        Formats { secret: both, public: both }
    }

    /// The format of one kind of key in one environment.
    pub(crate) const fn of(&self, kind: Kind, environment: Environment) -> Format {
        let formats = match kind {
            Kind::Secret => &self.secret,
            Kind::Public => &self.public,
        };
        match environment {
            Environment::Live => formats.live,
            Environment::Sandbox => formats.sandbox,
        }
    }
}
