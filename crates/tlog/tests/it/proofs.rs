//! Inclusion and consistency: against another implementation, and against tampering.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;
use tlog::{
    Hash, ProofError, ProveError, Prover, RightEdge, consistency_proof, empty_root,
    verify_consistency, verify_inclusion,
};

use crate::samples::{entry, inclusion_proof, leaf, root_at, tree};

const SIZES: u64 = 300;

/// A number of leaves as a place in a list.
fn place(size: u64) -> usize {
    usize::try_from(size).unwrap()
}

fn bytes(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn proofs_of_all_small_trees_are_those_of_ct_merkle() {
    let ours = tree(SIZES);
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut roots = vec![empty_root()];
    for size in 1..=SIZES {
        theirs.push(entry(size - 1).into_bytes());
        let mut prover = Prover::new(&ours, size);
        let root = prover.root().unwrap();
        assert_eq!(root.as_bytes().as_slice(), theirs.root().as_bytes().as_slice(), "{size}");
        roots.push(root);
        for index in 0..size {
            let proof = prover.inclusion(index).unwrap();
            let expected = theirs.prove_inclusion(place(index));
            assert_eq!(bytes(&proof), expected.as_bytes(), "leaf {index} of {size}");
            verify_inclusion(&leaf(index), index, size, &proof, &root).unwrap();
        }
        for old in 1..size {
            let proof = prover.consistency(old).unwrap();
            let expected = theirs.prove_consistency(place(size - old));
            assert_eq!(bytes(&proof), expected.as_bytes(), "{old} to {size}");
            verify_consistency(old, &roots[place(old)], size, &root, &proof).unwrap();
        }
    }
}

#[test]
fn an_inclusion_proof_holds_for_nothing_else() {
    let tree = tree(40);
    for size in [1, 2, 3, 7, 8, 9, 31, 32, 33, 40] {
        let mut prover = Prover::new(&tree, size);
        let root = prover.root().unwrap();
        for index in 0..size {
            let proof = prover.inclusion(index).unwrap();
            let refused = |leaf: &Hash, index, proof: &[Hash], root: &Hash| {
                assert!(verify_inclusion(leaf, index, size, proof, root).is_err());
            };
            let leaf = leaf(index);
            refused(&Hash([0; 32]), index, &proof, &root);
            refused(&leaf, index, &proof, &empty_root());
            for other in (0..size + 3).filter(|other| *other != index) {
                refused(&leaf, other, &proof, &root);
            }
            refused(&leaf, index, &[proof.as_slice(), &[root]].concat(), &root);
            if let Some((_, shorter)) = proof.split_last() {
                refused(&leaf, index, shorter, &root);
            }
            for at in 0..proof.len() * 32 {
                let mut changed = proof.clone();
                changed[at / 32].0[at % 32] ^= 1 << (at % 8);
                refused(&leaf, index, &changed, &root);
            }
        }
    }
}

#[test]
fn a_consistency_proof_holds_for_nothing_else() {
    let tree = tree(33);
    let roots: Vec<Hash> = (0..=33).map(|size| root_at(&tree, size).unwrap()).collect();
    let wrong = Hash([0; 32]);
    for new in 1..=33_u64 {
        for old in 0..=new {
            let proof = consistency_proof(&tree, old, new).unwrap();
            let (old_root, new_root) = (roots[place(old)], roots[place(new)]);
            let verify = |from: &Hash, to: &Hash, proof: &[Hash]| {
                verify_consistency(old, from, new, to, proof)
            };
            assert_eq!(verify(&old_root, &new_root, &proof), Ok(()));
            assert!(verify(&wrong, &new_root, &proof).is_err(), "{old} {new}");
            // Every tree extends the empty one.
            assert_eq!(verify(&old_root, &wrong, &proof).is_err(), old > 0, "{old} {new}");
            assert!(verify(&old_root, &new_root, &[proof.as_slice(), &[wrong]].concat()).is_err());
            for at in 0..proof.len() * 32 {
                let mut changed = proof.clone();
                changed[at / 32].0[at % 32] ^= 0x80 >> (at % 8);
                assert!(verify(&old_root, &new_root, &changed).is_err(), "{old} {new} {at}");
            }
            if old != new {
                let back = verify_consistency(new, &new_root, old, &old_root, &proof);
                assert_eq!(back, Err(ProofError::Shrunk { old: new, new: old }));
            }
        }
    }
}

#[test]
fn from_size_zero_the_proof_is_empty() {
    let tree = tree(9);
    assert_eq!(consistency_proof(&tree, 0, 9).unwrap(), []);
    assert_eq!(consistency_proof(&tree, 9, 9).unwrap(), []);
    let (none, root) = (empty_root(), root_at(&tree, 9).unwrap());
    assert_eq!(verify_consistency(0, &none, 9, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &none, 0, &none, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &root, 9, &root, &[]), Err(ProofError::OldRoot));
    assert_eq!(verify_consistency(0, &none, 0, &root, &[]), Err(ProofError::Root));
    let length = ProofError::Length { expected: 0, found: 1 };
    assert_eq!(verify_consistency(0, &none, 9, &root, &[root]), Err(length));
}

#[test]
fn what_is_not_in_the_tree_is_not_proved() {
    let tree = tree(9);
    let refused = |error| matches!(error, ProveError::OutOfRange { .. });
    assert!(refused(inclusion_proof(&tree, 9, 9).unwrap_err()));
    assert!(refused(inclusion_proof(&tree, 0, 0).unwrap_err()));
    assert!(refused(consistency_proof(&tree, 10, 9).unwrap_err()));
    // A size the tree has not reached: its tiles are not there.
    for size in [10, 256, 1 << 40, u64::MAX] {
        let error = inclusion_proof(&tree, 3, size).unwrap_err();
        assert!(matches!(error, ProveError::Missing(_)), "{size}: {error}");
    }
    let no_such = ProofError::NoSuchLeaf { index: 9, size: 9 };
    assert_eq!(verify_inclusion(&leaf(9), 9, 9, &[], &empty_root()), Err(no_such));
}

#[test]
fn a_batch_of_proofs_is_what_single_proofs_are() {
    // More tiles than a prover keeps.
    let size = 256 * 80 + 17;
    let tree = tree(size);
    let mut prover = Prover::new(&tree, size);
    let root = prover.root().unwrap();
    for index in (0..size).step_by(97) {
        let proof = prover.inclusion(index).unwrap();
        verify_inclusion(&leaf(index), index, size, &proof, &root).unwrap();
        if index % 5 == 0 {
            assert_eq!(proof, inclusion_proof(&tree, index, size).unwrap());
        }
    }
}

#[test]
fn proofs_at_every_size_come_from_the_full_tiles_of_today() {
    let size = 70_000;
    let tree = tree(size);
    proptest!(ProptestConfig::with_cases(200), |(new in 1..=size, at in 0..u64::MAX)| {
        let (index, old) = (at % new, at % (new + 1));
        let mut prover = Prover::new(&tree, new);
        let root = prover.root().unwrap();
        let proof = prover.inclusion(index).unwrap();
        prop_assert_eq!(verify_inclusion(&leaf(index), index, new, &proof, &root), Ok(()));
        let proof = prover.consistency(old).unwrap();
        let old_root = root_at(&tree, old).unwrap();
        prop_assert_eq!(verify_consistency(old, &old_root, new, &root, &proof), Ok(()));
    });
}

proptest! {
    #[test]
    fn verifiers_never_panic(
        numbers in [any::<u64>(), any::<u64>()],
        hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Hash> = hashes.into_iter().map(Hash).collect();
        let root = empty_root();
        let [first, second] = numbers;
        for (low, high) in [(first, second), (second, first), (first, u64::MAX), (0, first)] {
            let _ = verify_inclusion(&root, low, high, &proof, &root);
            prop_assert!(verify_inclusion(&root, low, high, &proof, &root).is_err());
            let _ = verify_consistency(low, &root, high, &root, &proof);
        }
    }
}

#[test]
fn an_edge_proves_its_newest_leaves_alone() {
    for size in [1, 2, 255, 256, 257, 511, 512, 513, 768, 1023, 1024, 1025, 1535, 1536, 65_537] {
        let ours = tree(size);
        let mut edge = RightEdge::new();
        (0..size).for_each(|index| drop(edge.push(leaf(index))));
        let mut prover = Prover::new(&ours, size);
        let first_held = (size / 256).saturating_sub(RightEdge::RECENT as u64) * 256;
        for index in first_held..size {
            let within = edge.inclusion_in_tile(index).unwrap();
            let above = edge.inclusion_of_tile(index / 256);
            // Of what two tiles of level 1 are needed for, the store has one.
            let Some(above) = above else {
                assert!(index < 65_536 && size > 65_536, "{index} of {size}");
                continue;
            };
            assert_eq!([within, above].concat(), prover.inclusion(index).unwrap());
        }
        for outside in [first_held.checked_sub(1).unwrap_or(size), size, u64::MAX] {
            assert_eq!(edge.inclusion_in_tile(outside), None, "{outside} of {size}");
        }
    }
}
