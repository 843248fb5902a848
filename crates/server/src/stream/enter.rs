//! A new stream: there must be room for it, and the first one starts the hub.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bounds::BOUNDS;
use super::hub::Hub;
use super::seat::{Caps, Full, Permit};
use super::streams::Streams;
use crate::app::{App, Config};
use crate::error::{ApiError, Code};
use crate::request::authenticated::Reader;

/// A place among the streams there may be. The first one begins the hub.
pub(crate) fn enter(app: &App, who: &Reader) -> Result<Permit, ApiError> {
    let Config { max_streams, max_streams_per_account, .. } = app.config();
    let account = who.caller.identity.scope.account().cloned();
    let Streams { shared, begun } = app.streams();
    let caps = Caps { all: *max_streams, per_account: *max_streams_per_account };
    let permit = shared.enter(account, caps);
    let permit = permit.map_err(|full| match full {
        Full::All => ApiError::new(Code::Overloaded, "too many streams are open"),
        Full::Account => {
            ApiError::rate_limited("the account has as many event streams open as it may have", 1)
        }
    })?;
    if !begun.swap(true, Ordering::Relaxed) {
        tokio::spawn(Hub::new(app.clone(), Arc::clone(shared), BOUNDS).run());
    }
    Ok(permit)
}
