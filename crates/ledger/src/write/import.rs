//! Bringing keys in that were made elsewhere: many in one commit, each decided by itself.
//!
//! **Who may learn what.** A digest is taken whoever's key has it, because verify finds keys by their
//! digest alone. So whoever may make keys can find out whether a digest is here, at the price of a
//! request that is counted, and no more than that: the refusal is the same for every key of others,
//! whatever its status. That is acceptable, because it tells nothing that a text or a digest leads
//! to: who has the text can ask any gateway, and who has only the digest still has no text. Of a key
//! that the caller sees anyway it is told which one it is.
//!
//! What it cannot tell is whether an importer has the text: whoever has got hold of digests can import
//! them first, and keep their owner out. Nobody is let in by that, but a gateway that takes keys of all
//! accounts would take the owner's key for one of the importer's; `docs/moving-in.md` says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keys::{Account, Digest, Reason, Refusal};

use crate::caller::{Caller, Grant, MANAGE};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::write::batch::Batch;
use crate::write::create::tenant;
use crate::write::job::WriteCommand;
use crate::write::reply::ImportedKey;
use crate::write::request::{NewKeyRequest, RequestContext, RequestOptions, WantedKey};

/// The most keys of one import, which is one commit. Fewer than a bulk change has, because imports
/// follow each other for minutes, and commands of other accounts wait for one of them each time.
pub const MOST_IN_IMPORT: usize = 512;

/// A key that is to be imported, as far as it can be looked at without the others.
#[derive(Clone)]
pub struct NewImport {
    wanted: WantedKey,
    reason: Option<Reason>,
    /// Whether the same one may have been imported before.
    repeatable: bool,
}

impl Ledger {
    /// The most keys that the account of a caller may import at once: at most [`MOST_IN_IMPORT`].
    #[must_use]
    pub fn most_imports(&self) -> usize {
        self.most_changes().clamp(1, MOST_IN_IMPORT)
    }

    /// Makes of `request`, which has an [`Import`](crate::Import), what can be imported. Memory only.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::AccountRequired`], a fault of the machine.
    pub fn new_import(
        &self,
        caller: &Caller,
        request: &NewKeyRequest,
        reason: Option<Reason>,
    ) -> Result<NewImport, Error> {
        let account = tenant(caller.require(MANAGE)?, request)?;
        let (wanted, _) = self.make(caller, caller.dialect, &account, request)?;
        let repeatable = request.import.as_ref().is_some_and(|import| import.repeat.is_some());
        Ok(NewImport { wanted, reason, repeatable })
    }

    /// Imports keys in one commit, at most [`Ledger::most_imports`]. One that is refused stops none of
    /// the others. The answers are in the order of `keys`.
    ///
    /// # Errors
    ///
    /// [`Error`], of all of them; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn import(
        &self,
        caller: &Caller,
        keys: Arc<[NewImport]>,
        dry_run: bool,
    ) -> Result<Vec<Result<ImportedKey, Error>>, Error> {
        let grant = caller.require(MANAGE)?;
        let options = RequestOptions { dry_run, ..RequestOptions::default() };
        let context = RequestContext::new(caller, &options);
        let account = caller.identity.scope.account().cloned();
        let command = ImportKeys { account, keys: Arc::clone(&keys) };
        let mut answers = self.submit(context, command).await?;
        if !dry_run {
            self.count_imported(answers.iter().flatten().filter(|key| !key.repeated));
        }
        for (answer, key) in answers.iter_mut().zip(keys.iter()) {
            if let Err(error) = answer {
                *error = self.same_secret(grant, &key.wanted.key.digest, error.clone());
            }
        }
        Ok(answers)
    }

    pub(crate) fn count_imported<T>(&self, imported: impl Iterator<Item = T>) {
        self.state().imported.fetch_add(imported.count() as u64, Ordering::Relaxed);
    }

    /// Names the key that has the secret, where the caller sees that.
    pub(crate) fn same_secret(&self, grant: Grant<'_>, digest: &Digest, error: Error) -> Error {
        let taken = matches!(error, Error::Refused(Refusal::DigestTaken));
        let key = self.state().table.by_digest(digest).filter(|_| taken);
        let seen = key.filter(|key| grant.covers(&key.attributes()));
        seen.map_or(error, |key| Error::SecretExists(key.made.id))
    }
}

/// Imports several keys.
struct ImportKeys {
    account: Option<Account>,
    keys: Arc<[NewImport]>,
}

impl WriteCommand for ImportKeys {
    type Reply = Vec<Result<ImportedKey, Error>>;

    fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    fn weight(&self) -> usize {
        self.keys.len().max(1)
    }

    fn decide(
        &self,
        context: &RequestContext,
        batch: &mut Batch<'_>,
    ) -> Result<Vec<Result<ImportedKey, Error>>, Error> {
        let mut context = context.clone();
        let each = self.keys.iter().map(|NewImport { wanted, reason, repeatable }| {
            context.reason.clone_from(reason);
            batch.import(&context, wanted, *repeatable)
        });
        Ok(each.collect())
    }
}
