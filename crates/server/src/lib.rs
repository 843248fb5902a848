//! HTTP and JSON: the native API.
//!
//! The only place that knows either. A handler parses, asks the ledger and answers; what is
//! allowed with a key is decided elsewhere, and there is no path to the log but the ledger's
//! methods, each of which takes a caller.
//!
//! One file per group of endpoints; [`HttpService`] is the request layer around all of them. A dialect is
//! one more file, in `dialects`.

mod access;
mod admission;
mod as_of;
mod ask;
mod audit_bundle;
pub mod auth;
mod authorize;
mod body;
mod bundle;
mod change;
mod chunks;
mod connection;
mod cursor;
mod dialects;
mod docs;
mod entity_tag;
mod error;
mod events;
mod evidence;
mod expirations;
mod expiring;
mod export;
mod extract;
mod forwarded;
mod head_timer;
mod health;
mod home;
mod key_proof;
mod keys_routes;
mod metrics;
mod negotiate;
mod openapi;
mod peer;
mod plain;
mod reads;
mod report;
mod routes;
mod serve;
mod site;
mod stream;
mod unreadable;
mod verify;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::routing::{any, delete, get, post};
use ipnet::IpNet;
use keys::{Account, Dialect};
use ledger::{Journal, Ledger};
use tokio::sync::watch;

pub use crate::auth::{Auth, token};
pub use crate::authorize::KeyHeader;
pub use crate::bundle::{Bundle, EXPORTS};
pub use crate::error::{ApiError, Code, Problem};
pub use crate::forwarded::ForwardedHeader;
pub use crate::openapi::document as openapi;
use crate::routes::Routes;
pub use crate::serve::{Limits, serve};
pub use crate::site::HttpService;

/// How the API is served, whatever the ledger holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who is believed when it says for whom it asks.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say so; `None`: either, and not two that differ.
    pub forwarded_header: Option<ForwardedHeader>,
    /// The headers in which clients of gateways send their key.
    pub key_headers: Vec<KeyHeader>,
    /// How long a request may take before it is answered with `timeout`.
    pub request_timeout: Duration,
    /// The dialect that is spoken at `/` too, for clients that can change only the host.
    pub root_dialect: Option<Dialect>,
    /// How often a key of cloudsigma may be used on one UTC day.
    pub cloudsigma_daily_limit: u32,
    /// The most exports, reports, bundles and long lists that are sent at once.
    pub max_exports: usize,
    /// The most of them for one account; callers of all accounts count as one.
    pub max_exports_per_account: usize,
    /// How many streams of events may be open.
    pub max_streams: usize,
    /// How many of them may be an account's.
    pub max_streams_per_account: usize,
    /// Whether [`router`] has `/metrics`; with an address of its own it has not.
    pub metrics: bool,
    /// How many lines of the log nobody took, for the metrics.
    pub log_lines_lost: Arc<AtomicU64>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            trusted_proxies: Vec::new(),
            forwarded_header: None,
            key_headers: vec![KeyHeader::default()],
            request_timeout: Duration::from_secs(30),
            root_dialect: None,
            cloudsigma_daily_limit: 250,
            max_exports: 256,
            max_exports_per_account: 16,
            max_streams: 20_000,
            max_streams_per_account: 10_000,
            metrics: true,
            log_lines_lost: Arc::default(),
        }
    }
}

/// What every handler needs. A clone is the same one.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    ledger: Ledger,
    journal: Journal,
    auth: Auth,
    config: Config,
    metrics: metrics::Metrics,
    reads: reads::Reads,
    slots: chunks::Slots,
    streams: stream::Streams,
    stopping: watch::Sender<bool>,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(ledger: Ledger, journal: Journal, auth: Auth, config: Config) -> App {
        let metrics = metrics::Metrics::new();
        let reads = reads::Reads::new();
        let slots = chunks::Slots::new(config.max_exports, config.max_exports_per_account);
        let stopping = watch::Sender::new(false);
        let streams = stream::Streams::default();
        App(Arc::new(Parts {
            ledger,
            journal,
            auth,
            config,
            metrics,
            reads,
            slots,
            streams,
            stopping,
        }))
    }

    /// The ledger behind it.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Where it is recorded who reads the trail.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// Ends every stream; [`serve`] calls it when it is told to stop.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Keeps what is believed of tokens as new as its files, for ever.
    pub async fn keep_keys(&self) {
        self.auth().keep_keys().await;
    }

    /// Changes to `true` when the streams have to end.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// Gives up every read that waits or is under way, once nothing is served any more. Waits for
    /// none of them.
    pub fn give_up_reads(&self) {
        self.0.reads.close();
    }

    pub(crate) fn reads(&self) -> &reads::Reads {
        &self.0.reads
    }

    pub(crate) fn slots(&self) -> &chunks::Slots {
        &self.0.slots
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn streams(&self) -> &stream::Streams {
        &self.0.streams
    }

    pub(crate) fn metrics(&self) -> &metrics::Metrics {
        &self.0.metrics
    }
}

/// The whole API.
#[must_use]
pub fn router(app: App) -> HttpService {
    let mut routes = Routes::default()
        .add("/v1/keys", get(keys_routes::list).post(keys_routes::create))
        .add("/v1/keys/verify", post(verify::verify))
        .add("/v1/keys/{id}", get(keys_routes::one).merge(delete(change::delete)))
        .add("/v1/keys/{id}/history", get(keys_routes::history))
        .add("/v1/keys/{id}/enable", post(change::enable))
        .add("/v1/keys/{id}/disable", post(change::disable))
        .add("/v1/keys/{id}/expire", post(change::expire))
        .add("/v1/keys/{id}/revoke", post(change::revoke))
        .add("/v1/keys/{id}/rotate", post(keys_routes::rotate))
        .add("/v1/authorize", any(authorize::authorize))
        .add("/v1/authorize/", any(authorize::below))
        .add("/v1/authorize/{*path}", any(authorize::below))
        .add("/v1/events", get(events::list))
        .add("/v1/events/stream", get(stream::stream))
        .add("/v1/events/{seq}", get(events::one))
        .add("/v1/events/{seq}/receipt", get(evidence::receipt))
        .add("/v1/proofs/inclusion", get(evidence::inclusion))
        .add("/v1/proofs/consistency", get(evidence::consistency))
        .add("/v1/keys/{id}/proof", get(key_proof::proof))
        .add("/v1/access", get(access::list))
        .add("/log/access/checkpoint", get(access::checkpoint))
        .add("/log/access/keys", get(access::keys))
        .add("/log/access/tile/entries/{*tile}", get(access::entries))
        .add("/log/access/tile/{level}/{*tile}", get(access::tile))
        .add("/log/table", get(key_proof::table))
        .add("/v1/audit/bundle", get(audit_bundle::bundle))
        .add("/log/checkpoint", get(evidence::checkpoint))
        .add("/log/keys", get(evidence::keys))
        .add("/log/tile/entries/{*tile}", get(evidence::entries))
        .add("/log/tile/{level}/{*tile}", get(evidence::tile))
        .add("/v1/expirations", post(expirations::expire_due))
        .add("/v1/expiring", get(expiring::list))
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
    let fixed = any(authorize::fixed).layer(axum::Extension(authorize::Fixed::new(account)));
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
