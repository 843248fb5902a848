//! The bearer of a token during a long response, which ends when the token expires or is revoked.

use std::sync::Arc;
use std::time::Duration;

use keys::Timestamp;
use ledger::Ledger;
use tokio::sync::watch;

use super::Auth;
use super::checked::Token;

/// The bearer that a long response is sent to.
#[derive(Clone)]
pub(crate) struct Bearer(Arc<Token>);

impl Bearer {
    /// A bearer whose token ends only by time.
    #[cfg(test)]
    pub(crate) fn until(identity: &Arc<ledger::Identity>, expires_at: Timestamp) -> Bearer {
        let (identity, plan) = (Arc::clone(identity), super::checked::Plan::Free);
        Bearer(Arc::new(Token { identity, plan, expires_at, key: None, epoch: 0 }))
    }

    pub(crate) fn new(token: Arc<Token>) -> Bearer {
        Bearer(token)
    }

    /// Whether the token is still accepted: it has not expired, and its key was not removed.
    pub(crate) fn is_good(&self, auth: &Auth, now: Timestamp) -> bool {
        now < self.0.expires_at && auth.is_key_accepted(&self.0)
    }

    /// How long the token is accepted, unless its key is removed.
    pub(crate) fn left(&self, auth: &Auth, now: Timestamp) -> Duration {
        if !auth.is_key_accepted(&self.0) {
            return Duration::ZERO;
        }
        Duration::from_micros(self.0.expires_at.micros_since(now))
    }

    /// Waits until the token is no longer accepted.
    pub(crate) async fn ended(&self, auth: &Auth, ledger: &Ledger) {
        let mut keys = KeyChanges::of(auth);
        while self.is_good(auth, ledger.now()) {
            // Measured again after each wake-up: the clock may have been set.
            drop(tokio::time::timeout(self.left(auth, ledger.now()), keys.wait()).await);
            keys.have_changed();
        }
    }
}

/// Notifies of changes of the keys that verify tokens.
pub(crate) struct KeyChanges(Option<watch::Receiver<u64>>);

impl KeyChanges {
    pub(crate) fn of(auth: &Auth) -> KeyChanges {
        KeyChanges(auth.changes())
    }

    /// Whether they have changed since the last call.
    pub(crate) fn have_changed(&mut self) -> bool {
        let Some(changes) = &mut self.0 else { return false };
        // Without a sender they do not change any more.
        let have_changed = changes.has_changed().is_ok_and(|changed| changed);
        changes.mark_unchanged();
        have_changed
    }

    /// Waits for a change.
    pub(crate) async fn wait(&mut self) {
        if let Some(changes) = &mut self.0
            && changes.changed().await.is_ok()
        {
            changes.mark_changed();
            return;
        }
        // They cannot change.
        std::future::pending::<()>().await;
    }
}
