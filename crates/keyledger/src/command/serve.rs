//! `keyledger serve`: the service, from a command line to a listening socket and to a clean stop.
//!
//! A start is refused in this order: for wrong options, addresses in use, secret files that cannot be
//! read, and only then for the data directory, so that a bad start changes nothing on the disk.

mod accounts;
pub(super) mod log_lines;
pub(super) mod logging;
mod logs;
mod open_files;
pub(super) mod options;
mod ready;
mod running;

use std::mem::ManuallyDrop;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use delivery::{Position, Registry};
use eventlog::sled::SledLog;
use server::{App, Auth, Config, WebhookOptions, Webhooks, Witnesses};

use self::accounts::AccountsWatch;
use self::log_lines::LastLines;
pub(crate) use self::options::Serve;
use self::running::Listeners;
use crate::data_dir::inventory::Inventory;
use crate::data_dir::layout;
use crate::data_dir::log_key::LogKeyFile;
use crate::data_dir::token_key::TokenKeyFile;
use crate::data_dir::webhook_key::WebhookKeyFile;
use crate::exit::Exit;

pub(crate) fn run(options: &Serve) -> Result<Exit> {
    options.check()?;
    // Declared first and therefore dropped last, so that lines logged during the stop are written.
    let log_lines = LastLines(logging::start(&options.logging)?);
    open_files::allow(options.connections.max, options.usage.days);
    let listeners = Listeners::bind(options)?;
    let exposed = options.data.secrets.exposed();
    let token_key = TokenKeyFile::read_or_generate(&options.data.data, exposed)?;
    let verifier = token_key.key.verifier();
    let auth = Auth::new(token_key.key.clone(), options.issuer.read(exposed)?)?;

    let poster = options.webhooks.poster()?;
    let sinks = options.sinks.read(exposed)?;
    let authority = options.tsa.authority()?;
    let witnesses = options.witnesses.read(&options.data.data)?;
    let accounts = options.quotas.accounts.as_deref().map(AccountsWatch::read).transpose()?;
    let webhook_key = WebhookKeyFile::read_or_generate(&options.data.data, exposed)?;

    let log_key = LogKeyFile::read_or_generate(
        &options.data.data,
        options.storage.origin.as_deref(),
        exposed,
    )?;

    let inventory = Inventory::read(&options.data.data)?;
    inventory.check_access(&options.journal_options().dir, options.storage.accept_rollback)?;
    let log = SledLog::open(&options.log_options())?;
    inventory.warn_of_token_key(&verifier);
    token_key.write_if_new(&options.data.data)?;
    drop(token_key);
    let keyring = logs::keyring(options, &log)?;
    // First: who was erased must be forgotten before records are read.
    let journal = logs::journal(options, log_key.signing.chain(), &keyring)?;
    let ledger = logs::ledger(options, log_key, log, &keyring)?;
    let accounts = accounts.map(|(watch, rules)| {
        ledger.set_account_rules(rules);
        watch
    });
    let registry = Registry::open(options.webhooks.registry(&options.data.data))?;
    webhook_key.write_if_new(&options.data.data)?;
    let give_up = options.webhooks.give_up;
    let vouched = Some(webhook_key.vouch(&options.data.data, &ledger)?);
    let (key, keyring) = (webhook_key.key, Arc::clone(&keyring));
    let webhooks = WebhookOptions { registry, poster, key, vouched, give_up, keyring };
    let reminders = server::first_marks(ledger.now());
    let sinks = sinks.open(&options.data.data, &Position { next: 0, reminders })?;
    let webhooks = Webhooks::new(webhooks, sinks, &ledger);
    let stamps = options.tsa.open(authority, layout::times(&options.data.data))?;
    inventory.save(&options.data.data, &verifier)?;

    let config = Config {
        accounts_file: accounts.as_ref().map(AccountsWatch::status).unwrap_or_default(),
        log_lines_lost: log_lines.0.lost(),
        stamps,
        witnesses: Witnesses::new(witnesses, &ledger),
        ..config(options)
    };
    // Never dropped: the system takes back the memory of ten million keys at once, and to free it piece by
    // piece takes longer than some wait for a process to stop. Both logs are closed before.
    let _until_the_end = ManuallyDrop::new((ledger.clone(), journal.clone()));
    let app = App::new(ledger, journal, auth, webhooks, config);
    let runtime = runtime()?;
    let ran = runtime.block_on(running::run(options, app, accounts, listeners));
    // Does not wait for threads that are blocked by a disk or a client.
    runtime.shutdown_background();
    ran?;
    Ok(Exit::Fine)
}

/// What of the service is an option.
fn config(options: &Serve) -> Config {
    Config {
        trusted_proxies: options.gateways.trusted_proxies.clone(),
        forwarded_header: options.gateways.forwarded_header(),
        key_headers: options.gateways.key_headers.clone(),
        request_timeout: options.requests.timeout,
        root_dialect: options.dialects.root_dialect,
        cloudsigma_daily_limit: options.dialects.cloudsigma_daily_limit,
        max_exports: options.requests.max_exports,
        max_exports_per_account: options.requests.max_exports_per_account,
        max_streams: options.requests.max_streams,
        max_streams_per_account: options.requests.max_streams_per_account,
        metrics: options.listen.metrics.is_none(),
        fast_paths: true,
        ..Config::default()
    }
}

/// The threads that answer requests.
fn runtime() -> Result<tokio::runtime::Runtime> {
    // When the system refuses a thread, tokio panics. Nothing is lost if the process ends here, because
    // nothing was served yet.
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
