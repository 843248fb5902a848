//! What the speed tricks of answers buy, each beside the plain way: line breaks looked for in the
//! whole text, receipts whose common part is made into JSON once for a commit, and messages of event
//! streams that all streams share. The files that are measured are private: they are compiled into
//! the bench once more.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use axum::body::HttpBody as _;
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, Sse};
use criterion::Criterion;
use eventlog::memory::MemoryLog;
use keys::{Dialect, Subject};
use ledger::{
    Caller, Identity, Ledger, NewKeyRequest, Options, Origin, Receipt, RequestOptions, Role, Scope,
    Seq, Signing, Via,
};
use serde::Serialize;

use self::json::put_json;
use self::piece::{Meter, PieceBuilder};
use self::receipt::put_with_receipt;

#[path = "../src/wire/json.rs"]
#[expect(dead_code, reason = "a part of the server, by itself")]
mod json;
#[path = "../src/stream/piece.rs"]
#[expect(dead_code, reason = "a part of the server, by itself")]
mod piece;
#[path = "../src/wire/plain_json.rs"]
mod plain_json;
#[path = "../src/wire/receipt.rs"]
mod receipt;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    line_breaks(&mut criterion);
    streams(&mut criterion);
    if let Some(receipt) = made() {
        receipts(&mut criterion, &receipt);
    }
    criterion.final_summary();
}

/// As many strings as an event has.
#[derive(Serialize)]
struct Answer {
    texts: [&'static str; 30],
    numbers: [u32; 5],
}

const ANSWER: Answer = Answer { texts: ["a text as they are in events"; 30], numbers: [12345; 5] };

fn line_breaks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("an event without line breaks");
    group.bench_function("looked through once", |timed| {
        timed.iter(|| {
            let mut text = Vec::with_capacity(2048);
            put_json(&mut text, black_box(&ANSWER));
            text
        });
    });
    group.bench_function("by a formatter", |timed| {
        timed.iter(|| plain_json::to_json(black_box(&ANSWER)));
    });
    group.finish();
}

/// One event, sent to a thousand streams.
fn streams(criterion: &mut Criterion) {
    const STREAMS: usize = 1_000;
    let mut group = criterion.benchmark_group("an event for a thousand streams");
    group.bench_function("shared", |timed| {
        timed.iter(|| {
            let mut builder = PieceBuilder::new(Seq(7));
            builder.push_with(Seq(7), |text| {
                text.extend_from_slice(b"id: 7\nevent: created\ndata: ");
                put_json(text, black_box(&ANSWER));
                text.extend_from_slice(b"\n\n");
            });
            let piece = builder.finish(Seq(8), &Meter::default());
            (0..STREAMS).map(|_| piece.after(Seq(7), 64 * 1024).0.len()).sum::<usize>()
        });
    });
    group.bench_function("by axum", |timed| {
        timed.iter(|| {
            let send = || {
                let event = Event::default().id("7").event("created");
                let event = event.json_data(black_box(&ANSWER)).unwrap_or_default();
                let stream = tokio_stream::once(Ok::<_, Infallible>(event));
                let mut body = Sse::new(stream).into_response().into_body();
                let mut context = Context::from_waker(Waker::noop());
                Pin::new(&mut body).poll_frame(&mut context).is_ready()
            };
            (0..STREAMS).filter(|_| send()).count()
        });
    });
    group.finish();
}

fn receipts(criterion: &mut Criterion, receipt: &Receipt) {
    #[derive(Serialize)]
    struct Plain<'a> {
        #[serde(flatten)]
        answer: &'a Answer,
        receipt: String,
    }
    let mut group = criterion.benchmark_group("an answer with a receipt");
    group.bench_function("quoted once for a commit", |timed| {
        timed.iter(|| {
            let mut text = Vec::with_capacity(4096);
            put_with_receipt(&mut text, black_box(&ANSWER), receipt);
            text
        });
    });
    group.bench_function("by serde", |timed| {
        timed.iter(|| {
            let mut text = Vec::with_capacity(4096);
            let receipt = receipt.to_string();
            put_json(&mut text, &Plain { answer: black_box(&ANSWER), receipt });
            text
        });
    });
    group.finish();
}

/// The receipt of a key that was made in a ledger in memory.
fn made() -> Option<Receipt> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    let log = Arc::new(MemoryLog::new());
    let signing = Some(Arc::new(Signing::new("ledger.example.com/keys", [7; 32]).ok()?));
    let options = Options { signing, ..Options::default() };
    let ledger = Ledger::open(log, options, &mut |_| {}).ok()?;
    let identity = Identity {
        subject: Subject::new("ann").ok()?,
        scope: Scope::Account("acme".parse().ok()?),
        roles: [Role::Owner].into_iter().collect(),
        via: Via::Token { issuer: "bench".into(), jti: None },
    };
    let (dialect, origin) = (Dialect::Native, Origin::default());
    let caller = Caller { identity: Arc::new(identity), dialect, origin };
    let request = NewKeyRequest { name: "bench".parse().ok(), ..NewKeyRequest::default() };
    let created = runtime.block_on(ledger.create(&caller, request, RequestOptions::default()));
    ledger.receipt(&caller, &created.ok()?.entry?).ok()
}
