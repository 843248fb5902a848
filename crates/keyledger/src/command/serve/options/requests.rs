//! The options about what requests may take.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use server::Config;

use super::values::count;
use crate::exit::misuse;
use crate::option_values::duration;

/// What requests may take.
#[derive(Args, Debug)]
#[command(next_help_heading = "Requests")]
pub(crate) struct Requests {
    /// How long a request may take before it is answered with 504, as in 30s or 2m; and how long the
    /// client of an import may be silent
    #[arg(
        long = "request-timeout",
        env = "KEYLEDGER_REQUEST_TIMEOUT",
        value_name = "TIME",
        default_value = "30s",
        value_parser = duration
    )]
    pub(crate) timeout: Duration,
    /// How many exports, imports, reports and bundles are under way at once; one more is refused, as
    /// overloaded
    #[arg(
        long,
        env = "KEYLEDGER_MAX_EXPORTS",
        value_name = "COUNT",
        default_value_t = Config::default().max_exports,
        value_parser = count
    )]
    pub(crate) max_exports: usize,
    /// How many of them for one account; callers of all accounts count as one
    #[arg(
        long,
        env = "KEYLEDGER_MAX_EXPORTS_PER_ACCOUNT",
        value_name = "COUNT",
        default_value_t = Config::default().max_exports_per_account,
        value_parser = count
    )]
    pub(crate) max_exports_per_account: usize,
    /// How many event streams may be open; one more is refused, as overloaded
    #[arg(
        long,
        env = "KEYLEDGER_MAX_STREAMS",
        value_name = "COUNT",
        default_value_t = 20_000,
        value_parser = count
    )]
    pub(crate) max_streams: usize,
    /// How many of them may be an account's, or all auditors'
    #[arg(
        long,
        env = "KEYLEDGER_MAX_STREAMS_PER_ACCOUNT",
        value_name = "COUNT",
        default_value_t = 10_000,
        value_parser = count
    )]
    pub(crate) max_streams_per_account: usize,
}

impl Requests {
    pub(super) fn check(&self) -> Result<()> {
        if self.timeout.is_zero() {
            return Err(misuse("--request-timeout must be at least 1s"));
        }
        Ok(())
    }
}
