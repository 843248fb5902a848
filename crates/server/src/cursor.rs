//! Opaque places to go on from: base64url without padding, one spelling each.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ledger::{Seq, Walk};

use crate::ApiError;

const KEYS: u8 = b'k';
const HISTORY: u8 = b'h';
const UP: u8 = b'u';
const DOWN: u8 = b'd';
const ACCESSES: u8 = b'a';

fn write(kind: u8, place: u64) -> String {
    let mut bytes = [kind; 9];
    if let Some(rest) = bytes.get_mut(1..) {
        rest.copy_from_slice(&place.to_be_bytes());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read(text: &str) -> Result<(u8, u64), ApiError> {
    let wrong = || ApiError::field("cursor", "must be a next_cursor of this list");
    let mut bytes = [0; 9];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| wrong())?;
    let (kind, place) = bytes.split_first().ok_or_else(wrong)?;
    let place = place.try_into().map_err(|_| wrong())?;
    if length == 9 { Ok((*kind, u64::from_be_bytes(place))) } else { Err(wrong()) }
}

/// The cursor of a list of keys.
pub(crate) fn of_keys(place: u64) -> String {
    write(KEYS, place)
}

/// The place in a list of keys; its start without a cursor.
pub(crate) fn keys(text: Option<&str>) -> Result<u64, ApiError> {
    match text.map(read).transpose()? {
        None => Ok(0),
        Some((KEYS, place)) => Ok(place),
        Some(_) => Err(ApiError::field("cursor", "is of another list")),
    }
}

/// The cursor of a list of events.
pub(crate) fn of_events(walk: Walk) -> String {
    match walk {
        Walk::Up(seq) => write(UP, seq.0),
        Walk::Down(seq) => write(DOWN, seq.0),
    }
}

/// The cursor of a key's history.
pub(crate) fn of_history(walk: Walk) -> String {
    let (Walk::Up(seq) | Walk::Down(seq)) = walk;
    write(HISTORY, seq.0)
}

/// The place in a key's history; its start without a cursor.
pub(crate) fn history(text: Option<&str>) -> Result<Seq, ApiError> {
    match text.map(read).transpose()? {
        None => Ok(Seq(0)),
        Some((HISTORY, place)) => Ok(Seq(place)),
        Some(_) => Err(ApiError::field("cursor", "is of another list")),
    }
}

/// The place and direction in a list of events.
pub(crate) fn events(text: &str) -> Result<Walk, ApiError> {
    match read(text)? {
        (UP, place) => Ok(Walk::Up(Seq(place))),
        (DOWN, place) => Ok(Walk::Down(Seq(place))),
        _ => Err(ApiError::field("cursor", "is of another list")),
    }
}

/// The cursor of a list of who read the trail.
pub(crate) fn of_accesses(seq: Seq) -> String {
    write(ACCESSES, seq.0)
}

/// The place in a list of who read the trail; its start without a cursor.
pub(crate) fn accesses(text: Option<&str>) -> Result<Seq, ApiError> {
    match text.map(read).transpose()? {
        None => Ok(Seq(0)),
        Some((ACCESSES, place)) => Ok(Seq(place)),
        Some(_) => Err(ApiError::field("cursor", "is of another list")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back(place: u64) {
            prop_assert_eq!(keys(Some(&of_keys(place))).ok(), Some(place));
            for walk in [Walk::Up(Seq(place)), Walk::Down(Seq(place))] {
                prop_assert_eq!(events(&of_events(walk)).ok(), Some(walk));
            }
            prop_assert_eq!(accesses(Some(&of_accesses(Seq(place)))).ok(), Some(Seq(place)));
            prop_assert!(accesses(Some(&of_keys(place))).is_err());
            prop_assert_eq!(history(Some(&of_history(Walk::Up(Seq(place))))).ok(), Some(Seq(place)));
            prop_assert!(events(&of_keys(place)).is_err());
            prop_assert!(keys(Some(&of_history(Walk::Up(Seq(place))))).is_err());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9_=-]{0,16}|\\PC{0,30}") {
            if let Ok(place) = keys(Some(&text)) {
                prop_assert_eq!(of_keys(place), text.clone());
            }
            if let Ok(walk) = events(&text) {
                prop_assert_eq!(of_events(walk), text);
            }
        }
    }
}
