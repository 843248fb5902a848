//! Starts a task for each webhook, and wakes those for whom something was recorded.
//!
//! One task follows what is committed, however many webhooks there are: the writer wakes no other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use delivery::{Registry, WebhookId};
use keys::Account;
use ledger::{Followed, Following};
use tokio::task::JoinSet;

use crate::app::App;
use crate::webhooks::log_source::LogSource;

/// For how long events are collected before the webhooks are woken.
const PULSE: Duration = Duration::from_millis(20);

/// Delivers until the service stops; then it writes how far each webhook is.
pub(crate) async fn run(app: App) {
    let registry = Arc::clone(app.webhooks().registry());
    let (mut changes, mut stopping) = (registry.changes(), app.stopping());
    let (mut started, mut tasks) = (HashSet::new(), JoinSet::new());
    let mut following = None;
    while !*stopping.borrow_and_update() {
        changes.mark_unchanged();
        start_new(&app, &mut started, &mut tasks);
        // Without a follower the writer buffers nothing.
        if started.is_empty() {
            following = None;
        } else if following.is_none() {
            following = Some(app.ledger().follow());
            // What was recorded before, nobody followed.
            registry.wake(|_| true);
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
                    tracing::error!(%error, "the task of a webhook ended badly");
                }
            }
            () = committed => {
                tokio::time::sleep(PULSE).await;
                if let Some(following) = &mut following {
                    wake(&registry, following);
                }
            }
        }
    }
    tasks.shutdown().await;
    let saved = tokio::task::spawn_blocking(move || registry.save()).await;
    if let Ok(Err(error)) = saved {
        tracing::warn!(%error, "how far webhooks are was not written: they repeat messages");
    }
}

/// Starts the tasks of webhooks that are new, and forgets those that were deleted, whose tasks end
/// by themselves.
fn start_new(app: &App, started: &mut HashSet<WebhookId>, tasks: &mut JoinSet<()>) {
    let all = app.webhooks().registry().all();
    started.retain(|id| all.iter().any(|webhook| webhook.id() == *id));
    for webhook in all {
        if started.insert(webhook.id()) {
            let source = LogSource::new(app.clone(), &webhook.definition);
            tasks.spawn(delivery::run(webhook, source, Arc::clone(app.webhooks().courier())));
        }
    }
}

/// Takes what was committed, and wakes the webhooks of its accounts.
fn wake(registry: &Registry, following: &mut Following) {
    let (mut accounts, mut all) = (HashSet::new(), false);
    while let Some(followed) = following.take() {
        match followed {
            Followed::Missed(_) => all = true,
            Followed::Entries(entries) => {
                accounts.extend(entries.iter().map(|entry| entry.account.clone()));
            }
        }
    }
    registry.wake(|definition| {
        let account = definition.account.as_deref();
        all || account.is_none_or(|wanted| {
            accounts.iter().any(|account: &Account| account.as_str() == wanted)
        })
    });
}
