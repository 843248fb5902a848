//! The lineage of a log in a verdict: which keys signed it, up to which size, and what was lost.

use anyhow::Result;
use ledger::{Era, KeyChain};
use serde_json::{Value, json};
use tlog::note::VerifierKey;

use crate::print;

/// Prints a line for each key, if there was ever more than one.
pub(super) fn print(chain: &KeyChain) -> Result<()> {
    if chain.keys().len() < 2 {
        return Ok(());
    }
    for (number, era) in (1..).zip(chain.eras()) {
        let text = print::plain(&format!("{number}. {}: {}", era.key, sentence(&era)));
        print::line(format!("{:<12} {text}", "lineage"))?;
    }
    Ok(())
}

/// Says which key signs now, to one who trusts an older one.
pub(super) fn print_newer(chain: &KeyChain, trusted: &VerifierKey) -> Result<()> {
    if chain.newest() == trusted {
        return Ok(());
    }
    let newest = print::plain(&chain.newest().to_string());
    print::line(format!("the key you gave was succeeded; from now on give --key '{newest}'"))
}

fn sentence(era: &Era<'_>) -> String {
    let began = era.began.filter(|began| !began.is_rotation);
    let began = began.map(|began| match began.from {
        Some(from) if began.admits_loss() => format!(
            "a new origin, on {} records, of which at most {} are among the {} that the one before \
             signed for",
            from.size,
            began.contains_at_most(),
            began.last.size
        ),
        Some(from) => format!("a new origin, on {} records", from.size),
        None => "a new origin; on how many records is not on record".to_owned(),
    });
    let ended = match era.ended {
        None => "signs now".to_owned(),
        Some(ended) => format!("signed last for {} records", ended.last.size),
    };
    began.into_iter().chain([ended]).collect::<Vec<_>>().join("; ")
}

/// The same for programs: `began` is how a new origin began, `last` what a key that was succeeded
/// signed last.
pub(super) fn json(chain: &KeyChain) -> Value {
    let head = |head: ledger::TreeHead| json!({ "size": head.size, "root": head.root.to_string() });
    let eras = chain.eras().map(|era| {
        let anew = era.began.filter(|began| !began.is_rotation);
        json!({
            "origin": era.key.name(),
            "key": era.key.to_string(),
            "last": era.ended.map(|ended| head(ended.last)),
            "is_new_origin": anew.is_some(),
            "went_on_from": anew.and_then(|anew| anew.from).map(head),
            "lost": anew.and_then(|anew| {
                anew.from.map(|_| anew.last.size - anew.contains_at_most())
            }),
        })
    });
    eras.collect()
}
