//! Putting a new key in the place of another one.

use std::sync::Arc;

use keys::{Account, KeyId, NewKey, Rotation};

use crate::caller::{Caller, MANAGE};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::table::Key;
use crate::write::batch::{Batch, DecidedKey, Idempotent, RotateTo};
use crate::write::job::WriteCommand;
use crate::write::reply::Created;
use crate::write::request::{
    Changes, Expiry, NewKeyRequest, RequestContext, RequestOptions, Rules,
};

/// Puts `key` in the place of `old`.
pub(crate) struct Rotate {
    pub(crate) old: Arc<Key>,
    pub(crate) key: NewKey,
    pub(crate) rotation: Rotation,
    pub(crate) rules: Rules,
}

impl WriteCommand for Rotate {
    type Reply = Idempotent<DecidedKey>;

    fn account(&self) -> Option<&Account> {
        Some(&self.old.made.account)
    }

    fn decide(
        &self,
        context: &RequestContext,
        batch: &mut Batch<'_>,
    ) -> Result<Idempotent<DecidedKey>, Error> {
        let Rotate { old, key, rotation, rules } = self;
        let to = RotateTo { old, key, rotation: *rotation, rules };
        batch.once(context, |batch| batch.rotate(context, &to))
    }
}

impl Ledger {
    /// Puts a new key in the place of `id`, which stays valid for the rotation's overlap.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn rotate(
        &self,
        caller: &Caller,
        id: KeyId,
        changes: Changes,
        rotation: Rotation,
        options: RequestOptions,
    ) -> Result<Created, Error> {
        let old = self.find(caller.require(MANAGE)?, id, &options)?;
        let model = &old.made;
        let request = successor(model, changes);
        let rules = request.rules();
        let make = || self.make(caller, model.dialect, &model.account, &request);
        let command = |key| Rotate { old: Arc::clone(&old), key, rotation, rules };
        self.submit_new_key(caller, &options, make, command).await
    }
}

/// The key that takes the place of `model`: what `changes` does not name is copied.
fn successor(model: &NewKey, changes: Changes) -> NewKeyRequest {
    NewKeyRequest {
        account: Some(model.account.clone()),
        owner: Some(model.owner.clone()),
        name: changes.name.or_else(|| Some(model.name.clone())),
        description: changes.description.or_else(|| model.description.clone()),
        kind: model.kind,
        environment: model.environment,
        role: changes.role.or_else(|| model.role.clone()),
        permissions: changes.permissions.unwrap_or_else(|| model.permissions.to_vec().into()),
        project: changes.project.or_else(|| model.project.clone()),
        allowed_ips: changes.allowed_ips.unwrap_or_else(|| model.allowed_ips.clone()),
        expires: changes.expires.or_else(|| model.expires_at.map(Expiry::At)),
        daily_limit: changes.daily_limit.or(model.daily_limit),
        metadata: changes.metadata.unwrap_or_else(|| model.metadata.clone()),
        rules: Rules {
            most_active: changes.most_active.or_else(|| model.dialect.most_active()),
            unique_prefix: model.dialect.unique_prefix(),
            ..Rules::default()
        },
    }
}
