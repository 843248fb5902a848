//! What the two speed tricks of answers buy, each beside the plain way: line breaks looked for in the
//! whole text, and receipts whose common part is made into JSON once for a commit. The files that are
//! measured are private: they are compiled into the bench once more.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use eventlog::memory::MemoryLog;
use keys::{AllowedIps, Dialect, Environment, Kind, Metadata, Subject};
use ledger::{
    Caller, Identity, Ledger, NewKeyRequest, Options, Origin, Receipt, RequestOptions, Role, Rules,
    Scope, Signing, Via,
};
use serde::Serialize;

use self::json::put_json;
use self::receipt::put_with_receipt;

#[path = "../src/wire/json.rs"]
mod json;
#[path = "../src/wire/plain_json.rs"]
mod plain_json;
#[path = "../src/wire/receipt.rs"]
mod receipt;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    line_breaks(&mut criterion);
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
    let request = NewKeyRequest {
        account: None,
        owner: None,
        name: "bench".parse().ok(),
        description: None,
        kind: Kind::Secret,
        environment: Environment::Live,
        role: None,
        permissions: Box::default(),
        project: None,
        allowed_ips: AllowedIps::default(),
        expires: None,
        daily_limit: None,
        metadata: Metadata::default(),
        rules: Rules::default(),
    };
    let created = runtime.block_on(ledger.create(&caller, request, RequestOptions::default()));
    ledger.receipt(&caller, &created.ok()?.entry?).ok()
}
