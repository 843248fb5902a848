//! The command line: what it prints, and the number it ends with.

use serde_json::Value;

use crate::support::{Program, Service, keyledger};

/// The program as the client of a service.
fn at(service: &Service, token: &str, arguments: &[&str]) -> Program {
    keyledger(arguments).env("KEYLEDGER_URL", &service.url()).env("KEYLEDGER_TOKEN", token)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_first_line_is_for_machines() {
    let service = Service::start();
    let expected = format!(
        "keyledger ready listen={} data={} log_size=0 pid=",
        service.address(),
        service.data().display()
    );
    assert!(service.ready.starts_with(&expected), "{}", service.ready);
    let (stopped, log) = service.stop();
    assert_eq!(log, "");
    stopped.is_in_order();
}

#[test]
fn the_token_key_is_made_once_and_only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let service = Service::start();
    let path = service.data().join("token.key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let line = std::fs::read(&path).unwrap();
    let token = service.token("acme", "owner");
    let service = service.restart();
    assert_eq!(std::fs::read(&path).unwrap(), line);
    assert_eq!(service.client_with(Some(&token)).send("GET /v1/keys").status, 200);
}

#[test]
fn keys_live_and_die_by_the_command_line() {
    let service = Service::start();
    let token = service.token("acme", "owner");
    let run = |arguments: &[&str]| at(&service, &token, arguments).good();
    let made = run(&[
        "keys",
        "create",
        "--name",
        "ci",
        "--permission",
        "orders.read,jobs.*",
        "--metadata",
        "team=data",
        "--ttl",
        "1h",
    ]);
    let secret = made.lines().last().unwrap().to_owned();
    assert!(secret.starts_with("kl_live_"), "{made}");
    let listed = json(&run(&["keys", "list", "--json"]));
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["permissions"], serde_json::json!(["orders.read", "jobs.*"]));
    assert!(run(&["keys", "list"]).contains(&id));
    assert!(run(&["keys", "show", &id]).contains("ci"));
    assert_eq!(json(&run(&["keys", "show", &id, "--json"]))["metadata"]["team"], "data");

    let verify = |more: &[&str]| {
        let arguments = [&["keys", "verify", "-"], more].concat();
        let ended = at(&service, &token, &arguments).input(&format!("{secret}\n")).run();
        (ended.code, ended.out.lines().next().unwrap().to_owned())
    };
    assert_eq!(verify(&["--permission", "jobs.run"]), (Some(0), "VALID".into()));
    assert_eq!(verify(&["--permission", "a.b"]), (Some(1), "INSUFFICIENT_PERMISSIONS".into()));
    run(&["keys", "disable", &id, "--reason", "lunch"]);
    assert_eq!(verify(&[]), (Some(1), "DISABLED".into()));
    at(&service, &token, &["keys", "disable", &id]).run().says(1, &["already", "409"]);
    run(&["keys", "enable", &id, "--dry-run"]);
    run(&["keys", "enable", &id, "--if-match", "2"]);
    at(&service, &token, &["keys", "expire", &id, "--if-match", "2"]).run().says(1, &["412"]);
    let rotated = json(&run(&["keys", "rotate", &id, "--overlap", "1m", "--json"]));
    assert_eq!(rotated["key"]["replaces"], id.as_str());
    run(&["keys", "expire", &id]);
    run(&["keys", "revoke", &id, "--reason-code", "superseded"]);
    let history = run(&["keys", "history", &id]);
    assert_eq!(history.lines().count(), 7, "{history}");
    assert!(history.contains("lunch"));
    let events = run(&["events"]);
    assert_eq!(events.lines().count(), 7, "{events}");
}

#[test]
fn a_new_key_is_made_only_once_for_one_idempotency_key() {
    let service = Service::start();
    let token = service.token("acme", "owner");
    let arguments = ["keys", "create", "--name", "ci", "--idempotency-key", "x", "--json"];
    let twice = [(); 2].map(|()| json(&at(&service, &token, &arguments).good()));
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn lists_and_events_go_through_all_pages_or_up_to_the_limit() {
    let service = Service::start();
    let owner = service.client("owner");
    let token = service.token("acme", "owner");
    for _ in 0..520 {
        owner.create(r#"{"name":"k"}"#);
    }
    let run = |arguments: &[&str]| at(&service, &token, arguments).good();
    assert_eq!(json(&run(&["keys", "list", "--json"])).as_array().unwrap().len(), 520);
    assert_eq!(
        json(&run(&["keys", "list", "--json", "--limit", "7"])).as_array().unwrap().len(),
        7
    );
    assert_eq!(run(&["events"]).lines().count(), 521);
    assert_eq!(run(&["events", "--after", "509", "--format", "json"]).lines().count(), 10);
    assert_eq!(run(&["events", "--limit", "3", "--format", "csv"]).lines().count(), 4);
    assert_eq!(run(&["events", "--format", "csv"]).lines().count(), 521);
}

#[test]
fn events_are_followed_across_a_restart() {
    use std::io::{BufRead as _, BufReader};

    let service = Service::start();
    let address = service.address().to_string();
    let token = service.token("acme", "owner");
    service.client("owner").create(r#"{"name":"before"}"#);
    let arguments = ["events", "--follow", "--format", "json"];
    let mut child = at(&service, &token, &arguments).spawn();
    let out = child.stdout.take().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = sender.send(json(&line)["seq"].clone());
        }
    });
    let next = || receiver.recv_timeout(crate::support::DEADLINE).unwrap();
    assert_eq!(next(), 0);
    let (stopped, _) = service.stop();
    let service = stopped.start_at(&address);
    service.client("owner").create(r#"{"name":"after"}"#);
    assert_eq!(next(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_replayed_table_is_the_servers_table() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"a"}"#);
    owner.create(r#"{"name":"b","ttl_s":3600}"#);
    owner.send(&format!("POST /v1/keys/{id}/rotate"));
    owner.send(&format!("POST /v1/keys/{id}/revoke"));
    let token = service.token("*", "auditor");
    let (stopped, _) = service.stop();
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&stopped.data(), copy.path());
    let service = stopped.start();
    let digest = |query: &str| {
        let answer =
            service.client_with(Some(&token)).send(&format!("GET /v1/table-digest{query}"));
        answer.json()["digest"].as_str().unwrap().to_owned()
    };
    let replay = |arguments: &[&str]| keyledger(&["replay"]).data(copy.path()).with(arguments);
    let whole = replay(&["--url", &service.url(), "--token", &token]).good();
    assert!(whole.contains(&digest("")) && whole.contains("is the same"), "{whole}");
    let until = json(&replay(&["--until", "seq:1", "--json"]).good());
    assert_eq!((&until["log_size"], &until["digest"]), (&2.into(), &digest("?seq=1").into()));
    assert_eq!(until["keys"].as_array().unwrap().len(), 2);
    let time = owner_time(&service, 2);
    let until = json(&replay(&["--until", &time, "--json"]).good());
    assert_eq!(until["log_size"], 3, "{until}");
    replay(&["--until", "seq:99"]).run().says(1, &["the log has"]);
    // Another history has another digest.
    let other = Service::start();
    for _ in 0..5 {
        other.client("owner").create(r#"{"name":"a"}"#);
    }
    let theirs = other.token("*", "auditor");
    let differs = replay(&["--url", &other.url(), "--token", &theirs]).run();
    assert_eq!(differs.code, Some(1), "{differs:?}");
    let last = service.client("owner").all("/v1/events").len();
    assert_eq!(last, json(&replay(&["--json"]).good())["log_size"]);
}

fn owner_time(service: &Service, seq: u64) -> String {
    let event = service.client("owner").send(&format!("GET /v1/events/{seq}")).json();
    event["recorded_at"].as_str().unwrap().to_owned()
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

#[test]
fn a_check_counts_what_is_there() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"a"}"#);
    owner.send(&format!("POST /v1/keys/{id}/disable"));
    let (stopped, _) = service.stop();
    let report = json(&keyledger(&["fsck", "--json"]).data(&stopped.data()).good());
    assert_eq!(report["ok"], true);
    assert_eq!((&report["records"], &report["keys"]), (&2.into(), &1.into()), "{report}");
    assert_eq!(
        (&report["events"]["created"], &report["events"]["disabled"]),
        (&1.into(), &1.into())
    );
    let nowhere = tempfile::tempdir().unwrap();
    for command in ["fsck", "replay"] {
        let missing = nowhere.path().join("missing");
        keyledger(&[command]).data(&missing).run().says(1, &["no keyledger data directory"]);
        assert!(!missing.exists(), "{command} made it");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_an_unreachable_server_with_3() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    keyledger(&["keys", "list"]).run().says(2, &["KEYLEDGER_TOKEN"]);
    let with_token = |arguments: &[&str]| keyledger(arguments).env("KEYLEDGER_TOKEN", "t").run();
    for nothing in [&[][..], &["--reason", "x", "--if-match", "1", "--dry-run"]] {
        let update = [&["keys", "update", "some-id"], nothing].concat();
        with_token(&update).says(2, &["nothing to change", "--name"]);
    }
    with_token(&["keys", "list", "--url", "ftp://x"]).says(2, &["http://"]);
    with_token(&["keys", "list", "--url", &url]).says(3, &[&url, "serve"]);
    with_token(&["events", "--follow", "--url", &url]).says(3, &[&url]);
    for wrong in [
        &["serve", "--listen", "here"][..],
        &["serve", "--log-level", "loud"],
        &["serve", "--log-level", "server=debug"],
        &["serve", "--key-header", "Authorization"],
        &["serve", "--forwarded-header", "x-real-ip"],
        &["keys", "list", "--status", "gone"],
        &["keys"],
        &["nonsense"],
        &["token"],
    ] {
        assert_eq!(keyledger(wrong).run().code, Some(2), "{wrong:?}");
    }
    let nowhere = tempfile::tempdir().unwrap();
    let token = ["token", "--account", "acme", "--subject", "ann", "--role", "owner"];
    keyledger(&token).data(nowhere.path()).run().says(1, &["keyledger serve"]);
    let service = Service::start();
    at(&service, "nonsense", &["keys", "list"]).run().says(1, &["401"]);
    let bad = ["token", "--account", "", "--subject", "ann", "--role", "owner"];
    keyledger(&bad).data(&service.data()).run().says(2, &["--account"]);
}

#[test]
fn a_token_is_taken_from_a_file_and_never_shown() {
    let service = Service::start();
    let token = service.token("acme", "owner");
    let file = service.folder().join("token.jwt");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let out = keyledger(&["keys", "list", "--url", &service.url(), "--token-file"]).argument(&file);
    out.env("KEYLEDGER_TOKEN", "another one").good();
    let shown = keyledger(&["keys", "--help"]).env("KEYLEDGER_TOKEN", &token).good();
    let refused = at(&service, &token[..token.len() - 4], &["keys", "list"]).run();
    for text in [shown, refused.err] {
        assert!(!text.contains(&token[..20]), "{text}");
    }
}

#[test]
fn a_token_has_the_requested_claims() {
    use base64::Engine as _;

    let service = Service::start();
    let out = keyledger(&[
        "token",
        "--account",
        "acme",
        "--subject",
        "ann",
        "--role",
        "auditor",
        "--role",
        "verifier",
        "--plan",
        "team",
        "--ttl",
        "10m",
    ])
    .data(&service.data())
    .good();
    let part = out.lines().last().unwrap().split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["role"], serde_json::json!(["auditor", "verifier"]));
    assert_eq!(
        (&claims["sub"], &claims["account"], &claims["plan"]),
        (&"ann".into(), &"acme".into(), &"team".into())
    );
    let life = claims["exp"].as_f64().unwrap() - claims["iat"].as_f64().unwrap();
    assert!((599.0..=600.0).contains(&life), "{claims}");
}

#[test]
fn shells_get_completions_and_programs_the_document() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(keyledger(&["completions", shell]).good().contains("authorize-listen"), "{shell}");
    }
    // The words that an option takes are completed too.
    let script = keyledger(&["completions", "bash"]).good();
    for words in [
        "enabled disabled expired revoked",
        "live sandbox",
        "secret public",
        "created enabled disabled expired revoked",
        "compromised superseded",
        "owner user verifier auditor worker admin",
        "verifier auditor worker user owner admin",
        "covosign callcov cloudsigma capgo composable",
        "error warn info debug trace",
        "x-forwarded-for forwarded",
        "text json",
    ] {
        assert!(script.contains(words), "no {words:?}");
    }
    let service = Service::start();
    let served = service.client_with(None).send("GET /openapi.json").json();
    assert_eq!(json(&keyledger(&["openapi"]).good()), served);
    for command in ["serve", "token", "keys", "events", "replay", "worker", "fsck"] {
        assert!(keyledger(&[command, "--help"]).good().contains("Examples:"), "{command}");
    }
}

/// A server that answers each request with the same status and body.
fn answering(status: &'static str, body: &'static str) -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            // The head of the request, as far as one read has it, is all that these requests are.
            let _ = socket.read(&mut [0; 4096]);
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn a_hostile_server_cannot_steer_the_terminal() {
    // ESC, the CSI of one character, a turn of direction, a line of its own.
    const EVIL: &str = "x\\u001b[2J\\u009b2J\\u202ey\\nz\\u200b";
    let key = format!(
        r#"{{"id":"{EVIL}","name":"{EVIL}","{EVIL}":"{EVIL}","tags":["{EVIL}"],"reason":"{EVIL}"}}"#
    );
    let page: &str = format!(r#"{{"items":[{key}],"next_cursor":null}}"#).leak();
    let key: &str = key.leak();
    let problem = format!(r#"{{"code":"{EVIL}","detail":"{EVIL}"}}"#).leak();
    for (status, body, code, command) in [
        ("200 OK", page, 0, &["keys", "list"][..]),
        ("200 OK", page, 0, &["keys", "list", "--json"]),
        ("200 OK", key, 0, &["keys", "show", "1"]),
        ("200 OK", key, 0, &["keys", "show", "1", "--json"]),
        ("200 OK", page, 0, &["keys", "history", "1"]),
        ("200 OK", page, 0, &["events"]),
        ("200 OK", page, 0, &["events", "--format", "json"]),
        ("404 Not Found", problem, 1, &["keys", "show", "1"]),
        ("200 OK", "\u{1b}[2J", 1, &["keys", "show", "1"]),
    ] {
        let url = answering(status, body);
        let program = keyledger(command).with(&["--url", &url]).env("KEYLEDGER_TOKEN", "t");
        let ended = program.run();
        assert_eq!(ended.code, Some(code), "{command:?} {ended:?}");
        let printed = ended.out + &ended.err;
        let steers =
            |one: char| one != '\n' && (one.is_control() || matches!(one, '\u{202E}' | '\u{200B}'));
        assert!(!printed.contains(steers), "{command:?} {printed:?}");
        assert!(
            body.starts_with('\u{1b}') || printed.contains("u{202e}") || printed.contains("u202e")
        );
    }
}
