//! Opaque places in a list of keys. A cursor names the list that it is of: one with the same filter,
//! sort and order.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keys::{KeyId, KeyName, Timestamp};
use ledger::{Direction, KeyPlace, KeySort, SortValue};
use sha2::{Digest as _, Sha256};

use crate::error::ApiError;

/// Other lists have other letters, see [`super::cursor`].
const MADE: u8 = b'k';
const SORTED: u8 = b's';

const NO_VALUE: u8 = b'-';
const TIME: u8 = b't';
const NAME: u8 = b'n';

/// What a list is of, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListId([u8; 8]);

impl ListId {
    /// The list of the keys that these parameters name, in this order.
    pub(crate) fn of<'p>(
        filter: impl Iterator<Item = (&'p str, &'p str)>,
        sort: KeySort,
        direction: Direction,
    ) -> ListId {
        let mut filter: Vec<_> = filter.collect();
        filter.sort_unstable();
        let mut hash = Sha256::new();
        let order = [(sort.as_str(), direction.as_str())];
        for text in order.into_iter().chain(filter).flat_map(|(name, value)| [name, value]) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            <[u8; 32]>::from(hash.finalize());
        ListId(id)
    }
}

/// The cursor of a list of keys.
pub(crate) fn write(ListId(list): ListId, place: &KeyPlace) -> String {
    let mut bytes = Vec::with_capacity(40);
    match place {
        KeyPlace::Made(place) => {
            bytes.push(MADE);
            bytes.extend(list);
            bytes.extend(place.to_be_bytes());
        }
        KeyPlace::Sorted { value, key } => {
            bytes.push(SORTED);
            bytes.extend(list);
            bytes.extend(key.to_bytes());
            match value {
                None => bytes.push(NO_VALUE),
                Some(SortValue::Time(at)) => {
                    bytes.push(TIME);
                    bytes.extend(at.micros().to_be_bytes());
                }
                Some(SortValue::Name(name)) => {
                    bytes.push(NAME);
                    bytes.extend(name.as_str().as_bytes());
                }
            }
        }
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place in `list` that a cursor names.
pub(crate) fn read(list: ListId, text: &str) -> Result<KeyPlace, ApiError> {
    match parse(text) {
        None => Err(ApiError::field("cursor", "must be a next_cursor of this list")),
        Some((other, _)) if other != list => Err(ApiError::field(
            "cursor",
            "is of another list: name the same filter, sort and order for all pages",
        )),
        Some((_, place)) => Ok(place),
    }
}

/// The list and the place that a cursor names. Each has one spelling.
pub(crate) fn parse(text: &str) -> Option<(ListId, KeyPlace)> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (kind, rest) = bytes.split_first()?;
    let (list, rest) = rest.split_first_chunk()?;
    let place = match *kind {
        MADE => KeyPlace::Made(u64::from_be_bytes(rest.try_into().ok()?)),
        SORTED => {
            let (key, rest) = rest.split_first_chunk()?;
            let value = match rest.split_first()? {
                (&NO_VALUE, []) => None,
                (&TIME, at) => {
                    let micros = i64::from_be_bytes(at.try_into().ok()?);
                    Some(SortValue::Time(Timestamp::from_micros(micros)))
                }
                (&NAME, name) => {
                    Some(SortValue::Name(KeyName::stored(str::from_utf8(name).ok()?).ok()?))
                }
                _ => return None,
            };
            KeyPlace::Sorted { value, key: KeyId::from_bytes(*key) }
        }
        _ => return None,
    };
    // A moment out of range would be taken for the nearest one.
    let list = ListId(*list);
    (write(list, &place) == text).then_some((list, place))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::cursor;

    fn list() -> ListId {
        ListId::of([("status", "enabled")].into_iter(), KeySort::Name, Direction::Ascending)
    }

    fn places(number: u64, micros: i64, name: &str) -> [KeyPlace; 4] {
        let key = KeyId::from_bytes(u128::from(number).to_be_bytes());
        let sorted = |value| KeyPlace::Sorted { value, key };
        [
            KeyPlace::Made(number),
            sorted(None),
            sorted(Some(SortValue::Time(Timestamp::from_micros(micros)))),
            sorted(Some(SortValue::Name(KeyName::stored(name).unwrap()))),
        ]
    }

    #[test]
    fn a_list_is_what_is_in_it_and_how() {
        let of = |filter: &[(&'static str, &'static str)], sort, direction| {
            ListId::of(filter.iter().copied(), sort, direction)
        };
        let (up, down) = (Direction::Ascending, Direction::Descending);
        let lists = [
            of(&[], KeySort::Name, up),
            of(&[], KeySort::Name, down),
            of(&[], KeySort::CreatedAt, up),
            of(&[("q", "ab")], KeySort::Name, up),
            of(&[("qa", "b")], KeySort::Name, up),
            of(&[("q", "a"), ("role", "b")], KeySort::Name, up),
        ];
        for (at, one) in lists.iter().enumerate() {
            assert!(lists[..at].iter().all(|other| other != one), "{at}");
        }
        assert_eq!(lists[5], of(&[("role", "b"), ("q", "a")], KeySort::Name, up));
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_to_its_list_alone(
            number: u64,
            micros: i64,
            name in "[a-zäö\u{1D11E}]{1,200}",
        ) {
            let other = ListId::of([].into_iter(), KeySort::Name, Direction::Ascending);
            for place in places(number, micros, &name) {
                let text = write(list(), &place);
                prop_assert!(text.len() <= 1_500);
                prop_assert_eq!(read(list(), &text).ok(), Some(place));
                prop_assert!(read(other, &text).is_err());
                prop_assert!(cursor::events(&text).is_err() && cursor::due(&text).is_err());
                prop_assert!(cursor::history(Some(&text)).is_err());
            }
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(
            number: u64,
            at in 0_usize..60,
            to in "[A-Za-z0-9_=+/-]|\\PC",
            other in "[A-Za-z0-9_-]{0,60}|\\PC{0,30}",
        ) {
            let bend = |place| {
                let mut bent: Vec<char> = write(list(), &place).chars().collect();
                let at = at % bent.len();
                bent[at] = to.chars().next().unwrap_or('A');
                bent.into_iter().collect()
            };
            for text in places(number, 0, "ci").into_iter().map(bend).chain([other]) {
                if let Some((list, place)) = parse(&text) {
                    prop_assert_eq!(write(list, &place), text);
                }
            }
        }
    }
}
