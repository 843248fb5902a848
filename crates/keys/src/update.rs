//! What of a key can be edited, and the edit of one.

use std::hash::BuildHasher;
use std::sync::Arc;

use crate::allowed_ips::AllowedIps;
use crate::key::NewKey;
use crate::limit::{Quota, RateLimit};
use crate::metadata::Metadata;
use crate::permission::Permission;
use crate::tags::Tags;
use crate::text::{Description, KeyName, KeyRole, Project, Subject};
use crate::time::Timestamp;
use crate::words::words;

/// Defines everything that is the same for all attributes.
macro_rules! attributes {
    ($($(#[$doc:meta])* $variant:ident = $field:ident: $type:ty, $word:literal;)+) => {
        words!(
            /// An attribute of a key that an edit may change.
            Attribute { $($(#[$doc])* $variant = $word),+ }
        );

        /// One attribute before and after an edit.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each says what the attribute of its name says")]
        pub enum Edit { $($variant { before: $type, after: $type }),+ }

        impl Edit {
            /// Which attribute.
            #[must_use]
            pub fn attribute(&self) -> Attribute {
                match self { $(Edit::$variant { .. } => Attribute::$variant),+ }
            }

            /// Whether it changes anything.
            fn changes(&self) -> bool {
                match self { $(Edit::$variant { before, after } => before != after),+ }
            }

            /// Sets the attribute of `key` to what it was before.
            pub fn undo(&self, key: &mut NewKey) {
                match self { $(Edit::$variant { before, .. } => key.$field = before.clone()),+ }
            }

            /// Sets the attribute of `key` to what it is after.
            pub fn redo(&self, key: &mut NewKey) {
                match self { $(Edit::$variant { after, .. } => key.$field = after.clone()),+ }
            }

            /// Hashes of what was before and of what is after.
            #[must_use]
            pub fn hashes(&self, hasher: &impl BuildHasher) -> (u64, u64) {
                match self {
                    $(Edit::$variant { before, after } => {
                        (hasher.hash_one(before), hasher.hash_one(after))
                    })+
                }
            }
        }

        /// What is wanted of a key's attributes; `None` leaves one as it is.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each wants what the attribute of its name says")]
        pub struct Edits { $(pub $field: Option<$type>),+ }

        impl Edits {
            /// What would change of `key`; for a new owner, what it is called is said anew.
            #[must_use]
            pub fn of(&self, key: &NewKey) -> Update {
                let handed_on = self.owner.as_ref().is_some_and(|owner| *owner != key.owner);
                let edits = [$({
                    let before = &key.$field;
                    let after = self.$field.as_ref().unwrap_or(before);
                    let is_restated = handed_on && Attribute::$variant.is_restated();
                    (after != before || is_restated).then(|| {
                        Edit::$variant { before: before.clone(), after: after.clone() }
                    })
                }),+];
                Update(edits.into_iter().flatten().collect())
            }
        }

        impl Attribute {
            /// A hash of what `key` has there.
            #[must_use]
            pub fn hash_of(self, key: &NewKey, hasher: &impl BuildHasher) -> u64 {
                match self { $(Attribute::$variant => hasher.hash_one(&key.$field)),+ }
            }
        }
    };
}

// Records hold the place in this list: a new attribute is a new line at the end.
attributes! {
    /// Its display name.
    Name = name: KeyName, "name";
    /// What it is for.
    Description = description: Option<Description>, "description";
    /// A role that the services behind the gateway understand.
    Role = role: Option<KeyRole>, "role";
    /// What it may do.
    Permissions = permissions: Arc<[Permission]>, "permissions";
    /// The only project it works on.
    Project = project: Option<Project>, "project";
    /// From where it may be used.
    AllowedIps = allowed_ips: AllowedIps, "allowed_ips";
    /// When it ends by itself.
    ExpiresAt = expires_at: Option<Timestamp>, "expires_at";
    /// How often in how long it may be used.
    RateLimit = rate_limit: Option<RateLimit>, "rate_limit";
    /// How often it may be used in a day, in a month, or at all.
    Quota = quota: Option<Quota>, "quota";
    /// The caller's own pairs.
    Metadata = metadata: Metadata, "metadata";
    /// Words by which it is found.
    Tags = tags: Tags, "tags";
    /// The subject it belongs to.
    Owner = owner: Subject, "owner";
}

impl Attribute {
    /// Whether its values can say who somebody is: records hold them sealed for the key's owner.
    #[must_use]
    pub fn is_personal(self) -> bool {
        self.is_restated() || self == Attribute::Owner
    }

    /// Whether an edit of the owner says it anew, so that it is the new owner's.
    fn is_restated(self) -> bool {
        matches!(self, Attribute::Name | Attribute::Description | Attribute::Metadata)
    }
}

/// What an edit changes: each attribute at most once, in the order of [`Attribute::ALL`], and each
/// to something else. One of the owner has name, description and metadata too, changed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update(Box<[Edit]>);

impl Update {
    /// An update of edits that are on record. `None` unless they are as an update has them. Values
    /// that were erased may be the same before and after.
    #[must_use]
    pub fn stored(edits: Vec<Edit>, is_erased: bool) -> Option<Update> {
        let in_order = edits.is_sorted_by(|one, next| one.attribute() < next.attribute());
        let restated = edits.iter().filter(|edit| edit.attribute().is_restated()).count();
        let handed_on = edits.iter().any(|edit| edit.attribute() == Attribute::Owner);
        let says_something = |edit: &Edit| {
            let attribute = edit.attribute();
            edit.changes()
                || (handed_on && attribute.is_restated())
                || (is_erased && attribute.is_personal())
        };
        let lawful = in_order
            && !edits.is_empty()
            && edits.iter().all(says_something)
            && (!handed_on || restated == 3);
        lawful.then(|| Update(edits.into()))
    }

    /// The edits, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Edit> {
        self.0.iter()
    }

    /// Whether it says something of the owner: who that is, or what it calls the key.
    #[must_use]
    pub fn speaks_of_owner(&self) -> bool {
        self.iter().any(|edit| edit.attribute().is_personal())
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it changes `attribute`.
    #[must_use]
    pub fn changes(&self, attribute: Attribute) -> bool {
        self.iter().any(|edit| edit.attribute() == attribute && edit.changes())
    }

    /// When the key ends after it, if that changes.
    #[must_use]
    pub fn expires_at(&self) -> Option<Option<Timestamp>> {
        self.iter().find_map(|edit| {
            if let Edit::ExpiresAt { after, .. } = edit { Some(*after) } else { None }
        })
    }

    /// The edits that change something, or of which that is not seen any more: all but those that say
    /// for a new owner what was.
    pub fn shown(&self) -> impl Iterator<Item = &Edit> {
        let handed_on = self.owner().is_some();
        self.iter().filter(move |edit| edit.changes() || !handed_on)
    }

    /// Its name after it, if that changes.
    #[must_use]
    pub fn name(&self) -> Option<&KeyName> {
        self.iter().find_map(
            |edit| {
                if let Edit::Name { after, .. } = edit { Some(after) } else { None }
            },
        )
    }

    /// Its role after it, if that changes.
    #[must_use]
    pub fn role(&self) -> Option<Option<&KeyRole>> {
        self.iter().find_map(|edit| {
            if let Edit::Role { after, .. } = edit { Some(after.as_ref()) } else { None }
        })
    }

    /// Its project after it, if that changes.
    #[must_use]
    pub fn project(&self) -> Option<&Option<Project>> {
        self.iter().find_map(|edit| {
            if let Edit::Project { after, .. } = edit { Some(after) } else { None }
        })
    }

    /// Whose it is after it, if that changes.
    #[must_use]
    pub fn owner(&self) -> Option<&Subject> {
        self.iter().find_map(
            |edit| {
                if let Edit::Owner { after, .. } = edit { Some(after) } else { None }
            },
        )
    }

    /// What the key may do after it, if that changes.
    #[must_use]
    pub fn permissions(&self) -> Option<&[Permission]> {
        self.iter().find_map(|edit| {
            if let Edit::Permissions { after, .. } = edit { Some(&**after) } else { None }
        })
    }
}
