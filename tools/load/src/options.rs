//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::followers::Kind;
use crate::op::Op;

/// Puts load on a keyledger server and says how fast it answers.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Another measurement than one operation on a running server.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Load a running server.
    #[command(flatten)]
    pub(crate) operation: Option<Operation>,
}

/// The other measurements.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the floor: the same JSON in and out, nothing behind it
    Floor {
        /// Where to listen; port 0 takes any that is free
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Say how soon after its due time a key is denied, and how soon that is on record
    Expiry {
        /// The server, as in `http://127.0.0.1:7070`, on this machine and at rest
        #[arg(long)]
        url: String,
        /// A token of role `owner`
        #[arg(long, env = "KEYLEDGER_TOKEN", hide_env_values = true)]
        token: String,
        /// How many keys
        #[arg(long, default_value_t = 20)]
        keys: usize,
    },
    /// Start the service and the floor, load both in turn, print one table
    Bench(Bench),
    /// Start the service, let one tenant overload it in every way, and show what another notices
    Siege(Siege),
    /// Start the service and import many keys in one request
    Import(Import),
    /// Start the service and the floor, grow the table, print every figure at each of its sizes
    Large(Large),
    /// Load the service for long with restarts, kills and storms of expiries, and check what is left
    Soak(Soak),
}

/// The figures of a large table.
#[derive(Args)]
pub(crate) struct Large {
    /// The service's program, built for release
    #[arg(long)]
    pub(crate) server: PathBuf,
    /// Where to make the temporary data directory; a real disk, or syncing costs nothing
    #[arg(long, default_value = ".")]
    pub(crate) under: PathBuf,
    /// How many keys in the end; the figures are taken at 100,000, 1,000,000 and 10,000,000 up to that
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub(crate) keys: u64,
    /// How long one round of one operation on one side is measured
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// How many rounds; floor and service take turns, the table shows medians
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// How long the service is watched while nothing happens
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) idle: Duration,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// What `serve` gets beside where its data are and where to listen
    #[arg(last = true)]
    pub(crate) serve: Vec<String>,
}

/// The soak.
#[derive(Args)]
pub(crate) struct Soak {
    /// The service's program, built for release
    #[arg(long)]
    pub(crate) server: PathBuf,
    /// Where to make the temporary data directory; a real disk, or syncing costs nothing
    #[arg(long, default_value = ".")]
    pub(crate) under: PathBuf,
    /// For how long
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) minutes: u64,
    /// Where the random choices start; every run says where its own did
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// What `serve` gets beside where its data are and where to listen
    #[arg(last = true)]
    pub(crate) serve: Vec<String>,
}

/// An import.
#[derive(Args)]
pub(crate) struct Import {
    /// The service's program, built for release
    #[arg(long)]
    pub(crate) server: PathBuf,
    /// Where to make the temporary data directory
    #[arg(long, default_value = ".")]
    pub(crate) under: PathBuf,
    /// How many keys
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keys: u64,
    /// 20,000 keys at most
    #[arg(long)]
    pub(crate) short: bool,
    /// What `serve` gets beside where its data are and where to listen
    #[arg(last = true)]
    pub(crate) serve: Vec<String>,
}

/// The siege.
#[derive(Args)]
pub(crate) struct Siege {
    /// The service's program, built for release
    #[arg(long)]
    pub(crate) server: PathBuf,
    /// Where to make the temporary data directory
    #[arg(long, default_value = ".")]
    pub(crate) under: PathBuf,
    /// A tenth of everything
    #[arg(long)]
    pub(crate) short: bool,
    /// How long the quiet tenant is watched, before and during each scenario
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Only the scenario of this name; may be given more than once
    #[arg(long)]
    pub(crate) only: Vec<String>,
    /// What `serve` gets beside where its data are and where to listen
    #[arg(last = true)]
    pub(crate) serve: Vec<String>,
}

/// One operation against a running server.
#[derive(Args)]
pub(crate) struct Operation {
    /// The server, as in `http://127.0.0.1:7070`
    #[arg(long)]
    pub(crate) url: String,
    /// A token of role `owner`
    #[arg(long, env = "KEYLEDGER_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
    /// The operation
    #[arg(long)]
    pub(crate) op: Op,
    /// How many connections, each with one request under way
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// How many threads drive them
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// How long to measure, as in `5s` or `500ms`
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// How long to run before that, unmeasured
    #[arg(long, default_value = "300ms", value_parser = humantime::parse_duration)]
    pub(crate) warm_up: Duration,
    /// How many keys to create first, for `verify`, `list` and `mixed` to spread over
    #[arg(long, default_value_t = 10_000)]
    pub(crate) keys: usize,
    /// At most so many requests a second, over all connections
    #[arg(long)]
    pub(crate) rate: Option<u32>,
    /// How many streams of events are open meanwhile
    #[arg(long, default_value_t = 0)]
    pub(crate) followers: usize,
    /// What the followers do
    #[arg(long, default_value = "reads")]
    pub(crate) following: Kind,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The whole table.
#[derive(Args)]
pub(crate) struct Bench {
    /// The service's program, built for release
    #[arg(long)]
    pub(crate) server: PathBuf,
    /// Where to make the temporary data directory; a real disk, or syncing costs nothing
    #[arg(long, default_value = ".")]
    pub(crate) under: PathBuf,
    /// Only these operations
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "verify,list,mixed,create,receipt,covosign,callcov,cloudsigma,capgo,composable,public"
    )]
    pub(crate) ops: Vec<Op>,
    /// How many connections
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// How many connections for the second row of `create`; 0 leaves it out
    #[arg(long, default_value_t = 256)]
    pub(crate) many: usize,
    /// How many threads drive them
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// How long one round of one operation on one side is measured
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// How long each round runs before that, unmeasured
    #[arg(long, default_value = "300ms", value_parser = humantime::parse_duration)]
    pub(crate) warm_up: Duration,
    /// How many rounds; floor and service take turns, the table shows medians
    #[arg(long, default_value_t = 9)]
    pub(crate) rounds: usize,
    /// How many keys run out while nothing else happens, to see how late that is noticed; 0 leaves
    /// it out
    #[arg(long, default_value_t = 20)]
    pub(crate) expiring: usize,
    /// How many keys are there before anything is measured
    #[arg(long, default_value_t = 100_000)]
    pub(crate) keys: usize,
    /// Worker threads of the service and of the floor (`TOKIO_WORKER_THREADS` for both; else one a core)
    #[arg(long)]
    pub(crate) workers: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        assert!(Arguments::try_parse_from(["load", "floor"]).is_ok());
        assert!(Arguments::try_parse_from(["load", "bench", "--server", "keyledger"]).is_ok());
        let one = ["load", "--url", "http://[::1]:1", "--token", "t", "--op", "create"];
        assert!(Arguments::try_parse_from(one).is_ok());
        assert!(Arguments::try_parse_from(["load", "--url", "http://[::1]:1"]).is_err());
    }

    #[test]
    fn durations_have_units() {
        let duration = |text: &str| {
            let line = ["load", "siege", "--server", "keyledger", "--duration", text];
            match Arguments::try_parse_from(line).ok()?.command? {
                Command::Siege(siege) => Some(siege.duration),
                Command::Floor { .. }
                | Command::Expiry { .. }
                | Command::Bench(_)
                | Command::Import(_)
                | Command::Large(_)
                | Command::Soak(_) => None,
            }
        };
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        for bad in ["", "5", "s", "-1s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
