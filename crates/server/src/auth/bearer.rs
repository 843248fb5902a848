//! The bearer of a token to whom a long answer goes: it ends when the token does.

use std::sync::Arc;
use std::time::Duration;

use keys::Timestamp;
use ledger::Ledger;
use tokio::sync::watch;

use super::Auth;
use super::checked::Token;

/// The one whom an answer is for.
#[derive(Clone)]
pub(crate) struct Bearer(Arc<Token>);

impl Bearer {
    /// One whose token nothing but time ends.
    #[cfg(test)]
    pub(crate) fn until(identity: &Arc<ledger::Identity>, expires_at: Timestamp) -> Bearer {
        let (identity, plan) = (Arc::clone(identity), super::checked::Plan::Free);
        Bearer(Arc::new(Token { identity, plan, expires_at, key: None, epoch: 0 }))
    }

    pub(crate) fn new(token: Arc<Token>) -> Bearer {
        Bearer(token)
    }

    /// Whether the token is accepted still: its time is not over, and its key not taken out.
    pub(crate) fn is_good(&self, auth: &Auth, now: Timestamp) -> bool {
        now < self.0.expires_at && auth.is_key_accepted(&self.0)
    }

    /// How long it is accepted, as far as anybody knows.
    pub(crate) fn left(&self, auth: &Auth, now: Timestamp) -> Duration {
        if !auth.is_key_accepted(&self.0) {
            return Duration::ZERO;
        }
        Duration::from_micros(self.0.expires_at.micros_since(now))
    }

    /// Waits until it is not.
    pub(crate) async fn ended(&self, auth: &Auth, ledger: &Ledger) {
        let mut keys = KeyChanges::of(auth);
        while self.is_good(auth, ledger.now()) {
            // What is left is measured again: the clock may be set meanwhile.
            drop(tokio::time::timeout(self.left(auth, ledger.now()), keys.wait()).await);
            keys.have_changed();
        }
    }
}

/// Hears when the keys of tokens change, if they can.
pub(crate) struct KeyChanges(Option<watch::Receiver<u64>>);

impl KeyChanges {
    pub(crate) fn of(auth: &Auth) -> KeyChanges {
        KeyChanges(auth.changes())
    }

    /// Whether they have since the last call.
    pub(crate) fn have_changed(&mut self) -> bool {
        let Some(changes) = &mut self.0 else { return false };
        // Without a sender they never will again.
        let have_changed = changes.has_changed().is_ok_and(|changed| changed);
        changes.mark_unchanged();
        have_changed
    }

    /// Waits until they have.
    pub(crate) async fn wait(&mut self) {
        if let Some(changes) = &mut self.0
            && changes.changed().await.is_ok()
        {
            changes.mark_changed();
            return;
        }
        // They never will.
        std::future::pending::<()>().await;
    }
}
