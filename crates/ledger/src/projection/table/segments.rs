//! A list that only grows, and without moving what is in it: a vector of ten million doubles for tens of
//! milliseconds, under a lock that others wait for.

/// How many elements a full segment has.
const WIDTH: usize = 4096;

/// A list in segments. A short one is a plain vector.
pub(super) struct Segments<T> {
    full: Vec<Box<[T]>>,
    last: Vec<T>,
}

impl<T> Default for Segments<T> {
    fn default() -> Segments<T> {
        Segments { full: Vec::new(), last: Vec::new() }
    }
}

impl<T> Segments<T> {
    pub(super) fn len(&self) -> usize {
        self.full.len() * WIDTH + self.last.len()
    }

    pub(super) fn push(&mut self, element: T) {
        if self.last.len() == WIDTH {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(WIDTH));
            self.full.push(full.into_boxed_slice());
        }
        self.last.push(element);
    }

    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.segment(place / WIDTH).get(place % WIDTH)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        let in_last = place.checked_sub(self.full.len() * WIDTH);
        match in_last {
            Some(place) => self.last.get_mut(place),
            None => self.full.get_mut(place / WIDTH)?.get_mut(place % WIDTH),
        }
    }

    /// The elements from `place` on, in order.
    pub(super) fn from(&self, place: usize) -> impl Iterator<Item = &T> {
        (place..self.len()).map_while(|place| self.get(place))
    }

    /// The elements before `end`, the last one first.
    pub(super) fn before(&self, end: usize) -> impl Iterator<Item = &T> {
        (0..end.min(self.len())).rev().map_while(|place| self.get(place))
    }

    /// The segment with this number; nothing for one that is not there.
    fn segment(&self, number: usize) -> &[T] {
        match self.full.get(number) {
            Some(segment) => segment,
            None if number == self.full.len() => &self.last,
            None => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_segments_is_as_a_plain_one() {
        let (mut list, mut plain) = (Segments::default(), Vec::new());
        let sizes = [0, 1, WIDTH - 1, WIDTH, WIDTH + 1, 2 * WIDTH, 3 * WIDTH + 7];
        for size in sizes {
            while plain.len() < size {
                list.push(plain.len());
                plain.push(plain.len());
            }
            assert_eq!(list.len(), size);
            for place in [0, 1, size.saturating_sub(1), size, size + 1, WIDTH, 2 * WIDTH, 9 * WIDTH]
            {
                assert_eq!(list.get(place), plain.get(place), "{place} of {size}");
                assert_eq!(list.get_mut(place), plain.get_mut(place), "{place} of {size}");
                assert!(list.from(place).eq(plain.iter().skip(place)), "{place} of {size}");
                assert!(list.before(place).eq(plain.iter().take(place).rev()), "{place} of {size}");
            }
            if let Some(first) = list.get_mut(0) {
                *first += 1;
                plain[0] += 1;
            }
        }
    }
}
