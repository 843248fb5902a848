//! Admission of a new stream: it counts against two limits, and the first one starts the hub.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bounds::BOUNDS;
use super::hub::Hub;
use super::streams::Streams;
use super::subscription::{Caps, Full, Permit};
use crate::app::{App, Config};
use crate::error::{ApiError, Code};
use crate::request::authenticated::Reader;

/// Takes a permit for a new stream. The first call starts the hub.
pub(crate) fn admit(app: &App, who: &Reader) -> Result<Permit, ApiError> {
    let Config { max_streams, max_streams_per_account, .. } = app.config();
    let account = who.caller.identity.scope.account().cloned();
    let Streams { shared, hub_started } = app.streams();
    let caps = Caps { all: *max_streams, per_account: *max_streams_per_account };
    let permit = shared.admit(account, caps);
    let permit = permit.map_err(|full| match full {
        Full::All => ApiError::new(Code::Overloaded, "too many streams are open"),
        Full::Account => {
            ApiError::rate_limited("the account has as many event streams open as it may have", 1)
        }
    })?;
    if !hub_started.swap(true, Ordering::Relaxed) {
        tokio::spawn(Hub::new(app.clone(), Arc::clone(shared), BOUNDS).run());
    }
    Ok(permit)
}
