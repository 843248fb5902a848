//! All that there is about a person, as one JSON, read piece by piece as the client reads.

use std::collections::VecDeque;

use axum::body::Bytes;
use keys::{Account, EventKind, Pseudonym, Subject};
use ledger::{
    Access, AccessEvent, Caller, Entry, EventFilter, HoldView, KeyView, Ledger, Seq, TokenFilter,
    TokenPlace, Walk,
};
use serde::Serialize;

use crate::app::App;
use crate::error::ApiError;
use crate::routes::webhooks::shown;
use crate::wire::access::AccessEntry;
use crate::wire::subject::SubjectHead;
use crate::wire::token::TokenState;
use crate::wire::{Event, Key, put_json, to_json};

/// Keys, events or entries read for one piece.
const PAGE: usize = 500;

/// The answer, as far as it is not written.
pub(crate) struct PersonReport {
    app: App,
    person: Person,
    /// The list that is being written, and where in it; `None` when all is.
    part: Option<Part>,
    out: Out,
}

/// Who is looked for, and by whom.
struct Person {
    caller: Caller,
    subject: Subject,
    /// What it is called in records.
    pseudonyms: Vec<Pseudonym>,
}

/// The text that was written and not sent.
struct Out {
    text: Vec<u8>,
    /// Whether the list has nothing in it yet.
    is_first: bool,
}

/// A list of the answer, and where in it to go on. They are written in this order.
enum Part {
    Keys(OwnKeys),
    KeysMade(Walk),
    Events(Walk),
    KeyEvents(KeyEvents),
    Tokens(Option<TokenPlace>),
    Access(Seq),
    Webhooks,
}

/// A way through the keys that a person has or had.
#[derive(Default)]
struct OwnKeys {
    /// Where to look for further accounts.
    from: usize,
    /// The accounts that were found, the one gone through first.
    accounts: VecDeque<Account>,
    /// The number of the last key of that one.
    after: u64,
    is_over: bool,
}

/// A way through the events of those keys.
struct KeyEvents {
    keys: OwnKeys,
    page: VecDeque<KeyView>,
    /// Where in the history of the first of them.
    walk: Walk,
}

const START: Walk = Walk::Up(Seq(0));

impl Part {
    fn name(&self) -> &'static str {
        match self {
            Part::Keys(_) => "keys",
            Part::KeysMade(_) => "keys_made",
            Part::Events(_) => "events",
            Part::KeyEvents(_) => "key_events",
            Part::Tokens(_) => "tokens",
            Part::Access(_) => "access",
            Part::Webhooks => "webhooks",
        }
    }

    /// The start of the list after the one of this name.
    fn behind(name: &str) -> Option<Part> {
        let key_events =
            || KeyEvents { keys: OwnKeys::default(), page: VecDeque::new(), walk: START };
        match name {
            "keys" => Some(Part::KeysMade(START)),
            "keys_made" => Some(Part::Events(START)),
            "events" => Some(Part::KeyEvents(key_events())),
            "key_events" => Some(Part::Tokens(None)),
            "tokens" => Some(Part::Access(Seq(0))),
            "access" => Some(Part::Webhooks),
            _ => None,
        }
    }
}

impl OwnKeys {
    /// The next keys, which may be none though more follow; `None` at the end.
    fn next(&mut self, person: &Person, ledger: &Ledger) -> Result<Option<Vec<KeyView>>, ApiError> {
        let Person { caller, subject, .. } = person;
        if let Some(account) = self.accounts.front() {
            let page = ledger.keys_had(caller, account, subject, self.after, PAGE)?;
            self.after = page.next.unwrap_or(0);
            if page.next.is_none() {
                self.accounts.pop_front();
            }
            return Ok(Some(page.items));
        }
        if self.is_over {
            return Ok(None);
        }
        let page = ledger.accounts_of(caller, subject, self.from)?;
        self.is_over = page.next.is_none();
        self.from = page.next.unwrap_or(self.from);
        self.accounts.extend(page.items);
        Ok(Some(Vec::new()))
    }
}

impl PersonReport {
    /// A report for `caller` about `subject`, which is called `persons` in records.
    pub(crate) fn new(
        app: &App,
        caller: Caller,
        subject: Subject,
        persons: Vec<Pseudonym>,
        holds: &[HoldView],
    ) -> PersonReport {
        let head = SubjectHead::new(subject.as_str(), app.ledger().now(), &persons, holds);
        let mut text = to_json(&head).into_bytes();
        // Its end comes after the lists.
        text.pop();
        let (part, out) = (None, Out { text, is_first: true });
        let person = Person { caller, subject, pseudonyms: persons };
        let mut report = PersonReport { app: app.clone(), person, part, out };
        report.begin(Some(Part::Keys(OwnKeys::default())));
        report
    }

    /// Writes the next piece; `None` at the end.
    pub(crate) fn piece(&mut self, ledger: &Ledger) -> Result<Option<Bytes>, ApiError> {
        let Some(part) = self.part.take() else { return Ok(None) };
        let name = part.name();
        self.part = self.step(ledger, part)?;
        if self.part.is_none() {
            self.out.text.push(b']');
            self.begin(Part::behind(name));
        }
        Ok(Some(Bytes::from(std::mem::take(&mut self.out.text))))
    }

    /// Begins a list, or ends the answer.
    fn begin(&mut self, part: Option<Part>) {
        match &part {
            Some(part) => {
                self.out.text.extend_from_slice(format!(",\"{}\":[", part.name()).as_bytes());
            }
            None => self.out.text.extend_from_slice(b"}\n"),
        }
        (self.part, self.out.is_first) = (part, true);
    }

    /// Writes the next items of a list. Where to go on, if there may be more.
    fn step(&mut self, ledger: &Ledger, part: Part) -> Result<Option<Part>, ApiError> {
        match part {
            Part::Keys(mut keys) => {
                let Some(page) = keys.next(&self.person, ledger)? else { return Ok(None) };
                let current = page.iter().filter(|view| view.key.owner == self.person.subject);
                current.for_each(|view| self.out.put(&Key::new(view)));
                Ok(Some(Part::Keys(keys)))
            }
            Part::KeysMade(walk) => {
                let page = self.person.acted(ledger, walk, Some(EventKind::Created))?;
                for entry in &page.items {
                    let view = ledger.key(&self.person.caller, entry.record.links.own.key)?;
                    self.out.put(&Key::new(&view));
                }
                Ok(page.next.map(Part::KeysMade))
            }
            Part::Events(walk) => {
                let page = self.person.acted(ledger, walk, None)?;
                page.items.iter().for_each(|entry| self.out.put(&Event::new(entry)));
                Ok(page.next.map(Part::Events))
            }
            Part::KeyEvents(events) => Ok(self.key_events(ledger, events)?.map(Part::KeyEvents)),
            Part::Tokens(after) => {
                let subject = Some(self.person.subject.clone());
                let filter = TokenFilter { subject, account: None, ended: None };
                let (tokens, now) = (self.app.journal().tokens(), ledger.now());
                let page = tokens.page(&self.person.caller, &filter, after.as_ref(), PAGE, now)?;
                page.items.iter().for_each(|view| self.out.put(&TokenState::new(view)));
                Ok(page.next.map(|place| Part::Tokens(Some(place))))
            }
            Part::Access(from) => {
                let page = self.app.journal().page(&self.person.caller, from, PAGE)?;
                for entry in page.items.iter().filter(|(_, access)| self.person.is_named(access)) {
                    self.out.put(&AccessEntry::new(entry));
                }
                Ok(page.next.map(Part::Access))
            }
            Part::Webhooks => {
                let app = self.app.clone();
                for webhook in app.webhooks().registry().all() {
                    if app.webhooks().maker(&webhook) == self.person.subject {
                        self.out.put(&shown(&app, &webhook));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Writes events of keys that the person has or had.
    fn key_events(
        &mut self,
        ledger: &Ledger,
        mut events: KeyEvents,
    ) -> Result<Option<KeyEvents>, ApiError> {
        let mut left = PAGE;
        while let Some(view) = events.page.front()
            && left > 0
        {
            let id = view.key.id;
            let filter = EventFilter { key: Some(id), ..EventFilter::default() };
            let page = ledger.events(&self.person.caller, &filter, events.walk, left)?;
            // Keys without anything to show cost a look, too.
            left = left.saturating_sub(page.items.len() + 1);
            let shown = page.items.iter().filter(|entry| self.person.is_in(view, entry));
            shown.for_each(|entry| self.out.put(&Event::for_key(entry, Some(id))));
            events.walk = page.next.unwrap_or(START);
            if page.next.is_none() {
                events.page.pop_front();
            }
        }
        if events.page.is_empty() {
            let Some(page) = events.keys.next(&self.person, ledger)? else { return Ok(None) };
            events.page.extend(page);
        }
        Ok(Some(events))
    }
}

impl Person {
    /// Events in which the person acted.
    fn acted(
        &self,
        ledger: &Ledger,
        walk: Walk,
        kind: Option<EventKind>,
    ) -> Result<ledger::Page<Entry, Walk>, ApiError> {
        let actor = Some(self.subject.clone());
        let filter = EventFilter { actor, kind, ..EventFilter::default() };
        Ok(ledger.events(&self.caller, &filter, walk, PAGE)?)
    }

    /// Whether an event of a key that the person has or had is shown as one of that key: one in which
    /// it acted is shown as that, a rotation among the events of the new key if that is its own too.
    fn is_in(&self, view: &KeyView, entry: &Entry) -> bool {
        let record = &entry.record;
        let speaks = record.persons.iter().any(|one| self.pseudonyms.contains(&one));
        if record.actor.subject == self.subject {
            false
        } else if record.links.own.key == view.key.id {
            speaks || view.key.owner == self.subject
        } else {
            !speaks && entry.owner.as_ref() != Some(&self.subject)
        }
    }

    /// Whether an entry of the journal was caused by the person, or is about it.
    fn is_named(&self, access: &Access) -> bool {
        let held = match &access.event {
            AccessEvent::SubjectHeld(hold) | AccessEvent::SubjectReleased(hold) => &*hold.persons,
            AccessEvent::Read(_)
            | AccessEvent::TokenMade { .. }
            | AccessEvent::TokenSeen(_)
            | AccessEvent::TokenEnded { .. }
            | AccessEvent::TokensEnded { .. }
            | AccessEvent::SubjectErased(_) => &[],
        };
        access.actor.subject == self.subject
            || access.event.subject() == Some(&self.subject)
            || held.iter().any(|one| self.pseudonyms.contains(one))
    }
}

impl Out {
    fn put(&mut self, item: &impl Serialize) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.text.push(b',');
        }
        put_json(&mut self.text, item);
    }
}
