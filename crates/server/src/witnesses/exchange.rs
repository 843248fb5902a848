//! One request to a witness: what is sent, and what its answer means.

use delivery::{Answer, OutcomeKind};
use ledger::SignedRoot;
use tlog::add_checkpoint::{SIZE_TYPE, read_cosignature, read_size};
use tlog::note::{Note, NoteError, Signature, VerifierKey};
use tlog::{AddCheckpoint, Hash};

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The witness cosigned.
    Cosigned(Signature),
    /// It cosigned another size last, which is not larger than the checkpoint.
    OtherSize(u64),
    /// Something else.
    Failed(Failure),
}

/// Why a witness did not cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It has cosigned a larger tree: this log was rolled back, or forked.
    Ahead(u64),
    /// It says that this log does not extend what it has cosigned.
    Inconsistent,
    /// It answered with another status. Redirects are not followed.
    Rejected(u16),
    /// What it gave is no cosignature of this checkpoint by its key.
    BadCosignature(NoteError),
    /// Its answer is in no form that the document has, or too long.
    Malformed,
    /// There was no answer.
    Unanswered(OutcomeKind),
    /// This service did not make a proof.
    Unproved,
}

impl Outcome {
    /// The word that the metrics count it by.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Outcome::Cosigned(_) => "cosigned",
            Outcome::OtherSize(_) => "other_size",
            Outcome::Failed(failure) => failure.as_str(),
        }
    }
}

impl Failure {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Failure::Ahead(_) => "ahead",
            Failure::Inconsistent => "inconsistent",
            Failure::Rejected(_) => "rejected",
            Failure::BadCosignature(_) => "bad_cosignature",
            Failure::Malformed => "malformed",
            Failure::Unanswered(kind) => kind.as_str(),
            Failure::Unproved => "unproved",
        }
    }

    /// A sentence for the operator.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Failure::Ahead(size) => format!(
                "it has cosigned {size} records, more than there are: the log was rolled back, or \
                 somebody else signs with its key"
            ),
            Failure::Inconsistent => {
                "it says that this log does not extend the one that it has cosigned: a fork"
                    .to_owned()
            }
            Failure::Rejected(status) => format!("it answered with status {status}"),
            Failure::BadCosignature(why) => format!("it did not cosign this checkpoint: {why}"),
            Failure::Malformed => "its answer is none of a witness".to_owned(),
            Failure::Unanswered(kind) => format!("no answer: {}", kind.as_str()),
            Failure::Unproved => "this service is busy and made no proof".to_owned(),
        }
    }
}

/// The body of a request; `None` if it cannot be one.
pub(crate) fn request(old: u64, proof: Vec<Hash>, checkpoint: &SignedRoot) -> Option<String> {
    let note = Note::parse(checkpoint.note.as_bytes()).ok()?;
    Some(AddCheckpoint::new(old, proof, note).ok()?.to_string())
}

/// What the answer to a request with the size `old` means.
pub(crate) fn judge(
    answer: &Answer,
    old: u64,
    checkpoint: &SignedRoot,
    witness: &VerifierKey,
) -> Outcome {
    let failed = Outcome::Failed;
    let Some(body) = &answer.body else { return failed(Failure::Malformed) };
    let is_size = answer.media_type.as_deref() == Some(SIZE_TYPE);
    match answer.status {
        200 => {
            let text = Note::parse(checkpoint.note.as_bytes()).map(|note| note.text().to_owned());
            let line = text.and_then(|text| read_cosignature(body, &text, witness));
            match line {
                Ok((line, time_s)) if time_s > 0 => Outcome::Cosigned(line),
                Ok(_) => failed(Failure::Malformed),
                Err(why) => failed(Failure::BadCosignature(why)),
            }
        }
        409 => match read_size(body).filter(|_| is_size) {
            Some(size) if size > checkpoint.size => failed(Failure::Ahead(size)),
            // In the first version of the document: the same size, and another root.
            Some(size) if size == old && size == checkpoint.size => failed(Failure::Inconsistent),
            Some(size) if size != old => Outcome::OtherSize(size),
            Some(_) | None => failed(Failure::Malformed),
        },
        422 => failed(Failure::Inconsistent),
        status => failed(Failure::Rejected(status)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tlog::Checkpoint;
    use tlog::cosignature::Cosigner;
    use tlog::note::Signer;

    use super::*;

    #[test]
    fn an_answer_is_a_cosignature_a_size_or_a_failure() {
        let log = Signer::from_seed("log.example", &[7; 32]).unwrap();
        let checkpoint = |size| Checkpoint::new("log.example", size, Hash([7; 32])).unwrap();
        let note = Arc::from(checkpoint(9).sign(&log).unwrap());
        let signed = SignedRoot { note, size: 9, root: Hash([7; 32]) };
        let witness = Cosigner::from_seed("w.example", &[8; 32]).unwrap();
        let line = |size, time| format!("{}\n", witness.cosign(&checkpoint(size), time).unwrap());
        let answer = |status, media_type: &str, body: &str| Answer {
            status,
            media_type: Some(media_type.to_owned()),
            body: Some(body.as_bytes().to_vec()),
        };
        let text = "text/plain";
        for (answer, old, expected) in [
            (answer(200, text, &line(9, 1)), 5, "cosigned"),
            (answer(200, text, &line(9, 0)), 5, "malformed"),
            (answer(200, text, &line(8, 1)), 5, "bad_cosignature"),
            (answer(200, text, ""), 5, "bad_cosignature"),
            (answer(200, text, "<html>"), 5, "bad_cosignature"),
            (Answer { body: None, ..answer(200, text, "") }, 5, "malformed"),
            (answer(409, SIZE_TYPE, "7\n"), 5, "other_size"),
            (answer(409, SIZE_TYPE, "0\n"), 5, "other_size"),
            (answer(409, SIZE_TYPE, "9\n"), 5, "other_size"),
            (answer(409, SIZE_TYPE, "9\n"), 9, "inconsistent"),
            (answer(409, SIZE_TYPE, "10\n"), 9, "ahead"),
            (answer(409, SIZE_TYPE, "5\n"), 5, "malformed"),
            (answer(409, SIZE_TYPE, "seven\n"), 5, "malformed"),
            (answer(409, text, "7\n"), 5, "malformed"),
            (answer(422, text, ""), 5, "inconsistent"),
            (answer(301, text, ""), 5, "rejected"),
            (answer(204, text, ""), 5, "rejected"),
            (answer(403, text, ""), 5, "rejected"),
            (answer(500, text, ""), 5, "rejected"),
        ] {
            let outcome = judge(&answer, old, &signed, witness.verifier_key());
            assert_eq!(outcome.as_str(), expected, "{answer:?}");
        }
        let sent = request(5, vec![Hash([1; 32])], &signed).unwrap();
        let read = AddCheckpoint::parse(sent.as_bytes()).unwrap();
        assert_eq!((read.old(), read.checkpoint().to_string()), (5, signed.note.to_string()));
    }
}
