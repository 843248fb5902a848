//! Which files are taken, and what others are told.

use expect_test::expect;
use proptest::prelude::*;

use super::*;

/// The whole example of docs/accounts.md.
fn example() -> &'static str {
    let page = include_str!("../../../docs/accounts.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

fn permissions(texts: &[&str]) -> Arc<[Permission]> {
    texts.iter().map(|text| Permission::new(text).unwrap()).collect()
}

#[test]
fn the_example_is_read() {
    let all = parse(example().as_bytes()).unwrap();
    let role = |text| KeyRole::new(text).unwrap();
    let acme = AccountRules {
        max_ttl_s: Some(90 * 86_400),
        require_expiry: false,
        max_active_keys: Some(200),
        secret_prefix: Some(SecretPrefix::new("acme").unwrap()),
        permissions: Some(permissions(&["orders.*", "invoices.read"])),
        roles: Some(Arc::new(Roles::from([
            (role("reader"), permissions(&["orders.read", "invoices.read"])),
            (role("clerk"), permissions(&["orders.*"])),
        ]))),
    };
    assert_eq!(all.of(&Account::new("acme").unwrap()), Some(&acme));
    let partner = all.of(&Account::new("partner.example").unwrap()).unwrap();
    assert!(partner.require_expiry && partner.max_ttl_s.is_none());
    let others = all.of(&Account::new("anybody else").unwrap()).unwrap();
    assert_eq!(others.permissions.as_deref(), Some(&[][..]));
    assert_eq!(others.max_active_keys, Some(10));
}

#[test]
fn a_file_without_tables_has_no_rules() {
    for text in ["", "# nothing yet\n"] {
        assert_eq!(parse(text.as_bytes()).unwrap(), RulesByAccount::default());
    }
    let all = parse(b"[acme]\n").unwrap();
    assert_eq!(all.of(&Account::new("acme").unwrap()), Some(&AccountRules::default()));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let many = format!("[a]\npermissions = [{}]", "\"a.b\",".repeat(65));
    let long = format!("[a]\npermissions = [{}]", format!("\"{}\",", "a".repeat(120)).repeat(20));
    let table: &[&[u8]] = &[
        b"[acme",
        b"[acme]\nmax_ttl = \"90\"",
        b"[acme]\nmax_ttl = \"0s\"",
        b"[acme]\nmax_ttl = 90",
        b"[acme]\n\nmax_tll = \"90d\"",
        b"max_ttl = \"90d\"",
        b"[acme]\nmax_active_keys = -1",
        b"[acme]\nmax_active_keys = 1.5",
        b"[acme]\nrequire_expiry = \"yes\"",
        b"[acme]\nsecret_prefix = \"acme_live_\"",
        b"[acme]\nsecret_prefix = \"sk\"",
        b"[acme]\npermissions = [\"orders.*\", \"or ders\"]",
        b"[acme.roles]\nreader = [\"read\"]",
        b"[acme.roles]\n\"a b\" = [\"a.b\"]",
        b"[acme]\npermissions = [\"a.*\"]\n[acme.roles]\nwriter = [\"a.b\", \"b.c\"]",
        b"[acme]\n[acme]",
        b"[\"\"]",
        b"[\"a\\nb\"]",
        b"[acme]\n# \xff",
        many.as_bytes(),
        long.as_bytes(),
    ];
    let sentences: String =
        table.iter().map(|text| format!("{}\n", parse(text).unwrap_err())).collect();
    expect![[r#"
        line 1, column 6: unclosed table, expected `]`
        line 2, column 11: `90`: write it as 30s, 15m, 1h or 7d
        line 2, column 11: `0s`: must be from 1s to 4000000000s
        line 2, column 11: invalid type: integer `90`, expected a string
        line 3, column 1: unknown field `max_tll`, expected one of `max_ttl`, `require_expiry`, `max_active_keys`, `secret_prefix`, `permissions`, `roles`
        line 1, column 11: invalid type: string "90d", expected a table with the rules of an account
        line 2, column 19: invalid value: integer `-1`, expected u64
        line 2, column 19: invalid type: floating point `1.5`, expected u64
        line 2, column 18: invalid type: string "yes", expected a boolean
        line 2, column 17: `acme_live_`: must be 2 to 16 lower-case letters and digits, a letter first: acme makes acme_live_… and acme_sandbox_…
        line 2, column 17: `sk`: must be another word: the keys of a dialect begin with this one
        line 2, column 15: `or ders`: must be area.action such as orders.read, '*' allowed as last part
        line 2, column 10: `read`: must be area.action such as orders.read, '*' allowed as last part
        line 2, column 1: `a b`: must consist of letters, digits, '-', '_', '.' and ':'
        line 1, column 1: the role `writer` gives `b.c`, which the permissions of the account do not cover
        line 2, column 2: duplicate key
        line 1, column 2: ``: must be between 1 and 100 characters
        line 1, column 2: `a b`: must not contain control characters
        line 2, column 3: it is not UTF-8
        line 1, column 1: permissions: at most 64 permissions
        line 1, column 1: permissions: at most 2000 characters together
    "#]].assert_eq(&sentences);
}

proptest! {
    /// Any bytes are read or refused in one line, and what is refused has a place within the file.
    #[test]
    fn any_bytes_are_read_or_refused(
        lines in proptest::collection::vec(
            "\\[[a-z*\"]{1,4}\\]|\\[a\\.roles\\]|(max_ttl|max_active_keys|require_expiry|secret_prefix|permissions|r) = (\"[a-z0-9.*]{0,5}\"|[0-9]{1,3}|true|\\[\"[a-z.*]{0,4}\"\\])|\\PC{0,12}",
            0..8,
        ),
        tail in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let bytes = [lines.join("\n").into_bytes(), tail].concat();
        if let Err(wrong) = parse(&bytes) {
            prop_assert!(!wrong.to_string().contains('\n'), "{}", wrong);
            if let Some((line, _)) = wrong.place {
                prop_assert!(line <= bytes.split(|byte| *byte == b'\n').count());
            }
        }
    }

    /// What is written as it should be comes back as it was meant.
    #[test]
    fn what_is_meant_is_read(
        days in proptest::option::of(1_u64..10_000),
        require_expiry: bool,
        max_active_keys in proptest::option::of(0..i64::MAX as u64),
        word in proptest::option::of("[b-z][a-z0-9]{2,15}"),
        allowed in proptest::option::of(proptest::collection::vec("[a-z]{1,9}\\.[a-z]{1,9}", 0..9)),
    ) {
        let mut text = format!("['a \"b\"']\nrequire_expiry = {require_expiry}\n");
        for (name, value) in [
            ("max_ttl", days.map(|days| format!("\"{days}d\""))),
            ("max_active_keys", max_active_keys.map(|most| most.to_string())),
            ("secret_prefix", word.as_ref().map(|word| format!("\"{word}\""))),
            ("permissions", allowed.as_ref().map(|all| format!("{all:?}"))),
        ] {
            if let Some(value) = value {
                text += &format!("{name} = {value}\n");
            }
        }
        let read = parse(text.as_bytes());
        let word = word.map(|word| SecretPrefix::new(&word));
        if let Some(Err(_)) = word {
            prop_assert!(read.is_err());
            return Ok(());
        }
        let meant = AccountRules {
            max_ttl_s: days.map(|days| days * 86_400),
            require_expiry,
            max_active_keys,
            secret_prefix: word.map(Result::unwrap),
            permissions: allowed.map(|all| all.iter().map(|text| Permission::new(text).unwrap()).collect()),
            roles: None,
        };
        let account = Account::new("a \"b\"").unwrap();
        let read = read.unwrap();
        prop_assert_eq!(read.of(&account), Some(&meant));
    }
}
