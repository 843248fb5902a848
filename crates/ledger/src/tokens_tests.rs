//! Rows and rules: what ends a token, what a caller reaches, and what happens at the bounds.

use keys::Account;

use super::table::Bounds;
use super::*;
use crate::caller::{Role, Roles};
use crate::keyring::Keyring;
use crate::record::Actor;
use crate::testing::caller;
use crate::{Origin, Via};

const MAX_TTL_S: u64 = 30 * 86_400;
const SMALL: Bounds =
    Bounds { tokens: 4, tokens_of_one: 3, sweep_from: 2, rules: 3, rules_of_one: 2 };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + seconds)
}

fn roles(roles: &[Role]) -> Roles {
    roles.iter().copied().collect()
}

/// A token of an hour, made at that second.
fn token(jti: &str, account: &str, subject: &str, role: Role, made: i64) -> OwnToken {
    OwnToken {
        jti: jti.into(),
        subject: Subject::new(subject).unwrap(),
        account: (account != "*").then(|| Account::new(account).unwrap()),
        roles: roles(&[role]),
        made_at: at(made),
        ends_at: at(made + 3600),
    }
}

fn range(account: Option<&str>, subject: Option<&str>, before: i64) -> TokenRange {
    TokenRange {
        account: account.map(|account| Account::new(account).unwrap()),
        subject: subject.map(|subject| Subject::new(subject).unwrap()),
        issued_before: at(before),
        roles: roles(Role::OF_TOKENS),
    }
}

fn entry(event: AccessEvent, seconds: i64) -> Access {
    let via = Via::Worker;
    let (subject, roles) = (Subject::new("root").unwrap(), Roles::default());
    let actor = Actor { subject, account: None, roles, via };
    let mac = event.mac(&Keyring::default());
    Access { mac, ..Access::unwritten(at(seconds), actor, Origin::default(), event) }
}

fn small() -> Tokens {
    Tokens {
        table: Mutex::new(Table::new(SMALL, MAX_TTL_S, Arc::default())),
        ..Tokens::new(MAX_TTL_S, Arc::default())
    }
}

#[test]
fn an_end_is_seen_by_all_who_remember_the_token() {
    let tokens = Tokens::new(MAX_TTL_S, Arc::default());
    let ann = token("a", "acme", "ann", Role::Owner, 0);
    let (one, two) = (tokens.see(&ann).unwrap(), tokens.see(&ann).unwrap());
    let mut changes = tokens.changes();
    // The first use in a minute is looked at, the others are not: both must see the end.
    assert!(one.admit(at(1)) && one.admit(at(2)) && two.admit(at(3)));
    assert_eq!(one.last_used_at(), Some(at(1)), "to within a minute");
    let ended = AccessEvent::TokenEnded { token: ann.clone(), reason: None };
    assert_eq!(tokens.apply(&entry(ended.clone(), 4)), 1);
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    for later in [4, 5, 4000, -4000] {
        assert!(!one.admit(at(later)) && !two.admit(at(later)));
    }
    assert_eq!(tokens.apply(&entry(ended, 5)), 0, "once");
    let again = tokens.see(&ann).unwrap();
    assert!(again.is_ended() && !again.admit(at(6)));
    assert_eq!(again.ended_at(), Some(at(4)));
    assert_eq!(tokens.stats(), TokenStats { listed: 1, ended: 1, refused: 0 });
}

/// A use that is being counted while the token is ended does not bring it back.
#[test]
fn an_end_is_not_undone_by_a_use_at_the_same_moment() {
    for _ in 0..200 {
        let row = Arc::new(TokenRow::new(token("a", "acme", "ann", Role::Owner, 0)));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                // Every use is the first of its minute.
                for minute in 0..50 {
                    let _ = row.admit(at(minute * 61));
                }
            });
            row.end(at(0));
        });
        assert!(!row.admit(at(10_000)) && row.is_ended());
    }
}

#[test]
fn a_range_ends_what_it_says_also_if_it_was_never_seen() {
    let all = [
        ("acme", "ann", Role::Owner),
        ("acme", "bob", Role::User),
        ("acme", "root", Role::Admin),
        ("other", "ann", Role::Owner),
        ("*", "ann", Role::Auditor),
    ];
    let owners = roles(&[Role::Owner, Role::User]);
    let table: &[(TokenRange, [bool; 5])] = &[
        (range(None, None, 10), [true; 5]),
        (range(None, None, 0), [false; 5]),
        (range(Some("acme"), None, 10), [true, true, true, false, false]),
        (range(None, Some("ann"), 10), [true, false, false, true, true]),
        (range(Some("acme"), Some("ann"), 10), [true, false, false, false, false]),
        (
            TokenRange { roles: owners, ..range(Some("acme"), None, 10) },
            [true, true, false, false, false],
        ),
    ];
    for (range, expected) in table {
        let (seen, unseen) =
            (Tokens::new(MAX_TTL_S, Arc::default()), Tokens::new(MAX_TTL_S, Arc::default()));
        let made = |number: usize, made: i64| {
            let (account, subject, role) = all[number];
            token(&format!("{number}-{made}"), account, subject, role, made)
        };
        let rows: Vec<_> = (0..5).map(|number| seen.see(&made(number, 9)).unwrap()).collect();
        let event = AccessEvent::TokensEnded { range: range.clone(), reason: None };
        let count = seen.apply(&entry(event.clone(), 10));
        unseen.apply(&entry(event, 10));
        assert_eq!(count, expected.iter().filter(|ended| **ended).count());
        for (number, ended) in expected.iter().enumerate() {
            assert_eq!(rows[number].is_ended(), *ended, "{range:?} {number}");
            let first = unseen.see(&made(number, 9));
            assert_eq!(first.is_err(), *ended, "{range:?} {number}");
            // Made at that very moment, and later, is made after it.
            for later in [range.issued_before.seconds() - 1_700_000_000, 11] {
                assert!(unseen.see(&made(number, later)).is_ok(), "{range:?} {number}");
            }
        }
    }
}

/// Recorded before the token's own entry, because that is written a second later.
#[test]
fn a_replayed_token_is_ended_by_a_range_that_was_recorded_before_it() {
    let tokens = Tokens::new(MAX_TTL_S, Arc::default());
    let ann = token("a", "acme", "ann", Role::Owner, 0);
    let event = AccessEvent::TokensEnded { range: range(None, Some("ann"), 5), reason: None };
    tokens.apply(&entry(event, 5));
    tokens.apply(&entry(AccessEvent::TokenSeen(ann.clone()), 4));
    assert!(!tokens.see(&ann).unwrap().admit(at(6)));
    assert_eq!(tokens.stats().ended, 1);
}

#[test]
fn an_id_is_of_one_token() {
    let tokens = Tokens::new(MAX_TTL_S, Arc::default());
    let ann = token("a", "acme", "ann", Role::Owner, 0);
    assert!(tokens.see(&ann).is_ok());
    for other in [
        OwnToken { subject: Subject::new("bob").unwrap(), ..ann.clone() },
        OwnToken { account: None, ..ann.clone() },
        OwnToken { made_at: at(1), ..ann.clone() },
        OwnToken { ends_at: at(7200), ..ann.clone() },
    ] {
        assert_eq!(tokens.see(&other).unwrap_err(), NotGood::SameId);
    }
    let event = AccessEvent::TokenEnded { token: ann.clone(), reason: None };
    tokens.apply(&entry(event, 2));
    let other = OwnToken { ends_at: at(7200), ..ann };
    assert_eq!(tokens.see(&other).unwrap_err(), NotGood::SameId, "an end is of the id");
}

#[test]
fn a_full_table_takes_tokens_and_ends_them_all_the_same() {
    let tokens = small();
    let all: Vec<_> = (0..7)
        .map(|number| token(&format!("{number}"), "acme", "ann", Role::Owner, number))
        .collect();
    let rows: Vec<_> = all.iter().map(|token| tokens.see(token).unwrap()).collect();
    assert_eq!(tokens.stats().listed, 4);
    // One that is not listed ends by its id while somebody remembers it, and is known then.
    let reach = Reach::of(&caller(None, Role::Admin)).unwrap();
    let found = tokens.to_end(&reach, "5", at(10)).unwrap();
    tokens.apply(&entry(AccessEvent::TokenEnded { token: found.token, reason: None }, 11));
    assert!(rows[5].is_ended() && tokens.see(&all[5]).unwrap().is_ended());
    // By a rule always.
    let event = AccessEvent::TokensEnded { range: range(None, None, 12), reason: None };
    tokens.apply(&entry(event, 12));
    assert!(rows.iter().all(|row| row.is_ended()));
    drop(rows);
    assert_eq!(tokens.see(&all[6]).unwrap_err(), NotGood::Ended);
    assert!(matches!(tokens.to_end(&reach, "6", at(13)), Err(Error::TokenNotFound)));
}

#[test]
fn a_clock_that_is_wrong_once_brings_no_ended_token_back() {
    let tokens = Tokens::new(MAX_TTL_S, Arc::default());
    let ann = token("a", "acme", "ann", Role::Owner, 0);
    let row = tokens.see(&ann).unwrap();
    tokens.apply(&entry(AccessEvent::TokenEnded { token: ann.clone(), reason: None }, 2));
    let year = 365 * 86_400;
    tokens.forget(at(year));
    assert!(!row.admit(at(3)) && !tokens.see(&ann).unwrap().admit(at(3)));

    // Where there is no room to wait, who remembers a token still sees its end.
    let tokens = small();
    let row = tokens.see(&ann).unwrap();
    tokens.see(&token("b", "acme", "ann", Role::Owner, 0)).unwrap();
    tokens.forget(at(year));
    assert_eq!(tokens.stats().listed, 0);
    let reach = Reach::of(&caller(None, Role::Admin)).unwrap();
    let found = tokens.to_end(&reach, "a", at(3)).unwrap();
    tokens.apply(&entry(AccessEvent::TokenEnded { token: found.token, reason: None }, 3));
    assert!(row.is_ended() && tokens.see(&ann).unwrap().is_ended());
}

#[test]
fn what_is_over_makes_room_and_an_end_outlives_every_token_of_its_id() {
    let tokens = small();
    let old = token("old", "acme", "ann", Role::Owner, 0);
    tokens.see(&old).unwrap();
    tokens.apply(&entry(AccessEvent::TokenEnded { token: old.clone(), reason: None }, 1));
    let event = AccessEvent::TokensEnded { range: range(None, Some("eve"), 1), reason: None };
    tokens.apply(&entry(event, 1));
    for number in 0..3 {
        tokens.see(&token(&format!("{number}"), "acme", "ann", Role::Owner, 1)).unwrap();
    }
    // Those of an hour make room, the ended one stays.
    tokens.forget(at(7200));
    tokens.see(&token("new", "acme", "ann", Role::Owner, 7200)).unwrap();
    assert_eq!(tokens.stats(), TokenStats { listed: 2, ended: 1, refused: 0 });
    let again = OwnToken { made_at: at(7000), ends_at: at(9000), ..old.clone() };
    assert_eq!(tokens.see(&again).unwrap_err(), NotGood::SameId);
    assert!(tokens.see(&token("e", "acme", "eve", Role::Owner, 0)).is_err());
    // A month later both are forgotten: no token of that time is good any more.
    tokens.forget(at(i64::try_from(MAX_TTL_S).unwrap() + 200));
    assert_eq!(tokens.stats(), TokenStats { listed: 0, ended: 0, refused: 0 });
    assert!(tokens.see(&token("e", "acme", "eve", Role::Owner, 0)).is_ok());
}

/// A start reads more tokens than there is room for, of which most are over.
#[test]
fn a_replay_makes_room_by_the_times_on_record() {
    let tokens = small();
    for number in 0..50 {
        let made = 86_400 * number;
        let one = token(&format!("{number}"), "acme", "ann", Role::Owner, made);
        tokens.apply(&entry(AccessEvent::TokenSeen(one), made));
    }
    let newest = token("49", "acme", "ann", Role::Owner, 86_400 * 49);
    let reach = Reach::of(&caller(None, Role::Admin)).unwrap();
    assert!(tokens.to_end(&reach, &newest.jti, newest.made_at).is_ok());
    assert!(tokens.stats().listed <= 4);
}

#[test]
fn there_is_room_for_so_many_tokens_and_ranges_of_one_account() {
    let tokens = small();
    let make = |jti: &str, account: &str| {
        let made = token(jti, account, "ann", Role::Owner, 0);
        tokens.reserve(made, None, false).map(drop)
    };
    for jti in ["1", "2", "3"] {
        make(jti, "acme").unwrap();
    }
    assert!(matches!(make("4", "acme"), Err(Error::TooManyTokens)));
    make("5", "other").unwrap();
    assert!(matches!(make("6", "third"), Err(Error::TooManyTokens)));
    let end = |account, subject| {
        let range = range(account, Some(subject), 1);
        tokens.range_to_end(&range)?;
        tokens.apply(&entry(AccessEvent::TokensEnded { range, reason: None }, 1));
        Ok::<(), Error>(())
    };
    end(Some("acme"), "a").unwrap();
    end(Some("acme"), "b").unwrap();
    end(Some("acme"), "b").unwrap();
    assert!(matches!(end(Some("acme"), "c"), Err(Error::TooManyTokens)));
    end(Some("other"), "c").unwrap();
    assert!(matches!(end(None, "d"), Err(Error::TooManyTokens)));
}

#[test]
fn nobody_reaches_what_it_has_not_itself() {
    use Role::{Admin, Auditor, Owner, User, Verifier, Worker};
    /// Who asks; then account, subject and roles of a token, and whether it is reached.
    type Case = (Option<&'static str>, Role, &'static str, &'static str, &'static [Role], bool);

    let of = |account, role| Reach::of(&caller(account, role));
    for role in [Verifier, Auditor, Worker, Role::Key] {
        assert!(matches!(of(Some("acme"), role), Err(Error::Forbidden)), "{role:?}");
    }
    let table: &[Case] = &[
        (None, Admin, "*", "x", &[Admin], true),
        (Some("acme"), Admin, "acme", "x", &[Admin, Worker], true),
        (Some("acme"), Admin, "*", "x", &[User], false),
        (Some("acme"), Admin, "other", "x", &[User], false),
        (None, Owner, "*", "x", &[Owner], true),
        (None, Owner, "*", "x", &[Admin], false),
        (Some("acme"), Owner, "acme", "x", &[Owner, Verifier, Auditor, User], true),
        (Some("acme"), Owner, "acme", "x", &[Worker], false),
        (Some("acme"), Owner, "acme", "x", &[Owner, Admin], false),
        (Some("acme"), Owner, "other", "x", &[User], false),
        (Some("acme"), User, "acme", "ann", &[User], true),
        (Some("acme"), User, "acme", "ann", &[Owner], false),
        (Some("acme"), User, "acme", "bob", &[User], false),
        (Some("acme"), User, "other", "ann", &[User], false),
    ];
    for (account, role, of_account, subject, gives, reached) in table {
        let reach = of(*account, *role).unwrap();
        let token = OwnToken { roles: roles(gives), ..token("a", of_account, subject, User, 0) };
        assert_eq!(reach.covers(&token), *reached, "{role:?} of {account:?}: {token:?}");
        assert_eq!(reach.makes(), *role != User);
        // What it ends by a range is no more.
        let everything = TokenRange { roles: Roles::default(), ..range(None, None, 10) };
        let narrow = reach.narrow(everything).unwrap();
        assert_eq!(narrow.covers(&token), *reached, "{role:?} of {account:?}: {token:?}");
    }
    let owner = of(Some("acme"), Owner).unwrap();
    assert!(owner.narrow(range(Some("other"), None, 1)).is_err());
    assert!(owner.narrow(range(Some("acme"), Some("bob"), 1)).is_ok());
    let user = of(Some("acme"), User).unwrap();
    assert!(user.narrow(range(None, Some("bob"), 1)).is_err());
}

#[test]
fn pages_are_in_the_order_of_being_made_and_show_what_is_reached() {
    let tokens = Tokens::new(MAX_TTL_S, Arc::default());
    for number in 0..10 {
        let account = if number % 2 == 0 { "acme" } else { "other" };
        // All at one moment, as tokens with whole seconds may be.
        let one = token(&format!("{number}"), account, "ann", Role::Owner, 0);
        tokens.see(&one).unwrap();
    }
    tokens.see(&token("root", "acme", "root", Role::Admin, 0)).unwrap();
    let walk = |caller: &Caller, filter: &TokenFilter, limit| {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = tokens.page(caller, filter, after.as_ref(), limit, at(1)).unwrap();
            assert!(page.items.len() <= limit);
            seen.extend(page.items.iter().map(|view| view.token.jti.to_string()));
            after = page.next;
            if after.is_none() {
                return seen;
            }
        }
    };
    let every = TokenFilter::default();
    let (admin, owner) = (caller(None, Role::Admin), caller(Some("acme"), Role::Owner));
    for limit in [1, 3, 500] {
        assert_eq!(walk(&admin, &every, limit).len(), 11);
        assert_eq!(walk(&owner, &every, limit), ["0", "2", "4", "6", "8"]);
    }
    tokens.apply(&entry(
        AccessEvent::TokenEnded { token: token("2", "acme", "ann", Role::Owner, 0), reason: None },
        2,
    ));
    let ended = TokenFilter { ended: Some(true), ..TokenFilter::default() };
    assert_eq!(walk(&owner, &ended, 2), ["2"]);
    let of_all = TokenFilter { account: Some(Scope::All), ..TokenFilter::default() };
    assert!(walk(&admin, &of_all, 2).is_empty());
    let later = tokens.page(&admin, &every, None, 500, at(3630)).unwrap();
    assert!(later.items.is_empty(), "their time is over");
    assert!(tokens.page(&caller(None, Role::Auditor), &every, None, 9, at(1)).is_err());
}

/// What is on its way to the journal when a bearer is erased is applied after that.
#[test]
fn an_ended_token_that_is_seen_after_its_bearer_was_erased_stays_ended() {
    let tokens = Tokens::new(MAX_TTL_S, Arc::default());
    let ann = token("a", "acme", "ann", Role::Owner, 0);
    tokens.apply(&entry(AccessEvent::TokenEnded { token: ann.clone(), reason: None }, 1));
    tokens.erase(&ann.subject);
    assert!(matches!(tokens.see(&ann), Err(NotGood::Ended)));
    tokens.apply(&entry(AccessEvent::TokenSeen(ann.clone()), 2));
    assert!(!tokens.see(&ann).unwrap().admit(at(3)));
    assert!(tokens.take_unrecorded(9).is_empty());
}
