//! What the speed tricks of requests buy, each beside the plain way: a verify past the router and
//! through it, without a socket; the token that a connection remembers; and the cost of the socket
//! that replaces hyper's own error replies. The files of the last two are private: they are compiled
//! into the bench once more.

use std::error::Error;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use axum::body::Body;
use axum::http::{Method, Request};
use criterion::Criterion;
use eventlog::memory::MemoryLog;
use ledger::{Journal, JournalOptions, Ledger, Options, Signing, SystemClock};
use quick_cache::sync::Cache;
use server::token::{Claims, Roles, TokenKey, mint};
use server::{App, Auth, Config, HttpService, Webhooks};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWrite;
use tokio::runtime::{Builder, Runtime};
use tower::Service as _;

use self::last_token::LastToken;
use self::unreadable::{ProblemSocket, Unreadable};

#[path = "../src/auth/last_token.rs"]
#[expect(dead_code, unused_imports, reason = "its tests run elsewhere")]
mod last_token;
#[path = "../src/http/unreadable.rs"]
#[expect(dead_code, reason = "its tests run elsewhere")]
mod unreadable;

const SEED: [u8; 32] = [7; 32];
const BODY: &str = r#"{"key":"kl_live_0bAlKvU3eDoNyX6hGrQa9kJuT23VZUQ7"}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let open = |fast_paths| runtime.block_on(async { app(fast_paths) });
    let (fast, plain) = (open(true)?, open(false)?);
    let now = fast.ledger().now().seconds();
    let claims = Claims {
        sub: "ann".to_owned(),
        account: "acme".to_owned(),
        role: Roles::One("verifier".to_owned()),
        plan: None,
        iat: fast.ledger().now(),
        nbf: None,
        exp: now + 86_400,
        jti: "bench".to_owned(),
    };
    let token = format!("Bearer {}", mint(&TokenKey::from_seed(&SEED), &claims));
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("verify");
    for (name, app) in [("past the router", fast), ("through the router", plain)] {
        let service = server::router(app);
        // The first answer is not measured, and says whether there is one.
        verify(&runtime, &service, &token)?;
        group.bench_function(name, |timed| timed.iter(|| verify(&runtime, &service, &token)));
    }
    group.finish();
    remembered_token(&mut criterion, token.as_bytes());
    problem_socket(&mut criterion);
    criterion.final_summary();
    Ok(())
}

/// Finding the verified token of a header: what the connection remembers, and the shared cache.
fn remembered_token(criterion: &mut Criterion, header: &[u8]) {
    let mut group = criterion.benchmark_group("a token seen before");
    let (last, token) = (LastToken::default(), Arc::new(1_u64));
    group.bench_function("of the connection", |timed| {
        timed.iter(|| {
            last.get_or_check(black_box(header), |_| true, || Ok::<_, ()>(Arc::clone(&token)))
        });
    });
    let shared = Cache::<[u8; 32], Arc<u64>>::new(10_000);
    shared.insert(Sha256::digest(header).into(), Arc::clone(&token));
    group.bench_function("of the shared cache", |timed| {
        timed.iter(|| {
            let digest: [u8; 32] = Sha256::digest(black_box(header)).into();
            shared.get(&digest)
        });
    });
    group.finish();
}

/// What each write costs more on a socket that looks for hyper's own error replies.
fn problem_socket(criterion: &mut Criterion) {
    const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
        x-request-id: 0123456789abcdef\r\ncontent-length: 14\r\n\r\n{\"valid\":true}";
    let none = |_| -> Option<Unreadable> { None };
    let mut group = criterion.benchmark_group("a write");
    let mut socket = ProblemSocket::new(tokio::io::sink(), none);
    group.bench_function("that is looked at", |timed| timed.iter(|| write(&mut socket, REPLY)));
    let mut socket = tokio::io::sink();
    group.bench_function("as it is", |timed| timed.iter(|| write(&mut socket, REPLY)));
    group.finish();
}

fn write(socket: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    Pin::new(socket).poll_write(&mut context, black_box(bytes)).is_ready()
}

fn app(fast_paths: bool) -> Result<App, Box<dyn Error>> {
    let signing = Arc::new(Signing::new("ledger.example.com/keys", SEED)?);
    let ledger = Ledger::open(Arc::new(MemoryLog::new()), Options::default(), &mut |_| {})?;
    let clock = Arc::new(SystemClock::default());
    let journal =
        Journal::open(Arc::new(MemoryLog::new()), clock, signing, JournalOptions::default())?;
    let webhooks = Webhooks::in_memory(&ledger);
    let auth = Auth::new(TokenKey::from_seed(&SEED), None)?;
    Ok(App::new(ledger, journal, auth, webhooks, Config { fast_paths, ..Config::default() }))
}

fn verify(runtime: &Runtime, service: &HttpService, token: &str) -> Result<(), Box<dyn Error>> {
    let request = Request::builder().method(Method::POST).uri("/v1/keys/verify");
    let request = request.header("authorization", token).body(Body::from(BODY))?;
    let response = runtime.block_on(service.clone().call(request))?;
    if response.status().is_success() { Ok(()) } else { Err("no answer".into()) }
}
