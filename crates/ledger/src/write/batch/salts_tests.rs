//! Salts are random, however they are fetched.

use std::collections::HashSet;

use super::salts::{MANY, Salts};

#[test]
fn no_two_salts_are_alike_and_none_is_unset() {
    let mut salts = Salts::default();
    let made: HashSet<_> = (0..3 * MANY).map(|_| salts.next().unwrap()).collect();
    assert_eq!(made.len(), 3 * MANY);
    assert!(!made.contains(&[0; 12]));
}
