//! Bundles of a small log: every byte counts, and what is asked for is what is in them.

use std::sync::Arc;

use bundle::{Refused, Trust, Verified, verify};
use eventlog::memory::MemoryLog;
use keys::{Dialect, Subject, Timestamp};
use ledger::{
    Change, Identity, NewKeyRequest, Options, Origin, RequestOptions, Role, Scope as Of, Signing,
    Via,
};

use super::*;

fn caller(scope: Of, role: Role) -> Caller {
    let identity = Identity {
        subject: Subject::new("ann").unwrap(),
        scope,
        roles: [role].into_iter().collect(),
        via: Via::Token { issuer: "test".into(), jti: Some("=1".into()) },
    };
    let origin = Origin { ip: Some([127, 0, 0, 1].into()), request_id: Some("r1".into()) };
    Caller { identity: Arc::new(identity), dialect: Dialect::Native, origin }
}

fn auditor() -> Caller {
    caller(Of::All, Role::Auditor)
}

fn draft(account: &str) -> NewKeyRequest {
    NewKeyRequest {
        account: Some(account.parse().unwrap()),
        name: Some("ci".parse().unwrap()),
        ..NewKeyRequest::default()
    }
}

/// Always the same moment.
struct Still;

impl ledger::Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_700_000_000)
    }

    fn monotonic(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    fn wait(&self, _: Timestamp) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

fn signing() -> Arc<Signing> {
    Arc::new(Signing::new("ledger.example.com/keys", [7; 32]).unwrap())
}

/// A key of `acme` made and disabled, then one of `umbrella`.
async fn small() -> Ledger {
    let options =
        Options { signing: Some(signing()), clock: Arc::new(Still), ..Options::default() };
    let ledger = Ledger::open(Arc::new(MemoryLog::new()), options, &mut |_| {}).unwrap();
    let admin = caller(Of::All, Role::Admin);
    let made = ledger.create(&admin, draft("acme"), RequestOptions::default()).await.unwrap();
    ledger
        .change(&admin, made.key.key.id, Change::Disable, RequestOptions::default())
        .await
        .unwrap();
    ledger.create(&admin, draft("umbrella"), RequestOptions::default()).await.unwrap();
    ledger
}

fn nothing_aside() -> Aside<'static> {
    static NO_STAMPS: std::sync::LazyLock<Stamps> = std::sync::LazyLock::new(Stamps::default);
    Aside { stamps: &NO_STAMPS, cosigned: None }
}

fn made(ledger: &Ledger, scope: Scope) -> Vec<u8> {
    let mut bytes = Vec::new();
    let bundle = Bundle::new(ledger, &auditor(), scope, None, nothing_aside()).unwrap();
    bundle.make(&mut bytes, &mut |_| {}).unwrap();
    bytes
}

fn checked(bytes: &[u8]) -> Result<Verified, Refused> {
    let key = signing().chain().newest().clone();
    let trust = Trust {
        key,
        checkpoint: None,
        not_before: None,
        policy: None,
        now: Timestamp::MIN,
        tsa: None,
    };
    verify(bytes, &trust, &EXPORTS, &mut |_| {})
}

/// Where a file's bytes begin, and how many there are.
fn file(bytes: &[u8], name: &str) -> std::ops::Range<usize> {
    let mut archive = tar::Archive::new(bytes);
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let found = entries.find(|entry| entry.path().unwrap().to_str() == Some(name)).unwrap();
    let start = usize::try_from(found.raw_file_position()).unwrap();
    start..start + usize::try_from(found.size()).unwrap()
}

#[tokio::test]
async fn every_byte_of_a_bundle_is_checked() {
    let ledger = small().await;
    let of_acme = Scope { account: Some("acme".parse().unwrap()), ..Scope::default() };
    for (scope, records) in [(Scope::default(), 3), (of_acme, 2)] {
        let mut bytes = made(&ledger, scope);
        assert_eq!(checked(&bytes).unwrap().records, records);
        let texts = [file(&bytes, "README.md"), file(&bytes, "verify.py")];
        for at in 0..bytes.len() {
            // Of the long texts some bytes: they are compared as a whole.
            if texts.iter().any(|text| text.contains(&at)) && at % 251 != 0 {
                continue;
            }
            bytes[at] ^= 1 << (at % 8);
            let refused = checked(&bytes).err().map(|refused| refused.exit_code());
            assert_eq!(refused, Some(10), "byte {at}");
            bytes[at] ^= 1 << (at % 8);
        }
        checked(&bytes).unwrap();
    }
}

#[tokio::test]
async fn the_same_log_gives_the_same_bytes() {
    let ledger = small().await;
    assert!(made(&ledger, Scope::default()) == made(&ledger, Scope::default()));
}

#[tokio::test]
async fn a_part_holds_what_was_asked_for_and_nothing_else() {
    let ledger = small().await;
    let events = |scope: Scope| {
        let bytes = made(&ledger, scope.clone());
        let verified = checked(&bytes).unwrap();
        assert_eq!(verified.scope, scope);
        let text = bytes[file(&bytes, "events.ndjson")].to_vec();
        assert_eq!(text.split(|byte| *byte == b'\n').count() as u64 - 1, verified.records);
        String::from_utf8(text).unwrap()
    };
    let account = |name: &str| Scope { account: Some(name.parse().unwrap()), ..Scope::default() };
    assert!(!events(account("acme")).contains("umbrella"));
    assert!(events(account("umbrella")).contains("\"seq\":2"));
    let never = Scope { to: Some(Timestamp::from_secs(0)), ..Scope::default() };
    for nothing in [account("nobody"), never] {
        let refused = Bundle::new(&ledger, &auditor(), nothing, None, nothing_aside()).err();
        assert!(matches!(refused, Some(ledger::Error::NothingThere)));
    }
    let ever = Scope { from: Some(Timestamp::from_secs(0)), ..Scope::default() };
    assert_eq!(events(ever).lines().count(), 3);
}

#[tokio::test]
async fn an_earlier_checkpoint_must_be_one_that_the_log_extends() {
    let ledger = small().await;
    let key = signing().chain().newest().clone();
    let first = ledger.checkpoint_at(&auditor(), 1).unwrap().note.to_string();
    let bundle = |earlier: String| {
        Bundle::new(&ledger, &auditor(), Scope::default(), Some(earlier), nothing_aside())
    };
    let mut bytes = Vec::new();
    bundle(first.clone()).unwrap().make(&mut bytes, &mut |_| {}).unwrap();
    assert_eq!(checked(&bytes).unwrap().earlier.size, 1);
    // Of another log: it is taken along, and found out.
    let other = small().await;
    let forked = other.checkpoint_at(&auditor(), 2).unwrap().note.to_string();
    let mut bytes = Vec::new();
    bundle(forked.clone()).unwrap().make(&mut bytes, &mut |_| {}).unwrap();
    assert_eq!(checked(&bytes).unwrap_err().exit_code(), 11);
    // Kept from a log that was longer: the bundle shows that it is not any more.
    other
        .create(&caller(Of::All, Role::Admin), draft("acme"), RequestOptions::default())
        .await
        .unwrap();
    let longer = other.checkpoint().unwrap().note.to_string();
    let mut bytes = Vec::new();
    bundle(longer).unwrap().make(&mut bytes, &mut |_| {}).unwrap();
    assert_eq!(checked(&bytes).unwrap_err().exit_code(), 12);
    let bytes = made(&ledger, Scope::default());
    for (checkpoint, code) in [(first, None), (forked, Some(11)), ("nonsense\n".into(), Some(10))] {
        let trust = Trust {
            key: key.clone(),
            checkpoint: Some(checkpoint),
            not_before: None,
            policy: None,
            now: Timestamp::MIN,
            tsa: None,
        };
        let refused = verify(bytes.as_slice(), &trust, &EXPORTS, &mut |_| {}).err();
        assert_eq!(refused.map(|refused| refused.exit_code()), code);
    }
    assert!(bundle("nonsense\n".into()).is_err());
}
