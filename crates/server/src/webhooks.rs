//! Webhooks: the log as it is posted to receivers elsewhere.
//!
//! [`delivery`] has the receivers, the attempts and the files. Here is what they are sent: events as
//! they are shown, each with its receipt, and reminders of keys that fall due. Nothing here is on
//! the way of a change: each webhook reads the log from its own place, on the read pool.

mod dispatcher;
mod event_kinds;
mod log_source;
mod message_id;
mod reminders;

use std::sync::Arc;
use std::time::Duration;

use delivery::{
    AddressRules, Courier, Poster, PosterOptions, Registry, RegistryOptions, SigningKey, tls_config,
};
use ledger::Ledger;

pub(crate) use self::dispatcher::run;
pub(crate) use self::event_kinds::{EXPIRING, EventKinds};
pub(crate) use self::reminders::first_marks;

/// The webhooks of a service, and what delivers for them. A clone is the same one.
#[derive(Clone)]
pub struct Webhooks {
    registry: Arc<Registry>,
    courier: Arc<Courier>,
}

impl Webhooks {
    /// Those of `registry`, by the clock of `ledger`. A receiver that takes nothing for `give_up` is
    /// given up.
    #[must_use]
    pub fn new(
        registry: Registry,
        poster: Poster,
        key: SigningKey,
        give_up: Duration,
        ledger: &Ledger,
    ) -> Webhooks {
        let clock = ledger.clone();
        let now = Arc::new(move || clock.now().micros());
        let courier = Courier { poster, key: Arc::new(key), give_up, now };
        Webhooks { registry: Arc::new(registry), courier: Arc::new(courier) }
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
        let rules = AddressRules::default();
        let poster = Poster::new(PosterOptions { rules, tls, timeout, user_agent: "keyledger" });
        let key = SigningKey::random().expect("random bytes");
        Webhooks::new(registry, poster, key, Duration::from_secs(86_400), ledger)
    }

    /// All of them.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// What delivers.
    pub(crate) fn courier(&self) -> &Arc<Courier> {
        &self.courier
    }
}
