//! Which files a bundle has, in which order: what a manifest says decides it.

use crate::Exports;
use crate::archive::Placed;
use crate::layout::{self, TreeFile};
use crate::manifest::{Listed, Manifest, Scope, Version};
use crate::refused::Invalid;

/// How many checkpoints with time-stamps there are: whether their files are the right ones, and in their
/// place, is told when all names are compared.
pub(crate) fn stamps(placed: &[Placed]) -> u64 {
    let is_of_one = |placed: &&Placed| placed.name.split('/').next() == Some(layout::TIMES);
    placed.iter().filter(is_of_one).count().div_ceil(3) as u64
}

/// The names of the files of such a bundle, with so many time-stamps, in order.
fn expected_names(
    (manifest, version, stamps): (&Manifest, Version, u64),
    scope: &Scope,
    exports: &Exports,
) -> Vec<String> {
    use layout::{
        ACCOUNT, ACCOUNTS, CHECKPOINT, CONSISTENCY, COSIGNED, EARLIER, GROWTH, GUIDE, HEARTBEAT,
        KEYS, LIMITS, MANIFEST, NOTE, PACK, PERSONS, TABLE, VERIFIER,
    };
    let limits = (version != Version::One).then_some(LIMITS);
    let head = [KEYS, CHECKPOINT, EARLIER, CONSISTENCY, TABLE];
    let head = [GUIDE, VERIFIER].into_iter().chain(limits).chain(head);
    let mut names: Vec<String> = head.map(str::to_owned).collect();
    match version {
        Version::One => {}
        Version::Two => {
            names.extend([HEARTBEAT, COSIGNED, GROWTH].map(str::to_owned));
            names.extend((0..stamps).flat_map(layout::times_names));
        }
    }
    if scope.is_whole() {
        names.extend(layout::tree_files(manifest.size).map(TreeFile::name));
    } else {
        let of_account = version == Version::Two && scope.account.is_some();
        names.extend((!of_account).then(|| ACCOUNTS.to_owned()));
        let packs = (0..manifest.records.div_ceil(PACK as u64))
            .flat_map(|number| [layout::records_name(number), layout::proofs_name(number)]);
        names.extend(packs);
        if of_account {
            // As many as there are: whether these are all is seen when the keys are known.
            names.extend((0..rows_files(&manifest.members)).map(layout::rows_name));
            names.push(ACCOUNT.to_owned());
        }
    }
    names.push(PERSONS.to_owned());
    names.extend(exports.names.map(str::to_owned));
    names.extend([MANIFEST, NOTE].map(str::to_owned));
    names
}

/// The number of files with places in the key table.
pub(crate) fn rows_files(members: &[Listed]) -> u64 {
    members.iter().filter(|member| member.name.starts_with("rows/")).count() as u64
}

/// Checks that the files are those of such a bundle, in their order.
pub(crate) fn compare_names(
    placed: &[Placed],
    (manifest, version): (&Manifest, Version),
    scope: &Scope,
    exports: &Exports,
) -> Result<(), Invalid> {
    let files = placed.len() as u64;
    // Checked before the list is built: a manifest may claim any size.
    if manifest.size / 256 > files || manifest.records / 256 > files {
        return Err(Invalid::Malformed(layout::MANIFEST));
    }
    if scope.is_whole() && manifest.records != manifest.size {
        return Err(Invalid::Malformed(layout::MANIFEST));
    }
    let expected = expected_names((manifest, version, stamps(placed)), scope, exports);
    let end = || "the end".to_owned();
    for place in 0..expected.len().max(placed.len()) {
        let found = placed.get(place).map_or_else(end, |placed| placed.name.clone());
        let expected = expected.get(place).cloned().unwrap_or_else(end);
        if expected != found {
            return Err(Invalid::Files { expected, found });
        }
    }
    Ok(())
}
