//! The options that more than one command has.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ledger::AsOf;

use crate::data_dir::secret_file::Exposed;
use crate::option_values::duration;

/// The data directory.
#[derive(Args, Clone, Debug)]
pub(crate) struct Data {
    /// The data directory
    #[arg(long, env = "KEYLEDGER_DATA", value_name = "DIR", default_value = "./keyledger-data")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) secrets: Secrets,
}

/// What is required of files with secrets.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Secrets {
    /// Go on though others may read token.key, log.key or another file with a secret: where
    /// permissions cannot be set, and something else keeps others out
    #[arg(long, env = "KEYLEDGER_INSECURE_FILES")]
    insecure_files: bool,
}

impl Secrets {
    /// What happens to a secret file that others may read.
    pub(crate) fn exposed(self) -> Exposed {
        if self.insecure_files { Exposed::Accepted } else { Exposed::Refused }
    }
}

/// A server, and the token to send.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct Remote {
    /// The server
    #[arg(long, env = "KEYLEDGER_URL", default_value = "http://127.0.0.1:7070")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) bearer: Bearer,
}

/// The token to send.
#[derive(Args, Debug)]
pub(crate) struct Bearer {
    /// A token, as `keyledger token` makes it; other users of this machine may see it in the list
    /// of processes, so better keep it in the variable or in a file
    #[arg(long, env = "KEYLEDGER_TOKEN", value_name = "JWT")]
    pub(crate) token: Option<String>,
    /// A file with the token in it; goes before --token and its variable
    #[arg(long, env = "KEYLEDGER_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// The service's own tokens.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OwnTokens {
    /// The longest life of the service's own tokens, as in 12h or 30d; longer ones are refused
    #[arg(
        long = "max-token-ttl",
        env = "KEYLEDGER_MAX_TOKEN_TTL",
        value_name = "TIME",
        default_value = "30d",
        value_parser = duration
    )]
    max_ttl: Duration,
}

impl OwnTokens {
    /// The longest life, in seconds; at least one.
    pub(crate) fn max_ttl_s(self) -> u64 {
        self.max_ttl.as_secs().max(1)
    }
}

/// JSON output instead of a table.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Json {
    /// Print JSON
    #[arg(long, env = "KEYLEDGER_JSON", help_heading = "Output")]
    pub(crate) json: bool,
}

/// A moment in the past.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct LookBack {
    /// As it was right after this record (`seq:N`), or at this time
    #[arg(long, value_name = "seq:N|TIME")]
    pub(crate) as_of: Option<AsOf>,
}
