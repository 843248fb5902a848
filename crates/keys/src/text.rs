//! Bounded pieces of text: names, accounts, reasons. Holding one proves it was checked.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::Invalid;

/// A text that many keys share, behind a pointer of one word: there are several in every key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Shared(Arc<Box<str>>);

impl From<&str> for Shared {
    fn from(text: &str) -> Shared {
        Shared(Arc::new(text.into()))
    }
}

impl std::ops::Deref for Shared {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Whether all of it is printable ASCII: most of what comes is, and needs no closer look.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn check(text: &str, min: usize, max: usize) -> Result<(), Invalid> {
    let length = text.chars().count();
    if length < min || length > max {
        return Err(Invalid::new(if min == 0 {
            format!("must be at most {max} characters")
        } else {
            format!("must be between {min} and {max} characters")
        }));
    }
    if !is_plain(text) && text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(Invalid::new("must not contain control characters"));
    }
    Ok(())
}

fn check_line(text: &str, min: usize, max: usize) -> Result<(), Invalid> {
    check(text, min, max)?;
    if text.contains(['\n', '\t']) {
        return Err(Invalid::new("must not contain control characters"));
    }
    if min > 0 && text.trim().is_empty() {
        return Err(Invalid::new("must not be blank"));
    }
    Ok(())
}

fn check_slug(text: &str, min: usize, max: usize) -> Result<(), Invalid> {
    check_line(text, min, max)?;
    let slug = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if text.chars().all(slug) {
        Ok(())
    } else {
        Err(Invalid::new("must consist of letters, digits, '-', '_', '.' and ':'"))
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $kept:ident, $check:ident, $min:literal, $max:literal) => {
        $(#[$doc])*
        ///
        /// Holding one proves it was checked; a clone shares the text, unless it is very short.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($kept);

        impl $name {
            /// Checks `text` and keeps it.
            ///
            /// # Errors
            ///
            /// [`Invalid`] says which bound was broken; the text itself is not repeated.
            pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
                let text = text.as_ref();
                $check(text, $min, $max)?;
                Ok(Self($kept::from(text)))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text!(
    /// The tenant that a key belongs to: 1 to 100 characters, one line.
    Account, Shared, check_account, 1, 100
);
text!(
    /// Who acts, and whom a key belongs to: 1 to 200 characters, one line.
    Subject, Shared, check_line, 1, 200
);
text!(
    /// A key's display name: 1 to 200 characters, one line. Up to 23 bytes are kept in place.
    KeyName, SmolStr, check_line, 1, 200
);
text!(
    /// What a key is for: at most 500 characters.
    Description, Shared, check, 0, 500
);
text!(
    /// Why a change was made, in the caller's words: at most 500 characters.
    Reason, Shared, check, 0, 500
);
text!(
    /// A project that a key is bound to: 1 to 100 characters, one line.
    Project, Shared, check_line, 1, 100
);
text!(
    /// A role, as a slug of 1 to 64 characters.
    Role, Shared, check_slug, 1, 64
);

/// `*` is how a caller says "all accounts"; no account may be called so.
fn check_account(text: &str, min: usize, max: usize) -> Result<(), Invalid> {
    check_line(text, min, max)?;
    if text == "*" { Err(Invalid::new("must name one account")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_counted_in_characters() {
        assert!(KeyName::new("ü".repeat(200)).is_ok());
        assert!(KeyName::new("x".repeat(201)).is_err());
        assert!(KeyName::new("").is_err());
        assert!(KeyName::new("  ").is_err());
        assert!(KeyName::new("a\nb").is_err());
        assert!(Description::new("a\nb").is_ok());
        assert!(Description::new("").is_ok());
        assert!(Description::new("a\u{0}b").is_err());
        assert!(Role::new("deploy bot").is_err());
        assert!(Account::new("*").is_err());
    }
}
