//! Which keys ever had a value: a list of places for each term. A term is a hash, so that no text is
//! held twice; two values of one hash find the keys of both, which are looked at again.

use std::hash::{BuildHasher as _, Hash};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap};
use keys::{Dialect, Environment, KeyRole, Kind, NewKey, Project, Tag};
use parking_lot::RwLock;
use roaring::RoaringBitmap;

use super::numbers::Numbers;

/// So many parts, so that growing one takes a fraction of a millisecond.
const PARTS: usize = 64;
/// The lengths at which the shown prefix is cut: one that is looked for is found by the longest of
/// them that is not longer than it.
const CUTS: [usize; 4] = [6, 12, 18, 24];

/// With a secret of this process: callers choose values, and must not choose which are found together.
static SECRET: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

/// A hash of a value and what it is the value of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term(u64);

impl Term {
    fn of(what: &str, value: impl Hash) -> Term {
        Term(SECRET.hash_one((what, value)))
    }

    pub(crate) fn of_environment(environment: Environment) -> Term {
        Term::of("environment", environment.as_str())
    }

    pub(crate) fn of_kind(kind: Kind) -> Term {
        Term::of("kind", kind.as_str())
    }

    pub(crate) fn of_dialect(dialect: Dialect) -> Term {
        Term::of("dialect", dialect.as_str())
    }

    pub(crate) fn of_project(project: &Project) -> Term {
        Term::of("project", project.as_str())
    }

    pub(crate) fn of_role(role: &KeyRole) -> Term {
        Term::of("role", role.as_str())
    }

    pub(crate) fn of_tag(tag: &Tag) -> Term {
        Term::of("tag", tag.as_str())
    }

    pub(crate) fn of_pair(name: &str, value: &str) -> Term {
        Term::of("metadata", (name, value))
    }

    /// The term of what begins with `prefix`; `None` if that is too short to have one.
    pub(crate) fn of_prefix(prefix: &str) -> Option<Term> {
        CUTS.iter().rev().find_map(|cut| prefix.get(..*cut)).map(|cut| Term::of("prefix", cut))
    }

    /// The terms of every three characters in a row, whatever the case; none if there are fewer.
    pub(crate) fn of_text(text: &str, each: &mut dyn FnMut(Term)) {
        let text = text.to_lowercase();
        let mut before = None;
        for next in text.chars() {
            before = match before {
                None => Some((None, next)),
                Some((None, one)) => Some((Some(one), next)),
                Some((Some(one), two)) => {
                    each(Term::of("text", (one, two, next)));
                    Some((Some(two), next))
                }
            };
        }
    }
}

/// The terms of what a key has.
pub(super) fn of_attributes(key: &NewKey, each: &mut dyn FnMut(Term)) {
    each(Term::of_environment(key.environment));
    each(Term::of_kind(key.kind));
    each(Term::of_dialect(key.dialect));
    key.project.iter().for_each(|project| each(Term::of_project(project)));
    key.role.iter().for_each(|role| each(Term::of_role(role)));
    key.tags.iter().for_each(|tag| each(Term::of_tag(tag)));
    key.metadata.iter().for_each(|(name, value)| each(Term::of_pair(name, value)));
    for cut in CUTS.iter().filter_map(|cut| key.prefix.as_str().get(..*cut)) {
        each(Term::of("prefix", cut));
    }
}

/// The terms of the texts of a key.
pub(super) fn of_texts(key: &NewKey, each: &mut dyn FnMut(Term)) {
    Term::of_text(key.name.as_str(), each);
    if let Some(text) = &key.description {
        Term::of_text(text.as_str(), each);
    }
}

/// Lists of places by term.
pub(super) struct Terms {
    parts: Box<[RwLock<HashMap<u32, Numbers>>]>,
    /// Keys that may have had values between two edits that are on no list.
    unsure: RwLock<RoaringBitmap>,
    entries: AtomicUsize,
}

impl Default for Terms {
    fn default() -> Terms {
        let parts = (0..PARTS).map(|_| RwLock::default()).collect();
        Terms { parts, unsure: RwLock::default(), entries: AtomicUsize::new(0) }
    }
}

impl Terms {
    #[expect(clippy::indexing_slicing, reason = "a remainder of the number of parts")]
    #[expect(clippy::cast_possible_truncation, reason = "half of the hash is meant")]
    fn part(&self, Term(hash): Term) -> (&RwLock<HashMap<u32, Numbers>>, u32) {
        (&self.parts[(hash >> 32) as usize % PARTS], hash as u32)
    }

    /// Adds a key to the list of `term`, if it is not there.
    pub(super) fn add(&self, term: Term, place: u32) {
        let (part, term) = self.part(term);
        let is_new = match part.write().entry(term) {
            Entry::Occupied(mut places) => places.get_mut().add(place),
            Entry::Vacant(entry) => {
                entry.insert(Numbers::One(place));
                true
            }
        };
        self.entries.fetch_add(usize::from(is_new), Relaxed);
    }

    /// Adds a key of which it is not known what it had at every moment.
    pub(super) fn add_unsure(&self, place: u32) {
        self.unsure.write().insert(place);
    }

    /// How many entries all lists have.
    pub(super) fn entries(&self) -> usize {
        self.entries.load(Relaxed)
    }

    /// The keys that are on the lists of all of `terms`, the shortest first; in the past also those
    /// that may have been.
    pub(super) fn all(&self, terms: &[Term], is_past: bool) -> RoaringBitmap {
        let length = |term: &Term| {
            let (part, term) = self.part(*term);
            part.read().get(&term).map_or(0, Numbers::len)
        };
        let mut terms: Vec<_> = terms.iter().map(|term| (length(term), *term)).collect();
        terms.sort_unstable_by_key(|(length, _)| *length);
        let mut found: Option<RoaringBitmap> = None;
        for (_, term) in terms {
            let (part, term) = self.part(term);
            let lists = part.read();
            match (lists.get(&term), &mut found) {
                (None, _) => found = Some(RoaringBitmap::new()),
                (Some(places), None) => found = Some(places.copied()),
                (Some(places), Some(found)) => places.narrow(found),
            }
        }
        let mut found = found.unwrap_or_default();
        if is_past {
            found |= &*self.unsure.read();
        }
        found
    }
}
