//! The running service: its sockets, its background tasks, its stop.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ledger::UsageError;
use server::App;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::accounts::AccountsWatch;
use super::options::Serve;
use super::options::listen_address::ListenAddress;
use super::ready;
use crate::signals::StopSignals;

/// The interval between two checks of the free space on the disk.
const DISK_CHECK: Duration = Duration::from_secs(1);
/// The interval between two saves of the counts of use; a crash loses what came after the last.
const USAGE_SAVE: Duration = Duration::from_secs(5);

/// The sockets. They are bound before anything on the disk is touched.
pub(super) struct Listeners {
    main: Vec<TcpListener>,
    authorize: Vec<TcpListener>,
    metrics: Vec<TcpListener>,
}

impl Listeners {
    pub(super) fn bind(options: &Serve) -> Result<Listeners> {
        Ok(Listeners {
            main: options.listen.main.bind("--listen")?,
            authorize: bind_optional(options.listen.authorize.as_ref(), "--authorize-listen")?,
            metrics: bind_optional(options.listen.metrics.as_ref(), "--metrics-listen")?,
        })
    }
}

/// No sockets for a service that no option asks for.
fn bind_optional(address: Option<&ListenAddress>, option: &str) -> Result<Vec<TcpListener>> {
    address.map_or_else(|| Ok(Vec::new()), |address| address.bind(option))
}

/// Serves until a stop signal arrives.
pub(super) async fn run(
    options: &Serve,
    app: App,
    accounts: Option<AccountsWatch>,
    listeners: Listeners,
) -> Result<()> {
    let mut signals = StopSignals::new().context("signals cannot be heard")?;
    let (ledger, journal) = (app.ledger().clone(), app.journal().clone());
    let stop = watch::Sender::new(false);
    let mut serving = JoinSet::new();
    let mut working = work_beside(options, &app, accounts);

    let address = listeners.main.first().context("no address to listen on")?.local_addr()?;
    let mut services = vec![("the API", listeners.main, server::router(app.clone()))];
    if let Some(account) = options.listen.authorize_account()? {
        let service = server::authorize_router(app.clone(), account);
        services.push(("forward auth without a token", listeners.authorize, service));
    }
    services.push(("metrics", listeners.metrics, server::metrics_router(app.clone())));
    let limits = options.connections.limits();
    for (what, listeners, service) in services {
        for listener in listeners {
            tracing::info!(listen = %listener.local_addr()?, "answering: {what}");
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let stop = stopped(stop.subscribe());
            serving.spawn(server::serve(listener, service.clone(), limits, stop));
        }
    }
    let webhooks = app.clone();
    let delivering = tokio::spawn(server::deliver_webhooks(webhooks));
    let saving = tokio::spawn(save_usage(ledger.clone(), stop.subscribe()));
    if let Err(error) = ready::print(&options.data.data, address, ledger.stats().log_size) {
        // The service runs all the same.
        tracing::warn!(%error, "nobody reads stdout");
    }

    signals.stopped().await;
    tracing::info!("stopping: requests under way are answered");
    stop.send_replace(true);
    while let Some(served) = serving.join_next().await {
        served.context("a listener ended badly")??;
    }
    delivering.await.context("how far webhooks are was not written")?;
    app.give_up_reads();
    // Before the ledger is closed, which writes the same file.
    saving.await.context("the counts of use were not written")?;
    let closed = ledger.close().await.context(
        "the last steps of stopping failed; what was acknowledged is safe, and the next start \
         reads the whole log",
    );
    let journal_closed = journal.close().await.context(
        "the access journal was not closed cleanly; what was recorded is safe, and the next start \
         reads the whole of it",
    );
    closed.and(journal_closed)?;
    working.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

/// What goes on beside the answering of requests, and may end at any point.
fn work_beside(options: &Serve, app: &App, accounts: Option<AccountsWatch>) -> JoinSet<()> {
    let mut working = JoinSet::new();
    let ledger = app.ledger();
    if !options.expiry.no_worker {
        let ledger = ledger.clone();
        working.spawn(async move { ledger.work().await });
    }
    let of_keys = app.clone();
    working.spawn(async move { of_keys.keep_keys().await });
    working.spawn(server::keep_stamping(app.clone()));
    working.spawn(server::gather_cosignatures(app.clone()));
    working.spawn(keep_rules(accounts, ledger.clone()));
    let following = ledger.clone();
    working.spawn(async move { following.keep_up().await });
    working.spawn(watch_disk(ledger.clone()));
    working
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A dropped sender means stop, too.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Keeps the rules of accounts as new as their file, if there is one.
async fn keep_rules(accounts: Option<AccountsWatch>, ledger: ledger::Ledger) {
    if let Some(accounts) = accounts {
        accounts.keep(ledger).await;
    }
}

/// Logs once when the disk has no room for the log, and once when it has room again.
async fn watch_disk(ledger: ledger::Ledger) {
    let mut before = true;
    loop {
        let log = ledger.clone();
        // A disk may be slow to answer.
        let space = tokio::task::spawn_blocking(move || log.space()).await.ok().flatten();
        if let Some(space) = space {
            let has_room = space.has_room(0);
            let (free, reserve) = (space.available, space.reserve);
            match (before, has_room) {
                (true, false) => tracing::error!(
                    free,
                    reserve,
                    "the disk is full up to its reserve: changes are refused until there is room"
                ),
                (false, true) => tracing::warn!(free, reserve, "the disk has room again"),
                (true, true) | (false, false) => {}
            }
            before = has_room;
        }
        tokio::time::sleep(DISK_CHECK).await;
    }
}

/// Saves the counts of use at intervals, and merges their files. They are no events: a crash may
/// lose some.
async fn save_usage(ledger: ledger::Ledger, stop: watch::Receiver<bool>) {
    let mut stop = std::pin::pin!(stopped(stop));
    let (mut saved, mut compacted) = (Outcome::default(), Outcome::default());
    let mut compacting = tokio::spawn(std::future::ready(Ok(())));
    loop {
        tokio::select! {
            () = tokio::time::sleep(USAGE_SAVE) => {}
            () = &mut stop => return,
        }
        let saving = ledger.clone();
        let result = tokio::task::spawn_blocking(move || {
            saving.forget_idle();
            saving.save_usage()
        });
        let result = result.await;
        saved.log("the counts of use were not written", result);
        // It may take longer than the interval, which the next save does not wait for.
        if compacting.is_finished() {
            let merging = ledger.clone();
            let next = tokio::task::spawn_blocking(move || merging.compact_usage());
            let result = std::mem::replace(&mut compacting, next).await;
            compacted.log("the files of counts of use were not merged", result);
        }
    }
}

/// How something that is done again and again ended the last time.
#[derive(Default)]
struct Outcome {
    failed: bool,
}

impl Outcome {
    /// Logs the first failure, and when it is over.
    fn log(&mut self, what: &str, result: Result<Result<(), UsageError>, JoinError>) {
        match result {
            Ok(Ok(())) if self.failed => {
                tracing::info!("over: {what}");
                self.failed = false;
            }
            Ok(Err(error)) if !self.failed => {
                tracing::warn!(%error, "{what}");
                self.failed = true;
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "{what}"),
        }
    }
}
