//! The whole API: the routes of every resource, of every dialect, and the documents.

use ::keys::Account;

use crate::app::App;
use crate::http::route::Routes;
use crate::http::service::HttpService;
use crate::routes::{
    authorize, events, evidence, keys, operations, own_key, report, subjects, tokens, usage,
    verify, webhooks,
};
use crate::{dialects, openapi};

/// The whole API.
#[must_use]
pub fn router(app: App) -> HttpService {
    let routes = routes(&app);
    let routes = if app.config().fast_paths { routes } else { routes.without_fast_paths() };
    HttpService::new(app, routes)
}

fn routes(app: &App) -> Routes {
    let metrics =
        if app.config().metrics { operations::metrics_router() } else { Routes::default() };
    Routes::default()
        .merge(keys::router())
        .merge(verify::router())
        .merge(own_key::router())
        .merge(tokens::router())
        .merge(subjects::router())
        .merge(authorize::router())
        .merge(events::router())
        .merge(report::router())
        .merge(usage::router())
        .merge(evidence::router())
        .merge(webhooks::router())
        .merge(operations::router())
        .merge(operations::health_router())
        .merge(metrics)
        .merge(dialects::router(app.config().root_dialect))
        .merge(openapi::router())
}

/// Forward auth alone, without a token: whoever reaches the address may ask about `account`.
#[must_use]
pub fn authorize_router(app: App, account: Account) -> HttpService {
    HttpService::new(app, authorize::router_of(account).merge(operations::alive_router()))
}

/// The metrics alone, for an address of their own.
#[must_use]
pub fn metrics_router(app: App) -> HttpService {
    HttpService::new(app, operations::metrics_router().merge(operations::health_router()))
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
