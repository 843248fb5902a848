//! What is stored can be read, and nothing else can.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_canonical(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first %= 3;
        }
        if let Ok(record) = decode(&bytes, &mut Interner::default()) {
            prop_assert_eq!(encode(&record), bytes);
        }
    }
}
