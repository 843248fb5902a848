//! What a use of a key needs: one permission, or several put together.

use crate::invalid::Invalid;
use crate::permission::{Permission, covers};

const EMPTY: Invalid = Invalid::Malformed { expected: "a list with at least one entry" };

/// What a use of a key needs: a permission, or a list of which all or any are needed, and so on
/// inside. At most [`Requirement::MAX_DEPTH`] lists deep, with at most
/// [`Requirement::MAX_PERMISSIONS`] permissions in all, and no list is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement(Node);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    One(Permission),
    All(Box<[Requirement]>),
    Any(Box<[Requirement]>),
}

impl Requirement {
    /// The most lists that lie in each other.
    pub const MAX_DEPTH: usize = 3;
    /// The most permissions in all lists together.
    pub const MAX_PERMISSIONS: usize = 64;

    /// Needs every one of `parts`.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if there are none, too many, or if they lie too deep.
    pub fn all(parts: Vec<Requirement>) -> Result<Requirement, Invalid> {
        bounded(&parts)?;
        Ok(Requirement(Node::All(parts.into())))
    }

    /// Needs at least one of `parts`.
    ///
    /// # Errors
    ///
    /// As [`Requirement::all`].
    pub fn any(parts: Vec<Requirement>) -> Result<Requirement, Invalid> {
        bounded(&parts)?;
        Ok(Requirement(Node::Any(parts.into())))
    }

    /// Whether a key with these permissions has what is needed.
    #[must_use]
    pub fn is_met_by(&self, granted: &[Permission]) -> bool {
        match &self.0 {
            Node::One(permission) => covers(granted, permission),
            Node::All(parts) => parts.iter().all(|part| part.is_met_by(granted)),
            Node::Any(parts) => parts.iter().any(|part| part.is_met_by(granted)),
        }
    }

    fn parts(&self) -> &[Requirement] {
        match &self.0 {
            Node::One(_) => &[],
            Node::All(parts) | Node::Any(parts) => parts,
        }
    }

    fn depth(&self) -> usize {
        match &self.0 {
            Node::One(_) => 0,
            Node::All(parts) | Node::Any(parts) => 1 + depth_of(parts),
        }
    }

    fn permissions(&self) -> usize {
        match &self.0 {
            Node::One(_) => 1,
            Node::All(_) | Node::Any(_) => self.parts().iter().map(Requirement::permissions).sum(),
        }
    }
}

impl From<Permission> for Requirement {
    fn from(permission: Permission) -> Requirement {
        Requirement(Node::One(permission))
    }
}

fn depth_of(parts: &[Requirement]) -> usize {
    parts.iter().map(Requirement::depth).max().unwrap_or(0)
}

/// Whether a list may have these parts. They are within the bounds themselves.
fn bounded(parts: &[Requirement]) -> Result<(), Invalid> {
    if parts.is_empty() {
        return Err(EMPTY);
    }
    if depth_of(parts) >= Requirement::MAX_DEPTH {
        let (most, of) = (Requirement::MAX_DEPTH, "lists deep");
        return Err(Invalid::TooMany { most, of });
    }
    if parts.iter().map(Requirement::permissions).sum::<usize>() > Requirement::MAX_PERMISSIONS {
        let (most, of) = (Requirement::MAX_PERMISSIONS, "permissions in all");
        return Err(Invalid::TooMany { most, of });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Requirement {
        Permission::new(text).unwrap().into()
    }

    #[test]
    fn the_bounds_are_kept() {
        for list in [Requirement::all, Requirement::any] {
            assert_eq!(list(Vec::new()), Err(EMPTY));
            let mut nested = one("a.b");
            for _ in 0..Requirement::MAX_DEPTH {
                nested = list(vec![one("a.c"), nested]).unwrap();
            }
            let too_deep = list(vec![nested]).unwrap_err();
            assert_eq!(too_deep.to_string(), "must be at most 3 lists deep");
            let half = list(vec![one("a.b"); Requirement::MAX_PERMISSIONS / 2]).unwrap();
            let whole = vec![half.clone(), half.clone()];
            assert!(list(whole).is_ok());
            let too_many = list(vec![half.clone(), half, one("a.b")]).unwrap_err();
            assert_eq!(too_many.to_string(), "must be at most 64 permissions in all");
        }
    }

    /// The permissions of the property: few, so that keys have some of what is asked.
    const WORDS: [&str; 4] = ["a.b", "a.c", "b.b", "b.*"];

    fn requirements() -> impl Strategy<Value = Requirement> {
        let leaf = prop::sample::select(WORDS.to_vec()).prop_map(one);
        leaf.prop_recursive(3, 64, 4, |inner| {
            (any::<bool>(), prop::collection::vec(inner, 1..=4)).prop_map(|(all, parts)| {
                let list = if all { Requirement::all } else { Requirement::any };
                list(parts).unwrap()
            })
        })
    }

    /// What is not met: by the laws of De Morgan, the other way round.
    fn is_unmet_by(requirement: &Requirement, granted: &[Permission]) -> bool {
        match &requirement.0 {
            Node::One(permission) => !granted.iter().any(|own| own.covers(permission)),
            Node::All(parts) => parts.iter().any(|part| is_unmet_by(part, granted)),
            Node::Any(parts) => !parts.iter().any(|part| !is_unmet_by(part, granted)),
        }
    }

    proptest! {
        #[test]
        fn all_needs_each_and_any_needs_one(
            requirement in requirements(),
            granted in prop::sample::subsequence(WORDS.to_vec(), 0..=4),
            more in prop::sample::select(WORDS.to_vec()),
        ) {
            let own = |texts: &[&str]| -> Vec<Permission> {
                texts.iter().map(|text| text.parse().unwrap()).collect()
            };
            let granted = own(&granted);
            let met = requirement.is_met_by(&granted);
            prop_assert_eq!(met, !is_unmet_by(&requirement, &granted));
            // A list of one is what is in it, however it is read.
            for list in [Requirement::all, Requirement::any] {
                if let Ok(list) = list(vec![requirement.clone()]) {
                    prop_assert_eq!(list.is_met_by(&granted), met);
                }
            }
            // Who has more may no less; who has everything may all, who has nothing none.
            let wider = [granted, own(&[more])].concat();
            prop_assert!(!met || requirement.is_met_by(&wider));
            prop_assert!(requirement.is_met_by(&own(&["*"])));
            prop_assert!(!requirement.is_met_by(&[]));
        }
    }
}
