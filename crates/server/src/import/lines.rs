//! Bytes that come in pieces, as lines.

use axum::body::Bytes;
use memchr::memchr;
use zeroize::Zeroizing;

/// The longest line, as long as the body of one key may be.
pub(super) const MAX_LINE: usize = crate::request::body::MAX_BODY;
/// What some editors write before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// The longest line with what may stand around it.
const MAX_BEGUN: usize = BYTE_ORDER_MARK.len() + MAX_LINE + 1;

/// A line that is not empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Which one it is, from 1; empty ones count.
    pub(super) number: u64,
    /// Without what ends it; `None` if it is longer than [`MAX_LINE`]. It may hold a key's secret, so
    /// it is erased from memory when dropped.
    pub(super) text: Option<Zeroizing<Vec<u8>>>,
}

/// Cuts pieces into lines, at each line feed. Holds one piece, and of a line that began in an
/// earlier one at most as much as a line may have.
#[derive(Default)]
pub(super) struct Lines {
    piece: Bytes,
    /// The beginning of a line that goes on in the next piece.
    begun: Zeroizing<Vec<u8>>,
    /// Whether the line that began is too long.
    too_long: bool,
    /// How many lines have ended.
    ended: u64,
}

impl Lines {
    /// Goes on with another piece, once [`Lines::next`] has no more lines of the one before.
    pub(super) fn feed(&mut self, piece: Bytes) {
        self.piece = piece;
    }

    /// The next line that ends within the piece and is not empty.
    pub(super) fn next(&mut self) -> Option<Line> {
        while let Some(end) = memchr(b'\n', &self.piece) {
            let rest = self.piece.split_to(end + 1);
            let line = self.end(rest.get(..end).unwrap_or_default());
            if line.is_some() {
                return line;
            }
        }
        let rest = std::mem::take(&mut self.piece);
        self.begin(&rest);
        None
    }

    /// The last line, if nothing ends it and it is not empty.
    pub(super) fn last(&mut self) -> Option<Line> {
        self.end(&[])
    }

    fn begin(&mut self, part: &[u8]) {
        if self.begun.len() + part.len() > MAX_BEGUN {
            self.too_long = true;
            self.begun.clear();
        } else if !self.too_long && !part.is_empty() {
            // Of its full length at once: a vector that grows leaves copies behind.
            let room = MAX_BEGUN - self.begun.len();
            self.begun.reserve_exact(room);
            self.begun.extend_from_slice(part);
        }
    }

    fn end(&mut self, part: &[u8]) -> Option<Line> {
        self.ended += 1;
        let number = self.ended;
        let whole = if self.begun.is_empty() && !self.too_long {
            text_of(part, number).map(<[u8]>::to_vec)
        } else {
            self.begin(part);
            if std::mem::take(&mut self.too_long) {
                return Some(Line { number, text: None });
            }
            let whole = text_of(&self.begun, number).map(<[u8]>::to_vec);
            self.begun.clear();
            whole
        };
        let text = Some(Zeroizing::new(whole?)).filter(|text| text.len() <= MAX_LINE);
        Some(Line { number, text })
    }
}

/// What stands in a line, if anything does.
fn text_of(line: &[u8], number: u64) -> Option<&[u8]> {
    let line = if number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (!line.trim_ascii().is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of pieces: number and text.
    fn lines(pieces: &[&[u8]]) -> Vec<(u64, Option<Vec<u8>>)> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.feed(Bytes::copy_from_slice(piece));
            found.extend(std::iter::from_fn(|| lines.next()));
        }
        found.extend(lines.last());
        found
            .into_iter()
            .map(|Line { number, text }| (number, text.map(|it| it.to_vec())))
            .collect()
    }

    #[test]
    fn lines_have_numbers_and_empty_ones_are_passed_over() {
        let line = |number, text: &str| (number, Some(text.as_bytes().to_vec()));
        let found = lines(&[b"\xEF\xBB", b"\xBFa\r\n \n\nb", b"c\nd"]);
        assert_eq!(found, [line(1, "a"), line(4, "bc"), line(5, "d")]);
        assert_eq!(lines(&[]), []);
        assert_eq!(lines(&[b"\n\r\n"]), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_only_named() {
        let most = vec![b'x'; MAX_LINE];
        let more = vec![b'x'; MAX_LINE + 1];
        for cut in [1, 1000, MAX_LINE] {
            let (first, rest) = more.split_at(cut);
            let found = lines(&[first, rest, b"\n", &most, b"\r\na\n", &more]);
            let expected =
                [(1, None), (2, Some(most.clone())), (3, Some(b"a".to_vec())), (4, None)];
            assert!(found == expected, "{cut}");
        }
        // However long it is, there is no more of it in memory.
        let mut endless = Lines::default();
        for _ in 0..100 {
            endless.feed(Bytes::from(most.clone()));
            assert_eq!(endless.next(), None);
            assert!(endless.begun.capacity() <= MAX_BEGUN);
        }
        assert_eq!(endless.last(), Some(Line { number: 1, text: None }));
    }

    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), any::<u8>()];
        proptest::collection::vec(byte, 0..200)
    }

    proptest! {
        /// It does not matter where the pieces end.
        #[test]
        fn any_pieces_are_the_lines_of_the_whole(
            text in texts(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let (mut pieces, mut from): (Vec<&[u8]>, usize) = (Vec::new(), 0);
            for cut in cuts {
                pieces.push(&text[from..cut]);
                from = cut;
            }
            pieces.push(&text[from..]);
            let whole = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
            let expected: Vec<_> = (1..)
                .zip(whole.split(|byte| *byte == b'\n'))
                .map(|(number, line)| (number, line.strip_suffix(b"\r").unwrap_or(line)))
                .filter(|(_, line)| !line.trim_ascii().is_empty())
                .map(|(number, line)| (number, Some(line.to_vec())))
                .collect();
            prop_assert_eq!(lines(&pieces), expected);
        }
    }
}
