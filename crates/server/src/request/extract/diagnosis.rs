//! Finds what is wrong with a body or a query that serde refused.
//!
//! The errors of serde's formats are sentences. Here the request is read a second time, by a
//! deserializer whose error has the place and the kind of the mistake. Only refused requests are.

mod deserializer;
mod sent;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Expected, Unexpected};

use self::sent::Sent;
use crate::error::{InvalidKind, Type};

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Finding {
    /// The names and indices that lead to it; empty for the whole.
    pub(super) path: String,
    pub(super) kind: InvalidKind,
}

/// What is wrong with `bytes` as JSON for a `T`.
pub(super) fn of_json<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Finding {
    match serde_json::from_slice::<Sent<'de>>(bytes) {
        Ok(sent) => of::<T>(sent),
        Err(_) => InvalidKind::NotJson.into(),
    }
}

/// What is wrong with these parameters of a query for a `T`.
pub(super) fn of_query<'de, T: Deserialize<'de>>(
    parameters: impl Iterator<Item = (Cow<'de, str>, Cow<'de, str>)>,
) -> Finding {
    read::<T>(parameters).err().unwrap_or_else(|| InvalidKind::Unclear.into())
}

/// Reads parameters of a query as a `T`.
pub(super) fn read<'de, T: Deserialize<'de>>(
    parameters: impl Iterator<Item = (Cow<'de, str>, Cow<'de, str>)>,
) -> Result<T, Finding> {
    let fields = parameters.map(|(name, text)| (name, Sent::Parameter(text)));
    T::deserialize(Sent::Object(fields.collect()))
}

/// The same. Those whose name has a dot are pairs of an object: with
/// `metadata.team=a` the field `metadata` has `team`. Those that `lists` names are items of a list.
pub(super) fn read_nested<'de, T: Deserialize<'de>>(
    parameters: impl Iterator<Item = (Cow<'de, str>, Cow<'de, str>)>,
    lists: &[&str],
) -> Result<T, Finding> {
    let mut fields: Vec<(Cow<'de, str>, Sent<'de>)> = Vec::new();
    for (name, text) in parameters {
        let text = Sent::Parameter(text);
        let (name, pair) = match name.split_once('.') {
            Some((outer, inner)) => (outer.to_owned().into(), Some(inner.to_owned())),
            None => (name, None),
        };
        let there = fields.iter_mut().find(|(other, _)| *other == name).map(|(_, sent)| sent);
        match (pair, there) {
            (Some(pair), Some(Sent::Object(pairs))) => pairs.push((pair.into(), text)),
            (Some(pair), _) => fields.push((name, Sent::Object(vec![(pair.into(), text)]))),
            (None, Some(Sent::List(items))) => items.push(text),
            (None, _) if lists.contains(&&*name) => fields.push((name, Sent::List(vec![text]))),
            (None, _) => fields.push((name, text)),
        }
    }
    T::deserialize(Sent::Object(fields))
}

fn of<'de, T: Deserialize<'de>>(sent: Sent<'de>) -> Finding {
    match T::deserialize(sent) {
        Err(finding) => finding,
        // The format's own deserializer refused it, for a reason that is not known here.
        Ok(_) => InvalidKind::Unclear.into(),
    }
}

impl From<InvalidKind> for Finding {
    fn from(kind: InvalidKind) -> Finding {
        Finding { path: String::new(), kind }
    }
}

impl From<Type> for Finding {
    fn from(expected: Type) -> Finding {
        InvalidKind::Type(expected).into()
    }
}

impl Finding {
    fn at(name: &str, kind: InvalidKind) -> Finding {
        Finding { path: name.to_owned(), kind }
    }

    /// The same, found in the field `name`.
    fn within_field(self, name: &str) -> Finding {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            inner if inner.starts_with('[') => format!("{name}{inner}"),
            inner => format!("{name}.{inner}"),
        };
        Finding { path, ..self }
    }

    /// The same, found in the item at `place` of a list.
    fn within_item(self, place: usize) -> Finding {
        self.within_field(&format!("[{place}]"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)
    }
}

impl std::error::Error for Finding {}

impl de::Error for Finding {
    fn custom<T: fmt::Display>(_: T) -> Finding {
        InvalidKind::Unclear.into()
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Finding {
        Type::Described(expected.to_string()).into()
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Finding {
        Finding::invalid_type(unexpected, expected)
    }

    fn unknown_field(name: &str, _: &'static [&'static str]) -> Finding {
        Finding::at(name, InvalidKind::UnknownField)
    }

    fn missing_field(name: &'static str) -> Finding {
        Finding::at(name, InvalidKind::Missing)
    }

    fn duplicate_field(name: &'static str) -> Finding {
        Finding::at(name, InvalidKind::Repeated)
    }
}
