//! Streams as a connection reads them: complete, with heartbeats, bounded, ended with their token.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use axum::body::Bytes;
use eventlog::memory::MemoryLog;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use keys::{Account, Dialect, KeyId, Subject, Timestamp};
use ledger::{
    Caller, Change, Identity, Journal, JournalOptions, Ledger, NewKeyRequest, Options, Origin,
    RequestOptions, Role, Scope, Seq, Signing, SystemClock, Via,
};
use tokio::time::Instant;

use super::bounds::{BOUNDS, Bounds};
use super::hub::Hub;
use super::streams::Streams;
use super::subscription::{Caps, Full, Permit, StreamBody};
use super::topics::Filter;
use crate::app::{App, Config};
use crate::auth::Auth;
use crate::auth::bearer::Bearer;
use crate::auth::token::TokenKey;
use crate::webhooks::Webhooks;

pub(super) fn caller(subject: &str, account: Option<&str>, role: Role) -> Caller {
    let scope = account.map_or(Scope::All, |name| Scope::Account(name.parse().unwrap()));
    let identity = Identity {
        subject: Subject::new(subject).unwrap(),
        scope,
        roles: [role].into_iter().collect(),
        via: Via::Token { issuer: "test".into(), jti: None },
    };
    let origin = Origin::default();
    Caller { identity: Arc::new(identity), dialect: Dialect::Native, origin }
}

pub(super) fn auditor() -> Caller {
    caller("ann", None, Role::Auditor)
}

pub(super) fn draft(account: &str) -> NewKeyRequest {
    NewKeyRequest {
        account: Some(account.parse().unwrap()),
        name: Some("ci".parse().unwrap()),
        ..NewKeyRequest::default()
    }
}

pub(super) fn app() -> App {
    let signing = Arc::new(Signing::new("ledger.example.com/keys", [7; 32]).unwrap());
    let ledger = Ledger::open(Arc::new(MemoryLog::new()), Options::default(), &mut |_| {}).unwrap();
    let clock = Arc::new(SystemClock::default());
    let journal =
        Journal::open(Arc::new(MemoryLog::new()), clock, signing, JournalOptions::default())
            .unwrap();
    let webhooks = Webhooks::in_memory(&ledger);
    let auth = Auth::new(TokenKey::from_seed(&[7; 32]), None).unwrap();
    App::new(ledger, journal, auth, webhooks, Config::default())
}

/// Starts the hub with limits of its own.
pub(super) fn begin(app: &App, bounds: Bounds) {
    let Streams { shared, hub_started } = app.streams();
    assert!(!hub_started.swap(true, Ordering::Relaxed));
    tokio::spawn(Hub::new(app.clone(), Arc::clone(shared), bounds).run());
}

pub(super) fn permit(app: &App, account: Option<Account>) -> Permit {
    app.streams().shared.admit(account, Caps { all: 1_000, per_account: 1_000 }).unwrap()
}

fn follow(app: &App, filter: Filter, from: u64) -> StreamBody {
    let permit = permit(app, None);
    let who = auditor();
    let bearer = Bearer::until(&who.identity, Timestamp::MAX);
    StreamBody::join(permit, who, bearer, filter, Seq(from))
}

pub(super) async fn next(stream: &mut StreamBody) -> Option<Bytes> {
    stream.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
}

pub(super) async fn create(app: &App, subject: &str, account: &str) -> KeyId {
    let admin = caller(subject, None, Role::Admin);
    app.ledger().create(&admin, draft(account), RequestOptions::default()).await.unwrap().key.key.id
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_kept_open_by_a_heartbeat_however_busy_the_log_is() {
    let app = app();
    begin(&app, BOUNDS);
    let never = Filter { actor: Some(Subject::new("nobody").unwrap()), ..Filter::default() };
    let mut quiet = follow(&app, never, 0);
    let started = Instant::now();
    let reading = tokio::spawn(async move {
        let mut received = Vec::new();
        for _ in 0..3 {
            let text = next(&mut quiet).await.unwrap();
            received.push((started.elapsed().as_secs(), text));
        }
        received
    });
    while !reading.is_finished() {
        tokio::time::sleep(Duration::from_millis(700)).await;
        create(&app, "bob", "acme").await;
    }
    let received = reading.await.unwrap();
    let received: Vec<_> = received.iter().map(|(at, text)| (*at, &text[..])).collect();
    let heartbeat = &b": heartbeat\n\n"[..];
    assert_eq!(received, [(0, &b": following\n\n"[..]), (15, heartbeat), (30, heartbeat)]);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_counts_from_the_streams_own_last_byte() {
    let app = app();
    begin(&app, BOUNDS);
    let mut stream = follow(&app, Filter::default(), 0);
    assert_eq!(next(&mut stream).await.unwrap(), ": following\n\n");
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(10)).await;
    // Time stands still as long as it takes.
    let of_thread = app.clone();
    let create = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(create(&of_thread, "bob", "acme"));
    };
    tokio::task::spawn_blocking(create).await.unwrap();
    assert!(next(&mut stream).await.unwrap().starts_with(b"id: 0\nevent: created\ndata: {"));
    assert_eq!(next(&mut stream).await.unwrap(), ": heartbeat\n\n");
    assert_eq!(started.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_token_and_at_a_stop() {
    let app = app();
    begin(&app, BOUNDS);
    let expires_at = Timestamp::from_micros(app.ledger().now().micros() + 100_000);
    let bearer = Bearer::until(&auditor().identity, expires_at);
    let permit = permit(&app, None);
    let mut short = StreamBody::join(permit, auditor(), bearer, Filter::default(), Seq(0));
    let mut long = follow(&app, Filter::default(), 0);
    assert!(next(&mut short).await.is_some() && next(&mut long).await.is_some());
    // The token's end is a time of day, and here many heartbeats fit in before it.
    while next(&mut short).await.is_some() {}
    assert!(app.ledger().now() >= expires_at);
    assert!(next(&mut long).await.is_some());
    app.stop();
    while next(&mut long).await.is_some() {}
    let mut late = follow(&app, Filter::default(), 0);
    while next(&mut late).await.is_some() {}
}

#[tokio::test]
async fn a_disconnected_client_is_removed_at_once() {
    let app = app();
    begin(&app, BOUNDS);
    let mut streams: Vec<_> = (0..100).map(|_| follow(&app, Filter::default(), 0)).collect();
    for stream in &mut streams {
        next(stream).await.unwrap();
    }
    assert_eq!(app.streams().open(), 100);
    create(&app, "bob", "acme").await;
    next(&mut streams[0]).await.unwrap();
    drop(streams);
    assert_eq!(app.streams().open(), 0);
    // Without followers nothing is buffered: the next stream reads this event from the log.
    create(&app, "bob", "acme").await;
    let mut stream = follow(&app, Filter::default(), 0);
    let mut text = Vec::new();
    while !text.windows(7).any(|part| part == b"id: 1\ne") {
        text.extend(next(&mut stream).await.unwrap());
    }
}

#[tokio::test]
async fn streams_are_limited_in_all_and_for_each_account() {
    let app = app();
    let shared = &app.streams().shared;
    let acme: Account = "acme".parse().unwrap();
    let admit =
        |account: Option<&Account>| shared.admit(account.cloned(), Caps { all: 3, per_account: 2 });
    let held = [admit(Some(&acme)).ok(), admit(Some(&acme)).ok()];
    assert!(held.iter().all(Option::is_some));
    assert_eq!(admit(Some(&acme)).err(), Some(Full::Account));
    let other = admit(None).unwrap();
    assert_eq!(admit(None).err(), Some(Full::All));
    drop(held);
    assert!(admit(Some(&acme)).is_ok() && admit(None).is_ok());
    drop(other);
    assert_eq!(shared.open(), 0);
}

/// Limits so tight that every stream has to read the log now and then.
pub(super) const TIGHT: Bounds = Bounds {
    cpu_divisor: 1,
    max_text: 3_000,
    min_text: 1_000,
    pressure_bytes: 60_000,
    piece_bytes: 2_000,
    cached_bytes: 15_000,
    cached_pieces: 20,
    read_pieces: 2,
    near: 10,
    page: 15,
    concurrent_reads: 2,
    batch_interval: Duration::from_millis(1),
    ..BOUNDS
};

/// A client that takes nothing holds one text at most.
#[tokio::test]
async fn a_client_that_reads_nothing_holds_one_text() {
    let app = app();
    begin(&app, TIGHT);
    let mut stuck: Vec<_> = (0..20).map(|_| follow(&app, Filter::default(), 0)).collect();
    let mut reads = follow(&app, Filter::default(), 0);
    for stream in &mut stuck {
        next(stream).await.unwrap();
        // It requests the next text and never takes it.
        let poll = |context: &mut std::task::Context<'_>| {
            Poll::Ready(Pin::new(&mut *stream).poll_frame(context).is_pending())
        };
        assert!(std::future::poll_fn(poll).await);
    }
    let id = create(&app, "bob", "acme").await;
    let admin = caller("bob", None, Role::Admin);
    for _ in 0..100 {
        for change in [Change::Disable, Change::Enable] {
            app.ledger().change(&admin, id, change, RequestOptions::default()).await.unwrap();
        }
    }
    let mut text = Vec::new();
    while !text.windows(9).any(|part| part == b"id: 200\ne") {
        text.extend(next(&mut reads).await.unwrap());
    }
    for mut stream in stuck {
        let mut all = Vec::new();
        while all.len() < text.len() - 14 {
            all.extend(next(&mut stream).await.unwrap());
        }
        assert!(text.ends_with(&all));
    }
}
