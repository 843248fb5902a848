//! One event as a server-sent message (WHATWG HTML §9.2.5).

use std::io::Write as _;

use keys::KeyId;
use ledger::Entry;

use crate::wire::{Event, put_json};

/// Writes an event as a message; `key` is the key whose event it is, if it touches two.
pub(super) fn write(text: &mut Vec<u8>, entry: &Entry, key: Option<KeyId>) {
    let event = Event::for_key(entry, key);
    // Into memory: this cannot fail.
    let _ = write!(text, "id: {}\nevent: {}\ndata: ", event.seq, event.r#type);
    // JSON without line breaks is one line.
    put_json(text, &event);
    text.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::response::IntoResponse as _;
    use axum::response::sse::{Event as SseEvent, Sse};
    use http_body_util::BodyExt as _;
    use ledger::{Seq, Walk};

    use super::*;
    use crate::stream::tests::{app, auditor, create};

    #[tokio::test]
    async fn a_message_is_the_one_that_axum_makes() {
        let app = app();
        for account in ["acme", "caf\u{e9} \"7\" \\"] {
            create(&app, "bob", account).await;
        }
        let filter = ledger::EventFilter::default();
        let page = app.ledger().events(&auditor(), &filter, Walk::Up(Seq(0)), 10).unwrap();
        assert_eq!(page.items.len(), 2);
        for entry in &page.items {
            let event = Event::for_key(entry, None);
            let theirs = SseEvent::default()
                .id(event.seq.to_string())
                .event(event.r#type)
                .data(crate::wire::to_json(&event));
            let theirs = tokio_stream::once(Ok::<_, Infallible>(theirs));
            let body = Sse::new(theirs).into_response().into_body();
            let theirs = body.collect().await.unwrap().to_bytes();
            let mut ours = Vec::new();
            write(&mut ours, entry, None);
            assert_eq!(str::from_utf8(&ours).unwrap(), str::from_utf8(&theirs).unwrap());
        }
    }
}
