//! A key that calls with its own text: it looks at itself, and ends itself. Whoever finds a key
//! that leaked can do no more with it here, and that at once.

use std::sync::Arc;

use keys::{Command, Digest, Kind, Refusal, Revocation};

use crate::caller::{Caller, Identity, OWN_KEY, Role, Roles, Scope, Via};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::key_view::KeyView;
use crate::projection::table::Key;
use crate::write::change::ChangeStatus;
use crate::write::reply::Changed;
use crate::write::request::{RequestContext, RequestOptions};

impl Ledger {
    /// Who the bearer of this text is, if it is a secret key, whatever its status and the addresses
    /// it may be used from. Such a caller may look at that key and end it, nothing else.
    #[must_use]
    pub fn bearer_of(&self, presented: &str) -> Option<Arc<Identity>> {
        let key = self.state().table.by_digest(&Digest::of_presented(presented)?)?;
        // Everybody has the text of a public key.
        (key.made.kind == Kind::Secret).then(|| {
            Arc::new(Identity {
                subject: key.attributes().owner.clone(),
                scope: Scope::Account(key.made.account.clone()),
                roles: Roles::default().with(Role::Key),
                via: Via::Key(key.made.id),
            })
        })
    }

    /// The key that the caller is.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for any other caller.
    pub fn own_key(&self, caller: &Caller) -> Result<KeyView, Error> {
        let key = self.find_own(caller)?;
        Ok(KeyView::present(&key, self.judged_at()))
    }

    /// Withdraws the key that the caller is. One that is switched off can be withdrawn so; one that
    /// is expired proves nothing any more.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn revoke_own(
        &self,
        caller: &Caller,
        revocation: Revocation,
        options: RequestOptions,
    ) -> Result<Changed, Error> {
        let key = self.find_own(caller)?;
        let command =
            ChangeStatus { key: Arc::clone(&key), command: Command::RevokeOwn(revocation) };
        let reply = self.submit(RequestContext::new(caller, &options), command).await?;
        self.changed(&key, reply).await
    }

    fn find_own(&self, caller: &Caller) -> Result<Arc<Key>, Error> {
        let grant = caller.require(OWN_KEY)?;
        let id = grant.key().ok_or(Error::Refused(Refusal::UnknownKey))?;
        self.find(grant, id, &RequestOptions::default())
    }
}
