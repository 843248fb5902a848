//! `serve --witness`: cosignatures of others, who may be away, slow, or liars.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use sha2::{Digest as _, Sha256};
use tlog::Checkpoint;
use tlog::cosignature::Cosigner;
use tlog::note::{Note, VerifierKey};

use crate::audit::{copy, verifier_key};
use crate::support::{
    Answers, Receiver, Service, Stopped, Witness, keyledger, newer_python, until,
};

/// Starts a log again, of which these are witnesses.
fn with_witnesses(mut stopped: Stopped, specs: &[String], more: &[&str]) -> Service {
    for spec in specs {
        stopped = stopped.with(&format!("--witness={spec}"));
    }
    more.iter().fold(stopped, |stopped, option| stopped.with(option)).start()
}

/// A log with so many witnesses of our own.
pub(crate) fn witnessed(count: usize, more: &[&str]) -> (Service, Vec<Witness>) {
    let service = Service::start();
    let key = verifier_key(&service);
    let witnesses: Vec<Witness> =
        (0..count).map(|place| Witness::start(&format!("w{place}.example"), &[&key])).collect();
    let specs: Vec<String> = witnesses.iter().map(Witness::spec).collect();
    (with_witnesses(service.stop().0, &specs, more), witnesses)
}

pub(crate) fn grow(service: &Service, count: usize) {
    let owner = service.client("owner");
    for _ in 0..count {
        owner.create(r#"{"name":"k"}"#);
    }
}

/// The size that is cosigned, and by how many; 0 if there is nothing.
fn cosigned(service: &Service, witnesses: &[VerifierKey]) -> (u64, usize) {
    let answer = service.client_with(None).send("GET /log/checkpoint/cosigned");
    if answer.status == 404 {
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()));
        return (0, 0);
    }
    let log: VerifierKey = verifier_key(service).parse().unwrap();
    let (checkpoint, opened) =
        Checkpoint::open_witnessed(answer.text.as_bytes(), &log, witnesses).unwrap();
    (checkpoint.size(), opened.verified.len() - 1)
}

fn keys(witnesses: &[Witness]) -> Vec<VerifierKey> {
    witnesses.iter().map(|witness| witness.key.parse().unwrap()).collect()
}

fn metric(service: &Service, series: &str) -> Option<u64> {
    let text = service.client_with(None).send("GET /metrics").text;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|number| number.parse().unwrap())
}

fn outcomes(service: &Service, witness: &str, outcome: &str) -> u64 {
    let labels = format!("{{outcome=\"{outcome}\",witness=\"{witness}\"}}");
    metric(service, &format!("keyledger_witness_requests_total{labels}")).unwrap_or(0)
}

fn warnings(service: &Service) -> String {
    let ready = service.client_with(None).send("GET /readyz");
    assert_eq!(ready.status, 200, "{}", ready.text);
    ready.json().get("warnings").map(ToString::to_string).unwrap_or_default()
}

#[test]
fn a_quorum_cosigns_what_the_log_signs() {
    let (service, mut witnesses) = witnessed(3, &["--witness-max-lag=1s"]);
    let keys = keys(&witnesses);
    grow(&service, 3);
    until("all have cosigned", || cosigned(&service, &keys) == (3, 3));
    let newest = service.client_with(None).send("GET /log/checkpoint").text;
    assert_eq!(Note::parse(newest.as_bytes()).unwrap().signatures().len(), 1);
    for place in 0..3 {
        let name = format!("w{place}.example");
        assert!(outcomes(&service, &name, "cosigned") > 0);
        let size = metric(&service, &format!("keyledger_witness_size{{witness=\"{name}\"}}"));
        assert_eq!(size, Some(3));
    }
    assert_eq!(metric(&service, "keyledger_cosigned_size"), Some(3));
    // One may be away, and comes back.
    let away = witnesses.pop().unwrap().kill();
    grow(&service, 2);
    until("the others have cosigned", || cosigned(&service, &keys) == (5, 2));
    until("its absence is counted", || outcomes(&service, "w2.example", "unreachable") > 0);
    witnesses.push(away.start());
    // It is asked again, at the latest after a pause.
    until("it has cosigned again", || {
        grow(&service, 1);
        cosigned(&service, &keys).1 == 3
    });
    // Two of three are no less than a quorum; changes go on without them, and that is told.
    let away: Vec<_> = witnesses.drain(1..).map(Witness::kill).collect();
    let before = cosigned(&service, &keys).0;
    grow(&service, 4);
    until("it is told that the quorum lags", || warnings(&service).contains("witnesses lag"));
    let stays = cosigned(&service, &keys).0;
    assert!(stays >= before && stays < service_size(&service));
    // What was cosigned outlives a restart, and a kill, with nobody there.
    let service = service.kill().start();
    assert_eq!(cosigned(&service, &keys).0, stays);
    for one in away {
        witnesses.push(one.start());
    }
    until("all is cosigned again", || cosigned(&service, &keys).0 == service_size(&service));
    until("nobody lags", || warnings(&service).is_empty());
}

fn service_size(service: &Service) -> u64 {
    let checkpoint = service.client_with(None).send("GET /log/checkpoint").text;
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn dead_slow_and_lying_witnesses_hold_up_nothing() {
    let service = Service::start();
    let key = verifier_key(&service);
    let good = Witness::start("good.example", &[&key]);
    let elsewhere = Receiver::start();
    let lying = |name: &str| Cosigner::from_seed(name, &Sha256::digest(name).into()).unwrap();
    let text = |status, media_type: &str, body: String| Answers::Text {
        status,
        media_type: media_type.to_owned(),
        body,
    };
    let size_type = "text/x.tlog.size";
    // Of a checkpoint that the log never signed.
    let other = Checkpoint::new(key.split('+').next().unwrap(), 2, tlog::Hash([1; 32])).unwrap();
    let forged = format!("{}\n", lying("forges").cosign(&other, 1_700_000_000).unwrap());
    let table = [
        ("redirects", Answers::Redirect(elsewhere.url()), "rejected"),
        ("fails", Answers::With(500), "rejected"),
        ("agrees", Answers::With(200), "bad_cosignature"),
        ("forges", text(200, "text/plain", forged), "bad_cosignature"),
        ("is-ahead", text(409, size_type, "99999\n".to_owned()), "ahead"),
        ("says-a-fork", text(422, "text/plain", String::new()), "inconsistent"),
        ("says-no-size", text(409, size_type, "many\n".to_owned()), "malformed"),
        ("goes-away", Answers::Closed, "cut_off"),
        ("cuts-off", Answers::HalfOfIt, "cut_off"),
        ("floods", Answers::Flood, "malformed"),
        ("never-answers", Answers::Never, "timed_out"),
        ("drips", Answers::Drops, "timed_out"),
    ];
    let mut specs = vec![good.spec()];
    let mut receivers = Vec::new();
    for (name, answers, _) in &table {
        let receiver = Receiver::that(answers.clone());
        specs.push(format!("{}+{}", receiver.url(), lying(name).verifier_key()));
        receivers.push(receiver);
    }
    let service = with_witnesses(service.stop().0, &specs, &["--witness-quorum=1"]);
    for (name, _, outcome) in &table {
        // All the while changes are taken, and the good witness goes on.
        until(&format!("{name}: {outcome}"), || {
            grow(&service, 1);
            outcomes(&service, name, outcome) > 0
        });
        assert_eq!(outcomes(&service, name, "cosigned"), 0);
    }
    let mut all: Vec<VerifierKey> =
        table.iter().map(|(name, ..)| lying(name).verifier_key().clone()).collect();
    all.push(good.key.parse().unwrap());
    let size = service_size(&service);
    until("the good one has cosigned", || cosigned(&service, &all) == (size, 1));
    assert!(elsewhere.received().is_empty());
    for receiver in &receivers {
        // They are left in peace the more, the longer they fail.
        let requests = receiver.received().len();
        assert!((1..40).contains(&requests), "{requests}");
    }
    let (_, log) = service.stop();
    for (name, ..) in &table {
        assert!(log.contains(&format!("witness=\"{name}\"")), "{name}: {log}");
    }
}

/// The whole directory was put back, its guard too: nothing on this machine can notice it.
#[test]
fn a_witness_notices_a_rollback_and_a_fork() {
    let (service, witnesses) = witnessed(1, &["--witness-max-lag=1s"]);
    let keys = keys(&witnesses);
    grow(&service, 5);
    until("5 are cosigned", || cosigned(&service, &keys).0 == 5);
    let (stopped, _) = service.stop();
    let (data, backup) = (stopped.data(), stopped.folder().join("backup"));
    copy(&data, &backup);
    let service = stopped.start();
    grow(&service, 3);
    until("8 are cosigned", || cosigned(&service, &keys).0 == 8);
    let (stopped, _) = service.stop();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    let service = stopped.start();
    until("the rollback is found", || outcomes(&service, "w0.example", "ahead") > 0);
    grow(&service, 9);
    until("the fork is found", || outcomes(&service, "w0.example", "inconsistent") > 0);
    until("it is told", || warnings(&service).contains("witnesses lag"));
    assert_eq!(cosigned(&service, &keys).0, 5);
    let (_, log) = service.stop();
    assert!(log.contains("the log was rolled back") && log.contains("a fork"), "{log}");
}

/// What is stored is not taken on trust: it may be from another log, or other witnesses may count now.
#[test]
fn what_is_stored_must_be_cosigned_by_a_quorum_of_now() {
    let (service, witnesses) = witnessed(1, &[]);
    grow(&service, 2);
    until("2 are cosigned", || cosigned(&service, &keys(&witnesses)).0 == 2);
    let (stopped, _) = service.stop();
    let away: Vec<_> = witnesses.into_iter().map(Witness::kill).collect();
    let file = stopped.data().join("cosigned");
    let good = std::fs::read_to_string(&file).unwrap();
    let is_served = |stopped: Stopped| {
        let service = stopped.start();
        let status = service.client_with(None).send("GET /log/checkpoint/cosigned").status;
        (service.stop().0, status)
    };
    let (mut stopped, status) = is_served(stopped);
    assert_eq!(status, 200);
    let other = Cosigner::from_seed("w9.example", &[9; 32]).unwrap();
    let cut = good.lines().take(5).map(|line| format!("{line}\n")).collect();
    for text in [good.replace("\n2\n", "\n1\n"), String::new(), "nothing".to_owned(), cut] {
        std::fs::write(&file, text).unwrap();
        let (again, status) = is_served(stopped);
        assert_eq!(status, 404);
        stopped = again;
    }
    std::fs::write(&file, good).unwrap();
    let more = stopped.with(&format!("--witness=http://127.0.0.1:1+{}", other.verifier_key()));
    assert_eq!(is_served(more).1, 404);
    drop(away);
}

#[test]
fn options_of_witnesses_are_checked_before_anything_is_written() {
    let key = |name: &str, seed| Cosigner::from_seed(name, &[seed; 32]).unwrap();
    let spec =
        |name, seed| format!("--witness=https://w.example+{}", key(name, seed).verifier_key());
    let (one, other) = (spec("a.example", 1), spec("b.example", 2));
    let folder = tempfile::tempdir().unwrap();
    for (options, words) in [
        (vec!["--witness=https://w.example".to_owned()], "a URL and the witness's verifier key"),
        (vec![one.replace("https:", "ftp:")], "must begin with https://"),
        (vec![one.clone(), one.clone()], "named twice"),
        (vec![one.clone(), spec("a.example", 2)], "named twice"),
        (vec![one.clone(), spec("b.example", 1)], "named twice"),
        (vec!["--witness-quorum=1".to_owned()], "needs --witness"),
        (vec![one.clone(), "--witness-quorum=0".to_owned()], "from 1 to 1"),
        (vec![one.clone(), other.clone(), "--witness-quorum=3".to_owned()], "from 1 to 2"),
        (vec![one.clone(), "--witness-ca=/nowhere".to_owned()], "--witness-ca"),
        (vec![one.clone(), "--witness-max-lag=5".to_owned()], "write it as"),
    ] {
        let mut serve = keyledger(&["serve", "--listen", "127.0.0.1:0"]);
        for option in &options {
            serve = serve.argument(option);
        }
        let ended = serve.data(&folder.path().join("data")).run();
        assert!(matches!(ended.code, Some(1 | 2)), "{ended:?}");
        assert!(ended.err.contains(words), "{words}: {ended:?}");
        assert!(!folder.path().join("data").exists(), "{options:?}");
    }
}

/// A witness that others wrote (`PyPI`, Apache-2.0), from the same document.
const OTHERS: &str = "aics-witness==0.1.0";

struct Independent {
    child: Child,
    spec: String,
    key: VerifierKey,
}

impl Independent {
    /// `None` if there is no Python that it runs on.
    fn start(folder: &std::path::Path, log: &str) -> Option<Independent> {
        let python: PathBuf = newer_python(OTHERS)?;
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&python);
            command.args(["-m", "aics_witness"]).args(arguments).current_dir(folder);
            command
        };
        let good = |arguments: &[&str]| {
            let output = run(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let key = good(&["init", "--name", "others.example/w"]);
        let key: VerifierKey = key.lines().last().unwrap().trim().parse().unwrap();
        let origin = log.split('+').next().unwrap();
        good(&["add-log", "--origin", origin, "--vkey", log]);
        let mut serve = run(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = serve.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("listening on ")
                .map(|(_, rest)| rest.split(' ').next().unwrap().to_owned())
        });
        // To the end, lest the pipe fills.
        std::thread::spawn(move || lines.for_each(drop));
        let spec = format!("{}+{key}", url.unwrap());
        Some(Independent { child, spec, key })
    }
}

impl Drop for Independent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_witness_of_others_cosigns_and_notices_a_fork() {
    let service = Service::start();
    let key = verifier_key(&service);
    let folder = tempfile::tempdir().unwrap();
    let Some(witness) = Independent::start(folder.path(), &key) else {
        eprintln!("left out: {OTHERS} needs Python 3.12 or later, and there is none");
        return;
    };
    let specs = [witness.spec.clone()];
    let service = with_witnesses(service.stop().0, &specs, &[]);
    let keys = [witness.key.clone()];
    for size in [3, 7, 300] {
        grow(&service, size - usize::try_from(service_size(&service)).unwrap());
        until("it is cosigned", || cosigned(&service, &keys) == (size as u64, 1));
    }
    let (stopped, _) = service.stop();
    let (data, backup) = (stopped.data(), stopped.folder().join("backup"));
    copy(&data, &backup);
    let service = stopped.start();
    grow(&service, 2);
    until("it is cosigned", || cosigned(&service, &keys).0 == 302);
    let (stopped, _) = service.stop();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    let service = stopped.start();
    until("the rollback is found", || outcomes(&service, "others.example/w", "ahead") > 0);
    grow(&service, 2);
    until("the fork is found", || outcomes(&service, "others.example/w", "inconsistent") > 0);
    assert_eq!(cosigned(&service, &keys).0, 300);
}
