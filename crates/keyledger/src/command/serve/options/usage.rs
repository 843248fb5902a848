//! The options about counts of use.

use std::path::Path;

use clap::Args;
use ledger::UsageOptions;

/// Counts of use.
#[derive(Args, Debug)]
#[command(next_help_heading = "Counts of use")]
pub(crate) struct Usage {
    /// For how many days the counts of verifications stay, hour by hour; they take up to 90 bytes a
    /// day for a key that is used in every hour, and nothing for one that is not used
    #[arg(
        long = "usage-days",
        env = "KEYLEDGER_USAGE_DAYS",
        value_name = "DAYS",
        default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(1..=366)
    )]
    pub(crate) days: u32,
}

impl Usage {
    /// The counts of use of the data directory `data`.
    pub(crate) fn counts(&self, data: &Path) -> UsageOptions {
        UsageOptions { folder: Some(data.join("usage")), days: self.days }
    }
}
