//! Whether what a log shows is of now: an old answer is as well signed as a new one.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};

use ledger::{Heartbeat, KeyChain};

use crate::audit;
use crate::support::{Client, Service, keyledger, until};

fn heartbeat(client: &Client) -> Heartbeat {
    let chain = KeyChain::parse(&client.send("GET /log/keys").text).unwrap();
    let note = client.send("GET /log/heartbeat").text;
    Heartbeat::open(note.as_bytes(), &chain, chain.keys()).unwrap().0
}

#[test]
fn a_log_says_what_it_has_whether_it_grows_or_not() {
    let service = Service::start();
    let nobody = service.client_with(None);
    let empty = heartbeat(&nobody);
    assert_eq!(empty.head.size, 0);
    service.client("owner").create(r#"{"name":"k"}"#);
    // Within a second.
    until("the heartbeat is of the new record", || heartbeat(&nobody).head.size == 1);
    let later = heartbeat(&nobody);
    assert!(later.time_s >= empty.time_s);
    let checkpoint = nobody.send("GET /log/checkpoint").text;
    assert!(checkpoint.contains(&later.head.root.to_string()), "{checkpoint}");
}

/// Answers as another server did once.
fn replay(answers: BTreeMap<String, String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let Some(Ok(first)) = lines.next() else { continue };
            let _headers =
                lines.take_while(|line| !line.as_deref().unwrap_or("").is_empty()).count();
            let path = first.split(' ').nth(1).unwrap_or_default();
            let (status, text) = match answers.get(path) {
                Some(text) => ("200 OK", text.as_str()),
                None => ("404 Not Found", ""),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", text.len());
            let _cut_off = write!(stream, "{head}connection: close\r\n\r\n{text}");
        }
    });
    address
}

/// A bundle from before a key was revoked is as well signed as one from after.
#[test]
fn a_bundle_is_of_its_moment_however_quiet_the_log_is() {
    let service = Service::start();
    service.client("owner").create(r#"{"name":"k"}"#);
    let key = audit::verifier_key(&service);
    let bundle = audit::export(&service, "whole.tar", &[]);
    for (code, output) in audit::with(&bundle, &key, &["--max-age", "1h"]) {
        assert_eq!(code, 0, "{output}");
    }
    until("it is a second old", || {
        audit::with(&bundle, &key, &["--max-age", "1s"]).iter().all(|(code, _)| *code == 13)
    });
}

/// Whoever is in the way shows a proof from before a key was revoked: it was good, and is not any more.
#[test]
fn a_proof_from_before_is_not_taken_for_one_of_now() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    let paths =
        ["/log/keys".to_owned(), "/log/checkpoint".to_owned(), format!("/v1/keys/{id}/proof")];
    let recorded: BTreeMap<String, String> = paths
        .into_iter()
        .map(|path| {
            let answer = owner.send(&format!("GET {path}"));
            assert_eq!(answer.status, 200, "{path}");
            (path, answer.text)
        })
        .collect();
    owner.send(&format!("POST /v1/keys/{id}/revoke {{\"reason\":\"leaked\"}}"));
    let newer = service.folder().join("newer");
    std::fs::write(&newer, owner.send("GET /log/checkpoint").text).unwrap();
    let old = format!("http://{}", replay(recorded));
    let with_newer = ["--kept", newer.to_str().unwrap()];
    let live = service.url();
    for (url, more, code, word) in [
        // Of itself it cannot be told.
        (&old, &[][..], 0, "enabled"),
        (&old, &with_newer, 12, "ROLLBACK"),
        (&old, &["--max-age", "0s"], 13, "STALE"),
        (&live, &with_newer, 0, "revoked"),
    ] {
        let prove = keyledger(&["audit", "prove", "--key-id", &id]).with(more);
        let out = service.folder().join("proof");
        let prove = prove.argument("--out").argument(out).env("KEYLEDGER_URL", url);
        let ended = prove.env("KEYLEDGER_TOKEN", owner.token().unwrap()).run();
        assert_eq!(ended.code, Some(code), "{more:?} {ended:?}");
        assert!(ended.out.contains(word), "{more:?} {ended:?}");
    }
    // And a whole log, to one who watches it.
    let state = service.folder().join("state");
    let watch = |more: &[&str]| {
        let monitor = keyledger(&["audit", "monitor", "--once", "--url", &live]).with(more);
        monitor.argument("--state").argument(&state).run()
    };
    assert_eq!(watch(&[]).code, Some(0));
    assert_eq!(watch(&["--max-age", "0s"]).code, Some(13));
}
