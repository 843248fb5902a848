//! What a webhook can hear of.

use delivery::Definition;
use keys::EventKind;

/// The word for a reminder: no event of the log.
pub(crate) const EXPIRING: &str = "expiring";

/// What a webhook wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventKinds {
    /// The kinds of events.
    pub(crate) recorded: Vec<EventKind>,
    /// Whether it wants reminders.
    pub(crate) expiring: bool,
}

impl EventKinds {
    /// Every word there is.
    pub(crate) fn words() -> Vec<&'static str> {
        EventKind::ALL.iter().map(|kind| kind.as_str()).chain([EXPIRING]).collect()
    }

    /// Reads words; `None` if one of them is none.
    pub(crate) fn parse(words: &[String]) -> Option<EventKinds> {
        let mut kinds = EventKinds { recorded: Vec::new(), expiring: false };
        for word in words {
            match word.parse() {
                Ok(kind) => kinds.recorded.push(kind),
                Err(_) if word == EXPIRING => kinds.expiring = true,
                Err(_) => return None,
            }
        }
        Some(kinds)
    }

    /// Those of a webhook. A word that only a later version has is passed over.
    pub(crate) fn of(definition: &Definition) -> EventKinds {
        let recorded = definition.events.iter().filter_map(|word| word.parse().ok()).collect();
        EventKinds { recorded, expiring: definition.events.iter().any(|word| word == EXPIRING) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood() {
        let words: Vec<String> = EventKinds::words().into_iter().map(str::to_owned).collect();
        let kinds = EventKinds::parse(&words).unwrap();
        assert_eq!(kinds.recorded, EventKind::ALL);
        assert!(kinds.expiring);
        assert_eq!(EventKinds::parse(&["made".to_owned()]), None);
    }
}
