//! Putting a new key in the place of another one.

use std::sync::Arc;

use keys::{Account, KeyId, NewKey, Policy, Rotation};

use crate::caller::{Caller, MANAGE};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::table::Key;
use crate::write::batch::{Batch, DecidedKey, Idempotent, RotateTo};
use crate::write::job::WriteCommand;
use crate::write::reply::Created;
use crate::write::request::{
    Changes, Expiry, NewKeyRequest, RequestContext, RequestOptions, WantedKey,
};

/// Puts a new key in the place of `old`.
pub(crate) struct Rotate {
    pub(crate) old: Arc<Key>,
    pub(crate) wanted: WantedKey,
    pub(crate) rotation: Rotation,
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
        let Rotate { old, wanted, rotation } = self;
        let to = RotateTo { old: &batch.again(old), wanted, rotation: *rotation };
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
        // Those that are copied are given anew where the account says what the role gives.
        let permissions_named = changes.permissions.is_some();
        let make = || {
            let model = self.state().table.again(&old).current();
            let request = successor(&model, changes.clone());
            let (wanted, secret) = self.make(caller, model.dialect, &model.account, &request)?;
            Ok((WantedKey { permissions_named, model: Some(model), ..wanted }, secret))
        };
        let command = |wanted| Rotate { old: Arc::clone(&old), wanted, rotation };
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
        rate_limit: changes.rate_limit.or(model.rate_limit),
        quota: changes.quota.or(model.quota),
        metadata: changes.metadata.unwrap_or_else(|| model.metadata.clone()),
        tags: changes.tags.unwrap_or_else(|| model.tags.clone()),
        // Whatever the old key is, the secret of the new one is made here.
        import: None,
        policy: Policy {
            owner_active: changes.most_active.or_else(|| model.dialect.most_active()),
            unique_prefix: model.dialect.unique_prefix(),
            ..Policy::default()
        },
    }
}
