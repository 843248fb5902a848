//! What callers hang on a key for themselves.

use std::collections::BTreeMap;

use crate::bounds;
use crate::invalid::Invalid;
use crate::leak::refuse_key;

/// Pairs of strings in the order of their names: at most 20, at most 4 KiB together.
///
/// Most keys have none, which takes one word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Metadata(Option<Box<Pairs>>);

type Pairs = Box<[(Box<str>, Box<str>)]>;

impl Metadata {
    /// The most pairs.
    pub const MAX_PAIRS: usize = bounds::METADATA;
    /// The most bytes, names and values together.
    pub const MAX_BYTES: usize = bounds::METADATA_BYTES;

    /// Checks pairs that come in: the bounds, and that none of them holds a secret key.
    ///
    /// # Errors
    ///
    /// [`Invalid`] as [`Metadata::stored`], and for a key in a name or a value.
    pub fn new(pairs: BTreeMap<String, String>) -> Result<Metadata, Invalid> {
        pairs
            .iter()
            .try_for_each(|(name, value)| refuse_key(name).and_then(|()| refuse_key(value)))?;
        Metadata::stored(pairs)
    }

    /// Keeps pairs that are on record, whatever they hold within the bounds.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for too many pairs, too many bytes, or an empty name.
    pub fn stored(pairs: BTreeMap<String, String>) -> Result<Metadata, Invalid> {
        if pairs.len() > Metadata::MAX_PAIRS {
            return Err(Invalid::TooMany { most: Metadata::MAX_PAIRS, of: "pairs" });
        }
        if pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
            > Metadata::MAX_BYTES
        {
            return Err(Invalid::TooMany { most: Metadata::MAX_BYTES, of: "bytes together" });
        }
        if pairs.keys().any(String::is_empty) {
            return Err(Invalid::EmptyName);
        }
        if pairs.is_empty() {
            return Ok(Metadata::default());
        }
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Ok(Metadata(Some(Box::new(pairs.collect()))))
    }

    /// The pairs with those of `patch` set and, where it has no value, taken out (RFC 7396).
    ///
    /// # Errors
    ///
    /// [`Invalid`] as [`Metadata::new`], for what comes in and for all together.
    pub fn patched(&self, patch: &BTreeMap<String, Option<String>>) -> Result<Metadata, Invalid> {
        let mut pairs: BTreeMap<String, String> =
            self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (name, value) in patch {
            match value {
                Some(value) => {
                    refuse_key(name).and_then(|()| refuse_key(value))?;
                    pairs.insert(name.clone(), value.clone());
                }
                None => drop(pairs.remove(name)),
            }
        }
        Metadata::stored(pairs)
    }

    /// The pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|pairs| pairs.iter()).map(|(name, value)| (&**name, &**value))
    }

    /// The value of the pair with that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let pairs = self.0.as_deref()?;
        let place = pairs.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        pairs.get(place).map(|(_, value)| &**value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_name() {
        let names = ["b", "a", "ab", "ä", ""];
        let pairs =
            |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), format!("{n}!"))).collect();
        let metadata = Metadata::new(pairs(&names[..4])).unwrap();
        for name in &names[..4] {
            assert_eq!(metadata.get(name), Some(&*format!("{name}!")));
        }
        assert_eq!(metadata.get(""), None);
        assert_eq!(Metadata::default().get("a"), None);
    }

    #[test]
    fn twenty_pairs_and_four_kibibytes() {
        let pairs = |n: usize| (0..n).map(|i| (format!("k{i:02}"), String::new())).collect();
        assert!(Metadata::new(pairs(20)).is_ok());
        assert!(Metadata::new(pairs(21)).is_err());
        let one = |n: usize| BTreeMap::from([("k".to_owned(), "v".repeat(n))]);
        assert!(Metadata::new(one(4095)).is_ok());
        assert!(Metadata::new(one(4096)).is_err());
    }
}
