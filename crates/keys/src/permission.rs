//! What a key may be used for.

use std::fmt;
use std::str::FromStr;

use crate::bounds;
use crate::invalid::Invalid;

const MALFORMED: Invalid =
    Invalid::Malformed { expected: "area.action such as orders.read, '*' allowed as last part" };

/// A permission: `area.action`, any number of parts, `*` allowed as the last
/// (`orders.read`, `orders.*`, `*`). At most 128 characters.
///
/// A single word (`read`) is a *mode*: it comes from a dialect's key, never from a native request.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(Box<str>);

impl Permission {
    /// The most that one key can hold.
    pub const MAX_PER_KEY: usize = bounds::PERMISSIONS;

    /// A permission or a mode: what a verify may ask for.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when a part is empty, has other characters than letters, digits, `-`, `_`, or
    /// a `*` stands before the end.
    pub fn new(text: &str) -> Result<Permission, Invalid> {
        bounds::PERMISSION.check(text).map_err(|_| MALFORMED)?;
        Ok(Permission(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether holding this one is enough where `requested` is wanted.
    #[must_use]
    pub fn covers(&self, requested: &Permission) -> bool {
        match self.0.strip_suffix('*') {
            Some(area) => requested.0.starts_with(area),
            None => self.0 == requested.0,
        }
    }
}

/// Whether any of `granted` is enough for `requested`. No permissions cover nothing.
#[must_use]
pub fn covers(granted: &[Permission], requested: &Permission) -> bool {
    granted.iter().any(|permission| permission.covers(requested))
}

impl FromStr for Permission {
    type Err = Invalid;

    /// The native form: at least two parts, or `*`.
    fn from_str(text: &str) -> Result<Permission, Invalid> {
        if text.contains('.') || text == "*" { Permission::new(text) } else { Err(MALFORMED) }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_covers_what_lies_below_it() {
        let table = [
            ("orders.read", "orders.read", true),
            ("orders.read", "orders.write", false),
            ("orders.*", "orders.read", true),
            ("orders.*", "orders.items.read", true),
            ("orders.*", "orders", false),
            ("orders.*", "ordersx.read", false),
            ("*", "anything.at.all", true),
            ("orders.read", "orders.*", false),
            ("orders.*", "orders.*", true),
        ];
        for (granted, requested, covered) in table {
            let (granted, requested) =
                (granted.parse().unwrap(), Permission::new(requested).unwrap());
            assert_eq!(covers(&[granted], &requested), covered, "{requested}");
        }
    }

    #[test]
    fn only_the_last_part_may_be_a_star() {
        for bad in ["", ".", "a.", ".a", "a..b", "*.a", "a.*.b", "a b", "a.b*", "**", "ä.b"] {
            assert!(Permission::new(bad).is_err(), "{bad}");
        }
        assert!("orders".parse::<Permission>().is_err());
        assert!(Permission::new("read").is_ok());
    }
}
