//! The whole API: the routes of every resource, of every dialect, and the documents.

use ::keys::Account;
use axum::Extension;
use axum::routing::{any, delete, get, post};

use crate::app::App;
use crate::http::route::Routes;
use crate::http::service::HttpService;
use crate::routes::operations::{docs, health, home};
use crate::routes::{authorize, events, evidence, keys, report, verify};
use crate::{dialects, metrics, openapi, stream};

/// The whole API.
#[must_use]
pub fn router(app: App) -> HttpService {
    let mut routes = Routes::default()
        .add("/v1/keys", get(keys::list).post(keys::create))
        .add("/v1/keys/verify", post(verify::verify))
        .add("/v1/keys/{id}", get(keys::one).merge(delete(keys::change::delete)))
        .add("/v1/keys/{id}/history", get(keys::history))
        .add("/v1/keys/{id}/enable", post(keys::change::enable))
        .add("/v1/keys/{id}/disable", post(keys::change::disable))
        .add("/v1/keys/{id}/expire", post(keys::change::expire))
        .add("/v1/keys/{id}/revoke", post(keys::change::revoke))
        .add("/v1/keys/{id}/rotate", post(keys::rotate))
        .add("/v1/authorize", any(authorize::authorize))
        .add("/v1/authorize/", any(authorize::below))
        .add("/v1/authorize/{*path}", any(authorize::below))
        .add("/v1/events", get(events::list))
        .add("/v1/events/stream", get(stream::stream))
        .add("/v1/events/{seq}", get(events::one))
        .add("/v1/events/{seq}/receipt", get(evidence::receipt))
        .add("/v1/proofs/inclusion", get(evidence::inclusion))
        .add("/v1/proofs/consistency", get(evidence::consistency))
        .add("/v1/keys/{id}/proof", get(keys::proof::proof))
        .add("/v1/access", get(evidence::access::list))
        .add("/log/access/checkpoint", get(evidence::access::checkpoint))
        .add("/log/access/keys", get(evidence::access::keys))
        .add("/log/access/tile/entries/{*tile}", get(evidence::access::entries))
        .add("/log/access/tile/{level}/{*tile}", get(evidence::access::tile))
        .add("/log/table", get(keys::proof::table))
        .add("/v1/audit/bundle", get(evidence::bundle::bundle))
        .add("/log/checkpoint", get(evidence::checkpoint))
        .add("/log/keys", get(evidence::keys))
        .add("/log/tile/entries/{*tile}", get(evidence::entries))
        .add("/log/tile/{level}/{*tile}", get(evidence::tile))
        .add("/v1/expirations", post(events::expirations::expire_due))
        .add("/v1/expiring", get(events::expiring::list))
        .add("/v1/report/access", get(report::access))
        .add("/v1/table-digest", get(report::table_digest))
        .add("/healthz", get(health::alive))
        .add("/readyz", get(health::ready))
        .add("/", get(home::home))
        .add("/docs", get(docs::page));
    if app.config().metrics {
        routes = routes.add("/metrics", get(metrics::page));
    }
    let root = app.config().root_dialect;
    openapi::mount(dialects::mount(routes, root)).site(app)
}

/// Forward auth alone, without a token: whoever reaches the address may ask about `account`.
#[must_use]
pub fn authorize_router(app: App, account: Account) -> HttpService {
    let fixed = any(authorize::fixed).layer(Extension(authorize::Fixed::new(account)));
    Routes::default()
        .add("/v1/authorize", fixed.clone())
        .add("/v1/authorize/", fixed.clone())
        .add("/v1/authorize/{*path}", fixed)
        .add("/healthz", get(health::alive))
        .site(app)
}

/// The metrics alone, for an address of their own.
#[must_use]
pub fn metrics_router(app: App) -> HttpService {
    Routes::default()
        .add("/metrics", get(metrics::page))
        .add("/healthz", get(health::alive))
        .add("/readyz", get(health::ready))
        .site(app)
}
