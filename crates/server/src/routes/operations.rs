//! For those who run the service: whether it is well, and where the API is described.

pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod home;
pub(crate) mod metrics;

use axum::routing::get;

use crate::http::route::{Route, Routes};

/// Where the API is described.
pub(crate) fn router() -> Routes {
    Routes::default().add("/", get(home::home)).add("/docs", get(docs::page))
}

/// Whether the process answers, and takes changes.
pub(crate) fn health_router() -> Routes {
    alive_router().add(Route::new("/readyz").for_operators(), get(health::ready))
}

/// Whether the process answers.
pub(crate) fn alive_router() -> Routes {
    Routes::default().add(Route::new("/healthz").for_operators(), get(health::alive))
}

/// What is counted.
pub(crate) fn metrics_router() -> Routes {
    Routes::default().add(Route::new("/metrics").for_operators(), get(metrics::page))
}
