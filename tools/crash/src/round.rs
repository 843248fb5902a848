//! What every scenario is given, and its outcome.

use std::time::Duration;

use crate::service::Programs;

/// The outcome of a scenario.
pub(crate) enum Outcome {
    /// Nothing was violated; the sentence says what was done.
    Held(String),
    /// It cannot run here; the sentence says why.
    Skipped(String),
}

/// A scenario under way.
pub(crate) struct Run<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) rounds: u32,
    pub(crate) dice: Dice,
    /// The name under which it prints its progress; `None` prints none.
    pub(crate) progress: Option<String>,
}

impl Run<'_> {
    /// Prints that a round is over.
    pub(crate) fn finish_round(&self, round: u32, acknowledged: usize) {
        if let Some(name) = &self.progress {
            let (rounds, acknowledged) = (self.rounds, grouped(acknowledged));
            println!("{name}: round {round} of {rounds}, {acknowledged} acknowledged");
        }
    }
}

/// An xorshift generator: plain, and the same everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        // The first numbers of like seeds are alike.
        for _ in 0..16 {
            dice.roll(1);
        }
        dice
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides.max(1)
    }

    /// A place below `length`.
    #[expect(clippy::expect_used, reason = "what is below a `usize` is one")]
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.roll(length as u64)).expect("below a `usize`")
    }

    /// A while between `from` and `to` milliseconds.
    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.roll(to - from))
    }
}

/// A number with commas between its thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let roll = |seed| Dice::new(seed).roll(1 << 40);
        assert_eq!(roll(7), roll(7));
        assert_ne!(roll(7), roll(8));
    }
}
