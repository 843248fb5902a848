//! Pages of a long list, and the way through them.

use eventlog::Seq;

/// Where a page of events begins and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Oldest first, from this place on.
    Up(Seq),
    /// Newest first, from the place before this one down.
    Down(Seq),
}

/// One page, and where the next one begins. A page may be short, even empty, and not the last.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<C>,
}
