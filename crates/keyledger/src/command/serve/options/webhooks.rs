//! The options about webhooks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use delivery::{AddressRules, Poster, PosterOptions, RegistryOptions, tls_config};
use ipnet::IpNet;

use super::gateways::network;
use crate::exit::misuse;
use crate::option_values::duration;

/// How long a whole exchange with a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How the service calls itself.
pub(super) const USER_AGENT: &str = concat!("keyledger/", env!("CARGO_PKG_VERSION"));
/// The range of `--webhook-give-up`.
const GIVE_UP: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);

/// Webhooks.
#[derive(Args, Debug)]
#[command(next_help_heading = "Webhooks")]
pub(crate) struct Webhooks {
    /// A network that webhooks may post to though it is not public, also by plain http; may be given
    /// more than once
    #[arg(
        long = "webhook-allow",
        env = "KEYLEDGER_WEBHOOK_ALLOW",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = network
    )]
    allowed: Vec<IpNet>,
    /// A PEM file of certificate authorities that are believed besides those of the web; may be given
    /// more than once
    #[arg(
        long = "webhook-ca",
        env = "KEYLEDGER_WEBHOOK_CA",
        value_name = "FILE",
        value_delimiter = ','
    )]
    authorities: Vec<PathBuf>,
    /// After how long without a message taken a receiver is given up
    #[arg(
        long = "webhook-give-up",
        env = "KEYLEDGER_WEBHOOK_GIVE_UP",
        value_name = "TIME",
        default_value = "3d",
        value_parser = duration
    )]
    pub(crate) give_up: Duration,
    /// How many webhooks an account may have
    #[arg(
        long = "max-webhooks-per-account",
        env = "KEYLEDGER_MAX_WEBHOOKS_PER_ACCOUNT",
        value_name = "COUNT",
        default_value_t = 20
    )]
    most_per_account: usize,
    /// How many webhooks there may be
    #[arg(
        long = "max-webhooks",
        env = "KEYLEDGER_MAX_WEBHOOKS",
        value_name = "COUNT",
        default_value_t = 1_000
    )]
    most: usize,
}

impl Webhooks {
    /// Checks the range of what no type bounds.
    pub(crate) fn check(&self) -> Result<()> {
        if GIVE_UP.contains(&self.give_up) {
            return Ok(());
        }
        Err(misuse("--webhook-give-up: must be from 1s to 30d"))
    }

    /// What posts to receivers.
    ///
    /// # Errors
    ///
    /// A file of certificate authorities cannot be used.
    pub(crate) fn poster(&self) -> Result<Poster> {
        let tls = tls_config(&self.authorities)
            .map_err(|error| anyhow::anyhow!("--webhook-ca: {error}"))?;
        let rules = AddressRules::new(self.allowed.clone());
        Ok(Poster::new(PosterOptions { rules, tls, timeout: TIMEOUT, user_agent: USER_AGENT }))
    }

    /// Those of the data directory `data`.
    pub(crate) fn registry(&self, data: &Path) -> RegistryOptions {
        RegistryOptions {
            folder: Some(crate::data_dir::layout::webhooks(data)),
            most_per_account: self.most_per_account,
            most: self.most,
        }
    }
}
