//! What the way past the router saves: a verify from the request to its answer, without a socket.

use std::error::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request};
use criterion::Criterion;
use eventlog::memory::MemoryLog;
use ledger::{Journal, Ledger, Options, Signing, SystemClock};
use server::token::{Claims, Roles, TokenKey, mint};
use server::{App, Auth, Config, HttpService};
use tokio::runtime::{Builder, Runtime};
use tower::Service as _;

const SEED: [u8; 32] = [7; 32];
const BODY: &str = r#"{"key":"kl_live_0bAlKvU3eDoNyX6hGrQa9kJuT23VZUQ7"}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let app = runtime.block_on(async { app() })?;
    let now = app.ledger().now().seconds();
    let claims = Claims {
        sub: "ann".to_owned(),
        account: "acme".to_owned(),
        role: Roles::One("verifier".to_owned()),
        plan: None,
        iat: now,
        nbf: None,
        exp: now + 86_400,
        jti: None,
    };
    let token = format!("Bearer {}", mint(&TokenKey::from_seed(&SEED), &claims));
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("verify");
    for (name, service) in [
        ("past the router", server::router(app.clone())),
        ("through the router", server::router_without_fast_paths(app)),
    ] {
        // The first answer is not measured, and says whether there is one.
        verify(&runtime, &service, &token)?;
        group.bench_function(name, |timed| timed.iter(|| verify(&runtime, &service, &token)));
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn app() -> Result<App, Box<dyn Error>> {
    let signing = Arc::new(Signing::new("ledger.example.com/keys", SEED)?);
    let ledger = Ledger::open(Arc::new(MemoryLog::new()), Options::default(), &mut |_| {})?;
    let clock = Arc::new(SystemClock::default());
    let journal = Journal::open(Arc::new(MemoryLog::new()), clock, signing, false)?;
    let auth = Auth::new(TokenKey::from_seed(&SEED).verifier(), None)?;
    Ok(App::new(ledger, journal, auth, Config::default()))
}

fn verify(runtime: &Runtime, service: &HttpService, token: &str) -> Result<(), Box<dyn Error>> {
    let request = Request::builder().method(Method::POST).uri("/v1/keys/verify");
    let request = request.header("authorization", token).body(Body::from(BODY))?;
    let response = runtime.block_on(service.clone().call(request))?;
    if response.status().is_success() { Ok(()) } else { Err("no answer".into()) }
}
