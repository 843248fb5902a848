//! The options about where the service listens.

use anyhow::Result;
use clap::Args;
use keys::Account;

use super::listen_address::ListenAddress;
use crate::exit::misuse;

/// Where the service listens.
#[derive(Args, Debug)]
#[command(next_help_heading = "Where it listens")]
pub(crate) struct Listen {
    /// Where to listen: an address or a name (all its addresses), and a port; port 0 takes any
    /// that is free
    #[arg(
        long = "listen",
        env = "KEYLEDGER_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:7070"
    )]
    pub(crate) main: ListenAddress,
    /// Where to answer forward auth without a token; keep it where only the gateway gets to
    #[arg(long = "authorize-listen", env = "KEYLEDGER_AUTHORIZE_LISTEN", value_name = "ADDR")]
    pub(crate) authorize: Option<ListenAddress>,
    /// The account whose keys are judged there
    #[arg(long, env = "KEYLEDGER_AUTHORIZE_ACCOUNT", value_name = "ACCOUNT")]
    authorize_account: Option<String>,
    /// Where to serve /metrics, which is then nowhere else
    #[arg(long = "metrics-listen", env = "KEYLEDGER_METRICS_LISTEN", value_name = "ADDR")]
    pub(crate) metrics: Option<ListenAddress>,
}

impl Listen {
    pub(super) fn check(&self) -> Result<()> {
        if self.authorize.is_some() != self.authorize_account.is_some() {
            return Err(misuse("--authorize-listen and --authorize-account go together"));
        }
        self.authorize_account().map(drop)
    }

    /// The account that forward auth without a token is about.
    pub(crate) fn authorize_account(&self) -> Result<Option<Account>> {
        let account = self.authorize_account.as_deref().map(Account::new).transpose();
        account.map_err(|why| misuse(format!("--authorize-account {why}")))
    }
}
