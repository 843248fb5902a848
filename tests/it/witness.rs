//! `keyledger witness`, over its socket, by c2sp.org/tlog-witness.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use sha2::{Digest as _, Sha256};
use tlog::add_checkpoint::read_cosignature;
use tlog::note::{Note, Signer, VerifierKey};
use tlog::{AddCheckpoint, Checkpoint, Hash, MemoryTree, Prover, leaf_hash};

use crate::support::{DEADLINE, Witness, keyledger};

const ORIGIN: &str = "log.example/keys";

/// A log whose entries differ from those of others from `forks_at` on.
#[derive(Clone, Copy)]
pub(crate) struct Log {
    seed: u8,
    forks_at: u64,
}

impl Log {
    pub(crate) fn new() -> Log {
        Log { seed: 7, forks_at: u64::MAX }
    }

    /// The same one up to some place.
    pub(crate) fn forked(forks_at: u64) -> Log {
        Log { forks_at, ..Log::new() }
    }

    fn signer(self) -> Signer {
        Signer::from_seed(ORIGIN, &[self.seed; 32]).unwrap()
    }

    pub(crate) fn key(self) -> String {
        self.signer().verifier_key().to_string()
    }

    fn tree(self, size: u64) -> MemoryTree {
        let entry = |place: u64| [place.to_be_bytes(), [u8::from(place >= self.forks_at); 8]];
        (0..size).map(|place| leaf_hash(&entry(place).concat())).collect()
    }

    pub(crate) fn checkpoint(self, size: u64) -> Checkpoint {
        let root = Prover::new(&self.tree(size), size).root().unwrap();
        Checkpoint::new(ORIGIN, size, root).unwrap()
    }

    /// A request that is in order, if the witness is at `old`.
    pub(crate) fn request(self, old: u64, size: u64) -> String {
        let tree = self.tree(size);
        let proof = if old < size {
            Prover::new(&tree, size).consistency(old).unwrap()
        } else {
            Vec::new()
        };
        let note = self.checkpoint(size).sign(&self.signer()).unwrap();
        let note = Note::parse(note.as_bytes()).unwrap();
        AddCheckpoint::new(old, proof, note).unwrap().to_string()
    }
}

/// An answer: status, media type, body.
type Answer = (u16, String, String);

/// Sends a request, as bytes, over a connection of its own.
fn raw(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // It may be refused before it is whole.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
    (status, kind.unwrap_or_default().to_owned(), body.to_owned())
}

pub(crate) fn post(address: SocketAddr, body: &str) -> Answer {
    let length = body.len();
    raw(
        address,
        &format!(
            "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        ),
    )
}

fn get(address: SocketAddr, path: &str) -> Answer {
    raw(address, &format!("GET {path} HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n"))
}

/// The time of a cosignature of this checkpoint in an answer.
fn cosigned(witness: &Witness, answer: &Answer, checkpoint: &Checkpoint) -> u64 {
    assert_eq!(answer.0, 200, "{answer:?}");
    let key: VerifierKey = witness.key.parse().unwrap();
    read_cosignature(answer.2.as_bytes(), &checkpoint.text(), &key).unwrap().1
}

/// Where the last checkpoint of a log is shown.
fn shown(origin: &str) -> String {
    let hash: String = Sha256::digest(origin).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/{hash}/checkpoint")
}

#[test]
fn a_witness_answers_as_the_document_says() {
    let log = Log::new();
    let witness = Witness::start("w.example/1", &[&log.key()]);
    let at = witness.address();
    let size = |answer: &Answer| {
        assert_eq!((answer.0, answer.1.as_str()), (409, "text/x.tlog.size"), "{answer:?}");
        answer.2.clone()
    };
    assert_eq!(get(at, &shown(ORIGIN)).0, 404);
    // Of a log that it has never seen, any size is the first.
    cosigned(&witness, &post(at, &log.request(0, 5)), &log.checkpoint(5));
    assert_eq!(size(&post(at, &log.request(0, 9))), "5\n");
    assert_eq!(size(&post(at, &log.request(4, 9))), "5\n");
    let first = cosigned(&witness, &post(at, &log.request(5, 9)), &log.checkpoint(9));
    // The same again, which says that there was nothing newer.
    let again = cosigned(&witness, &post(at, &log.request(9, 9)), &log.checkpoint(9));
    assert!(again >= first);
    // Rollbacks and forks.
    assert_eq!(size(&post(at, &log.request(5, 7))), "9\n");
    assert_eq!(post(at, &log.request(9, 7)).0, 400);
    assert_eq!(post(at, &Log::forked(8).request(9, 9)).0, 422);
    assert_eq!(post(at, &Log::forked(8).request(9, 12)).0, 422);
    let unproved = log.request(9, 12).lines().take(1).collect::<String>();
    let note = log.request(12, 12);
    let note = note.split_once("\n\n").unwrap().1;
    assert_eq!(post(at, &format!("{unproved}\n\n{note}")).0, 422);
    // Who it is.
    let stranger = Log { seed: 8, ..log };
    assert_eq!(post(at, &stranger.request(9, 12)).0, 403);
    assert_eq!(post(at, &log.request(9, 12).replace(ORIGIN, "log.example/other")).0, 404);
    for malformed in ["", "old 9", "old 9\n\n", "old 09\n\nx\n\n— a AAAAAAA=\n"] {
        assert_eq!(post(at, malformed).0, 400, "{malformed:?}");
    }
    // None of all this has changed anything.
    let (status, _, note) = get(at, &shown(ORIGIN));
    let note = Note::parse(note.as_bytes()).unwrap();
    assert_eq!((status, note.text()), (200, log.checkpoint(9).text().as_str()));
    let keys = [witness.key.parse().unwrap(), log.key().parse().unwrap()];
    assert_eq!(note.verify(&keys).unwrap().len(), 2);
    cosigned(&witness, &post(at, &log.request(9, 300)), &log.checkpoint(300));
}

#[test]
fn other_requests_are_refused_and_bounded() {
    let witness = Witness::start("w.example/1", &[&Log::new().key()]);
    let at = witness.address();
    let (status, _, home) = get(at, "/");
    assert_eq!(status, 200);
    assert!(home.contains("tlog-witness") && home.contains(&witness.key), "{home}");
    for (line, status) in [
        ("GET /add-checkpoint", 405),
        ("PUT /add-checkpoint", 405),
        ("POST /", 405),
        ("GET /nothing", 404),
        ("GET /0000/checkpoint", 404),
        ("GET /../lock/checkpoint", 404),
    ] {
        let request = format!("{line} HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(at, &request).0, status, "{line}");
    }
    // Longer than a request can be: refused as soon as that is known, or the connection is gone.
    let long = post(at, &"x".repeat(600 * 1024));
    assert!(matches!(long.0, 413 | 0), "{long:?}");
    let chunked = "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ntransfer-encoding: chunked\r\n\
                   connection: close\r\n\r\n";
    let chunks = format!("ffff\r\n{}\r\n", "x".repeat(0xFFFF)).repeat(10);
    let long = raw(at, &format!("{chunked}{chunks}0\r\n\r\n"));
    assert!(matches!(long.0, 413 | 0), "{long:?}");
    assert_eq!(raw(at, &format!("{chunked}5\r\nold 0\r\n0\r\n\r\n")).0, 400);
    let head = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", "h".repeat(64 * 1024));
    assert!(matches!(raw(at, &head).0, 431 | 0));
    cosigned(&witness, &post(at, &Log::new().request(0, 3)), &Log::new().checkpoint(3));
}

#[test]
fn what_was_answered_outlives_a_kill() {
    let log = Log::new();
    let mut witness = Witness::start("w.example/1", &[&log.key()]);
    let key = witness.key.clone();
    let mut last = 0;
    for size in [1, 2, 5, 6, 40] {
        cosigned(
            &witness,
            &post(witness.address(), &log.request(last, size)),
            &log.checkpoint(size),
        );
        last = size;
        witness = witness.kill().start();
        assert_eq!(witness.key, key);
        let answer = post(witness.address(), &Log::forked(0).request(0, 50));
        assert_eq!(answer.2, format!("{size}\n"));
        assert_eq!(post(witness.address(), &Log::forked(0).request(size, 50)).0, 422);
    }
    // Killed while many are sent: what it is at is no less than what it has answered.
    let at = witness.address();
    let sender = std::thread::spawn(move || {
        let mut answered = 40;
        for size in 41.. {
            let sent = std::panic::catch_unwind(|| post(at, &Log::new().request(answered, size)));
            if sent.is_ok_and(|answer| answer.0 == 200) {
                answered = size;
            } else {
                return answered;
            }
        }
        unreachable!("it was killed")
    });
    while get(at, &shown(ORIGIN)).2.lines().nth(1).is_none_or(|size| size == "40") {}
    let stopped = witness.kill();
    let answered = sender.join().unwrap();
    let witness = stopped.start();
    let at = witness.address();
    let found = post(at, &Log::forked(0).request(0, 9_999)).2.trim().parse::<u64>().unwrap();
    assert!(found == answered || found == answered + 1, "{found} {answered}");
    cosigned(&witness, &post(at, &log.request(found, 9_999)), &log.checkpoint(9_999));
    // And an orderly stop.
    let witness = witness.stop().start();
    assert_eq!(post(witness.address(), &log.request(0, 10_000)).2, "9999\n");
}

#[test]
fn of_forks_that_are_sent_at_once_one_is_cosigned() {
    let log = Log::new();
    let witness = Witness::start("w.example/1", &[&log.key()]);
    let at = witness.address();
    let mut last = 0;
    for round in 0..5_u64 {
        let (old, base) = (last, round * 10 + 10);
        // Each of another size, and every second of another log.
        let sent: Vec<(u64, Log, Answer)> = std::thread::scope(|scope| {
            let sending: Vec<_> = (0..8)
                .map(|place| {
                    let size = base + place;
                    let log = if place % 2 == 0 { log } else { Log::forked(base - 1) };
                    scope.spawn(move || (size, log, post(at, &log.request(old, size))))
                })
                .collect();
            sending.into_iter().map(|sending| sending.join().unwrap()).collect()
        });
        let good: Vec<_> = sent.iter().filter(|(_, _, answer)| answer.0 == 200).collect();
        assert_eq!(good.len(), 1, "{:?}", sent.iter().map(|sent| sent.2.0).collect::<Vec<_>>());
        let (size, forked, answer) = good[0];
        cosigned(&witness, answer, &forked.checkpoint(*size));
        for (_, _, answer) in &sent {
            assert!(answer.0 == 200 || answer.2 == format!("{size}\n"), "{answer:?}");
        }
        if forked.forks_at != u64::MAX {
            // It has taken that for the log; what came before is another one.
            assert_eq!(post(at, &log.request(*size, size + 1)).0, 422);
            return;
        }
        last = *size;
    }
}

#[test]
fn several_logs_and_several_keys_of_one_are_witnessed() {
    let (log, rotated) = (Log::new(), Log { seed: 9, ..Log::new() });
    let other = Signer::from_seed("other.example", &[1; 32]).unwrap();
    let witness = Witness::start("w.example/1", &[&log.key()]);
    cosigned(&witness, &post(witness.address(), &log.request(0, 5)), &log.checkpoint(5));
    assert_eq!(post(witness.address(), &rotated.request(5, 7)).0, 403);
    let witness = witness.stop().with_log(&rotated.key());
    cosigned(&witness, &post(witness.address(), &rotated.request(5, 7)), &log.checkpoint(7));
    let witness = witness.stop().with_log(&other.verifier_key().to_string());
    let checkpoint = Checkpoint::new("other.example", 1, Hash([1; 32])).unwrap();
    let note = Note::parse(checkpoint.sign(&other).unwrap().as_bytes()).unwrap();
    let request = AddCheckpoint::new(0, Vec::new(), note).unwrap().to_string();
    cosigned(&witness, &post(witness.address(), &request), &checkpoint);
    cosigned(&witness, &post(witness.address(), &log.request(7, 9)), &log.checkpoint(9));
}

#[test]
fn a_folder_is_one_witnesses_and_what_is_damaged_is_refused() {
    let log = Log::new();
    let witness = Witness::start("w.example/1", &[&log.key()]);
    cosigned(&witness, &post(witness.address(), &log.request(0, 5)), &log.checkpoint(5));
    let data = witness.data();
    let start = |more: &[&str]| {
        let witness = keyledger(&["witness", "--listen", "127.0.0.1:0"]).with(more);
        witness.data(&data).run()
    };
    let in_use = start(&["--log", &log.key()]);
    assert!(in_use.code == Some(1) && in_use.err.contains("in use"), "{in_use:?}");
    for file in std::fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    let stopped = witness.stop();
    let file = stopped.data().join(shown(ORIGIN).trim_matches('/').split('/').next().unwrap());
    let good = std::fs::read_to_string(&file).unwrap();
    let cut = good.len() / 2;
    for (text, words) in [
        (good[..cut].to_owned(), "damaged"),
        (String::new(), "damaged"),
        (good.replace("\n5\n", "\n4\n"), "damaged"),
    ] {
        std::fs::write(&file, text).unwrap();
        let refused = start(&["--log", &log.key()]);
        assert!(refused.code == Some(1) && refused.err.contains(words), "{refused:?}");
    }
    std::fs::write(&file, &good).unwrap();
    for (more, code, words) in [
        (&["--name", "w.example/2"][..], 2, "its name never changes"),
        (&["--logs", "/nowhere"], 2, "cannot be read"),
        (&["--log", "no key"], 2, "not a verifier key"),
    ] {
        let refused = start(more);
        assert!(refused.code == Some(code) && refused.err.contains(words), "{refused:?}");
    }
    // Without its key it is another witness, which has not cosigned what is there.
    std::fs::rename(stopped.data().join("witness.key"), stopped.data().join("away")).unwrap();
    let refused = start(&["--log", &log.key()]);
    assert!(refused.code == Some(1) && refused.err.contains("damaged"), "{refused:?}");
    assert!(!stopped.data().join("witness.key").exists());
    std::fs::rename(stopped.data().join("away"), stopped.data().join("witness.key")).unwrap();
    let witness = stopped.start();
    assert_eq!(post(witness.address(), &log.request(0, 9)).2, "5\n");
}
