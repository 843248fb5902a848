//! The speed tricks of answers give what the plain ways give.

use eventlog::memory::MemoryLog;
use keys::Dialect;
use ledger::{
    Caller, Change, Identity, Ledger, NewKeyRequest, Options, Origin, RequestOptions, Role, Scope,
    Signing, Via,
};
use proptest::prelude::*;
use serde::Serialize;
use std::sync::Arc;

use super::json::{put_json, put_quoted_json, to_json};
use super::plain_json;
use super::receipt::put_with_receipt;

#[test]
fn a_text_makes_no_line_of_its_own() {
    let table = [
        ("plain", r#""plain""#),
        ("a\u{2028}b\u{2029}\u{85}", r#""a\u2028b\u2029\u0085""#),
        ("\u{2028}", r#""\u2028""#),
        ("a\nb\u{1e}", r#""a\nb\u001e""#),
        ("§ – “é” €\u{A0}", "\"§ – “é” €\u{A0}\""),
    ];
    for (text, want) in table {
        assert_eq!(to_json(text), want);
    }
    let name = std::collections::BTreeMap::from([("a\u{2028}", 1)]);
    assert_eq!(to_json(&name), r#"{"a\u2028":1}"#);
}

proptest! {
    #[test]
    fn json_in_quotes_is_json_with_every_quote_doubled(
        texts in prop::collection::btree_map("\\PC{0,8}", "[\"\\\\\n\u{2028}\u{85}a]{0,8}", 0..5),
    ) {
        let mut quoted = Vec::new();
        put_quoted_json(&mut quoted, &texts);
        prop_assert_eq!(quoted, to_json(&texts).replace('"', "\"\"").into_bytes());
    }

    #[test]
    fn it_means_the_same(text in "(.|[\u{80}-\u{A0}\u{2020}-\u{2030}]){0,20}") {
        let json = to_json(&text);
        let broken = json.contains(['\u{85}', '\u{2028}', '\u{2029}', '\n']);
        prop_assert!(!broken);
        prop_assert_eq!(&json, &plain_json::to_json(&text));
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    numbers: [u8; 3],
}

/// The plain way: the receipt is a member like any other.
#[derive(Serialize)]
struct Plain<'a, T> {
    #[serde(flatten)]
    answer: &'a T,
    receipt: String,
}

fn owner() -> Caller {
    let identity = Identity {
        subject: "ann".parse().unwrap(),
        scope: Scope::Account("acme".parse().unwrap()),
        roles: [Role::Owner].into_iter().collect(),
        via: Via::Token { issuer: "test".into(), jti: None },
    };
    let (dialect, origin) = (Dialect::Native, Origin::default());
    Caller { identity: Arc::new(identity), dialect, origin }
}

fn new_key() -> NewKeyRequest {
    NewKeyRequest { ..NewKeyRequest::default() }
}

/// Over many sizes of the tree, whose receipts have paths of different lengths.
#[tokio::test]
async fn a_receipt_is_written_as_serde_would() {
    let log = Arc::new(MemoryLog::new());
    let signing = Some(Arc::new(Signing::new("ledger.example.com/keys", [7; 32]).unwrap()));
    let options = Options { signing, ..Options::default() };
    let ledger = Ledger::open(log, options, &mut |_| {}).unwrap();
    let owner = owner();
    let options = RequestOptions::default;
    let created = ledger.create(&owner, new_key(), options()).await.unwrap();
    let answer = Answer { name: "a\u{2028}\"b\"", numbers: [1, 2, 3] };
    for round in 0..9 {
        let change = if round % 2 == 0 { Change::Disable } else { Change::Enable };
        let id = created.key.key.id;
        let changed = ledger.change(&owner, id, change, options()).await.unwrap();
        let receipt = ledger.receipt(&owner, &changed.entry).unwrap();
        let (mut fast, mut plain) = (Vec::new(), Vec::new());
        put_with_receipt(&mut fast, &answer, &receipt);
        put_json(&mut plain, &Plain { answer: &answer, receipt: receipt.to_string() });
        assert_eq!(String::from_utf8(fast).unwrap(), String::from_utf8(plain).unwrap());
    }
}
