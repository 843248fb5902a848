//! An edit of a key's attributes, made of what the key has when it is decided.

use std::sync::Arc;

use keys::{Command, Edits, NewKey, Policy, Refusal};

use super::{Batch, Decided};
use crate::error::Error;
use crate::projection::table::Key;
use crate::write::request::{KeyEdits, RequestContext};

impl Batch<'_> {
    /// Decides an edit of a key and writes it down. `None` where nothing would change.
    pub(crate) fn update(
        &mut self,
        context: &RequestContext,
        key: &Key,
        wanted: &KeyEdits,
    ) -> Result<Option<Decided>, Error> {
        self.expire_if_due(key, context.dry_run)?;
        // A rotation may have brought its end forward since it was last edited.
        let expires_at = self.chained_state(key).state.expires_at;
        let current = NewKey { expires_at, ..NewKey::clone(&self.attributes(key)) };
        let mut edits = self.resolved(wanted, &current)?;
        let mut policy =
            Policy { owner_active: current.dialect.most_active(), ..wanted.policy.clone() };
        if let Some(rules) = self.account_rules.of(&current.account) {
            rules.bind_edits(&current, &mut edits, &mut policy)?;
        }
        let command = Command::Update(Arc::new(edits.of(&current)), policy);
        match self.transition(context, key, command) {
            Err(Error::Refused(Refusal::Unchanged)) => Ok(None),
            decided => decided.map(Some),
        }
    }

    /// The edits, with what depends on the moment and on what the key has.
    fn resolved(&self, wanted: &KeyEdits, current: &NewKey) -> Result<Edits, Error> {
        let mut edits = wanted.edits.clone();
        if let Some(seconds) = wanted.ttl_s {
            edits.expires_at = Some(Some(self.now.plus_secs(seconds)));
        }
        if let Some(patch) = &wanted.metadata {
            edits.metadata = Some(current.metadata.patched(patch).map_err(Error::Metadata)?);
        }
        if wanted.no_daily_quota && current.quota.is_some_and(|quota| quota.daily().is_some()) {
            edits.quota = Some(None);
        }
        Ok(edits)
    }
}
