//! The tree over buckets against the plain tree of their roots.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tlog::{
    BUCKETS, BucketTree, Frontier, Hash, MemoryTree, ProofError, Prover, bucket_of, empty_root,
    leaf_hash, root_over_buckets, verify_bucket, verify_in_bucket,
};

/// The root by its definition: the tree whose entries are the roots of all buckets.
fn plain(roots: &BTreeMap<u16, Hash>) -> Hash {
    let root = |bucket: u16| roots.get(&bucket).copied().unwrap_or_else(empty_root);
    let leaves = (0..=u16::MAX).map(|bucket| leaf_hash(root(bucket).as_bytes()));
    leaves.collect::<Frontier>().root()
}

fn bucket() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(1), Just(u16::MAX), 0..40_u16, any::<u16>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_tree_that_is_changed_is_the_tree_made_anew(
        changes in prop::collection::vec(prop::collection::btree_map(bucket(), any::<[u8; 32]>(), 0..20), 0..6)
    ) {
        let (mut tree, mut roots) = (BucketTree::new(), BTreeMap::new());
        for change in changes {
            let change: Vec<_> = change.into_iter().map(|(bucket, root)| (bucket, Hash(root))).collect();
            roots.extend(change.iter().copied());
            tree.set(change);
        }
        let root = plain(&roots);
        prop_assert_eq!(tree.root(), root);
        prop_assert_eq!(root_over_buckets(roots.clone()), root);
        for bucket in roots.keys().copied().chain([7, 0x8000]) {
            let own = roots.get(&bucket).copied().unwrap_or_else(empty_root);
            prop_assert!(tree.has(bucket, &own) && !tree.has(bucket, &root));
            let path = tree.path(bucket);
            prop_assert_eq!(verify_bucket(bucket, &own, &path, &root), Ok(()));
            let beside = roots.get(&(bucket ^ 1)).copied().unwrap_or_else(empty_root);
            let other = verify_bucket(bucket ^ 1, &own, &path, &root);
            prop_assert_eq!(other.is_ok(), beside == own);
            prop_assert_eq!(verify_bucket(bucket, &root, &path, &root), Err(ProofError::Root));
            for length in [0, 15] {
                let short = verify_bucket(bucket, &own, &path[..length], &root);
                prop_assert_eq!(short, Err(ProofError::Length { expected: 16, found: length }));
            }
        }
    }
}

#[test]
fn the_root_of_empty_buckets_is_always_the_same() {
    let root = root_over_buckets([]);
    assert_eq!(root, plain(&BTreeMap::new()));
    assert_eq!(
        hex::encode(root.as_bytes()),
        "90f0951505390e5d3756748a16b2845d2a14085069cc46ffbdd34a8661f1f5d5"
    );
    assert_eq!(BucketTree::default().root(), root);
    assert_eq!(BUCKETS, 65_536);
}

#[test]
fn entries_go_by_the_first_16_bits() {
    let mut hash = [0xFF; 32];
    (hash[0], hash[1]) = (0x12, 0x34);
    assert_eq!(bucket_of(&hash), 0x1234);
}

/// What is not proved: another place, another size, another bucket, another number of hashes.
#[test]
fn an_entry_is_proved_in_its_place_alone() {
    for size in [1_u64, 2, 3, 7] {
        let leaves: Vec<Hash> = (0..size).map(|entry| leaf_hash(&entry.to_be_bytes())).collect();
        let within: MemoryTree = leaves.iter().copied().collect();
        let mut tree = BucketTree::new();
        tree.set([(300, within.root()), (301, leaf_hash(b"another"))]);
        let root = tree.root();
        for (index, leaf) in (0..).zip(&leaves) {
            let own = Prover::new(&within, size).inclusion(index).unwrap();
            let path = [own.clone(), tree.path(300)].concat();
            verify_in_bucket(leaf, 300, (index, size), &path, &root).unwrap();
            let wrong = |bucket, place, path: &[Hash]| {
                verify_in_bucket(leaf, bucket, place, path, &root).is_err()
            };
            assert!(wrong(301, (index, size), &path));
            assert!(wrong(300, (index + 1, size), &path));
            assert!(wrong(300, (index, size), &path[1..]));
            assert!(wrong(300, (index, size), &[path.clone(), vec![root]].concat()));
            assert!(wrong(300, (index, size), &[vec![*leaf], path.clone()].concat()));
            assert!(wrong(300, (index, size), &[]));
            // Not even as an entry of a tree of all rows.
            assert!(wrong(300, ((300 << 20) + index, 1 << 36), &path));
            // That it is the last one, or that there are more.
            for other in (index + 1..20).filter(|other| *other != size) {
                let is_last = index + 1 == other;
                let fits = verify_in_bucket(leaf, 300, (index, other), &path, &root).is_ok();
                assert!(!(fits && is_last), "{index} of {size} as of {other}");
            }
        }
    }
}
