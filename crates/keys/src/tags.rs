//! Words by which keys are found again.

use std::sync::Arc;

use crate::bounds;
use crate::invalid::Invalid;
use crate::text::Tag;

/// The tags of a key: at most 20, each once, in order.
///
/// Most keys have none, which takes one word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Tags(Option<Arc<Box<[Tag]>>>);

impl Tags {
    /// The most tags of a key.
    pub const MAX: usize = bounds::TAGS;

    /// Takes tags in any order, some perhaps twice.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for more than [`Tags::MAX`] different ones.
    pub fn new(tags: impl IntoIterator<Item = Tag>) -> Result<Tags, Invalid> {
        let mut tags: Vec<Tag> = tags.into_iter().collect();
        tags.sort_unstable();
        tags.dedup();
        match tags.len() {
            0 => Ok(Tags::default()),
            1..=Tags::MAX => Ok(Tags(Some(Arc::new(tags.into())))),
            _ => Err(Invalid::TooMany { most: Tags::MAX, of: "tags" }),
        }
    }

    /// The tags, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter().flat_map(|tags| tags.iter())
    }

    /// Whether `tag` is one of them.
    #[must_use]
    pub fn contains(&self, tag: &Tag) -> bool {
        self.0.as_ref().is_some_and(|tags| tags.binary_search(tag).is_ok())
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

    fn tags(names: &[&str]) -> Result<Tags, Invalid> {
        Tags::new(names.iter().map(|name| Tag::new(name).unwrap()))
    }

    #[test]
    fn tags_are_a_set_in_order() {
        assert_eq!(tags(&["b", "a", "b"]), tags(&["a", "b"]));
        let names = tags(&["b", "a"]).unwrap();
        assert_eq!(names.iter().map(Tag::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert!(names.contains(&Tag::new("a").unwrap()));
        assert!(!names.contains(&Tag::new("c").unwrap()));
        assert!(tags(&[]).unwrap().is_empty());
        let many: Vec<String> = (0..21).map(|n| format!("t{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(tags(&many).is_err());
        assert!(tags(&many[..20]).is_ok());
    }
}
