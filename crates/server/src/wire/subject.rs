//! Persons: held, released, erased, and all that there is about one.

use keys::{Pseudonym, Reason, Timestamp};
use ledger::{HoldId, HoldView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::AccessEntry;
use super::event::Event;
use super::key::Key;
use super::text::{Text, Time};
use super::token::{TokenState, reason};
use super::webhook::ShownWebhook;
use crate::error::ApiError;
use crate::request::extract::parse;

/// Why a person is to be erased.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EraseSubject {
    /// In words.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
    /// By which right, in words.
    #[schema(max_length = 500)]
    legal_basis: Option<String>,
}

impl EraseSubject {
    /// By which right.
    pub(crate) fn legal_basis(&self) -> Result<Option<Reason>, ApiError> {
        parse("legal_basis", self.legal_basis.as_deref())
    }
}

/// Why a person may not be erased.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldSubject {
    /// In words.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
}

/// Which hold is released, and why.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseSubject {
    /// The hold's id; needed where there are several.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    hold: Option<String>,
    /// In words.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
}

impl ReleaseSubject {
    /// The hold that is named.
    pub(crate) fn hold(&self) -> Result<Option<HoldId>, ApiError> {
        parse("hold", self.hold.as_deref())
    }
}

/// A person that was erased.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasedSubject {
    /// What it is called from now on: `erased`.
    subject: &'static str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    erased_at: Time,
    /// What it is called in records, whose keys are destroyed.
    #[schema(value_type = Vec<String>)]
    pseudonyms: Vec<Text<Pseudonym>>,
    /// How many API keys it had. They work on until they are revoked.
    keys: usize,
}

impl ErasedSubject {
    pub(crate) fn new(erased: &ledger::Erased) -> ErasedSubject {
        ErasedSubject {
            subject: "erased",
            erased_at: Time(erased.at),
            pseudonyms: pseudonyms(&erased.persons),
            keys: erased.keys,
        }
    }
}

/// What a person is called in records.
pub(crate) fn pseudonyms(persons: &[Pseudonym]) -> Vec<Text<Pseudonym>> {
    persons.iter().copied().map(Text).collect()
}

/// That a person may not be erased.
#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
pub(crate) struct ShownHold<'a> {
    /// Its id.
    #[schema(value_type = String)]
    id: Text<HoldId>,
    /// Why it was placed, in words.
    #[schema(required)]
    reason: Option<&'a str>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// By whom.
    by: &'a str,
}

impl<'a> ShownHold<'a> {
    pub(crate) fn new(HoldView { hold, at, by }: &'a HoldView) -> ShownHold<'a> {
        ShownHold {
            id: Text(hold.id),
            reason: reason(hold.reason.as_ref()),
            at: Time(*at),
            by: by.as_str(),
        }
    }
}

/// A hold that was placed.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlacedHold<'a> {
    /// The hold.
    pub(crate) hold: ShownHold<'a>,
}

/// A hold that was released.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReleasedHold<'a> {
    /// The hold, as it was placed.
    pub(crate) released: ShownHold<'a>,
}

/// How an answer about a person begins: what is in it once.
#[derive(Serialize)]
pub(crate) struct SubjectHead<'a> {
    pub(crate) subject: &'a str,
    pub(crate) as_of: Time,
    pub(crate) pseudonyms: Vec<Text<Pseudonym>>,
    pub(crate) holds: Vec<ShownHold<'a>>,
}

impl<'a> SubjectHead<'a> {
    pub(crate) fn new(
        subject: &'a str,
        as_of: Timestamp,
        persons: &[Pseudonym],
        holds: &'a [HoldView],
    ) -> SubjectHead<'a> {
        SubjectHead {
            subject,
            as_of: Time(as_of),
            pseudonyms: pseudonyms(persons),
            holds: holds.iter().map(ShownHold::new).collect(),
        }
    }
}

/// All that there is about a person.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes an answer that is put together as it is written")]
pub(crate) struct SubjectReport<'a> {
    /// Who it is.
    subject: String,
    /// When the answer was begun: what happens while it is written may be in it, or not.
    #[schema(value_type = String, format = DateTime)]
    as_of: Time,
    /// What it is called in records.
    pseudonyms: Vec<String>,
    /// Why it may not be erased, oldest first.
    holds: Vec<ShownHold<'a>>,
    /// The API keys that it has in all accounts, whatever their status.
    keys: Vec<Key<'a>>,
    /// The API keys that it made, for itself and for others.
    keys_made: Vec<Key<'a>>,
    /// Events in which it acted, in the order of the log.
    events: Vec<Event<'a>>,
    /// What others did to keys that it has, key by key; of keys that it had, what speaks of it.
    key_events: Vec<Event<'a>>,
    /// The service's own tokens for it whose time is not over.
    tokens: Vec<TokenState<'a>>,
    /// Entries of the access journal that it caused, by reading the trail and otherwise, and those that
    /// are about it.
    access: Vec<AccessEntry<'a>>,
    /// Webhooks that it made.
    webhooks: Vec<ShownWebhook<'a>>,
}
