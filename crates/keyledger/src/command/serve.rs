//! `keyledger serve`: the service, from a command line to a listening socket and to a clean stop.
//!
//! What can be refused is refused in this order: what was asked wrongly, addresses that are in
//! use, secret files that cannot be read, and only then the data directory, so that a bad start
//! changes nothing on the disk.

mod listen;
mod log_lines;
mod logging;
mod logs;
mod open_files;
mod options;
mod quotas;
mod ready;
mod running;

use anyhow::{Context as _, Result};
use eventlog::sled::SledLog;
use server::{App, Auth, Config};

use self::log_lines::LastLines;
pub(crate) use self::options::Serve;
use self::running::Listeners;
use crate::data_dir::inventory::Inventory;
use crate::data_dir::{log_key, token_key};
use crate::exit::Exit;

pub(crate) fn run(asked: &Serve) -> Result<Exit> {
    asked.check()?;
    // Declared first, and so dropped last: what is logged on the way out is written.
    let log_lines = LastLines(logging::start(asked)?);
    open_files::allow(asked.max_connections);
    let listeners = Listeners::bind(asked)?;
    let exposed = asked.data.secrets.exposed();
    let key = token_key::Kept::find(&asked.data.data, exposed)?;
    let verifier = key.key.verifier();
    let auth = Auth::new(verifier.clone(), asked.outside()?)?;

    let log_key = log_key::Kept::find(&asked.data.data, asked.origin.as_deref(), exposed)?;

    let parts = Inventory::read(&asked.data.data)?;
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
