//! Webhooks and sinks: the log as it is sent to receivers elsewhere.
//!
//! [`delivery`] has the receivers, the attempts and the files. Here is what they are sent: events as
//! they are shown, each with its receipt, and reminders of keys that fall due. Nothing here is on
//! the way of a change: each receiver reads the log from its own place, on the read pool.

mod dispatcher;
mod event_kinds;
mod log_source;
mod maker;
mod message_id;
mod reminders;

use std::sync::Arc;
use std::time::Duration;

use delivery::{
    AddressRules, Now, Poster, PosterOptions, Registry, RegistryOptions, SigningKey, Sink,
    SinkChannel, Stats, Terms, Webhook, WebhookChannel, tls_config,
};
use ledger::{Keyring, Ledger};
use zeroize::Zeroizing;

pub use self::dispatcher::deliver_webhooks;
pub(crate) use self::event_kinds::{EXPIRING, EventKinds};
pub use self::reminders::first_marks;

/// The longest pause between two attempts to reach a webhook's receiver, and a sink.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3_600);
const LONGEST_SINK_PAUSE: Duration = Duration::from_secs(60);

/// The webhooks and the sinks of a service, and what delivers to them. A clone is the same one.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    registry: Arc<Registry>,
    poster: Arc<Poster>,
    key: Arc<SigningKey>,
    vouched: Option<String>,
    give_up: Duration,
    sinks: Sinks,
    now: Now,
    keyring: Arc<Keyring>,
}

/// What delivers to webhooks.
pub struct WebhookOptions {
    /// The webhooks.
    pub registry: Registry,
    /// What posts to them.
    pub poster: Poster,
    /// What signs, beside the secret of each.
    pub key: SigningKey,
    /// The note in which the log's key vouches for that one; `None` if the log signs nothing.
    pub vouched: Option<String>,
    /// After how long without a message taken a receiver is given up.
    pub give_up: Duration,
    /// The keys of the persons who made them.
    pub keyring: Arc<Keyring>,
}

/// The sinks, to which all that is recorded is sent.
pub struct Sinks {
    /// Each of them.
    pub all: Vec<Sink>,
    /// What posts to those that are URLs.
    pub poster: Arc<Poster>,
    /// Whom to believe over TLS.
    pub tls: Arc<rustls::ClientConfig>,
    /// What URLs are sent as `Authorization`.
    pub authorization: Option<Arc<Zeroizing<String>>>,
}

impl Webhooks {
    /// By the clock of `ledger`.
    #[must_use]
    pub fn new(options: WebhookOptions, sinks: Sinks, ledger: &Ledger) -> Webhooks {
        let WebhookOptions { registry, poster, key, vouched, give_up, keyring } = options;
        let clock = ledger.clone();
        let now = Arc::new(move || clock.now().micros());
        let (registry, poster, key) = (Arc::new(registry), Arc::new(poster), Arc::new(key));
        let inner = Inner { registry, poster, key, vouched, give_up, sinks, now, keyring };
        let webhooks = Webhooks(Arc::new(inner));
        webhooks.learn_makers();
        webhooks
    }

    /// None yet, and none that outlives the process: for tests and benches.
    ///
    /// # Panics
    ///
    /// The system has no random bytes.
    #[must_use]
    #[expect(clippy::expect_used, reason = "nothing is read that could fail")]
    pub fn in_memory(ledger: &Ledger) -> Webhooks {
        let options = RegistryOptions { folder: None, most_per_account: 20, most: 1_000 };
        let registry = Registry::open(options).expect("there is no folder to read");
        let tls = tls_config(&[]).expect("there is no file to read");
        let timeout = Duration::from_secs(10);
        let poster = || {
            let (rules, tls) = (AddressRules::default(), Arc::clone(&tls));
            Poster::new(PosterOptions { rules, tls, timeout, user_agent: "keyledger" })
        };
        let key = SigningKey::random().expect("random bytes");
        let give_up = Duration::from_secs(86_400);
        let sinks = Sinks {
            all: Vec::new(),
            poster: Arc::new(poster()),
            tls: Arc::clone(&tls),
            authorization: None,
        };
        let (vouched, keyring) = (None, Arc::default());
        let options = WebhookOptions { registry, poster: poster(), key, vouched, give_up, keyring };
        Webhooks::new(options, sinks, ledger)
    }

    /// All webhooks.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.0.registry
    }

    /// The sinks.
    pub(crate) fn sinks(&self) -> &Sinks {
        &self.0.sinks
    }

    /// Which addresses webhooks may be at.
    pub(crate) fn rules(&self) -> &AddressRules {
        self.0.poster.rules()
    }

    /// The public half of the key that signs what webhooks send, and after an empty line what the
    /// log says of it.
    pub(crate) fn public_key(&self) -> String {
        let Inner { key, vouched, .. } = &*self.0;
        let vouched = vouched.as_ref().map(|note| format!("\n{note}"));
        format!("{}\n{}", key.public_text(), vouched.unwrap_or_default())
    }

    /// What sends to a webhook, and for how long.
    fn channel(&self, webhook: Arc<Webhook>) -> (WebhookChannel, Terms) {
        let Inner { poster, key, give_up, now, .. } = &*self.0;
        let (poster, key) = (Arc::clone(poster), Arc::clone(key));
        let terms =
            Terms { give_up: Some(*give_up), longest_pause: LONGEST_PAUSE, now: Arc::clone(now) };
        (WebhookChannel::new(webhook, poster, key, Arc::clone(now)), terms)
    }

    /// What sends to a sink: for ever.
    fn sink_channel(&self, sink: &Sink) -> (SinkChannel, Terms) {
        let Inner { sinks, now, .. } = &*self.0;
        let Sinks { poster, tls, authorization, .. } = sinks;
        let now = Arc::clone(now);
        let terms = Terms { give_up: None, longest_pause: LONGEST_SINK_PAUSE, now };
        (sink.channel(poster, tls, authorization.clone()), terms)
    }

    /// Numbers of the webhooks and of the sinks; the log has `length` places.
    pub(crate) fn stats(&self, length: u64) -> (Stats, Stats) {
        let sinks = self.0.sinks.all.iter().map(|sink| sink.progress.status());
        (self.registry().stats(length), Stats::of(sinks, length))
    }
}
