//! Starts a task for each webhook and each sink, and wakes those for whom something was recorded.
//!
//! One task follows what is committed, however many receivers there are: the writer wakes no other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use delivery::{Sink, WebhookId};
use keys::Account;
use ledger::{Followed, Following};
use tokio::task::JoinSet;

use crate::app::App;
use crate::webhooks::Webhooks;
use crate::webhooks::log_source::LogSource;

/// For how long events are collected before the receivers are woken.
const PULSE: Duration = Duration::from_millis(20);

/// Delivers to webhooks and sinks until [`App::stop`]; then it writes how far each receiver is.
pub async fn deliver_webhooks(app: App) {
    let webhooks = app.webhooks().clone();
    let registry = webhooks.registry();
    let (mut changes, mut stopping) = (registry.changes(), app.stopping());
    let (mut started, mut tasks) = (HashSet::new(), JoinSet::new());
    let mut following = None;
    for sink in &webhooks.sinks().all {
        start_sink(&app, sink, &mut tasks);
    }
    while !*stopping.borrow_and_update() {
        changes.mark_unchanged();
        start_new(&app, &mut started, &mut tasks);
        // Without a follower the writer buffers nothing.
        if tasks.is_empty() {
            following = None;
        } else if following.is_none() {
            following = Some(app.ledger().follow());
            // What was recorded before, nobody followed.
            wake_all(&webhooks);
        }
        let committed = async {
            match &mut following {
                Some(following) => following.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stopping.changed() => {}
            _ = changes.changed() => {}
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "the task of a receiver ended badly");
                }
            }
            () = committed => {
                tokio::time::sleep(PULSE).await;
                if let Some(following) = &mut following {
                    wake(&webhooks, following);
                }
            }
        }
    }
    tasks.shutdown().await;
    let saved = tokio::task::spawn_blocking(move || {
        let sinks = webhooks.sinks().all.iter().map(|sink| sink.progress.save());
        sinks.fold(webhooks.registry().save(), std::io::Result::and)
    });
    if let Ok(Err(error)) = saved.await {
        tracing::warn!(%error, "how far receivers are was not written: they are sent some again");
    }
}

/// Starts the tasks of webhooks that are new, and forgets those that were deleted, whose tasks end
/// by themselves.
fn start_new(app: &App, started: &mut HashSet<WebhookId>, tasks: &mut JoinSet<()>) {
    let all = app.webhooks().registry().all();
    started.retain(|id| all.iter().any(|webhook| webhook.id() == *id));
    for webhook in all {
        if started.insert(webhook.id()) {
            let source = LogSource::of_webhook(app.clone(), &webhook);
            let progress = Arc::clone(&webhook.progress);
            let (channel, terms) = app.webhooks().channel(webhook);
            tasks.spawn(delivery::run(progress, source, channel, terms));
        }
    }
}

fn start_sink(app: &App, sink: &Sink, tasks: &mut JoinSet<()>) {
    let source = LogSource::of_sink(app.clone(), sink.spec.format);
    let (channel, terms) = app.webhooks().sink_channel(sink);
    tasks.spawn(delivery::run(Arc::clone(&sink.progress), source, channel, terms));
}

fn wake_all(webhooks: &Webhooks) {
    webhooks.registry().wake(|_| true);
    webhooks.sinks().all.iter().for_each(|sink| sink.progress.wake());
}

/// Takes what was committed, and wakes the sinks and the webhooks of its accounts.
fn wake(webhooks: &Webhooks, following: &mut Following) {
    let mut accounts = HashSet::new();
    while let Some(followed) = following.take() {
        match followed {
            Followed::Missed(_) => wake_all(webhooks),
            Followed::Entries(entries) => {
                accounts.extend(entries.iter().map(|entry| entry.account.clone()));
            }
        }
    }
    webhooks.registry().wake(|definition| {
        let account = definition.account.as_deref();
        account.is_none_or(|wanted| {
            accounts.iter().any(|account: &Account| account.as_str() == wanted)
        })
    });
    webhooks.sinks().all.iter().for_each(|sink| sink.progress.wake());
}
