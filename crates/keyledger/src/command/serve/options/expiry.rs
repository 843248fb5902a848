//! The options about keys that expire.

use clap::Args;

/// Keys that expire.
#[derive(Args, Debug)]
#[command(next_help_heading = "Expiry")]
pub(crate) struct Expiry {
    /// By how many seconds the time of day may jump before keys stop expiring
    #[arg(long, env = "KEYLEDGER_MAX_CLOCK_STEP", value_name = "SECONDS", default_value_t = 60)]
    pub(crate) max_clock_step: u64,
    /// Leave it to `keyledger worker` to record that keys are expired; they are denied all the same
    #[arg(long, env = "KEYLEDGER_NO_WORKER")]
    pub(crate) no_worker: bool,
}
