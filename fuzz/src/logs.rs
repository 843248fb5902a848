//! What is stored, and what auditors and witnesses hand in.

use bytes::Bytes;
use eventlog::frame::{Frame, HEADER, MAGIC};
use tlog::note::{Note, VerifierKey};
use tlog::policy::Policy;
use tlog::{AddCheckpoint, Checkpoint, ProofFile, TilePath};

/// A stored record (`schemas/record.md`).
pub fn record(data: &[u8]) {
    if let Some(again) = ledger::fuzzing::record(data) {
        assert_eq!(again, data, "a record has one encoding");
    }
}

/// A stored entry of the access journal (`schemas/access.md`).
pub fn access(data: &[u8]) {
    if let Some(again) = ledger::fuzzing::access(data) {
        assert_eq!(again, data, "an entry has one encoding");
    }
}

/// A frame of the log (`schemas/frames.md`): as it came, and with magic, checksum and length put
/// right, which no fuzzer would guess.
pub fn frame(data: &[u8]) {
    let decode = |bytes: Bytes| {
        if let Ok(frame) = Frame::decode(&bytes) {
            assert_eq!(frame.encode(), bytes, "a frame has one encoding");
        }
    };
    decode(Bytes::copy_from_slice(data));
    if let (Some(covered), Ok(length)) = (data.get(8..), u16::try_from(data.len()))
        && data.len() >= HEADER
    {
        let mut covered = covered.to_vec();
        if let Some(place) = covered.first_chunk_mut() {
            *place = length.to_be_bytes();
        }
        let checksum = crc32c::crc32c(&covered).to_be_bytes();
        decode([&MAGIC[..], &checksum, &covered].concat().into());
    }
}

/// A signed note, and the key in its first line if there is one.
pub fn note(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_string().as_bytes(), data, "a note has one spelling");
    }
    let line = data.split(|byte| *byte == b'\n').next().and_then(|line| str::from_utf8(line).ok());
    if let Some(line) = line
        && let Ok(key) = line.parse::<VerifierKey>()
    {
        assert_eq!(key.to_string(), line, "a key has one spelling");
        // Signatures that the key did not make are refused or ignored; both are errors here.
        assert!(tlog::note::open(data, &[key]).is_err(), "nobody has the fuzzer's keys");
    }
}

/// The text of a checkpoint.
pub fn checkpoint(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data)
        && let Ok(checkpoint) = text.parse::<Checkpoint>()
    {
        assert_eq!(checkpoint.text(), text, "a checkpoint has one spelling");
    }
}

/// A proof file.
pub fn proof_file(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data)
        && let Ok(file) = text.parse::<ProofFile>()
    {
        assert_eq!(file.to_string(), text, "a proof file has one spelling");
    }
}

/// A request to a witness, and the bodies of its answers.
pub fn add_checkpoint(data: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(data) {
        assert_eq!(request.to_string().as_bytes(), data, "a request has one spelling");
    }
    if let Some(size) = tlog::add_checkpoint::read_size(data) {
        assert_eq!(tlog::add_checkpoint::size_text(size).as_bytes(), data, "one spelling");
    }
}

/// A policy, and one under which nothing is a quorum that nobody cosigned.
pub fn policy(data: &[u8]) {
    if let Ok(policy) = Policy::parse(data)
        && let Ok(note) = Note::parse("a\n\n— a AAAAAAA=\n".as_bytes())
        && let Ok(quorum) = policy.judge(&note)
    {
        assert!(quorum.cosigned.is_empty() && quorum.fresh_s.is_none(), "nobody cosigned");
    }
}

/// The path of a tile, and a bundle of entries.
pub fn tile(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data)
        && let Ok(path) = text.parse::<TilePath>()
    {
        assert_eq!(path.to_string(), text, "a path has one spelling");
    }
    if let Ok(entries) = tlog::entries::decode(data) {
        let again = tlog::entries::encode(entries);
        assert!(again.is_ok_and(|again| again == data), "entries have one encoding");
    }
}

/// The archive of an auditor's bundle: as it came, and with the checksums of its headers put
/// right.
pub fn tar(data: &[u8]) {
    let read = |bytes: &[u8]| {
        if let Some(again) = bundle::fuzzing::archive(bytes) {
            assert_eq!(again, bytes, "an archive has one encoding");
        }
    };
    read(data);
    let mut mended = data.to_vec();
    let mut at = 0_usize;
    while let Some(block) = mended.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<512>) {
        // An empty block ends the archive; it has no checksum.
        if block == &[0; 512] {
            break;
        }
        let mut header = tar::Header::from_byte_slice(block).clone();
        header.set_cksum();
        let length = header.entry_size().unwrap_or(0);
        *block = *header.as_bytes();
        let Ok(length) = usize::try_from(length) else { break };
        let next = at.saturating_add(512).saturating_add(length).checked_next_multiple_of(512);
        let Some(next) = next else { break };
        at = next;
    }
    read(&mended);
}
