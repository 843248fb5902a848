//! The options of `serve`, and what they mean together.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use eventlog::sled;
use ipnet::IpNet;
use keys::{Account, Dialect};
use server::auth::{MaxRole, Outside};
use server::{Config, ForwardedHeader, KeyHeader, Limits};
use tracing::level_filters::LevelFilter;

use super::listen::ListenAddress;
use super::quotas::Quotas;
use crate::data_dir::{layout, secret_file};
use crate::exit::misuse;
use crate::option_values::{bytes, duration, one_of};
use crate::options::Data;

/// Run the service
#[derive(Args, Debug)]
#[command(after_help = "\
The first start makes the data directory and in it token.key, which signs the tokens of
`keyledger token`, and log.key, which signs the log. Keep a copy of both elsewhere. When the service is ready it prints one line:
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
    /// Where to listen: an address or a name (all its addresses), and a port; port 0 takes any
    /// that is free
    #[arg(long, env = "KEYLEDGER_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7070")]
    pub(super) listen: ListenAddress,
    /// The guard file, best on another volume: it notices a data directory that was put back to
    /// an earlier state
    #[arg(long, env = "KEYLEDGER_GUARD", value_name = "FILE")]
    guard: Option<PathBuf>,
    /// Once: open a log that is shorter than its guard or its last signed checkpoint, or another
    /// one, and go on under a new origin that names the old; events may be lost
    #[arg(long)]
    pub(super) accept_rollback: bool,
    /// The name of a new log, as auditors know it: a domain you own and a path; without it
    /// keyledger.local and a random id
    #[arg(long, env = "KEYLEDGER_ORIGIN", value_name = "NAME")]
    pub(super) origin: Option<String>,
    /// Where to answer forward auth without a token; keep it where only the gateway gets to
    #[arg(long, env = "KEYLEDGER_AUTHORIZE_LISTEN", value_name = "ADDR")]
    pub(super) authorize_listen: Option<ListenAddress>,
    /// The account whose keys are judged there
    #[arg(long, env = "KEYLEDGER_AUTHORIZE_ACCOUNT", value_name = "ACCOUNT")]
    authorize_account: Option<String>,
    /// Where to serve /metrics, which is then nowhere else
    #[arg(long, env = "KEYLEDGER_METRICS_LISTEN", value_name = "ADDR")]
    pub(super) metrics_listen: Option<ListenAddress>,
    /// A proxy that is believed when it says for whom it asks; may be given more than once
    #[arg(
        long,
        env = "KEYLEDGER_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = network
    )]
    pub(super) trusted_proxy: Vec<IpNet>,
    /// The header in which the trusted proxies write the client's address; without it both are
    /// read, and two that differ name nobody
    #[arg(long, env = "KEYLEDGER_FORWARDED_HEADER", value_name = "NAME")]
    forwarded_header: Option<ForwardedBy>,
    /// The header in which clients of gateways send their key, instead of X-API-Key; may be given
    /// more than once
    #[arg(
        long,
        env = "KEYLEDGER_KEY_HEADER",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "X-API-Key"
    )]
    pub(super) key_header: Vec<KeyHeader>,
    /// The dialect that is spoken at / too, for clients that can change only the host
    #[arg(long, env = "KEYLEDGER_ROOT_DIALECT", value_name = "NAME", value_parser = dialect())]
    pub(super) root_dialect: Option<Dialect>,
    /// How often a new key of the dialect cloudsigma may be used on one UTC day
    #[arg(
        long,
        env = "KEYLEDGER_CLOUDSIGMA_DAILY_LIMIT",
        value_name = "COUNT",
        default_value_t = 250,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(super) cloudsigma_daily_limit: u32,
    /// By how many seconds the time of day may jump before keys stop expiring
    #[arg(long, env = "KEYLEDGER_MAX_CLOCK_STEP", value_name = "SECONDS", default_value_t = 60)]
    pub(super) max_clock_step: u64,
    /// How long a request may take before it is answered with 504, as in 30s or 2m
    #[arg(
        long,
        env = "KEYLEDGER_REQUEST_TIMEOUT",
        value_name = "TIME",
        default_value = "30s",
        value_parser = duration
    )]
    pub(super) request_timeout: Duration,
    /// How many changes may wait for the log; one more is refused at once, as overloaded, to the
    /// account that has most of them waiting
    #[arg(long, env = "KEYLEDGER_QUEUE", value_name = "COUNT", default_value = "4096")]
    pub(super) queue: NonZeroUsize,
    /// How many connections each listener takes at once; past it only health checks and metrics
    /// are answered
    #[arg(
        long,
        env = "KEYLEDGER_MAX_CONNECTIONS",
        value_name = "COUNT",
        default_value_t = Limits::default().connections,
        value_parser = count
    )]
    pub(super) max_connections: usize,
    /// How many connections of one client address (for IPv6 one /64) it takes at once; a trusted
    /// proxy has no such bound
    #[arg(
        long,
        env = "KEYLEDGER_MAX_CONNECTIONS_PER_ADDRESS",
        value_name = "COUNT",
        default_value_t = Limits::default().connections_per_address,
        value_parser = count
    )]
    pub(super) max_connections_per_address: usize,
    /// How many exports, reports and bundles are sent at once; one more is refused, as overloaded
    #[arg(
        long,
        env = "KEYLEDGER_MAX_EXPORTS",
        value_name = "COUNT",
        default_value_t = Config::default().max_exports,
        value_parser = count
    )]
    pub(super) max_exports: usize,
    /// How many of them for one account; callers of all accounts count as one
    #[arg(
        long,
        env = "KEYLEDGER_MAX_EXPORTS_PER_ACCOUNT",
        value_name = "COUNT",
        default_value_t = Config::default().max_exports_per_account,
        value_parser = count
    )]
    pub(super) max_exports_per_account: usize,
    /// How long requests under way may take once it is told to stop; then they are cut off
    #[arg(
        long,
        env = "KEYLEDGER_GRACE",
        value_name = "TIME",
        default_value = "30s",
        value_parser = duration
    )]
    grace: Duration,
    /// How many event streams may be open; one more is refused, as overloaded
    #[arg(long, env = "KEYLEDGER_MAX_STREAMS", value_name = "COUNT", default_value_t = 20_000, value_parser = count)]
    pub(super) max_streams: usize,
    /// How many of them may be an account's, or all auditors'
    #[arg(
        long,
        env = "KEYLEDGER_MAX_STREAMS_PER_ACCOUNT",
        value_name = "COUNT",
        default_value_t = 10_000,
        value_parser = count
    )]
    pub(super) max_streams_per_account: usize,
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
    /// Leave it to `keyledger worker` to record that keys are expired; they are denied all the same
    #[arg(long, env = "KEYLEDGER_NO_WORKER")]
    pub(super) no_worker: bool,
    /// How the log on stderr is written
    #[arg(long, env = "KEYLEDGER_LOG_FORMAT", value_enum, default_value = "text")]
    pub(super) log_format: LogFormat,
    /// How much is logged; of libraries never more than warnings
    #[arg(
        long,
        env = "KEYLEDGER_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info",
        value_parser = log_level()
    )]
    pub(super) log_level: LevelFilter,
    #[command(flatten)]
    pub(super) quotas: Quotas,
    #[command(flatten)]
    issuer: Issuer,
}

/// An issuer of tokens outside.
#[derive(Args, Debug)]
#[command(next_help_heading = "Tokens from outside")]
struct Issuer {
    /// A file with the secret of HS256 tokens, at least 32 bytes
    #[arg(long, env = "KEYLEDGER_JWT_SECRET_FILE", value_name = "FILE")]
    jwt_secret_file: Option<PathBuf>,
    /// A JWKS file: the public keys of tokens (Ed25519, RS256, ES256), looked at each second
    #[arg(long, env = "KEYLEDGER_JWKS_FILE", value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// How long its last good keys count when it is missing or broken; then its tokens are refused
    #[arg(
        long,
        env = "KEYLEDGER_JWKS_GRACE",
        value_name = "TIME",
        default_value = "10m",
        value_parser = duration
    )]
    jwks_grace: Duration,
    /// What `iss` must be
    #[arg(long, env = "KEYLEDGER_JWT_ISSUER", value_name = "TEXT")]
    #[expect(clippy::struct_field_names, reason = "the field's name is the option's")]
    jwt_issuer: Option<String>,
    /// What `aud` must be or hold
    #[arg(long, env = "KEYLEDGER_JWT_AUDIENCE", value_name = "TEXT")]
    jwt_audience: Option<String>,
    /// The most that these tokens give
    #[arg(
        long,
        env = "KEYLEDGER_JWT_MAX_ROLE",
        value_name = "ROLE",
        default_value = "owner",
        value_parser = max_role()
    )]
    jwt_max_role: MaxRole,
    /// Let these tokens name every account at once
    #[arg(long, env = "KEYLEDGER_JWT_ALLOW_ALL_ACCOUNTS")]
    jwt_allow_all_accounts: bool,
}

/// How proxies say for whom they ask.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ForwardedBy {
    /// As most proxies do
    XForwardedFor,
    /// RFC 7239
    Forwarded,
}

/// How the log on stderr is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// An object a line
    Json,
}

impl Serve {
    /// Whether the options go together.
    pub(super) fn check(&self) -> Result<()> {
        if self.authorize_listen.is_some() != self.authorize_account.is_some() {
            return Err(misuse("--authorize-listen and --authorize-account go together"));
        }
        self.authorize_account()?;
        if self.request_timeout.is_zero() {
            return Err(misuse("--request-timeout must be at least 1s"));
        }
        let issuer = &self.issuer;
        let from_outside = issuer.jwt_secret_file.is_some() || issuer.jwks_file.is_some();
        let named = issuer.jwt_issuer.is_some() && issuer.jwt_audience.is_some();
        if from_outside && !named {
            return Err(misuse("tokens from outside need --jwt-issuer and --jwt-audience too"));
        }
        if !from_outside && (issuer.jwt_issuer.is_some() || issuer.jwt_audience.is_some()) {
            return Err(misuse(
                "--jwt-issuer and --jwt-audience need --jwt-secret-file or --jwks-file",
            ));
        }
        Ok(())
    }

    /// What connections may take.
    pub(super) fn connection_limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            grace: self.grace,
            ..Limits::default()
        }
    }

    /// The account that forward auth without a token is about.
    pub(super) fn authorize_account(&self) -> Result<Option<Account>> {
        let account = self.authorize_account.as_deref().map(Account::new).transpose();
        account.map_err(|why| misuse(format!("--authorize-account {why}")))
    }

    /// The header in which trusted proxies write the client's address.
    pub(super) fn forwarded_header(&self) -> Option<ForwardedHeader> {
        self.forwarded_header.map(|header| match header {
            ForwardedBy::XForwardedFor => ForwardedHeader::XForwardedFor,
            ForwardedBy::Forwarded => ForwardedHeader::Forwarded,
        })
    }

    /// How the log is opened.
    pub(super) fn log_options(&self) -> sled::Options {
        let accept_rollback = self.accept_rollback;
        let reserve_bytes = self.disk_reserve;
        let options = layout::log(&self.data.data, self.guard.as_deref());
        sled::Options { accept_rollback, reserve_bytes, ..options }
    }

    /// How the access journal is opened.
    pub(super) fn journal_options(&self) -> sled::Options {
        let accept_rollback = self.accept_rollback;
        // It stops first, so that it never takes the last bytes of the log of keys.
        let reserve_bytes = self.disk_reserve.saturating_mul(2);
        let options = layout::journal(&self.data.data, self.guard.as_deref());
        sled::Options { accept_rollback, reserve_bytes, ..options }
    }

    /// The issuer outside, its secret read.
    pub(super) fn outside(&self) -> Result<Option<Outside>> {
        let options = &self.issuer;
        let (Some(issuer), Some(audience)) = (&options.jwt_issuer, &options.jwt_audience) else {
            return Ok(None);
        };
        let secret = options.jwt_secret_file.as_ref().map(|file| {
            let found = secret_file::bytes(file, self.data.secrets.exposed());
            let found = found.context("check --jwt-secret-file")?;
            let mut secret = found.with_context(|| {
                format!("there is no file `{}`; check --jwt-secret-file", file.display())
            })?;
            // Most editors end a file with a line break, which is no part of the secret.
            let end = secret.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
            secret.truncate(end.map_or(0, |end| end + 1));
            anyhow::Ok(secret)
        });
        Ok(Some(Outside {
            issuer: issuer.clone(),
            audience: audience.clone(),
            secret: secret.transpose()?,
            jwks: options.jwks_file.clone(),
            jwks_grace: options.jwks_grace,
            max_role: options.jwt_max_role,
            all_accounts: options.jwt_allow_all_accounts,
        }))
    }
}

/// Reads the name of a dialect other than the native API, which is at `/` anyway.
fn dialect() -> impl TypedValueParser<Value = Dialect> {
    let dialects = Dialect::ALL.iter().filter(|dialect| **dialect != Dialect::Native);
    one_of(dialects).try_map(|name| name.parse::<Dialect>())
}

fn max_role() -> impl TypedValueParser<Value = MaxRole> {
    one_of(["verifier", "auditor", "worker", "owner", "admin"])
        .try_map(|role| role.parse::<MaxRole>())
}

fn log_level() -> impl TypedValueParser<Value = LevelFilter> {
    one_of(["error", "warn", "info", "debug", "trace"])
        .try_map(|level| level.parse::<LevelFilter>())
}

/// Reads how many of something there may be.
fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("must be a number from 1 up")
}

/// Reads a network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map(keys::canonical_network)
        .map_err(|_: ipnet::AddrParseError| "write it as 10.0.0.0/8 or 10.0.0.1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        assert_eq!(network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::ffff:10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
        assert!(network("proxy.example.com").is_err());
    }
}
