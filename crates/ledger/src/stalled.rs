//! Storage that does not answer: nobody waits for it longer than it may take.

use std::sync::Arc;

use eventlog::Log;
use tokio::sync::watch;

use crate::api::Error;

/// Waits until the storage of a log does not answer; as a rule, for ever.
pub(crate) async fn stalled(mut stalled: watch::Receiver<bool>) {
    if stalled.wait_for(|stalled| *stalled).await.is_err() {
        // The log is gone, and with it whoever could wait for it.
        std::future::pending::<()>().await;
    }
}

/// Closes a log, and waits no longer for its storage than an append does.
pub(crate) async fn close(log: &Arc<dyn Log>) -> Result<(), Error> {
    let closing = Arc::clone(log);
    let closed = tokio::task::spawn_blocking(move || closing.close());
    tokio::select! {
        biased;
        closed = closed => closed.map_err(Error::fault)?.map_err(Error::fault),
        () = stalled(log.stalled()) => Err(Error::Broken),
    }
}
