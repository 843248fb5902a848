//! The dialects: the APIs through which keys are made.
//!
//! A dialect is one value: a file below this one that says how its keys are spelled and what holds
//! for them, and a line in the list. How its API looks over HTTP is no business of this crate.

mod callcov;
mod capgo;
mod cloudsigma;
mod composable;
mod covosign;
mod native;

use std::fmt;
use std::str::FromStr;

use crate::format::{Format, Formats};
use crate::invalid::Invalid;
use crate::kind::{Environment, Kind};

/// All that the domain knows of one dialect.
#[derive(Debug)]
struct Definition {
    /// Its name in answers, filters and paths.
    name: &'static str,
    /// How its keys are spelled.
    formats: Formats,
    /// See [`Dialect::most_active`].
    most_active: Option<u32>,
    /// See [`Dialect::lists_by_owner`].
    lists_by_owner: bool,
    /// See [`Dialect::unique_prefix`].
    unique_prefix: bool,
}

impl Definition {
    /// Without a limit, and with keys that are listed by account and named by their id.
    const fn new(name: &'static str, formats: Formats) -> Definition {
        Definition { name, formats, most_active: None, lists_by_owner: false, unique_prefix: false }
    }
}

/// Defines the enum and its list of definitions.
macro_rules! dialects {
    ($($(#[$doc:meta])* $variant:ident = $module:ident),+ $(,)?) => {
        /// The API through which something was requested; the native one is one of them.
        ///
        /// ```
        /// use keys::{Dialect, Environment, Kind};
        ///
        /// let dialect: Dialect = "callcov".parse()?;
        /// assert_eq!(dialect.most_active(), Some(10));
        /// assert_eq!(dialect.format(Kind::Secret, Environment::Live).literal, "sk_live_");
        /// # Ok::<(), keys::Invalid>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Dialect { $($(#[$doc])* $variant),+ }

        impl Dialect {
            /// Every dialect, in the order of the numbers that records hold.
            pub const ALL: &[Dialect] = &[$(Dialect::$variant),+];

            const NAMES: &[&str] = &[$($module::DEFINITION.name),+];

            const fn definition(self) -> &'static Definition {
                match self { $(Dialect::$variant => &$module::DEFINITION),+ }
            }
        }
    };
}

// Records hold the place in this list: a new dialect is a new line at the end.
dialects!(
    /// keyledger's own API.
    Native = native,
    /// covosign's.
    Covosign = covosign,
    /// callcov's.
    Callcov = callcov,
    /// cloudsigma's.
    Cloudsigma = cloudsigma,
    /// capgo's.
    Capgo = capgo,
    /// composable's.
    Composable = composable,
);

impl Dialect {
    /// Its name, as answers, filters and paths have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.definition().name
    }

    /// How its keys of one kind are spelled in one environment.
    #[must_use]
    pub const fn format(self, kind: Kind, environment: Environment) -> Format {
        self.definition().formats.of(kind, environment)
    }

    /// The most active keys that one owner may have of this dialect, rotations included.
    #[must_use]
    pub const fn most_active(self) -> Option<u32> {
        self.definition().most_active
    }

    /// Whether a list shows one owner's keys, and not those of the whole account.
    #[must_use]
    pub const fn lists_by_owner(self) -> bool {
        self.definition().lists_by_owner
    }

    /// Whether a key's shown prefix is its handle, so that no two keys may share one.
    #[must_use]
    pub const fn unique_prefix(self) -> bool {
        self.definition().unique_prefix
    }
}

impl FromStr for Dialect {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Dialect, Invalid> {
        let found = Dialect::ALL.iter().find(|dialect| dialect.as_str() == text);
        found.copied().ok_or(Invalid::UnknownWord(Dialect::NAMES))
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The formats of all secret keys. Alike ones stand more than once.
pub(crate) const SECRET_FORMATS: [Format; 2 * Dialect::ALL.len()] = formats(Kind::Secret);

/// The formats of all public keys. Alike ones stand more than once.
pub(crate) const PUBLIC_FORMATS: [Format; 2 * Dialect::ALL.len()] = formats(Kind::Public);

/// Every format of every dialect.
pub(crate) fn all_formats() -> impl Iterator<Item = &'static Format> {
    const { &SECRET_FORMATS }.iter().chain(const { &PUBLIC_FORMATS })
}

#[expect(clippy::indexing_slicing, reason = "at compile time: a wrong index does not compile")]
const fn formats(kind: Kind) -> [Format; 2 * Dialect::ALL.len()] {
    let mut formats = [Dialect::Native.format(kind, Environment::Live); 2 * Dialect::ALL.len()];
    let mut at = 0;
    while at < Dialect::ALL.len() {
        formats[2 * at] = Dialect::ALL[at].format(kind, Environment::Live);
        formats[2 * at + 1] = Dialect::ALL[at].format(kind, Environment::Sandbox);
        at += 1;
    }
    formats
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records hold these numbers, and requests these names.
    #[test]
    fn names_and_numbers_stay() {
        let names: Vec<_> = Dialect::ALL.iter().map(|dialect| dialect.as_str()).collect();
        let stored = ["native", "covosign", "callcov", "cloudsigma", "capgo", "composable"];
        assert_eq!(names, stored);
        assert_eq!(Dialect::NAMES, stored);
        for (number, dialect) in Dialect::ALL.iter().enumerate() {
            assert_eq!(*dialect as usize, number);
            assert_eq!(dialect.as_str().parse(), Ok(*dialect));
        }
        assert_eq!(
            "nativ".parse::<Dialect>().unwrap_err().to_string(),
            "must be one of: native covosign callcov cloudsigma capgo composable"
        );
    }
}
