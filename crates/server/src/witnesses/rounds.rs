//! Rounds: checkpoints for which cosignatures come in, until a quorum has one of them.

use std::collections::VecDeque;
use std::sync::Arc;

use ledger::SignedRoot;
use tlog::note::Signature;

/// How many rounds are open for witnesses that are slow.
const OPEN: usize = 16;

/// A checkpoint that witnesses are to cosign.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// Counts up.
    pub(crate) number: u64,
    pub(crate) checkpoint: SignedRoot,
}

/// A round, and the witnesses that cosigned it by their places.
struct Open {
    round: Round,
    lines: Vec<(usize, Signature)>,
}

/// The rounds that are open, and the newest checkpoint that a quorum cosigned.
pub(crate) struct Rounds {
    quorum: usize,
    open: VecDeque<Open>,
    next: u64,
    /// The number of its round, its size, and the note.
    cosigned: Option<(u64, u64, Arc<str>)>,
}

impl Rounds {
    /// None yet, but for a checkpoint of before: its size and its note.
    pub(crate) fn new(quorum: usize, before: Option<(u64, Arc<str>)>) -> Rounds {
        let cosigned = before.map(|(size, note)| (0, size, note));
        Rounds { quorum, open: VecDeque::new(), next: 1, cosigned }
    }

    /// Begins a round; the oldest one may end.
    pub(crate) fn begin(&mut self, checkpoint: SignedRoot) -> Round {
        let round = Round { number: self.next, checkpoint };
        self.next += 1;
        if self.open.len() == OPEN {
            self.open.pop_front();
        }
        self.open.push_back(Open { round: round.clone(), lines: Vec::new() });
        round
    }

    /// The newest round, and whether a quorum has cosigned it.
    pub(crate) fn newest(&self) -> Option<(&Round, bool)> {
        let Open { round, lines } = self.open.back()?;
        Some((round, lines.len() >= self.quorum))
    }

    /// Takes the cosignature of the witness at `place` for a round. Whether the newest cosigned
    /// checkpoint is another one from now on, or has one line more.
    pub(crate) fn add(&mut self, number: u64, place: usize, line: Signature) -> bool {
        let Some(open) = self.open.iter_mut().find(|open| open.round.number == number) else {
            return false;
        };
        if open.lines.iter().any(|(other, _)| *other == place) {
            return false;
        }
        open.lines.push((place, line));
        let is_older = self.cosigned.as_ref().is_some_and(|(newest, ..)| *newest > number);
        if open.lines.len() < self.quorum || is_older {
            return false;
        }
        open.lines.sort_by_key(|(place, _)| *place);
        let SignedRoot { note, size, .. } = &open.round.checkpoint;
        let lines: String = open.lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        self.cosigned = Some((number, *size, Arc::from(format!("{note}{lines}"))));
        true
    }

    /// The size and the note of the newest checkpoint that a quorum cosigned.
    pub(crate) fn cosigned(&self) -> Option<(u64, Arc<str>)> {
        self.cosigned.as_ref().map(|(_, size, note)| (*size, Arc::clone(note)))
    }
}

#[cfg(test)]
mod tests {
    use tlog::cosignature::Cosigner;
    use tlog::note::{Note, Signer};
    use tlog::{Checkpoint, Hash};

    use super::*;

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint::new("log.example", size, Hash([7; 32])).unwrap()
    }

    fn signed(size: u64) -> SignedRoot {
        let note = checkpoint(size).sign(&Signer::from_seed("log.example", &[7; 32]).unwrap());
        SignedRoot { note: Arc::from(note.unwrap()), size, root: Hash([7; 32]) }
    }

    fn line(place: u8, size: u64) -> Signature {
        let witness = Cosigner::from_seed(&format!("w{place}.example"), &[place; 32]).unwrap();
        witness.cosign(&checkpoint(size), 1).unwrap()
    }

    fn names(rounds: &Rounds) -> Vec<String> {
        let (_, note) = rounds.cosigned().unwrap();
        let note = Note::parse(note.as_bytes()).unwrap();
        note.signatures().iter().map(|line| line.name().to_owned()).collect()
    }

    #[test]
    fn a_quorum_is_of_one_checkpoint() {
        let mut rounds = Rounds::new(2, None);
        assert!(rounds.newest().is_none() && rounds.cosigned().is_none());
        let (first, second) = (rounds.begin(signed(5)).number, rounds.begin(signed(8)).number);
        // Two witnesses, but of different checkpoints; and one of them twice.
        assert!(!rounds.add(first, 0, line(0, 5)));
        assert!(!rounds.add(second, 1, line(1, 8)));
        assert!(!rounds.add(second, 1, line(1, 8)));
        assert!(rounds.cosigned().is_none());
        assert!(rounds.add(first, 2, line(2, 5)));
        assert_eq!(rounds.cosigned().unwrap().0, 5);
        assert_eq!(names(&rounds), ["log.example", "w0.example", "w2.example"]);
        assert!(!rounds.newest().unwrap().1);
        // A newer one takes its place, and late comers are added.
        assert!(rounds.add(second, 2, line(2, 8)));
        assert!(rounds.newest().unwrap().1);
        assert!(rounds.add(second, 0, line(0, 8)));
        assert_eq!(rounds.cosigned().unwrap().0, 8);
        assert_eq!(names(&rounds), ["log.example", "w0.example", "w1.example", "w2.example"]);
        // Of an older one nothing more is needed.
        assert!(!rounds.add(first, 1, line(1, 5)));
        assert_eq!(rounds.cosigned().unwrap().0, 8);
    }

    #[test]
    fn what_is_stored_holds_until_there_is_a_newer_one() {
        let mut rounds = Rounds::new(1, Some((3, Arc::from("stored"))));
        assert_eq!(rounds.cosigned(), Some((3, Arc::from("stored"))));
        let number = rounds.begin(signed(3)).number;
        assert_eq!(rounds.cosigned(), Some((3, Arc::from("stored"))));
        assert!(rounds.add(number, 0, line(0, 3)));
        assert_eq!(names(&rounds), ["log.example", "w0.example"]);
    }

    #[test]
    fn a_slow_witness_is_waited_for_as_long_as_rounds_are_open() {
        let mut rounds = Rounds::new(1, None);
        let first = rounds.begin(signed(1)).number;
        for size in 2..OPEN as u64 + 2 {
            rounds.begin(signed(size));
        }
        assert!(!rounds.add(first, 0, line(0, 1)));
        assert!(rounds.add(first + 1, 0, line(0, 2)));
    }
}
