//! Audit sinks: all that is recorded arrives in files, at syslog servers and at URLs, from the first event on.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::gateway::free_address;
use crate::support::{Service, keyledger, until, write_secret};
use crate::webhook_standard::{Printing, certificates};

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last line may be under way.
    text.split_inclusive('\n')
        .filter_map(|line| Some(line.strip_suffix('\n')?.to_owned()))
        .collect()
}

fn seq(line: &str) -> u64 {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    event["seq"].as_u64().unwrap()
}

#[test]
fn a_file_has_every_event_through_rotations_and_kills() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rotated) = (folder.path().join("audit"), folder.path().join("audit.1"));
    let service = Service::start();
    service.client("owner").create(r#"{"name":"before"}"#);
    let (stopped, _) = service.stop();
    let option = format!("--audit-sink=file:{}", path.display());
    let service = stopped.with(&option).start();
    let owner = service.client("owner");
    service.client_of("other", "owner").create(r#"{"name":"k"}"#);
    owner.create(r#"{"name":"k"}"#);
    until("all are there", || lines(&path).len() == 3);
    let admin = service.client("admin");
    for (line, at) in lines(&path).iter().zip(0..) {
        let mut event: Value = serde_json::from_str(line).unwrap();
        let receipt = event.as_object_mut().unwrap().remove("receipt").unwrap();
        assert!(receipt.as_str().unwrap().contains(&format!("index {at}\n")), "{receipt}");
        assert_eq!(event, admin.send(&format!("GET /v1/events/{at}")).json());
    }
    let metrics = admin.send("GET /metrics").text;
    assert!(metrics.contains("keyledger_audit_sinks 1\n"), "{metrics}");
    std::fs::rename(&path, &rotated).unwrap();
    owner.create(r#"{"name":"k"}"#);
    until("there is a new file", || lines(&path).len() == 1);
    let service = service.kill().start();
    service.client("owner").create(r#"{"name":"k"}"#);
    let all = || [lines(&rotated), lines(&path)].concat();
    until("the last is there", || all().last().is_some_and(|line| seq(line) == 4));
    let seqs: Vec<u64> = all().iter().map(|line| seq(line)).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    assert_eq!(seqs.iter().copied().collect::<BTreeSet<_>>(), (0..5).collect());
}

/// A disk that takes nothing stops no change, and nothing is left out.
#[test]
fn a_file_that_cannot_be_written_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later/audit");
    let service = Service::with(&[&format!("--audit-sink=file:{}", path.display())]);
    let owner = service.client("owner");
    owner.create(r#"{"name":"k"}"#);
    let retrying = "keyledger_audit_sinks_retrying 1\n";
    until("it fails", || owner.send("GET /metrics").text.contains(retrying));
    owner.create(r#"{"name":"k"}"#);
    std::fs::create_dir(folder.path().join("later")).unwrap();
    until("both are there", || lines(&path).len() == 2);
    let (_, log) = service.stop();
    assert!(log.contains("a receiver takes nothing") && log.contains("unwritable"), "{log}");
}

#[test]
fn events_are_written_in_the_words_of_collectors() {
    let folder = tempfile::tempdir().unwrap();
    let (ocsf, cef) = (folder.path().join("ocsf"), folder.path().join("cef"));
    let option =
        |path: &Path, format: &str| format!("--audit-sink=file:{}?format={format}", path.display());
    let service = Service::with(&[&option(&ocsf, "ocsf"), &option(&cef, "cef")]);
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    let reason = json!({"reason": r"a=b | c\d", "reason_code": "unused"});
    owner.send(&format!("POST /v1/keys/{id}/revoke {reason}"));
    until("all are there", || lines(&ocsf).len() == 2 && lines(&cef).len() == 2);
    let events: Vec<Value> =
        lines(&ocsf).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (event, (activity, seq)) in events.iter().zip([(1, 0), (4, 1)]) {
        assert_eq!(event["class_uid"], 3004);
        assert_eq!(event["category_uid"], 3);
        assert_eq!(event["activity_id"], activity);
        assert_eq!(event["type_uid"], 300_400 + activity);
        assert_eq!(event["metadata"]["sequence"], seq);
        assert_eq!(event["entity"]["uid"], id.as_str());
    }
    let [made, revoked] = <[String; 2]>::try_from(lines(&cef)).unwrap();
    assert!(made.starts_with("CEF:0|keyledger|keyledger|"), "{made}");
    assert!(made.contains("|created|API key created|3|rt="), "{made}");
    assert!(
        made.contains(" externalId=0 act=created suser=owner-of-test src=127.0.0.1 "),
        "{made}"
    );
    assert!(
        revoked.contains(r" reason=unused msg=a\=b | c\\d cs1Label=account cs1=acme "),
        "{revoked}"
    );
}

const DAY: u64 = 86_400;
/// The row's moment comes so long after the key was made.
const SOON: u64 = 10;

/// Reminders are sent in each format, those of all accounts, once each, over a kill too.
#[test]
fn keys_are_reminded_of_in_the_words_of_collectors() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["ndjson", "ocsf", "cef"].map(|format| folder.path().join(format));
    let options = paths.each_ref().map(|path| {
        let (path, format) = (path.display(), path.file_name().unwrap().display());
        format!("--audit-sink=file:{path}?format={format}")
    });
    let service = Service::with(&options.each_ref().map(String::as_str));
    let reminders = || {
        paths.each_ref().map(|path| {
            let mut lines = lines(path);
            let words = ["\"type\":\"expiring\"", "\"Expiring\"", "|expiring|"];
            lines.retain(|line| words.iter().any(|word| line.contains(word)));
            lines
        })
    };
    let all_are = |count: usize| {
        until("all are there", || reminders().iter().all(|lines| lines.len() >= count));
        reminders()
    };
    let key = |client: &crate::support::Client, ttl_s: u64| {
        client.create(&json!({"name": "k", "ttl_s": ttl_s}).to_string()).0
    };
    let owner = service.client("owner");
    let week = key(&owner, 7 * DAY + SOON);
    key(&owner, 3 * DAY);
    // A start looks at once; else it may be a minute before it does.
    let service = service.kill().start();
    all_are(1);
    let day = key(&service.client_of("other", "owner"), DAY + SOON);
    let service = service.kill().start();
    let [ndjson, ocsf, cef] = all_are(2);
    let (stopped, log) = service.stop();
    assert_eq!(log, "");
    drop(stopped);
    assert_eq!(reminders().each_ref().map(Vec::len), [2, 2, 2]);

    let json = |lines: &[String]| -> Vec<Value> {
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (ndjson, ocsf) = (json(&ndjson), json(&ocsf));
    let rows = [(&week, 7, "acme"), (&day, 1, "other")];
    for (((id, days, account), plain), (event, line)) in
        rows.iter().zip(&ndjson).zip(ocsf.iter().zip(&cef))
    {
        let ends = &plain["expires_at"];
        assert_eq!((&plain["key"]["id"], &plain["days"]), (&json!(id), &json!(days)));
        assert_eq!((&event["class_uid"], &event["type_uid"]), (&json!(3004), &json!(300_499)));
        assert_eq!(event["activity_name"], "Expiring");
        assert_eq!(event["metadata"]["tenant_uid"], *account);
        assert_eq!(event["entity"], json!({"type": "API key", "uid": id, "version": "1"}));
        let unmapped = json!({"owner": plain["key"]["owner"], "days": days, "expires_at": ends});
        assert_eq!(event["unmapped"], unmapped);
        // What names it is what a webhook would name it by.
        let name = event["metadata"]["uid"].as_str().unwrap();
        assert!(name.contains(&format!("_expiring_{id}_")), "{name}");
        assert!(line.contains("|expiring|API key expiring|3|rt="), "{line}");
        let words = [
            format!(" externalId={name} act=expiring duser=owner-of-test "),
            format!(
                " cs1Label=account cs1={account} cs2Label=keyId cs2={id} cn1Label=revision cn1=1 "
            ),
            " deviceCustomDate1Label=expiresAt deviceCustomDate1=1".to_owned(),
        ];
        assert!(words.iter().all(|word| line.contains(word.as_str())), "{line}");
        assert!(line.ends_with(&format!(" cn2Label=days cn2={days}")), "{line}");
    }
}

/// A syslog server over TLS by Python's own library: prints each message, told from the next by its length.
const SYSLOG_SERVER: &str = r#"
import os, socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    connection, _ = listener.accept()
    try:
        stream = context.wrap_socket(connection, server_side=True).makefile("rb")
        while True:
            length = b""
            while not length.endswith(b" "):
                length += stream.read(1) or sys.exit("the end of the connection")
            print(stream.read(int(length)).decode(), flush=True)
    except (OSError, SystemExit):
        pass
"#;

/// A path of a file as an option has it.
fn text(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_syslog_server_gets_messages_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), "localhost");
    let path = |name: &str| text(folder.path(), name);
    let address = free_address();
    let mut python = Command::new("python3");
    python.args(["-c", SYSLOG_SERVER, &path("tls.pem"), &path("tls.key")]);
    let server = Printing::start(&mut python, address);
    let sink = format!("--audit-sink=syslog+tls://localhost:{}?format=cef", address.port());
    let service = Service::with(&[&sink, "--audit-sink-ca", &path("ca.pem")]);
    let owner = service.client("owner");
    for seq in 0..3 {
        owner.create(r#"{"name":"k"}"#);
        let line = server.line();
        let (head, message) = line.split_once('\u{feff}').unwrap();
        assert!(head.starts_with("<109>1 20"), "{head}");
        let end = format!(" keyledger - created [meta sequenceId=\"{}\"] ", seq + 1);
        assert!(head.ends_with(&end), "{head}");
        assert!(message.starts_with("CEF:0|") && message.contains(&format!(" externalId={seq} ")));
    }
    // The server is gone, and comes back.
    drop(server);
    owner.create(r#"{"name":"k"}"#);
    let retrying = "keyledger_audit_sinks_retrying 1\n";
    until("it is missed", || owner.send("GET /metrics").text.contains(retrying));
    let server = Printing::start(&mut python, address);
    assert!(server.line().contains(" externalId=3 "));
}

/// An HTTPS server that takes nothing the first time.
const COLLECTOR: &str = r#"
import http.server, json, os, ssl, sys
answers = [503]
class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        status = answers.pop() if answers else 200
        if status == 200:
            for line in body.splitlines():
                seq = json.loads(line)["seq"]
                print(self.path, self.headers["authorization"], self.headers["content-type"], seq, flush=True)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Collector)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

#[test]
fn a_url_gets_lines_and_its_authorization() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), "localhost");
    let path = |name: &str| text(folder.path(), name);
    write_secret(&folder.path().join("authorization"), "Splunk open-sesame\n");
    let address = free_address();
    let mut python = Command::new("python3");
    python.args(["-c", COLLECTOR, &path("tls.pem"), &path("tls.key")]);
    let server = Printing::start(&mut python, address);
    let sink = format!("--audit-sink=https://localhost:{}/in?a=b&format=ndjson", address.port());
    let authorization = path("authorization");
    let options =
        ["--audit-sink-ca", &path("ca.pem"), "--audit-sink-authorization-file", &authorization];
    let service = Service::with(&[&[sink.as_str()][..], &options].concat());
    let owner = service.client("owner");
    owner.create(r#"{"name":"k"}"#);
    owner.create(r#"{"name":"k"}"#);
    for seq in 0..2 {
        let expected = format!("/in?a=b Splunk open-sesame application/x-ndjson {seq}");
        assert_eq!(server.line(), expected);
    }
    let (_, log) = service.stop();
    assert!(!log.contains("sesame") && !log.contains("/in"), "{log}");
}

#[test]
fn a_sink_that_is_wrong_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = |options: &[&str]| {
        keyledger(&["serve", "--listen", "127.0.0.1:0"]).data(&data).with(options).run()
    };
    for wrong in ["ftp://a.example/", "http://a.example/", "file:", "file:x?format=xml"] {
        let ended = serve(&["--audit-sink", wrong]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains("file:PATH"), "{ended:?}");
    }
    let twice = ["--audit-sink", "file:x", "--audit-sink", "file:x"];
    serve(&twice).says(1, &["named twice"]);
    let missing = ["--audit-sink-authorization-file", "/no/such/file"];
    serve(&missing).says(1, &["/no/such/file"]);
    assert!(!data.exists());
}
