//! A file with a policy (c2sp.org/tlog-policy): which logs and witnesses are trusted.

use std::path::Path;

use anyhow::Result;
use ledger::KeyChain;
use tlog::note::VerifierKey;
use tlog::policy::Policy;

use crate::exit::misuse;

/// Reads the policy that an option names.
pub(crate) fn read(path: &Path, option: &str) -> Result<Policy> {
    let shown = path.display();
    let text = std::fs::read(path)
        .map_err(|error| misuse(format!("{option}: `{shown}` cannot be read: {error}")))?;
    Policy::parse(&text)
        .map_err(|error| misuse(format!("{option}: `{shown}` is no policy: {error}")))
}

/// The key of a log that a policy names: the newest one that is in the chain, else the first; `None`
/// if it names no log.
pub(crate) fn log_key(policy: &Policy, chain: Option<&KeyChain>) -> Option<VerifierKey> {
    let keys = chain.map_or(&[][..], KeyChain::keys);
    let named = keys.iter().rev().find(|key| policy.logs().contains(key));
    named.or(policy.logs().first()).cloned()
}
