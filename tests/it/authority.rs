//! Who may do what, judged once more by auditors, from the records alone.

use std::path::PathBuf;

use crate::audit::{both, export, forged, verifier_key};
use crate::support::Service;

const FORGE_AUTHORITY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/forge_authority.py");

/// With the log's own key in his hands nobody makes a log good in which somebody acted who may not.
#[test]
fn who_may_not_have_done_it_is_found_by_both_verifiers() {
    let service = Service::start();
    let owner = service.client("owner");
    let bundle = |name: &str, last: &str| -> PathBuf {
        owner.create(last);
        export(&service, name, &[])
    };
    let own = bundle("own.tar", r#"{"name":"a"}"#);
    let others = bundle("others.tar", r#"{"name":"b","owner":"somebody else"}"#);
    let key = verifier_key(&service);
    let (out, list) = forged(&service, FORGE_AUTHORITY, [&own, &others]);
    assert!(list.lines().count() > 25, "{list}");
    for line in list.lines() {
        let (name, code) = line.rsplit_once(' ').unwrap();
        both(&out.join(name), &key, code.parse().unwrap());
    }
}
