//! The options about what one account may have and do.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

/// What one account may have and do.
#[derive(Args, Debug)]
#[command(next_help_heading = "What one account may have and do")]
pub(crate) struct Quotas {
    /// A file with what the keys of each account must keep to, read again when it changes
    /// (docs/accounts.md; `keyledger accounts check` looks at one)
    #[arg(long, env = "KEYLEDGER_ACCOUNTS", value_name = "FILE")]
    pub(crate) accounts: Option<PathBuf>,
    /// How many keys an account may have, ended ones too; by default as many as it likes
    #[arg(
        long = "max-keys-per-account",
        env = "KEYLEDGER_MAX_KEYS_PER_ACCOUNT",
        value_name = "COUNT"
    )]
    keys: Option<u64>,
    /// How many changes an account may ask for in a second; 0 is without bound
    #[arg(
        long = "max-changes-per-second",
        env = "KEYLEDGER_MAX_CHANGES_PER_SECOND",
        value_name = "COUNT",
        default_value_t = 50_000
    )]
    changes_per_second: u32,
    /// How many requests of an account may read keys or events in a second (lists, history,
    /// looks back, evidence; not verify and authorize); 0 is without bound
    #[arg(
        long = "max-reads-per-second",
        env = "KEYLEDGER_MAX_READS_PER_SECOND",
        value_name = "COUNT",
        default_value_t = 50_000
    )]
    reads_per_second: u32,
}

impl Quotas {
    pub(crate) fn for_ledger(&self) -> ledger::Quotas {
        ledger::Quotas {
            keys: self.keys,
            changes_per_s: NonZeroU32::new(self.changes_per_second),
            reads_per_s: NonZeroU32::new(self.reads_per_second),
        }
    }
}
