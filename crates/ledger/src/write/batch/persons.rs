//! For whom a record is sealed.

use keys::{Edit, Event, Subject};

use super::Batch;
use crate::caller::Via;
use crate::error::Error;
use crate::record::Persons;
use crate::write::request::RequestContext;

impl Batch<'_> {
    /// For whom a record of `event` is sealed. `owner` is whose the key is after it.
    pub(super) fn persons(
        &self,
        context: &RequestContext,
        event: &Event,
        owner: &Subject,
    ) -> Result<Persons, Error> {
        let keyring = &self.state.keyring;
        let of = |subject| {
            let named = if context.dry_run {
                keyring.person_unwritten(subject)
            } else {
                keyring.person(subject)
            };
            named.map_err(Error::fault)
        };
        let identity = &context.caller.identity;
        let actor = if identity.via == Via::Worker { None } else { Some(of(&identity.subject)?) };
        let mut former_erased = false;
        let (speaks_of_owner, former) = match event {
            Event::Created(_) => (true, None),
            Event::Updated(update) => {
                let former = update.iter().find_map(|edit| {
                    if let Edit::Owner { before, .. } = edit { Some(before) } else { None }
                });
                former_erased = former.is_some_and(Subject::is_erased);
                (update.speaks_of_owner(), former.map(of).transpose()?)
            }
            Event::Enabled | Event::Disabled | Event::Expired { .. } | Event::Revoked(_) => {
                (false, None)
            }
        };
        let owner_erased = owner.is_erased();
        let owner = match context.reason {
            _ if speaks_of_owner => Some(of(owner)?),
            // A reason speaks of the owner too, of one that was erased no more.
            Some(_) if !owner_erased => Some(of(owner)?).filter(|owner| Some(*owner) != actor),
            Some(_) | None => None,
        };
        let others = [former.filter(|_| !former_erased), owner.filter(|_| !owner_erased)];
        let meant = others.into_iter().flatten().find(|other| Some(*other) != actor);
        Ok(Persons { actor, owner, former, meant: meant.filter(|_| context.reason.is_some()) })
    }
}
