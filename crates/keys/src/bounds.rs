//! The bounds of everything that ends up in a record: one table. Requests are refused by it, auditors
//! judge records by it, and `schemas/limits.json`, which is in every bundle, is written from it.
//!
//! A record from before a bound became tighter must stay good: a bound is only ever made wider.

use crate::invalid::Invalid;

/// Which characters a text may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// No control character, and not white space alone.
    Line,
    /// A line, but not `*`, which is how a caller says "all accounts".
    Account,
    /// A line that does not begin as those are called who were erased.
    Subject,
    /// No control character but line feed and tab.
    Lines,
    /// Letters, digits, `-`, `_`, `.` and `:`, of ASCII.
    Slug,
    /// Letters, digits, `-`, `_` and `.`, of ASCII.
    Word,
    /// Visible characters of ASCII.
    Visible,
    /// `area.action` of any number of parts, or one word; `*` only as the last part.
    Permission,
    /// Any.
    Any,
}

/// What every text of one line matches: nothing that is a control character, and something that is no
/// white space.
macro_rules! one_line {
    () => {
        concat!(
            r"[^\x00-\x1f\x7f-\x9f]*",
            r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]",
            r"[^\x00-\x1f\x7f-\x9f]*"
        )
    };
}

impl Form {
    /// A regular expression of Python's, and of ECMAScript's, which all of such a text matches.
    #[must_use]
    pub const fn pattern(self) -> &'static str {
        match self {
            Form::Line => one_line!(),
            Form::Account => concat!(r"(?!\*$)", one_line!()),
            Form::Subject => concat!("(?!erased:)", one_line!()),
            Form::Lines => r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*",
            Form::Slug => "[0-9A-Za-z._:-]*",
            Form::Word => "[0-9A-Za-z._-]*",
            Form::Visible => "[!-~]*",
            Form::Permission => r"([0-9A-Za-z_-]+\.)*([0-9A-Za-z_-]+|\*)",
            Form::Any => r"[\s\S]*",
        }
    }

    /// Checks the characters of a text.
    fn check(self, text: &str) -> Result<(), Invalid> {
        match self {
            Form::Account if text == "*" => Err(Invalid::AllAccounts),
            Form::Subject if text.starts_with(ERASED_SUBJECT) => {
                line(text).and(Err(Invalid::Erased))
            }
            Form::Line | Form::Account | Form::Subject => line(text),
            Form::Lines if is_plain(text) => Ok(()),
            Form::Lines if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => {
                Err(Invalid::ControlCharacter)
            }
            Form::Slug => {
                line(text)?;
                all(text, |b| is_word(b) || b == b':').ok_or(Invalid::NotASlug)
            }
            Form::Word => all(text, is_word).ok_or(Invalid::NotASlug),
            Form::Visible => {
                let expected = "visible characters of ASCII";
                all(text, |b| b.is_ascii_graphic()).ok_or(Invalid::Malformed { expected })
            }
            Form::Permission => is_permission(text).ok_or(Invalid::Malformed {
                expected: "area.action such as orders.read, '*' allowed as last part",
            }),
            Form::Lines | Form::Any => Ok(()),
        }
    }
}

/// How who was erased is called in memory: this, and a pseudonym. Nobody is called so.
pub(crate) const ERASED_SUBJECT: &str = "erased:";

/// How long a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many characters: at least the first, at most the second.
    Characters(usize, usize),
    /// So many bytes of UTF-8.
    Bytes(usize, usize),
}

/// The bounds of a text in a record.
#[derive(Clone, Copy, Debug)]
pub struct TextBounds {
    /// What it is.
    pub name: &'static str,
    /// Which characters it may have.
    pub form: Form,
    /// How long it may be.
    pub length: Length,
}

impl TextBounds {
    const fn characters(name: &'static str, form: Form, least: usize, most: usize) -> TextBounds {
        TextBounds { name, form, length: Length::Characters(least, most) }
    }

    const fn bytes(name: &'static str, least: usize, most: usize) -> TextBounds {
        TextBounds { name, form: Form::Any, length: Length::Bytes(least, most) }
    }

    /// The greatest length.
    #[must_use]
    pub const fn most(&self) -> usize {
        let (Length::Characters(_, most) | Length::Bytes(_, most)) = self.length;
        most
    }

    /// Checks a text.
    ///
    /// # Errors
    ///
    /// [`Invalid`] says which bound was broken.
    pub fn check(&self, text: &str) -> Result<(), Invalid> {
        let (length, least, most) = match self.length {
            Length::Characters(least, most) => (text.chars().count(), least, most),
            Length::Bytes(least, most) => (text.len(), least, most),
        };
        if length < least || length > most {
            return Err(match least {
                0 => Invalid::TooLong { most },
                least => Invalid::Length { least, most },
            });
        }
        self.form.check(text)
    }
}

/// The tenant that a key belongs to, and for which somebody acts.
pub const ACCOUNT: TextBounds = TextBounds::characters("account", Form::Account, 1, 100);
/// Who acts, and whom a key belongs to: as long as `OpenID` Connect Core §2 lets a subject be.
pub const SUBJECT: TextBounds = TextBounds::characters("subject", Form::Subject, 1, 255);
/// A key's display name.
pub const NAME: TextBounds = TextBounds::characters("name", Form::Line, 1, 200);
/// What a key is for.
pub const DESCRIPTION: TextBounds = TextBounds::characters("description", Form::Lines, 0, 500);
/// Why a change was made.
pub const REASON: TextBounds = TextBounds::characters("reason", Form::Lines, 0, 500);
/// A project that a key is bound to.
pub const PROJECT: TextBounds = TextBounds::characters("project", Form::Line, 1, 100);
/// A key's role.
pub const ROLE: TextBounds = TextBounds::characters("role", Form::Slug, 1, 64);
/// A word by which keys are found.
pub const TAG: TextBounds = TextBounds::characters("tag", Form::Slug, 1, 64);
/// What made a key that was brought in from elsewhere.
pub const SOURCE: TextBounds = TextBounds::characters("source", Form::Line, 1, 100);
/// A node of the service.
pub const NODE: TextBounds = TextBounds::characters("node", Form::Slug, 1, 64);
/// What a key may do.
pub const PERMISSION: TextBounds = TextBounds::characters("permission", Form::Permission, 1, 128);
/// What may be shown of a key.
pub const PREFIX: TextBounds = TextBounds::characters("prefix", Form::Visible, 1, 31);
/// What may be shown of a key that was made elsewhere.
pub const IMPORTED_PREFIX: TextBounds =
    TextBounds::characters("imported_prefix", Form::Visible, 1, 24);
/// The whole text of a public key.
pub const PUBLIC_VALUE: TextBounds = TextBounds::characters("public_value", Form::Visible, 1, 128);
/// A name of the caller's own pairs.
pub const METADATA_NAME: TextBounds = TextBounds::bytes("metadata_name", 1, METADATA_BYTES);
/// A value of the caller's own pairs.
pub const METADATA_VALUE: TextBounds = TextBounds::bytes("metadata_value", 0, METADATA_BYTES);
/// Who made a token.
pub const ISSUER: TextBounds = TextBounds::bytes("issuer", 1, 200);
/// The id of a token.
pub const TOKEN_ID: TextBounds = TextBounds::bytes("token_id", 0, 200);
/// The id of a request.
pub const REQUEST_ID: TextBounds = TextBounds::characters("request_id", Form::Word, 1, 64);

/// Every text of a record.
pub const TEXTS: &[TextBounds] = &[
    ACCOUNT,
    SUBJECT,
    NAME,
    DESCRIPTION,
    REASON,
    PROJECT,
    ROLE,
    TAG,
    SOURCE,
    NODE,
    PERMISSION,
    PREFIX,
    IMPORTED_PREFIX,
    PUBLIC_VALUE,
    METADATA_NAME,
    METADATA_VALUE,
    ISSUER,
    TOKEN_ID,
    REQUEST_ID,
];

/// The most permissions of a key, and of a rule.
pub const PERMISSIONS: usize = 64;
/// The most addresses and networks of a key.
pub const ALLOWED_IPS: usize = 64;
/// The most tags of a key.
pub const TAGS: usize = 20;
/// The most of the caller's own pairs.
pub const METADATA: usize = 20;
/// The most bytes of these, names and values together.
pub const METADATA_BYTES: usize = 4096;

/// The most of each list.
pub const COUNTS: &[(&str, usize)] = &[
    ("permissions", PERMISSIONS),
    ("allowed_ips", ALLOWED_IPS),
    ("tags", TAGS),
    ("metadata", METADATA),
    ("metadata_bytes", METADATA_BYTES),
];

/// The most uses in the period of a rate limit, from 1.
pub const RATE_LIMIT: u32 = 1_000_000;
/// The longest period of a rate limit in seconds, from 1: a day.
pub const RATE_PERIOD_S: u32 = 86_400;
/// The most uses of a quota, from 1.
pub const QUOTA: u32 = u32::MAX;
/// The longest overlap of a rotation in seconds, from 0: 7 days.
pub const OVERLAP_S: u32 = 7 * 86_400;
/// The longest life that a request gives a key in seconds, from 1: a century and a bit. An end that
/// it names may lie anywhere in the future.
pub const TTL_S: u64 = 4_000_000_000;
/// By how many seconds a moment that a request says is past may lie after its record: the clock may have
/// been set back meanwhile.
pub const AHEAD_S: u64 = 300;

/// The range of each number of a record: the least and the greatest.
pub const NUMBERS: &[(&str, u64, u64)] = &[
    ("rate_limit", 1, RATE_LIMIT as u64),
    ("rate_limit_period_s", 1, RATE_PERIOD_S as u64),
    ("quota", 1, QUOTA as u64),
    ("overlap_s", 0, OVERLAP_S as u64),
    ("ahead_s", 0, AHEAD_S),
];

/// The range of each number of a request of which something else is recorded.
pub const OF_REQUESTS: &[(&str, u64, u64)] = &[("ttl_s", 1, TTL_S)];

/// Whether all of it is printable ASCII: most of what comes is, and needs no closer look.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn line(text: &str) -> Result<(), Invalid> {
    if !is_plain(text) && text.chars().any(char::is_control) {
        return Err(Invalid::ControlCharacter);
    }
    if text.trim().is_empty() { Err(Invalid::Blank) } else { Ok(()) }
}

/// Something if every byte is one of these.
fn all(text: &str, allowed: impl Fn(u8) -> bool) -> Option<()> {
    text.bytes().all(allowed).then_some(())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn is_permission(text: &str) -> Option<()> {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let (head, last) = text.rsplit_once('.').map_or((None, text), |(h, l)| (Some(h), l));
    let lawful = (last == "*" || part(last)) && head.is_none_or(|head| head.split('.').all(part));
    lawful.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_at_their_bounds_are_good_and_beyond_them_are_not() {
        for bounds in TEXTS {
            let (Length::Characters(least, most) | Length::Bytes(least, most)) = bounds.length;
            for length in [least, least + 1, most] {
                assert_eq!(bounds.check(&"x".repeat(length)), Ok(()), "{} {length}", bounds.name);
            }
            assert!(bounds.check(&"x".repeat(most + 1)).is_err(), "{}", bounds.name);
            assert!(least == 0 || bounds.check("").is_err(), "{}", bounds.name);
        }
        // Characters are no bytes.
        assert_eq!(NAME.check(&"ü".repeat(200)), Ok(()));
        assert!(TOKEN_ID.check(&"ü".repeat(101)).is_err());
    }

    #[test]
    fn each_form_has_its_characters() {
        let table: &[(Form, &[&str], &[&str])] = &[
            (
                Form::Line,
                &["a b", "*", "\u{200B}", "\u{2028}x"],
                &["a\nb", " ", "\u{85}", "\u{2028}"],
            ),
            (Form::Account, &["a", "**"], &["*", "\t"]),
            (Form::Subject, &["erased", "x erased:"], &["erased:", "erased:ann", "\u{3000}"]),
            (Form::Lines, &["", " ", "a\n\tb", "\u{2028}"], &["\r", "\u{7f}", "\u{9f}", "\0"]),
            (Form::Slug, &["aZ09-_.:"], &["a b", "ä", "a/b", "\n"]),
            (Form::Word, &["aZ09-_."], &["a:b", "ä", " "]),
            (Form::Visible, &["!~", "kl_live_"], &[" ", "ä", "\u{7f}"]),
            (Form::Permission, &["*", "a", "a.b.*"], &["", "a.", "*.a", "a*", "a b"]),
            (Form::Any, &["", "\0\n", "ä"], &[]),
        ];
        for (form, good, bad) in table {
            for text in *good {
                assert_eq!(form.check(text), Ok(()), "{form:?} {text:?}");
            }
            for text in *bad {
                assert!(form.check(text).is_err(), "{form:?} {text:?}");
            }
        }
    }
}
