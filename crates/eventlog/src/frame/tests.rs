//! The bytes of frames: pinned, canonical, and refused when a single bit is wrong.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{Frame, FrameHash, HEADER, pack};
use crate::{DamageKind, MAX_FRAME, MAX_RECORD, Seq};

/// Two appends: one of one frame, one of two. Never to be changed.
const GOLDEN: &str = include_str!("../../../../schemas/golden/eventlog/frames.txt");

fn golden() -> Vec<Bytes> {
    GOLDEN.lines().map(|line| hex::decode(line).unwrap().into()).collect()
}

fn sample() -> Frame {
    Frame {
        first: Seq(7),
        place: 1,
        number: 3,
        before: FrameHash([0xAB; 32]),
        records: vec![Bytes::from_static(b"one"), Bytes::new(), Bytes::from_static(b"three")],
    }
}

/// Packs, checks the lengths on the way, and takes apart again.
fn round_trip(first: Seq, records: &[Vec<u8>]) -> Vec<Frame> {
    let (packed, last) = pack(first, FrameHash::default(), records);
    let mut before = FrameHash::default();
    let mut frames = Vec::new();
    for packed in packed {
        assert!(packed.bytes.len() <= MAX_FRAME);
        let bytes = Bytes::from(packed.bytes);
        let frame = Frame::decode(&bytes).unwrap();
        assert_eq!((frame.first, frame.before), (packed.first, before));
        assert_eq!(frame.encode(), bytes);
        before = FrameHash::of(&bytes);
        frames.push(frame);
    }
    assert_eq!(last, before);
    frames
}

#[test]
fn the_bytes_of_a_frame_never_change() {
    let (one, hash) = pack(Seq(0), FrameHash::default(), &[b"first".to_vec(), b"".to_vec()]);
    let (two, _) = pack(Seq(2), hash, &[vec![b'x'; MAX_RECORD], vec![b'y'; 450]]);
    let packed: Vec<String> =
        one.iter().chain(&two).map(|frame| hex::encode(&frame.bytes)).collect();
    assert_eq!(packed.len(), 3);
    assert_eq!(packed.join("\n") + "\n", GOLDEN);
    assert_eq!(
        packed[0],
        "6b6c66310771e6f60045000200000000000000010000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000566697273740000"
    );
    assert_eq!(
        hex::encode(FrameHash::of(&golden()[2]).0),
        "4a612c8d04ccefb4a0a6ebe034f0435dc22473ac39ac5391b4e2d77d5094ad42"
    );
}

#[test]
fn golden_frames_decode() {
    let frames: Vec<Frame> = golden().iter().map(|bytes| Frame::decode(bytes).unwrap()).collect();
    assert_eq!(frames[0].records, ["first", ""]);
    assert_eq!((frames[1].first, frames[1].place, frames[1].number), (Seq(2), 0, 2));
    assert_eq!((frames[2].first, frames[2].place, frames[2].number), (Seq(3), 1, 2));
    assert_eq!(frames[1].before, FrameHash::of(&golden()[0]));
    assert_eq!(frames[2].before, FrameHash::of(&golden()[1]));
    assert_eq!(frames[2].end(), Seq(4));
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = sample().encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(Frame::decode(&flipped.into()).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let bytes = sample().encode();
    for length in 0..bytes.len() {
        assert!(Frame::decode(&Bytes::copy_from_slice(&bytes[..length])).is_err());
    }
    let longer = [bytes, vec![0]].concat();
    assert_eq!(Frame::decode(&longer.into()), Err(DamageKind::Length));
}

#[test]
fn numbers_that_contradict_each_other_are_refused() {
    let wrong = |change: fn(&mut Frame)| {
        let mut frame = sample();
        change(&mut frame);
        Frame::decode(&frame.encode().into())
    };
    assert_eq!(wrong(|_| ()), Ok(sample()));
    assert_eq!(wrong(|frame| frame.place = 3), Err(DamageKind::Form));
    assert_eq!(wrong(|frame| frame.number = 0), Err(DamageKind::Form));
    assert_eq!(wrong(|frame| frame.records.clear()), Err(DamageKind::Form));
    assert_eq!(wrong(|frame| frame.first = Seq(u64::MAX - 1)), Err(DamageKind::Form));
    assert_eq!(
        wrong(|frame| frame.records = vec![vec![0; MAX_RECORD + 1].into()]),
        Err(DamageKind::Form)
    );
}

#[test]
fn the_longest_record_has_a_frame_of_its_own() {
    let frames = round_trip(Seq(1), &[vec![1; MAX_RECORD], vec![2; MAX_RECORD], vec![3; 10]]);
    let firsts: Vec<_> = frames.iter().map(|frame| (frame.first.get(), frame.place)).collect();
    assert_eq!(firsts, [(1, 0), (2, 1)]);
    assert!(frames.iter().all(|frame| frame.number == 2));
}

#[test]
fn an_append_without_records_has_no_frames() {
    let before = FrameHash([1; 32]);
    let (frames, hash) = pack(Seq(5), before, &[]);
    assert!(frames.is_empty());
    assert_eq!(hash, before);
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(
        first in 0..u64::MAX / 2,
        records in vec(vec(any::<u8>(), 0..2_000), 0..40),
    ) {
        let frames = round_trip(Seq(first), &records);
        let unpacked: Vec<_> = frames.iter().flat_map(|frame| &frame.records).collect();
        prop_assert!(unpacked.into_iter().eq(&records));
    }

    #[test]
    fn arbitrary_bytes_decode_to_themselves_or_not_at_all(bytes in vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert_eq!(frame.encode(), bytes);
        }
    }

    /// Bytes behind a magic and a checksum that is right: the decoder has to look at them.
    #[test]
    fn arbitrary_fields_decode_to_themselves_or_not_at_all(
        count in 0_u16..5,
        place in 0_u32..3,
        number in 0_u32..3,
        first in any::<u64>(),
        rest in vec(prop_oneof![Just(0_u8), 0_u8..6, any::<u8>()], 0..40),
    ) {
        let length = u16::try_from(HEADER + rest.len()).unwrap();
        let mut covered = length.to_be_bytes().to_vec();
        covered.extend(count.to_be_bytes());
        covered.extend(place.to_be_bytes());
        covered.extend(number.to_be_bytes());
        covered.extend(first.to_be_bytes());
        covered.extend([9; 32]);
        covered.extend(rest);
        let checksum = crc32c::crc32c(&covered).to_be_bytes();
        let bytes = Bytes::from([&b"klf1"[..], &checksum, &covered].concat());
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert_eq!(frame.encode(), bytes);
        }
    }
}
