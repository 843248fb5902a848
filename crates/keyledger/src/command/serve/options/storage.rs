//! The options about the log on the disk.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use eventlog::sled;

use crate::data_dir::layout;
use crate::option_values::bytes;

/// The log on the disk.
#[derive(Args, Debug)]
#[command(next_help_heading = "The log")]
pub(crate) struct Storage {
    /// The guard file, best on another volume: it notices a data directory that was put back to
    /// an earlier state
    #[arg(long, env = "KEYLEDGER_GUARD", value_name = "FILE")]
    guard: Option<PathBuf>,
    /// Once: open a log that is shorter than its guard or its last signed checkpoint, or another
    /// one, and go on under a new origin that names the old; events may be lost
    #[arg(long)]
    pub(crate) accept_rollback: bool,
    /// The name of a new log, as auditors know it: a domain you own and a path; without it
    /// keyledger.local and a random id
    #[arg(long, env = "KEYLEDGER_ORIGIN", value_name = "NAME")]
    pub(crate) origin: Option<String>,
    /// How many changes may wait for the log; one more is refused at once, as overloaded, to the
    /// account that has most of them waiting
    #[arg(long, env = "KEYLEDGER_QUEUE", value_name = "COUNT", default_value = "4096")]
    pub(crate) queue: NonZeroUsize,
    /// How much of the disk stays free, as in 64MiB or 1GB: with less nothing is written and the
    /// service is not ready. The access journal leaves twice as much
    #[arg(
        long,
        env = "KEYLEDGER_DISK_RESERVE",
        value_name = "BYTES",
        default_value = "16MiB",
        value_parser = bytes
    )]
    disk_reserve: u64,
}

impl Storage {
    /// How the log of keys in the directory `data` is opened.
    pub(super) fn log(&self, data: &Path) -> sled::Options {
        sled::Options {
            accept_rollback: self.accept_rollback,
            reserve_bytes: self.disk_reserve,
            ..layout::log(data, self.guard.as_deref())
        }
    }

    /// How the access journal in the directory `data` is opened.
    pub(super) fn journal(&self, data: &Path) -> sled::Options {
        sled::Options {
            accept_rollback: self.accept_rollback,
            // It stops first, so that it never takes the last bytes of the log of keys.
            reserve_bytes: self.disk_reserve.saturating_mul(2),
            ..layout::journal(data, self.guard.as_deref())
        }
    }
}
