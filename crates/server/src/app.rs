//! What every handler needs: the ledger, the journal, who is believed, and what is shared.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ipnet::IpNet;
use keys::Dialect;
use ledger::{Caller, Journal, Ledger};
use tokio::sync::watch;

use crate::accounts_file::AccountsFile;
use crate::auth::Auth;
use crate::auth::guesses::Guesses;
use crate::export::slots::Slots;
use crate::metrics::Metrics;
use crate::reads::{Reads, Share};
use crate::request::forwarded::ForwardedHeader;
use crate::routes::authorize::presented::KeyHeader;
use crate::stamps::Stamps;
use crate::stream::streams::Streams;
use crate::webhooks::Webhooks;
use crate::witnesses::Witnesses;

/// How the API is served, whatever the ledger holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who is believed when it says for whom it asks.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say so; `None`: either, and not two that differ.
    pub forwarded_header: Option<ForwardedHeader>,
    /// The headers in which clients of gateways send their key.
    pub key_headers: Vec<KeyHeader>,
    /// How long a request may take before it is answered with `timeout`; and how long the client of an
    /// import may be silent.
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
    /// Whether [`crate::router()`] has `/metrics`; with an address of its own it has not.
    pub metrics: bool,
    /// Whether the busiest routes are answered past the router (`http/fast_path.rs`). The replies are
    /// the same.
    pub fast_paths: bool,
    /// How the file with the rules of accounts is.
    pub accounts_file: Arc<AccountsFile>,
    /// Who cosigns what the log signs.
    pub witnesses: Witnesses,
    /// How many lines of the log nobody took, for the metrics.
    pub log_lines_lost: Arc<AtomicU64>,
    /// The time-stamps of the log, and who makes new ones.
    pub stamps: Stamps,
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
            fast_paths: true,
            accounts_file: Arc::default(),
            witnesses: Witnesses::default(),
            log_lines_lost: Arc::default(),
            stamps: Stamps::default(),
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
    guesses: Guesses,
    webhooks: Webhooks,
    config: Config,
    metrics: Metrics,
    reads: Reads,
    slots: Slots,
    streams: Streams,
    stopping: watch::Sender<bool>,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        journal: Journal,
        auth: Auth,
        webhooks: Webhooks,
        config: Config,
    ) -> App {
        let auth = auth.with_tokens(journal.tokens());
        let metrics = Metrics::new();
        let reads = Reads::new();
        let slots = Slots::new(config.max_exports, config.max_exports_per_account);
        let stopping = watch::Sender::new(false);
        let streams = Streams::default();
        App(Arc::new(Parts {
            ledger,
            journal,
            auth,
            guesses: Guesses::new(),
            webhooks,
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

    /// Where it is recorded who reads the trail, and what becomes of tokens.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// Ends every stream; [`crate::serve()`] calls it when it is told to stop.
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

    pub(crate) fn reads(&self) -> &Reads {
        &self.0.reads
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.0.slots
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.0.webhooks
    }

    pub(crate) fn guesses(&self) -> &Guesses {
        &self.0.guesses
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
}

impl App {
    /// Does `work` on the read pool, in the turn of the caller's account, with a handle on the
    /// ledger that is cancelled when the returned future is dropped.
    ///
    /// # Errors
    ///
    /// What `work` fails with, or [`ledger::Error::Overloaded`] if it did not start.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce(&Ledger, &Caller) -> Result<T, ledger::Error> + Send + 'static,
    ) -> Result<T, ledger::Error> {
        let share = Share::from(&caller);
        self.reads().run(share, self.ledger(), move |ledger| work(ledger, &caller)).await?
    }

    /// The same for what everybody may see, in the turn of all who ask for it.
    ///
    /// # Errors
    ///
    /// As [`App::read`].
    pub(crate) async fn read_public<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Ledger) -> Result<T, ledger::Error> + Send + 'static,
    ) -> Result<T, ledger::Error> {
        self.reads().run(Share::Public, self.ledger(), work).await?
    }
}
