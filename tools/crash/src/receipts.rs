//! Receipts that were given before a crash still hold after it: the log never signs two trees.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tlog::note::VerifierKey;
use tlog::{Checkpoint, Hash, ProofFile, verify_consistency};

use crate::api::Api;

/// Checks that the log as it is extends every tree that a receipt was given of, and has the same
/// record in the same place.
///
/// # Errors
///
/// A receipt that holds no more: the log lost or changed what it had signed.
pub(crate) fn check(api: &Api, receipts: &[String]) -> Result<()> {
    let keys = api.get_text("/log/keys")?;
    let key: VerifierKey = keys.lines().next().context("no key in /log/keys")?.parse()?;
    let now = Checkpoint::open(api.get_text("/log/checkpoint")?.as_bytes(), &key)?;
    for text in receipts {
        let receipt: ProofFile = text.parse()?;
        let (seq, size) = (receipt.index, receipt.checkpoint.text().parse::<Checkpoint>()?.size());
        ensure!(
            size <= now.size(),
            "the log signed {size} records and has {} after the crash",
            now.size()
        );
        let proof = api.get(&format!("/v1/proofs/inclusion?seq={seq}&size={size}"))?;
        let leaf = proof.pointer("/leaf").and_then(Value::as_str).context("no leaf")?;
        let leaf: Hash = leaf.parse()?;
        let then = receipt
            .verify_leaf(&leaf, &key)
            .with_context(|| format!("record {seq} is not the one that was acknowledged"))?;
        let proof = api.get(&format!("/v1/proofs/consistency?old={size}&new={}", now.size()))?;
        let path = proof.pointer("/hashes").and_then(Value::as_array).context("no hashes")?;
        let path = path
            .iter()
            .map(|hash| Ok(hash.as_str().context("a hash that is no text")?.parse::<Hash>()?))
            .collect::<Result<Vec<Hash>>>()?;
        verify_consistency(size, &then.root(), now.size(), &now.root(), &path)
            .with_context(|| format!("the log does not extend the {size} records it had signed"))?;
    }
    Ok(())
}
