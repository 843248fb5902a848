//! `keyledger serve`: the service, from a command line to a listening socket and to a clean stop.
//!
//! What can be refused is refused in this order: what was asked wrongly, addresses that are in
//! use, secret files that cannot be read, and only then the data directory, so that a bad start
//! changes nothing on the disk.

mod listen;
mod log_lines;
mod logs;
mod open_files;
mod options;
mod quotas;
mod running;
mod signals;

use std::io::{IsTerminal as _, stdout};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use eventlog::sled::SledLog;
use server::{App, Auth, Config};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::log_lines::{LastLines, LogLines};
use self::options::LogFormat;
pub(crate) use self::options::Serve;
use self::running::Listeners;
pub(crate) use self::signals::StopSignals;
use crate::exit::Exit;
use crate::parts::Parts;
use crate::{log_key, print, token_key};

pub(crate) fn run(asked: &Serve) -> Result<Exit> {
    asked.check()?;
    // Declared first, and so dropped last: what is logged on the way out is written.
    let log_lines = LastLines(start_logging(asked)?);
    open_files::allow(asked.max_connections);
    let listeners = Listeners::bind(asked)?;
    let exposed = asked.data.secrets.exposed();
    let key = token_key::Kept::find(&asked.data.data, exposed)?;
    let verifier = key.key.verifier();
    let auth = Auth::new(verifier.clone(), asked.outside()?)?;

    let log_key = log_key::Kept::find(&asked.data.data, asked.origin.as_deref(), exposed)?;

    let parts = Parts::read(&asked.data.data)?;
    parts.check_access(&asked.journal_options().dir, asked.accept_rollback)?;
    let log = SledLog::open(&asked.log_options())?;
    parts.warn_of_token_key(&verifier);
    key.keep(&asked.data.data)?;
    drop(key);
    let ledger = logs::ledger(asked, log_key, log)?;
    let journal = logs::journal(asked, &asked.journal_options(), ledger.signing_keys()?)?;
    parts.keep(&asked.data.data, &verifier)?;

    let config = Config {
        trusted_proxies: asked.trusted_proxy.clone(),
        forwarded_header: asked.forwarded_header(),
        key_headers: asked.key_header.clone(),
        request_timeout: asked.request_timeout,
        root_dialect: asked.root_dialect,
        cloudsigma_daily_limit: asked.cloudsigma_daily_limit,
        max_exports: asked.max_exports,
        max_exports_per_account: asked.max_exports_per_account,
        max_streams: asked.max_streams,
        max_streams_per_account: asked.max_streams_per_account,
        metrics: asked.metrics_listen.is_none(),
        log_lines_lost: log_lines.0.lost(),
    };
    let app = App::new(ledger, journal, auth, config);
    let runtime = runtime()?;
    let ran = runtime.block_on(running::run(asked, app, listeners));
    // Whoever waits for a disk that does not answer, or for a client, would be waited for.
    runtime.shutdown_background();
    ran?;
    Ok(Exit::Fine)
}

/// The threads that answer requests.
fn runtime() -> Result<tokio::runtime::Runtime> {
    // Where the system gives no more threads, tokio panics instead of saying so. Nothing is lost by
    // an end here: nobody has been served yet.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {
        eprintln!(
            "keyledger: the threads of the service cannot be started; let this user have more of \
             them (ulimit -u, TasksMax)"
        );
        std::process::exit(1);
    }));
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    std::panic::set_hook(hook);
    built.context("the threads of the service cannot be started")
}

/// The targets of our own lines: the crates.
const OURS: &[&str] = &["bundle", "eventlog", "keyledger", "keys", "ledger", "server", "tlog"];

/// Says on stderr what goes on; stdout is for the ready line alone.
///
/// What libraries say below a warning is for their authors, and one that logs requests would log
/// tokens.
fn start_logging(asked: &Serve) -> Result<LogLines> {
    let level = asked.log_level;
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(OURS.iter().map(|ours| (*ours, level)));
    let log_lines = LogLines::start(std::io::stderr()).context("no thread for the log")?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(log_lines.clone())
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match asked.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(log_lines)
}

/// Says that the service is ready: one line for machines, and on a terminal what to do next.
fn tell_ready(data: &Path, listen: SocketAddr, log_size: u64) -> Result<()> {
    let pid = std::process::id();
    let shown = print::plain(&data.display().to_string());
    print::line(format!(
        "keyledger ready listen={listen} data={shown} log_size={log_size} pid={pid}"
    ))?;
    if stdout().is_terminal() {
        // As it was called: after `cargo run` it is in no search path.
        let program = std::env::args().next().unwrap_or_else(|| "keyledger".to_owned());
        print::line(format!(
            "\nhttp://{listen}/docs describes the API. In another terminal:\n\n  \
             TOKEN=$({program} token --data '{shown}' --account acme --subject me --role owner \
             | tail -n 1)\n  \
             curl -H \"Authorization: Bearer $TOKEN\" http://{listen}/v1/keys \\\n    \
             -H 'Content-Type: application/json' -d '{{\"name\":\"my first key\"}}'\n"
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate that is not listed would be silent at every level but the worst.
    #[test]
    fn every_crate_is_one_of_ours() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let names = std::fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, OURS);
    }
}
