//! Whom an auditor trusts to have seen a checkpoint (c2sp.org/tlog-policy): logs, witnesses, and
//! how many of them are a quorum.

mod parse;

use crate::note::{Note, NoteError, VerifierKey};

pub use parse::{MAX_POLICY, PolicyError};

/// A witness of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What the policy calls it, which is nothing outside of it. Bytes that are no UTF-8 are
    /// replaced.
    pub name: String,
    /// Its key, of [`Algorithm::Cosignature`](crate::note::Algorithm::Cosignature).
    pub key: VerifierKey,
}

/// A witness, or a group of them and of other groups. What it refers to stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// By its place among the witnesses.
    Witness(usize),
    /// So many of these nodes.
    Group { threshold: usize, members: Vec<usize> },
}

/// A policy.
///
/// ```
/// use tlog::{Checkpoint, cosignature::Cosigner, leaf_hash, note::{Note, Signer}, policy::Policy};
///
/// let log = Signer::from_seed("log.example.com", &[7; 32])?;
/// let witness = Cosigner::from_seed("witness.example.com", &[8; 32])?;
/// let key = witness.verifier_key();
/// let text = format!("log {}\nwitness w1 {key}\nquorum w1\n", log.verifier_key());
/// let policy = Policy::parse(text.as_bytes())?;
///
/// let checkpoint = Checkpoint::new(log.name(), 1, leaf_hash(b"an entry"))?;
/// let mut note = Note::parse(checkpoint.sign(&log)?.as_bytes())?;
/// assert!(policy.judge(&note).is_err());
/// note.add(witness.cosign(&checkpoint, 1_700_000_000).ok_or("a time")?)?;
/// assert_eq!(policy.judge(&note)?.fresh_s, Some(1_700_000_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<PolicyWitness>,
    nodes: Vec<Node>,
    /// A node; `None` if no cosignature is needed.
    quorum: Option<usize>,
}

/// Who cosigned, as far as the policy counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The witnesses of the policy that cosigned, and when, in seconds since 1970; the newest first.
    pub cosigned: Vec<(PolicyWitness, u64)>,
    /// The latest moment such that a quorum cosigned then or later: nobody of that quorum had seen
    /// a larger tree then. `None` if the policy needs no cosignature.
    pub fresh_s: Option<u64>,
    /// The earliest moment such that a quorum cosigned then or earlier: the tree was there by then.
    /// `None` as above.
    pub existed_s: Option<u64>,
}

/// Why a note does not satisfy a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoQuorum {
    /// A cosignature of a witness of the policy is bad.
    #[error(transparent)]
    Note(NoteError),
    /// Not enough witnesses cosigned.
    #[error("no quorum of witnesses has cosigned it, but {}", names(.0))]
    TooFew(Vec<String>),
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "none at all".to_owned() } else { format!("only {}", names.join(", ")) }
}

impl Policy {
    /// The logs; empty if another source names them.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether a quorum has cosigned a checkpoint. Who signed it, and what it says, is for the
    /// caller to check. Of several cosignatures of a witness the first counts.
    ///
    /// # Errors
    ///
    /// [`NoQuorum`]
    pub fn judge(&self, note: &Note) -> Result<Quorum, NoQuorum> {
        let keys: Vec<_> = self.witnesses.iter().map(|witness| witness.key.clone()).collect();
        let verified = match note.verify(&keys) {
            Err(NoteError::Unsigned) => Vec::new(),
            verified => verified.map_err(NoQuorum::Note)?,
        };
        let time = |key: &VerifierKey| {
            verified.iter().find(|by| by.key == *key).and_then(|by| by.cosigned_at_s)
        };
        let times = self.witnesses.iter().map(|witness| time(&witness.key)).enumerate();
        let mut times: Vec<(usize, u64)> =
            times.filter_map(|(place, time_s)| Some((place, time_s?))).collect();
        times.sort_by_key(|(_, time_s)| *time_s);
        let existed_s = self.enough(times.iter());
        let fresh_s = self.enough(times.iter().rev());
        let witness = |(place, time_s): &(usize, u64)| {
            self.witnesses.get(*place).map(|witness| (witness.clone(), *time_s))
        };
        let cosigned: Vec<_> = times.iter().rev().filter_map(witness).collect();
        if self.quorum.is_some() && fresh_s.is_none() {
            let names = cosigned.into_iter().map(|(witness, _)| witness.name).collect();
            return Err(NoQuorum::TooFew(names));
        }
        Ok(Quorum { cosigned, fresh_s, existed_s })
    }

    /// The time of the first of these with which they are a quorum.
    fn enough<'t>(&self, times: impl Iterator<Item = &'t (usize, u64)>) -> Option<u64> {
        let quorum = self.quorum?;
        let mut cosigned = vec![false; self.witnesses.len()];
        for (place, time_s) in times {
            cosigned.iter_mut().skip(*place).take(1).for_each(|one| *one = true);
            if self.is_witnessed(quorum, &cosigned) {
                return Some(*time_s);
            }
        }
        None
    }

    /// Whether a node counts as cosigned if these witnesses have.
    fn is_witnessed(&self, node: usize, cosigned: &[bool]) -> bool {
        let mut counts: Vec<bool> = Vec::with_capacity(self.nodes.len());
        let at = |places: &[bool], place: usize| places.get(place).copied().unwrap_or(false);
        for node in &self.nodes {
            counts.push(match node {
                Node::Witness(place) => at(cosigned, *place),
                Node::Group { threshold, members } => {
                    members.iter().filter(|member| at(&counts, **member)).count() >= *threshold
                }
            });
        }
        at(&counts, node)
    }
}
