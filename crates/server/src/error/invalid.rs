//! What is wrong with a part of a request.

use std::borrow::Cow;
use std::fmt;

/// A part of a request that is not as it must be.
///
/// Its text is `<field>: <what it must be>`, without the value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {kind}")]
pub(crate) struct Invalid {
    /// The name of the field, parameter or header. For a whole part of the request it is `body`,
    /// `query`, `path` or `request`.
    pub(crate) field: Box<str>,
    /// What is wrong with it.
    pub(crate) kind: InvalidKind,
}

impl Invalid {
    /// Something wrong in `field`. Keys in its name and its text are cut short: whoever sends a key
    /// in the wrong place must not find it in a log of errors.
    pub(crate) fn new(field: &str, kind: impl Into<InvalidKind>) -> Invalid {
        let mut kind = kind.into();
        if let InvalidKind::Rule(Cow::Owned(text)) = &mut kind {
            *text = keys::without_keys(text).into_owned();
        }
        Invalid { field: keys::without_keys(field).into(), kind }
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidKind {
    /// Its value is none that the domain accepts.
    #[error(transparent)]
    Value(#[from] keys::Invalid),
    /// It is needed and is not there.
    #[error("is missing")]
    Missing,
    /// It is there more than once.
    #[error("must be sent once")]
    Repeated,
    /// There is no such field.
    #[error("unknown field")]
    UnknownField,
    /// It is no JSON.
    #[error("must be JSON")]
    NotJson,
    /// Its value is of another type.
    #[error("must be {0}")]
    Type(Type),
    /// Its number does not fit.
    #[error("is too large")]
    TooLarge,
    /// It breaks a rule of this route.
    #[error("{0}")]
    Rule(Cow<'static, str>),
    /// It was refused by a library that does not say why.
    #[error("is not as it must be")]
    Unclear,
}

/// The type that a value must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Object,
    List,
    Text,
    Boolean,
    WholeNumber,
    /// Any other, in the words of the type that reads it.
    Described(String),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Object => "an object",
            Type::List => "a list",
            Type::Text => "a string",
            Type::Boolean => "true or false",
            Type::WholeNumber => "a whole number",
            Type::Described(words) => words,
        })
    }
}

impl From<&'static str> for InvalidKind {
    fn from(rule: &'static str) -> InvalidKind {
        InvalidKind::Rule(rule.into())
    }
}

impl From<String> for InvalidKind {
    fn from(rule: String) -> InvalidKind {
        InvalidKind::Rule(rule.into())
    }
}

impl From<fmt::Arguments<'_>> for InvalidKind {
    fn from(rule: fmt::Arguments<'_>) -> InvalidKind {
        rule.to_string().into()
    }
}
