//! The options of `serve`, a file for each subject.

pub(super) mod connections;
pub(super) mod dialects;
pub(super) mod expiry;
pub(super) mod gateways;
pub(super) mod issuer;
pub(crate) mod listen_address;
pub(super) mod listeners;
pub(crate) mod logging;
pub(super) mod node;
pub(super) mod quotas;
pub(super) mod requests;
pub(super) mod sinks;
pub(super) mod storage;
pub(super) mod tsa;
pub(super) mod usage;
mod values;
pub(super) mod webhooks;
pub(super) mod witnesses;

use anyhow::Result;
use clap::Args;
use eventlog::sled;

use self::connections::Connections;
use self::dialects::Dialects;
use self::expiry::Expiry;
use self::gateways::Gateways;
use self::issuer::Issuer;
use self::listeners::Listen;
use self::logging::Logging;
use self::node::Node;
use self::quotas::Quotas;
use self::requests::Requests;
use self::sinks::Sinks;
use self::storage::Storage;
use self::tsa::Tsa;
use self::usage::Usage;
use self::webhooks::Webhooks;
use self::witnesses::WitnessList;
use crate::options::{Data, OwnTokens};

/// Run the service
#[derive(Args, Debug)]
#[command(after_help = "\
The first start makes the data directory and in it token.key, which signs the tokens of
`keyledger token`, and log.key, which signs the log. Keep a copy of both elsewhere. When the service
is ready it prints one line:
  keyledger ready listen=127.0.0.1:7070 data=./keyledger-data log_size=0 pid=4711
SIGTERM or ctrl-c stops it: requests under way are answered, the log is synced.

Examples:
  keyledger serve
  keyledger serve --data /var/lib/keyledger --listen 0.0.0.0:7070 --log-format json
  keyledger serve --authorize-listen 127.0.0.1:7071 --authorize-account acme
  keyledger serve --jwks-file issuer.json --jwt-issuer https://id.example.com --jwt-audience keys")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(super) data: Data,
    #[command(flatten)]
    pub(super) node: Node,
    #[command(flatten)]
    pub(super) storage: Storage,
    #[command(flatten)]
    pub(super) usage: Usage,
    #[command(flatten)]
    pub(super) listen: Listen,
    #[command(flatten)]
    pub(super) gateways: Gateways,
    #[command(flatten)]
    pub(super) dialects: Dialects,
    #[command(flatten)]
    pub(super) expiry: Expiry,
    #[command(flatten)]
    pub(super) connections: Connections,
    #[command(flatten)]
    pub(super) requests: Requests,
    #[command(flatten)]
    pub(super) quotas: Quotas,
    #[command(flatten)]
    pub(super) tokens: OwnTokens,
    #[command(flatten)]
    pub(super) webhooks: Webhooks,
    #[command(flatten)]
    pub(super) sinks: Sinks,
    #[command(flatten)]
    pub(super) tsa: Tsa,
    #[command(flatten)]
    pub(super) witnesses: WitnessList,
    #[command(flatten)]
    pub(super) issuer: Issuer,
    #[command(flatten)]
    pub(super) logging: Logging,
}

impl Serve {
    /// Checks what one option requires of another.
    ///
    /// # Errors
    ///
    /// A misuse that names the options.
    pub(super) fn check(&self) -> Result<()> {
        self.listen.check()?;
        self.requests.check()?;
        self.webhooks.check()?;
        self.tsa.check()?;
        self.witnesses.check()?;
        self.issuer.check()
    }

    /// How the log is opened.
    pub(super) fn log_options(&self) -> sled::Options {
        self.storage.log(&self.data.data)
    }

    /// How the access journal is opened.
    pub(super) fn journal_options(&self) -> sled::Options {
        self.storage.journal(&self.data.data)
    }
}
