//! What a server answers to those who do not trust it.

use bundle::{Statement, check_event_proofs, check_key_proof, check_row_proofs};
use keys::{Account, KeyId};
use ledger::KeyChain;
use serde_json::Value;
use tlog::Hash;

/// The key of a log in the first line, and after it a proof of a key, of an account's events or of its
/// rows, each taken as any of them.
pub fn proofs(data: &[u8]) {
    let lines = str::from_utf8(data).ok().and_then(|text| text.split_once('\n'));
    let Some((key, reply)) = lines else { return };
    let Ok(chain) = KeyChain::parse(&format!("{key}\n")) else { return };
    let trusted = chain.newest();
    let value: Value = serde_json::from_str(reply).unwrap_or_default();
    let id = value.get("key_id").and_then(Value::as_str).and_then(|id| id.parse::<KeyId>().ok());
    if let Some(id) = id
        && let Ok(proved) = check_key_proof(reply, id, &chain, trusted)
    {
        let of_key = |(entry, _): &(ledger::Entry, Vec<u8>)| entry.record.links.of(id).is_some();
        assert!(proved.records.iter().all(of_key), "a proof is of the key it is said to be of");
        assert!(
            proved.heartbeat.statement.size >= proved.table_size,
            "a heartbeat is of the table's size"
        );
    }
    if let Ok(proved) = check_row_proofs(reply, &chain, trusted) {
        assert_eq!(
            value.get("items").and_then(Value::as_array).map(Vec::len),
            Some(proved.rows.len())
        );
    }
    let size = value.get("size").and_then(Value::as_u64).unwrap_or_default();
    let root = value.get("root").and_then(Value::as_str).and_then(|root| root.parse().ok());
    let root: Hash = root.unwrap_or_else(tlog::empty_root);
    let checkpoint = Statement { note: String::new(), size, root, by: trusted.clone() };
    for account in ["acme", "umbrella"] {
        let Ok(account) = Account::new(account) else { continue };
        if let Ok(proved) = check_event_proofs(reply, &account, &checkpoint, &chain, trusted) {
            let seqs: Vec<_> = proved.records.iter().map(|record| record.seq).collect();
            assert!(seqs.is_sorted_by(|a, b| a < b), "records are in the order of their places");
        }
    }
}
