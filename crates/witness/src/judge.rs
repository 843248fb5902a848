//! What a witness cosigns, and the reason for what it does not.

use tlog::checkpoint::CheckpointError;
use tlog::note::{NoteError, VerifierKey};
use tlog::{AddCheckpoint, Checkpoint, Hash, empty_root, verify_consistency};

/// Why a checkpoint is not cosigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is not in the form of one.
    #[error("{0}")]
    Malformed(String),
    /// No key is configured for the origin.
    #[error("this witness does not know the log")]
    UnknownLog,
    /// No key of the log signed it, or one badly.
    #[error("no key of the log that this witness trusts has signed it, or one of them badly")]
    Unsigned,
    /// The old size is larger than the checkpoint.
    #[error("the old size is larger than the checkpoint")]
    OldBeyond,
    /// The old size is not that of the last checkpoint that was cosigned, which is this one.
    #[error("the last checkpoint that was cosigned is of another size")]
    OtherSize(u64),
    /// A root of an empty tree, or of the same tree, is another.
    #[error("the root is not that of the same tree")]
    OtherRoot,
    /// The proof does not lead from the last checkpoint to this one.
    #[error("the checkpoint is not proved to extend the last one that was cosigned")]
    Unproved,
}

impl Refusal {
    /// The status that the document asks for.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Malformed(_) | Refusal::OldBeyond => 400,
            Refusal::Unsigned => 403,
            Refusal::UnknownLog => 404,
            Refusal::OtherSize(_) => 409,
            Refusal::OtherRoot | Refusal::Unproved => 422,
        }
    }
}

/// The checkpoint of a request, if it is in the form of one and one of its log's keys, which
/// `keys_of` gives by the origin, has signed it.
///
/// # Errors
///
/// [`Refusal::Malformed`], [`Refusal::UnknownLog`], [`Refusal::Unsigned`].
pub fn signed<'k>(
    request: &AddCheckpoint,
    keys_of: impl Fn(&str) -> Option<&'k [VerifierKey]>,
) -> Result<Checkpoint, Refusal> {
    let note = request.checkpoint();
    let malformed = |error: CheckpointError| Refusal::Malformed(error.to_string());
    let checkpoint: Checkpoint = note.text().parse().map_err(malformed)?;
    let keys = keys_of(checkpoint.origin()).ok_or(Refusal::UnknownLog)?;
    match note.verify(keys) {
        Ok(_) => Ok(checkpoint),
        Err(NoteError::Unsigned | NoteError::BadSignature { .. }) => Err(Refusal::Unsigned),
        Err(error @ NoteError::Malformed(_)) => Err(Refusal::Malformed(error.to_string())),
    }
}

/// Whether a signed checkpoint extends the `last` one of the same log that was cosigned, in the
/// order of checks of the document.
///
/// # Errors
///
/// The other [`Refusal`]s.
pub fn judge(
    request: &AddCheckpoint,
    checkpoint: &Checkpoint,
    last: Option<&Checkpoint>,
) -> Result<(), Refusal> {
    let (size, root) = (checkpoint.size(), checkpoint.root());
    if request.old() > size {
        return Err(Refusal::OldBeyond);
    }
    let last: (u64, Hash) = last.map_or((0, empty_root()), |last| (last.size(), last.root()));
    if request.old() != last.0 {
        return Err(Refusal::OtherSize(last.0));
    }
    if (size == 0 && root != empty_root()) || (size == last.0 && root != last.1) {
        return Err(Refusal::OtherRoot);
    }
    verify_consistency(last.0, &last.1, size, &root, request.proof()).map_err(|_| Refusal::Unproved)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tlog::note::{Note, Signer};
    use tlog::{MemoryTree, Prover, leaf_hash};

    use super::*;

    const ORIGIN: &str = "log.example/a";

    /// A log whose entries begin to differ from those of the first after so many.
    fn tree(size: u64, forks_at: u64) -> MemoryTree {
        let leaf = |place: u64| leaf_hash(&(place, u8::from(place >= forks_at)).0.to_be_bytes());
        let other = |place: u64| leaf_hash(&[place.to_be_bytes(), [9; 8]].concat());
        (0..size).map(|place| if place >= forks_at { other(place) } else { leaf(place) }).collect()
    }

    fn checkpoint(size: u64, forks_at: u64) -> Checkpoint {
        let tree = tree(size, forks_at);
        Checkpoint::new(ORIGIN, size, Prover::new(&tree, size).root().unwrap()).unwrap()
    }

    fn request(old: u64, proof: Vec<Hash>, checkpoint: &Checkpoint, seed: u8) -> AddCheckpoint {
        let signer = Signer::from_seed(ORIGIN, &[seed; 32]).unwrap();
        let note = Note::parse(checkpoint.sign(&signer).unwrap().as_bytes()).unwrap();
        AddCheckpoint::new(old, proof, note).unwrap()
    }

    fn proof(old: u64, size: u64, forks_at: u64) -> Vec<Hash> {
        let tree = tree(size, forks_at);
        Prover::new(&tree, size).consistency(old).unwrap()
    }

    #[test]
    fn every_refusal_has_its_status() {
        const SAME: u64 = u64::MAX;
        let empty_forged = Checkpoint::new(ORIGIN, 0, Hash([1; 32])).unwrap();
        let ten = checkpoint(10, SAME);
        for (last, request, expected) in [
            (None, request(0, vec![], &ten, 7), Ok(())),
            (None, request(0, vec![], &checkpoint(0, SAME), 7), Ok(())),
            (None, request(0, vec![], &empty_forged, 7), Err(422)),
            (None, request(0, vec![Hash([1; 32])], &ten, 7), Err(422)),
            (None, request(3, proof(3, 10, SAME), &ten, 7), Err(409)),
            (None, request(11, vec![], &ten, 7), Err(400)),
            (Some(7), request(7, proof(7, 10, SAME), &ten, 7), Ok(())),
            (Some(7), request(0, vec![], &ten, 7), Err(409)),
            (Some(7), request(7, vec![], &ten, 7), Err(422)),
            (Some(7), request(7, proof(7, 10, 3), &checkpoint(10, 3), 7), Err(422)),
            // A fork behind what was seen is none yet.
            (Some(7), request(7, proof(7, 10, 8), &checkpoint(10, 8), 7), Ok(())),
            (Some(10), request(10, vec![], &ten, 7), Ok(())),
            (Some(10), request(10, vec![], &checkpoint(10, 9), 7), Err(422)),
            (Some(10), request(10, vec![Hash([1; 32])], &ten, 7), Err(422)),
            (Some(11), request(10, vec![], &ten, 7), Err(409)),
            (Some(11), request(11, vec![], &ten, 7), Err(400)),
        ] {
            let last = last.map(|size| checkpoint(size, SAME));
            let found = request.checkpoint().text().parse().unwrap();
            let judged = judge(&request, &found, last.as_ref());
            let judged = judged.map_err(|refusal| refusal.status());
            assert_eq!(judged, expected, "{last:?} {request}");
        }
    }

    #[test]
    fn a_log_is_known_by_its_origin_and_its_keys() {
        let key = |seed| Signer::from_seed(ORIGIN, &[seed; 32]).unwrap().verifier_key().clone();
        let keys = [key(7), key(8)];
        let of = |origin: &str| (origin == ORIGIN).then_some(&keys[..]);
        let ten = checkpoint(10, u64::MAX);
        assert_eq!(signed(&request(0, vec![], &ten, 7), of), Ok(ten.clone()));
        assert_eq!(signed(&request(0, vec![], &ten, 8), of), Ok(ten.clone()));
        assert_eq!(signed(&request(0, vec![], &ten, 9), of), Err(Refusal::Unsigned));
        assert_eq!(signed(&request(0, vec![], &ten, 7), |_| None), Err(Refusal::UnknownLog));
        // One good signature does not mend a bad one.
        let (good, other) = (request(0, vec![], &ten, 7), checkpoint(11, u64::MAX));
        let bad = request(0, vec![], &other, 8).checkpoint().signatures()[0].clone();
        let mut note = good.checkpoint().clone();
        note.add(bad).unwrap();
        let mixed = AddCheckpoint::new(0, vec![], note).unwrap();
        assert_eq!(signed(&mixed, of), Err(Refusal::Unsigned));
        let table = Note::parse("not a checkpoint\n\n— a AAAAAAA=\n".as_bytes()).unwrap();
        let refused = signed(&AddCheckpoint::new(0, vec![], table).unwrap(), of);
        assert!(matches!(refused, Err(Refusal::Malformed(_))), "{refused:?}");
    }

    proptest! {
        /// Whatever is sent in whatever order, all that was cosigned is one log.
        #[test]
        fn what_is_cosigned_is_one_log(
            sent in proptest::collection::vec((0..12_u64, 0..12_u64, 0..14_u64), 1..40),
        ) {
            let mut last: Option<(u64, u64)> = None;
            for (old, size, forks_at) in sent {
                let proof = if old <= size { proof(old, size, forks_at) } else { Vec::new() };
                let checkpoint_ = checkpoint(size, forks_at);
                let request = request(old, proof, &checkpoint_, 7);
                let before = last.map(|(size, forks_at)| checkpoint(size, forks_at));
                if judge(&request, &checkpoint_, before.as_ref()).is_ok() {
                    if let Some((last_size, last_forks_at)) = last {
                        prop_assert!(size >= last_size);
                        prop_assert_eq!(checkpoint(last_size, forks_at), checkpoint(last_size, last_forks_at));
                    }
                    last = Some((size, forks_at));
                }
            }
        }
    }
}
