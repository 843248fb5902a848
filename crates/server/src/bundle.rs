//! What events look like in the bundles that auditors take away.

use bundle::Export;
use ledger::Entry;

use crate::export::{CSV_HEAD, csv_row};
use crate::wire::{Event, Ocsf};

/// The exports of a bundle, in the order in which they are in it.
#[must_use]
pub fn exports() -> [Export; 3] {
    [
        Export { name: "events.ndjson", head: "", write: ndjson },
        Export { name: "events.csv", head: CSV_HEAD, write: csv },
        Export { name: "events.ocsf.ndjson", head: "", write: ocsf },
    ]
}

fn ndjson(entry: &Entry, text: &mut Vec<u8>) {
    // Into memory: this cannot fail.
    let _ = serde_json::to_writer(&mut *text, &Event::new(entry));
    text.push(b'\n');
}

fn csv(entry: &Entry, text: &mut Vec<u8>) {
    csv_row(text, &Event::new(entry));
}

fn ocsf(entry: &Entry, text: &mut Vec<u8>) {
    let event = Ocsf::new(entry.record.event.kind(), Event::new(entry));
    let _ = serde_json::to_writer(&mut *text, &event);
    text.push(b'\n');
}
