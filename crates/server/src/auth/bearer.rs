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
        Bearer(Arc::new(Token { identity, plan, expires_at, key: None, row: None, epoch: 0 }))
    }

    pub(crate) fn new(token: Arc<Token>) -> Bearer {
        Bearer(token)
    }

    /// Whether the token is still accepted: it has not expired, was not ended, and its key was not
    /// removed.
    pub(crate) fn is_good(&self, auth: &Auth, now: Timestamp) -> bool {
        now < self.0.expires_at && auth.is_accepted(&self.0)
    }

    /// How long the token is accepted, unless it is ended or its key is removed.
    pub(crate) fn left(&self, auth: &Auth, now: Timestamp) -> Duration {
        if !auth.is_accepted(&self.0) {
            return Duration::ZERO;
        }
        Duration::from_micros(self.0.expires_at.micros_since(now))
    }

    /// Waits until the token is no longer accepted.
    pub(crate) async fn ended(&self, auth: &Auth, ledger: &Ledger) {
        let mut changes = TokenChanges::of(auth);
        while self.is_good(auth, ledger.now()) {
            // Measured again after each wake-up: the clock may have been set.
            drop(tokio::time::timeout(self.left(auth, ledger.now()), changes.wait()).await);
            changes.have_changed();
        }
    }
}

/// Notifies when tokens may have ended: some were ended, or the keys that verify them changed.
pub(crate) struct TokenChanges {
    keys: Option<watch::Receiver<u64>>,
    tokens: watch::Receiver<u64>,
}

impl TokenChanges {
    pub(crate) fn of(auth: &Auth) -> TokenChanges {
        TokenChanges { keys: auth.key_changes(), tokens: auth.token_changes() }
    }

    /// Whether any may have since the last call.
    pub(crate) fn have_changed(&mut self) -> bool {
        let keys = self.keys.as_mut().is_some_and(take_change);
        take_change(&mut self.tokens) || keys
    }

    /// Waits until any may have.
    pub(crate) async fn wait(&mut self) {
        let keys = async {
            match &mut self.keys {
                Some(keys) => change(keys).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = keys => {}
            () = change(&mut self.tokens) => {}
        }
    }
}

/// Whether there was a change since the last call. Without a sender there are none any more.
fn take_change(changes: &mut watch::Receiver<u64>) -> bool {
    let have_changed = changes.has_changed().is_ok_and(|changed| changed);
    changes.mark_unchanged();
    have_changed
}

/// Waits for a change, and leaves it for `take_change`.
async fn change(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    changes.mark_changed();
}
