//! Which keys are looked for.

use keys::{
    Account, Dialect, Environment, KeyRole, KeyState, Kind, Metadata, NewKey, Project, Status,
    Subject, Tags, Timestamp,
};

use crate::error::Error;
use crate::projection::table::Key;
use crate::read::as_of::Moment;

/// Which keys to list, count or change. What is `None` or empty does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the attribute of the same name, which must be equal")]
pub struct KeyFilter {
    pub account: Option<Account>,
    pub status: Option<Status>,
    pub environment: Option<Environment>,
    pub kind: Option<Kind>,
    pub owner: Option<Subject>,
    pub project: Option<Project>,
    pub role: Option<KeyRole>,
    pub dialect: Option<Dialect>,
    /// The shown prefix begins with this.
    pub prefix: Option<Box<str>>,
    /// Name or description contain this, whatever the case.
    pub q: Option<Box<str>>,
    /// The due time lies before this.
    pub expires_before: Option<Timestamp>,
    /// It has all of these pairs.
    pub metadata: Metadata,
    /// It has all of these.
    pub tags: Tags,
    /// It was made before this, and not used then or later. Not told of the past: the log does not
    /// know of uses.
    pub unused_since: Option<Timestamp>,
    /// Whether it was never used. Not told of the past either.
    pub never_used: Option<bool>,
}

impl KeyFilter {
    /// Whether nothing is named that a key must be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == KeyFilter::default()
    }

    /// Refuses what nobody knows of the past.
    pub(crate) fn check(&self, moment: &Moment) -> Result<(), Error> {
        let used = [
            ("unused_since", self.unused_since.is_some()),
            ("never_used", self.never_used.is_some()),
        ];
        match used.into_iter().find(|(_, named)| *named && !moment.is_present()) {
            Some((name, _)) => Err(Error::NotOfThePast(name)),
            None => Ok(()),
        }
    }

    /// Whether what no event changes about a key, and how it was used, is as it must be.
    pub(crate) fn takes(&self, key: &Key) -> bool {
        let NewKey { environment, kind, dialect, prefix, .. } = &*key.made;
        let last = key.uses.last();
        self.environment.is_none_or(|wanted| wanted == *environment)
            && self.kind.is_none_or(|wanted| wanted == *kind)
            && self.dialect.is_none_or(|wanted| wanted == *dialect)
            && self.prefix.as_ref().is_none_or(|wanted| prefix.as_str().starts_with(&**wanted))
            && self.never_used.is_none_or(|never| never == last.is_none())
            && self.unused_since.is_none_or(|since| last.unwrap_or(key.created_at) < since)
    }

    /// Whether what an edit may change about a key is as it must be.
    pub(crate) fn takes_attributes(&self, key: &NewKey) -> bool {
        self.owner.as_ref().is_none_or(|wanted| *wanted == key.owner)
            && self.project.as_ref().is_none_or(|wanted| Some(wanted) == key.project.as_ref())
            && self.role.as_ref().is_none_or(|wanted| Some(wanted) == key.role.as_ref())
            && self.metadata.iter().all(|(name, value)| key.metadata.get(name) == Some(value))
            && self.tags.iter().all(|tag| key.tags.contains(tag))
            && self.q.as_ref().is_none_or(|wanted| {
                let wanted = wanted.to_lowercase();
                let contains = |text: &str| text.to_lowercase().contains(&wanted);
                contains(key.name.as_str())
                    || key.description.as_ref().is_some_and(|text| contains(text.as_str()))
            })
    }

    /// Whether a key stands as it must at `moment`.
    pub(crate) fn takes_state(&self, state: &KeyState, moment: &Moment) -> bool {
        self.status.is_none_or(|wanted| wanted == state.status_at(moment.at))
            && self.expires_before.is_none_or(|end| state.expires_at.is_some_and(|due| due < end))
    }
}
