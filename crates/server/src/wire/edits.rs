//! What an edit changed, in answers: by the name of each attribute, before and after it.

use keys::{Edit, Timestamp, Update};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::key::{Ips, Pairs, Permissions, TagList};
use super::limits::{QuotaShown, RateLimitShown};
use super::text::Time;

/// The changes of an edit.
pub(crate) struct Changes<'a>(pub(crate) &'a Update);

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for edit in self.0.shown() {
            map.serialize_entry(edit.attribute().as_str(), &Shown(edit))?;
        }
        map.end()
    }
}

/// The text of an attribute that may be missing.
fn as_text<T>(text: Option<&T>, read: impl FnOnce(&T) -> &str) -> Option<&str> {
    text.map(read)
}

/// One attribute before and after.
struct Shown<'a>(&'a Edit);

#[derive(Serialize)]
struct BeforeAfter<T> {
    before: T,
    after: T,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Shows both sides in the same way.
        macro_rules! both {
            ($before:expr, $after:expr, $show:expr) => {{
                BeforeAfter { before: ($show)($before), after: ($show)($after) }
                    .serialize(serializer)
            }};
        }
        let time = |at: &Option<Timestamp>| at.map(Time);
        match self.0 {
            Edit::Name { before, after } => both!(before, after, keys::KeyName::as_str),
            Edit::Description { before, after } => {
                both!(before.as_ref(), after.as_ref(), |text| as_text(
                    text,
                    keys::Description::as_str
                ))
            }
            Edit::Role { before, after } => {
                both!(before.as_ref(), after.as_ref(), |role| as_text(role, keys::KeyRole::as_str))
            }
            Edit::Permissions { before, after } => both!(before, after, Permissions),
            Edit::Project { before, after } => {
                both!(before.as_ref(), after.as_ref(), |project| as_text(
                    project,
                    keys::Project::as_str
                ))
            }
            Edit::AllowedIps { before, after } => both!(before, after, Ips),
            Edit::ExpiresAt { before, after } => both!(before, after, time),
            Edit::RateLimit { before, after } => {
                both!(*before, *after, |rate: Option<keys::RateLimit>| rate
                    .map(RateLimitShown::from))
            }
            Edit::Quota { before, after } => {
                both!(*before, *after, |quota: Option<keys::Quota>| quota.map(QuotaShown::from))
            }
            Edit::Metadata { before, after } => both!(before, after, Pairs),
            Edit::Tags { before, after } => both!(before, after, TagList),
            Edit::Owner { before, after } => both!(before, after, keys::Subject::as_str),
        }
    }
}
