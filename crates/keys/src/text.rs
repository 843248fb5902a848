//! Bounded pieces of text: names, accounts, reasons. Holding one proves it was checked.

mod hidden;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use smol_str::SmolStr;

pub use self::hidden::{hidden, visible};
use crate::bounds::{self, ERASED_SUBJECT, TextBounds};
use crate::invalid::Invalid;
use crate::leak::refuse_key;
use crate::pseudonym::Pseudonym;

/// A text to search names for: in composed form, as names are stored.
#[must_use]
pub fn composed(text: &str) -> Cow<'_, str> {
    hidden::composed(text)
}

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

/// What is shown of a stored text: all of it, but for who was erased.
trait Shown {
    fn shown(&self) -> &str;
}

impl Shown for Shared {
    fn shown(&self) -> &str {
        self
    }
}

impl Shown for SmolStr {
    fn shown(&self) -> &str {
        self
    }
}

/// What is shown of what was erased.
const ERASED: &str = "erased";

/// Who somebody is, or was: two who were erased are two, and both are shown as `erased`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Person(Shared);

impl From<&str> for Person {
    fn from(text: &str) -> Person {
        Person(text.into())
    }
}

impl std::ops::Deref for Person {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Shown for Person {
    fn shown(&self) -> &str {
        if self.starts_with(ERASED_SUBJECT) { ERASED } else { self }
    }
}

/// One line of a request: composed, without invisible characters.
fn line(text: &str) -> Result<Cow<'_, str>, Invalid> {
    let text = hidden::composed(text);
    match hidden::first(&text) {
        Some(one) if !one.is_control() => Err(Invalid::HiddenCharacter(one)),
        // Control characters are found by the check, which names them.
        Some(_) | None => Ok(text),
    }
}

/// Several lines of a request stay as they are.
#[expect(clippy::unnecessary_wraps, reason = "one of two that are called in the same place")]
fn lines(text: &str) -> Result<Cow<'_, str>, Invalid> {
    Ok(Cow::Borrowed(text))
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $storage:ident, $normalize:ident, $bounds:ident) => {
        $(#[$doc])*
        ///
        /// Holding one proves it was checked; a clone shares the text, unless it is very short.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($storage);

        impl $name {
            /// Its bounds.
            pub const BOUNDS: TextBounds = bounds::$bounds;

            /// Checks a text from a request. One line is stored in composed form (NFC). A text
            /// that holds a secret key is refused: records stay for ever and many read them.
            ///
            /// # Errors
            ///
            /// [`Invalid`] says which bound was broken; the text itself is not repeated.
            pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
                refuse_key(text.as_ref())?;
                Self::stored(&$normalize(text.as_ref())?)
            }

            /// Takes a text from a record as it is. Records from before invisible characters and
            /// keys were refused must be readable for ever.
            ///
            /// # Errors
            ///
            /// [`Invalid`] if it is nothing that was ever recorded.
            pub fn stored(text: &str) -> Result<Self, Invalid> {
                Self::BOUNDS.check(text)?;
                Ok(Self($storage::from(text)))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.shown()
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
    Account, Shared, line, ACCOUNT
);
text!(
    /// Who acts, and whom a key belongs to: 1 to 255 characters, one line (`OpenID` Connect Core §2
    /// gives a subject as many).
    Subject, Person, line, SUBJECT
);
text!(
    /// A key's display name: 1 to 200 characters, one line. Up to 23 bytes are stored in place.
    KeyName, SmolStr, line, NAME
);
text!(
    /// What a key is for: at most 500 characters.
    Description, Shared, lines, DESCRIPTION
);
text!(
    /// Why a change was made, in the caller's words: at most 500 characters.
    Reason, Shared, lines, REASON
);
text!(
    /// A project that a key is bound to: 1 to 100 characters, one line.
    Project, Shared, line, PROJECT
);
text!(
    /// A role, as a slug of 1 to 64 characters.
    KeyRole, Shared, lines, ROLE
);
text!(
    /// A word by which keys are found, as a slug of 1 to 64 characters.
    Tag, Shared, lines, TAG
);
text!(
    /// What made a key that was brought in from elsewhere: 1 to 100 characters, one line.
    Source, Shared, line, SOURCE
);
text!(
    /// A node of the service, as a slug of 1 to 64 characters.
    NodeName, Shared, lines, NODE
);

impl Subject {
    /// Who was erased and was called so in records.
    #[must_use]
    pub fn erased(pseudonym: Pseudonym) -> Subject {
        Subject(Person::from(&*format!("{ERASED_SUBJECT}{pseudonym}")))
    }

    /// Whether it was erased.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.0.starts_with(ERASED_SUBJECT)
    }

    /// What who was erased was called in records; `None` for anybody else.
    #[must_use]
    pub fn erased_pseudonym(&self) -> Option<Pseudonym> {
        self.0.strip_prefix(ERASED_SUBJECT)?.parse().ok()
    }
}

impl KeyName {
    /// What is shown of a name that was erased.
    #[must_use]
    pub fn erased() -> KeyName {
        KeyName(ERASED.into())
    }
}

impl Description {
    /// What is shown of a description that was erased, or was none.
    #[must_use]
    pub fn erased() -> Description {
        Description(ERASED.into())
    }
}

impl Reason {
    /// What is shown of a reason that was erased.
    #[must_use]
    pub fn erased() -> Reason {
        Reason(ERASED.into())
    }
}

impl Default for NodeName {
    /// The name of a node that was given none: `node`.
    fn default() -> NodeName {
        NodeName(Shared::from("node"))
    }
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
        assert!(KeyRole::new("deploy bot").is_err());
        assert!(Account::new("*").is_err());
        assert!(Subject::new("x".repeat(255)).is_ok());
        assert!(Subject::new("x".repeat(256)).is_err());
    }

    #[test]
    fn who_was_erased_is_shown_as_that_and_stays_somebody_of_its_own() {
        let [one, other] = [1, 2].map(|byte| Subject::erased(Pseudonym([byte; 16])));
        assert_eq!((one.as_str(), other.to_string().as_str()), ("erased", "erased"));
        assert_ne!(one, other);
        assert!(one.is_erased() && !Subject::new("erased").unwrap().is_erased());
        assert_eq!(Subject::new("erased:ann"), Err(Invalid::Erased));
        assert_eq!(Subject::stored("erased:ann"), Err(Invalid::Erased));
    }

    /// Two accounts that look the same were two accounts.
    #[test]
    fn a_line_is_composed_and_all_of_it_is_seen() {
        let (composed, apart) = ("Z\u{FC}rich", "Zu\u{308}rich");
        assert_eq!(Account::new(apart).unwrap(), Account::new(composed).unwrap());
        assert_eq!(KeyName::new(apart).unwrap().as_str(), composed);
        // As many characters as are kept, and not as came.
        assert!(KeyName::new("u\u{308}".repeat(200)).is_ok());
        let unseen = "ann\u{200B}";
        let why = Subject::new(unseen).unwrap_err().to_string();
        assert!(why.ends_with("such as U+200B"), "{why}");
        for refused in [
            Account::new(unseen).is_err(),
            KeyName::new(unseen).is_err(),
            Project::new(unseen).is_err(),
            KeyName::new("abc\u{202E}cba").is_err(),
            "abc\u{202E}".parse::<KeyName>().is_err(),
            KeyName::new("a\u{85}b").is_err(),
        ] {
            assert!(refused);
        }
        // Several lines are for people to read, and are not compared.
        assert_eq!(Description::new(apart).unwrap().as_str(), apart);
    }

    /// What is on record was taken by the rules of its time.
    #[test]
    fn what_was_recorded_before_is_read_as_it_is() {
        for text in ["Zu\u{308}rich", "ann\u{200B}", "abc\u{202E}cba"] {
            assert_eq!(KeyName::stored(text).unwrap().as_str(), text);
            assert_eq!(Account::stored(text).unwrap().as_str(), text);
            assert_eq!(Subject::stored(text).unwrap().as_str(), text);
        }
        assert!(KeyName::stored("a\nb").is_err());
    }
}
