//! Any commands at all: what the ledger wrote down is found good, in whole and in part.

use keys::{Revocation, Rotation};
use proptest::prelude::*;

use super::*;
use crate::testing::some_edits;
use crate::{Change, Changes, Error, Ledger};

async fn act(ledger: &Ledger, clock: &ManualClock, ids: &mut Vec<KeyId>, step: (u8, u8, u8)) {
    let (what, pick, number) = step;
    let id = ids.get(usize::from(pick) % ids.len().max(1)).copied();
    let dialects = [Dialect::Native, Dialect::Callcov, Dialect::Cloudsigma];
    let caller = caller_by(dialects[usize::from(number) % 3]);
    let outcome = match (what % 10, id) {
        (0 | 1, _) | (_, None) => {
            let policy = Policy {
                owner_active: caller.dialect.most_active(),
                account_alive: (number % 5 == 0).then_some(12),
                unique_prefix: caller.dialect.unique_prefix(),
                ..Policy::default()
            };
            let ttl = (number % 2 == 0).then(|| u64::from(number) + 1);
            let draft = NewKeyRequest { policy, ..draft(ttl) };
            let created = ledger.create(&caller, draft, RequestOptions::default()).await;
            created.map(|created| ids.push(created.key.key.id))
        }
        (2, Some(id)) => {
            let rotation = Rotation::new(u64::from(number % 30)).unwrap();
            let changes = Changes::default();
            let made =
                ledger.rotate(&owner(), id, changes, rotation, RequestOptions::default()).await;
            made.map(|created| ids.push(created.key.key.id))
        }
        (3, Some(_)) => {
            clock.advance(i64::from(number % 20));
            ledger.expire_due(&crate::caller::worker(), 100, None).await.map(|_| ())
        }
        (8 | 9, Some(id)) => {
            let edits = some_edits(u32::from(number), ledger.now());
            ledger.update(&owner(), id, edits, RequestOptions::default()).await.map(|_| ())
        }
        (n, Some(id)) => {
            clock.advance(i64::from(number % 3));
            let change = match n {
                4 => Change::Enable,
                5 => Change::Disable,
                6 => Change::Expire,
                _ => Change::Revoke(Revocation::default()),
            };
            ledger.change(&owner(), id, change, RequestOptions::default()).await.map(|_| ())
        }
    };
    assert!(matches!(outcome, Ok(()) | Err(Error::Refused(_))), "{outcome:?}");
}

fn log_of(steps: &[(u8, u8, u8)]) -> (Arc<dyn Log>, Arc<ManualClock>) {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut ids = Vec::new();
        for step in steps {
            act(&ledger, &clock, &mut ids, *step).await;
        }
    });
    (log, clock)
}

/// A text of this kind, as long as it may be, or any that a request may have.
fn text<T>(
    of: fn(String) -> Result<T, keys::Invalid>,
    bounds: keys::bounds::TextBounds,
) -> BoxedStrategy<Option<T>>
where
    T: Clone + std::fmt::Debug + 'static,
{
    let most = bounds.most();
    let texts = prop_oneof![
        Just("x".repeat(most)),
        Just("ü".repeat(most)),
        proptest::string::string_regex("\\PC{0,300}").unwrap(),
    ];
    texts.prop_map(move |text| of(text).ok()).boxed()
}

/// A new key with anything that a request may say of it.
fn wanted() -> impl Strategy<Value = NewKeyRequest> {
    use keys::{
        Description, KeyRole, Metadata, Permission, Project, Quota, QuotaPeriod, RateLimit, Tag,
        Tags,
    };
    let texts = (
        text(keys::KeyName::new, keys::bounds::NAME),
        text(Description::new, keys::bounds::DESCRIPTION),
        text(Project::new, keys::bounds::PROJECT),
        text(KeyRole::new, keys::bounds::ROLE),
        text(keys::Subject::new, keys::bounds::SUBJECT),
        text(Tag::new, keys::bounds::TAG),
    );
    let numbers = (1..=RateLimit::MAX_LIMIT, 1..=RateLimit::MAX_PERIOD_S, 1..=u32::MAX);
    let counts =
        (0..=Permission::MAX_PER_KEY, 0..=Metadata::MAX_BYTES - 1, 0..=keys::AllowedIps::MAX);
    (texts, numbers, counts).prop_map(
        |(texts, (limit, period, quota), (permissions, bytes, ips))| {
            let (name, description, project, role, owner, tag) = texts;
            let pair = [("k".to_owned(), "v".repeat(bytes))].into_iter().collect();
            let permissions = (0..permissions).map(|n| Permission::new(&format!("p.{n}")).unwrap());
            let ips: Vec<String> = (0..ips).map(|n| format!("10.0.{n}.0/24")).collect();
            NewKeyRequest {
                name,
                description,
                project,
                role,
                owner,
                tags: Tags::new(tag).unwrap(),
                rate_limit: RateLimit::new(limit, period).ok(),
                quota: Quota::new(quota, QuotaPeriod::Total).ok(),
                metadata: Metadata::new(pair).unwrap(),
                permissions: permissions.collect(),
                allowed_ips: keys::AllowedIps::parse(&ips).unwrap(),
                ..NewKeyRequest::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_ledger_wrote_is_found_good(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 1..80),
        from in any::<prop::sample::Index>(),
    ) {
        let (log, clock) = log_of(&steps);
        let stored = log.read(Seq(0), usize::MAX).unwrap();
        let bytes: Vec<_> = stored.iter().map(|record| record.bytes.to_vec()).collect();
        let auditor = judge(&bytes).unwrap();
        let ledger = open(&log, &clock);
        let live = ledger.state().table.slice(0, usize::MAX);
        prop_assert_eq!(auditor.keys(), live.len());
        for key in live {
            let tracked = &auditor.keys[&key.made.id];
            let chained = key.chained_state();
            prop_assert_eq!((tracked.state, tracked.head), (chained.state, chained.head));
        }
        // A part of it, from anywhere on.
        let from = from.index(bytes.len().max(1));
        let accounts = auditor.keys.iter().map(|(id, tracked)| (*id, tracked.account.clone()));
        let mut part = Auditor::partial(accounts.collect());
        let mut decoder = decoder();
        for (seq, bytes) in (0..).zip(&bytes).skip(from) {
            part.push(&decoder.read(Seq(seq), bytes).unwrap()).unwrap();
        }
    }

    /// Whatever a request may say is within the limits, or too much for one record.
    #[test]
    fn what_can_be_wanted_is_within_the_limits(
        wanted in wanted(),
        reason in text(keys::Reason::new, keys::bounds::REASON),
    ) {
        let (log, clock) = log_of(&[]);
        let ledger = open(&log, &clock);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = RequestOptions { reason, ..RequestOptions::default() };
        let made = runtime.block_on(ledger.create(&owner(), wanted, options));
        let stored = log.read(Seq(0), usize::MAX).unwrap();
        let bytes: Vec<_> = stored.iter().map(|record| record.bytes.to_vec()).collect();
        prop_assert_eq!(judge(&bytes).unwrap().keys(), usize::from(made.is_ok()));
        prop_assert!(matches!(made, Ok(_) | Err(Error::TooLong)));
    }

    #[test]
    fn a_record_left_out_of_a_part_is_found_where_its_key_goes_on(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 1..60),
        out in any::<prop::sample::Index>(),
    ) {
        let (log, _) = log_of(&steps);
        let all = records(log.as_ref());
        let stored = chained(&all);
        let out = out.index(stored.len().max(1));
        let keys: Vec<_> = all[out].links.iter().map(|link| link.key).collect();
        let goes_on = all.iter().skip(out + 1).any(|record| {
            record.links.iter().any(|link| keys.contains(&link.key))
        });
        let accounts = all.iter().flat_map(|record| record.links.iter()).map(|link| link.key);
        let acme = Account::new("acme").unwrap();
        let mut part = Auditor::partial(accounts.map(|key| (key, acme.clone())).collect());
        let mut decoder = decoder();
        let kept = (0..).zip(&stored).filter(|(seq, _)| *seq != out as u64);
        let verdict: Result<Vec<_>, _> =
            kept.map(|(seq, bytes)| part.push(&decoder.read(Seq(seq), bytes)?)).collect();
        // The very first record of a part cannot be missed: a part begins anywhere.
        if goes_on && out > 0 {
            prop_assert!(verdict.is_err());
        }
    }
}
