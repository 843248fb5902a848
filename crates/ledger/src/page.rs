//! Pages of a long list, and the way through them.

use std::str::FromStr;

use eventlog::Seq;
use keys::Invalid;

/// Where a page of events begins and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Oldest first, from this place on.
    Up(Seq),
    /// Newest first, from the place before this one down.
    Down(Seq),
}

/// Which way a list goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The least first.
    #[default]
    Ascending,
    /// The greatest first.
    Descending,
}

impl Direction {
    /// Both.
    pub const ALL: &[Direction] = &[Direction::Ascending, Direction::Descending];

    /// The word used in queries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Ascending => "asc",
            Direction::Descending => "desc",
        }
    }
}

impl FromStr for Direction {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Direction, Invalid> {
        let direction = Direction::ALL.iter().find(|direction| direction.as_str() == text);
        direction.copied().ok_or(Invalid::UnknownWord(&["asc", "desc"]))
    }
}

/// One page, and where the next one begins. A page may be short, even empty, and not the last.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<C>,
}
