//! Opaque places to go on from: base64url without padding, one spelling each. Those of lists of keys
//! are in [`super::key_cursor`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use delivery::WebhookId;
use keys::{KeyId, Timestamp};
use ledger::{Due, Seq, TokenPlace, Walk};

use crate::error::ApiError;

const HISTORY: u8 = b'h';
const UP: u8 = b'u';
const DOWN: u8 = b'd';
const ACCESSES: u8 = b'a';
const DUE: u8 = b'e';
const USAGE: u8 = b's';
const TOKENS: u8 = b't';
const ROWS: u8 = b'r';
const WEBHOOK: u8 = b'w';
const STAMPS: u8 = b'm';

fn write(kind: u8, place: u64) -> String {
    URL_SAFE_NO_PAD.encode([&[kind][..], &place.to_be_bytes()].concat())
}

fn wrong() -> ApiError {
    ApiError::field("cursor", "must be a next_cursor of this list")
}

/// The bytes of a cursor, which has just so many.
fn bytes<const N: usize>(text: &str) -> Result<[u8; N], ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    bytes.try_into().map_err(|_| wrong())
}

fn read(text: &str) -> Result<(u8, u64), ApiError> {
    let [kind, place @ ..] = bytes::<9>(text)?;
    Ok((kind, u64::from_be_bytes(place)))
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

/// The cursor of a list of time-stamps.
pub(crate) fn of_stamps(place: u64) -> String {
    write(STAMPS, place)
}

/// The place in a list of time-stamps; its start without a cursor.
pub(crate) fn stamps(text: Option<&str>) -> Result<u64, ApiError> {
    match text.map(read).transpose()? {
        None => Ok(0),
        Some((STAMPS, place)) => Ok(place),
        Some(_) => Err(ApiError::field("cursor", "is of another list")),
    }
}

/// The cursor of a list of keys that fall due.
pub(crate) fn of_due(due: Due) -> String {
    let parts = [&[DUE][..], &due.at.micros().to_be_bytes(), &due.key.to_bytes()];
    URL_SAFE_NO_PAD.encode(parts.concat())
}

/// The place in a list of keys that fall due.
pub(crate) fn due(text: &str) -> Result<Due, ApiError> {
    let [kind, rest @ ..] = bytes::<25>(text)?;
    let (at, key) = rest.split_first_chunk().ok_or_else(wrong)?;
    let due = Due {
        at: Timestamp::from_micros(i64::from_be_bytes(*at)),
        key: KeyId::from_bytes(key.try_into().map_err(|_| wrong())?),
    };
    // One spelling each: a moment out of range would be taken for the nearest one.
    if kind == DUE && of_due(due) == text { Ok(due) } else { Err(wrong()) }
}

/// The cursor of a list of counts of use.
pub(crate) fn of_usage(start: Timestamp) -> String {
    write(USAGE, u64::from_be_bytes(start.micros().to_be_bytes()))
}

/// The place in a list of counts of use.
pub(crate) fn usage(text: &str) -> Result<Timestamp, ApiError> {
    let (kind, start) = read(text)?;
    let start = Timestamp::from_micros(i64::from_be_bytes(start.to_be_bytes()));
    // One spelling each, as above.
    if kind == USAGE && of_usage(start) == text { Ok(start) } else { Err(wrong()) }
}

/// The cursor of a list of webhooks.
pub(crate) fn of_webhook(id: WebhookId) -> String {
    URL_SAFE_NO_PAD.encode([&[WEBHOOK][..], &id.to_bytes()].concat())
}

/// The last webhook of the page before.
pub(crate) fn webhook(text: &str) -> Result<WebhookId, ApiError> {
    match bytes::<17>(text)? {
        [WEBHOOK, id @ ..] => Ok(WebhookId::from_bytes(id)),
        _ => Err(ApiError::field("cursor", "is of another list")),
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

/// The cursor of a list of an account's rows.
pub(crate) fn of_rows(place: u64) -> String {
    write(ROWS, place)
}

/// The place in a list of an account's rows; its start without a cursor.
pub(crate) fn rows(text: Option<&str>) -> Result<u64, ApiError> {
    match text.map(read).transpose()? {
        None => Ok(0),
        Some((ROWS, place)) => Ok(place),
        Some(_) => Err(ApiError::field("cursor", "is of another list")),
    }
}

/// The cursor of a list of tokens.
pub(crate) fn of_tokens((made_at, jti): &TokenPlace) -> String {
    let parts = [&[TOKENS][..], &made_at.micros().to_be_bytes(), jti.as_bytes()];
    URL_SAFE_NO_PAD.encode(parts.concat())
}

/// The place in a list of tokens.
pub(crate) fn tokens(text: &str) -> Result<TokenPlace, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    let (&kind, place) = bytes.split_first().ok_or_else(wrong)?;
    let (&made_at, jti) = place.split_first_chunk().ok_or_else(wrong)?;
    let jti = std::str::from_utf8(jti).map_err(|_| wrong())?;
    let place = (Timestamp::from_micros(i64::from_be_bytes(made_at)), jti.into());
    // One spelling each: a moment out of range would be taken for the nearest one.
    if kind == TOKENS && of_tokens(&place) == text { Ok(place) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A cursor has one spelling: what is read would be written so.
        #[test]
        fn any_text_is_a_cursor_or_refused(
            place: u64,
            at in 0_usize..20,
            to in "[A-Za-z0-9_=+/-]|\\PC",
            other in "[A-Za-z0-9_-]{0,16}|\\PC{0,20}",
        ) {
            let mut bent: Vec<char> = of_events(Walk::Up(Seq(place))).chars().collect();
            let at = at % bent.len();
            bent[at] = to.chars().next().unwrap_or('A');
            for text in [bent.into_iter().collect(), other] {
                if let Ok(walk) = events(&text) {
                    prop_assert_eq!(of_events(walk), &*text);
                }
                if let Ok(place) = accesses(Some(&text)) {
                    prop_assert_eq!(of_accesses(place), &*text);
                }
                if let Ok(place) = rows(Some(&text)) {
                    prop_assert_eq!(of_rows(place), &*text);
                }
            }
        }

        #[test]
        fn a_cursor_comes_back(place: u64) {
            for walk in [Walk::Up(Seq(place)), Walk::Down(Seq(place))] {
                prop_assert_eq!(events(&of_events(walk)).ok(), Some(walk));
            }
            prop_assert_eq!(accesses(Some(&of_accesses(Seq(place)))).ok(), Some(Seq(place)));
            prop_assert_eq!(rows(Some(&of_rows(place))).ok(), Some(place));
            prop_assert!(rows(Some(&of_accesses(Seq(place)))).is_err());
            prop_assert!(accesses(Some(&of_events(Walk::Up(Seq(place))))).is_err());
            prop_assert_eq!(history(Some(&of_history(Walk::Up(Seq(place))))).ok(), Some(Seq(place)));
            prop_assert!(events(&of_history(Walk::Up(Seq(place)))).is_err());
            prop_assert!(history(Some(&of_accesses(Seq(place)))).is_err());
        }

        #[test]
        fn a_cursor_among_the_due_comes_back(micros: i64, key: [u8; 16]) {
            let at = Timestamp::from_micros(micros);
            let place = Due { at, key: KeyId::from_bytes(key) };
            prop_assert_eq!(due(&of_due(place)).ok(), Some(place));
            prop_assert!(events(&of_due(place)).is_err());
            prop_assert_eq!(usage(&of_usage(at)).ok(), Some(at));
            prop_assert!(usage(&of_due(place)).is_err());
        }

        #[test]
        fn a_cursor_among_tokens_comes_back(micros: i64, jti in "\\PC{0,50}") {
            let place = (Timestamp::from_micros(micros), jti.into());
            prop_assert_eq!(tokens(&of_tokens(&place)).ok(), Some(place.clone()));
            prop_assert!(due(&of_tokens(&place)).is_err());
        }

        #[test]
        fn a_cursor_among_webhooks_comes_back(id: [u8; 16]) {
            let id = WebhookId::from_bytes(id);
            prop_assert_eq!(webhook(&of_webhook(id)).ok(), Some(id));
            prop_assert!(events(&of_webhook(id)).is_err());
        }

        #[test]
        fn any_text_is_read_or_refused(
            text in "[A-Za-z0-9_=-]{0,16}|[A-Za-z0-9_=-]{33,34}|d[A-Za-z0-9_=-]{22}|\\PC{0,30}",
        ) {
            if let Ok(place) = tokens(&text) {
                prop_assert_eq!(of_tokens(&place), text.clone());
            }
            if let Ok(id) = webhook(&text) {
                prop_assert_eq!(of_webhook(id), text.clone());
            }
            if let Ok(place) = due(&text) {
                prop_assert_eq!(of_due(place), text.clone());
            }
            if let Ok(place) = accesses(Some(&text)) {
                prop_assert_eq!(of_accesses(place), text.clone());
            }
            if let Ok(start) = usage(&text) {
                prop_assert_eq!(of_usage(start), text.clone());
            }
            if let Ok(walk) = events(&text) {
                prop_assert_eq!(of_events(walk), text);
            }
        }
    }
}
