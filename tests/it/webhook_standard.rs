//! Webhooks, as other people's programs read them: the libraries of Standard Webhooks, and a TLS server
//! with a certificate of its own authority. The receivers are those that `docs/webhooks.md` prints.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::support::gateway::{block, free_address};
use crate::support::{DEADLINE, Receiver, Service, node_with, python_with, until};
use crate::webhooks::{service, shown, webhook};

/// The versions that were read.
const PYTHON: &str = "standardwebhooks==1.1.0";
const NODE: &str = "standardwebhooks@1.1.1";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A program that prints a line for each message. It is killed when this is dropped.
pub(crate) struct Printing {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Printing {
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> Printing {
        command.env("WEBHOOK_SECRET", SECRET).env("PORT", address.port().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        until("the receiver listens", || TcpStream::connect(address).is_ok());
        Printing { child, lines }
    }

    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).unwrap()
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a webhook with the secret that the receivers are given.
fn webhook_to(service: &Service, url: &str) -> String {
    let body = json!({"url": url, "events": ["created", "revoked"], "secret": SECRET});
    let made = service.client("owner").send(&format!("POST /v1/webhooks {body}"));
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["webhook"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_receivers_of_the_guide_take_what_is_sent() {
    let service = service();
    let owner = service.client("owner");
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, kind: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, block("docs/webhooks.md", kind)).unwrap();
        path
    };
    let (first, second) = (free_address(), free_address());
    let mut python = Command::new(python_with(PYTHON));
    let python = Printing::start(python.arg(script("receiver.py", "python")), first);
    let home = node_with(NODE);
    // Node looks for packages from where the script is.
    let path = home.join("receiver.js");
    std::fs::copy(script("receiver.js", "javascript"), &path).unwrap();
    let node = Printing::start(Command::new("node").arg(&path), second);
    let ids = [first, second].map(|address| webhook_to(&service, &format!("http://{address}/")));
    let (key, _) = owner.create(r#"{"name":"Zoë \"k\" 👩"}"#);
    owner.send(&format!("POST /v1/keys/{key}/revoke"));
    for receiver in [&python, &node] {
        assert_eq!([receiver.line(), receiver.line()], ["created 0", "revoked 1"]);
    }
    for id in &ids {
        until("it was delivered", || shown(&owner, id)["next_seq"] == 2);
        assert_eq!(shown(&owner, id)["status"], "active");
    }
}

/// Verifies messages, as they were messages and altered: prints what the library says of each.
const VERIFY: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
received = json.load(sys.stdin)
def verdict(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
        return "good"
    except WebhookVerificationError:
        return "bad"
secret, body, headers = received["secret"], received["body"], received["headers"]
print(verdict(secret, body, headers))
print(verdict(secret, body.replace("created", "revoked", 1), headers))
print(verdict(secret, body + " ", headers))
print(verdict("whsec_" + "A" * 32, body, headers))
for name, value in [("webhook-id", "x"), ("webhook-timestamp", str(int(headers["webhook-timestamp"]) + 1))]:
    print(verdict(secret, body, {**headers, name: value}))
"#;

#[test]
fn the_reference_library_refuses_what_was_altered() {
    use std::io::Write as _;

    let (service, receiver) = (service(), Receiver::start());
    let owner = service.client("owner");
    let (_, secret) = webhook(&owner, &receiver.url(), &["created"]);
    owner.create(r#"{"name":"k"}"#);
    let messages = receiver.wait_for(1).remove(0);
    let input = json!({"secret": secret, "body": messages.body, "headers": messages.headers});
    let mut command = Command::new(python_with(PYTHON));
    command.args(["-c", VERIFY]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verdicts.lines().collect::<Vec<_>>(), ["good", "bad", "bad", "bad", "bad", "bad"]);
}

/// An HTTPS server by Python's own library, which prints the path of each request.
const TLS_SERVER: &str = r#"
import http.server, os, ssl, sys
class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        print(self.path, self.headers["host"], flush=True)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// A certificate authority, and by it a certificate for `name`.
pub(crate) fn certificates(folder: &Path, name: &str) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output();
        let output = output.expect("these tests need openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let ca = ["-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key"];
    let ca_extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-out", "ca.pem"];
    openssl(&[&new[..], &ca, &ca_extensions].concat());
    let subject = format!("/CN={name}");
    openssl(&[&new[..], &["-subj", &subject, "-keyout", "tls.key", "-out", "tls.csr"]].concat());
    std::fs::write(folder.join("names"), format!("subjectAltName=DNS:{name}\n")).unwrap();
    let sign =
        ["x509", "-req", "-in", "tls.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2"];
    openssl(&[&sign[..], &["-CAcreateserial", "-extfile", "names", "-out", "tls.pem"]].concat());
}

#[test]
fn a_receiver_has_to_prove_who_it_is() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), "localhost");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let address = free_address();
    let mut python = Command::new("python3");
    python.args(["-c", TLS_SERVER, &path("tls.pem"), &path("tls.key")]);
    let server = Printing::start(&mut python, address);
    let (by_name, by_address) =
        (format!("https://localhost:{}/a?b=c", address.port()), format!("https://{address}/"));
    let allow = ["--webhook-allow", "127.0.0.0/8,::1"];

    let believing = Service::with(&[&allow[..], &["--webhook-ca", &path("ca.pem")]].concat());
    let taken = webhook_to(&believing, &by_name);
    let misnamed = webhook_to(&believing, &by_address);
    let doubting = Service::with(&allow);
    let unknown = webhook_to(&doubting, &by_name);
    for service in [&believing, &doubting] {
        service.client("owner").create(r#"{"name":"k"}"#);
    }
    assert_eq!(server.line(), format!("/a?b=c localhost:{}", address.port()));
    let outcome = |service: &Service, id: &str| {
        let owner = service.client("owner");
        until("there was an attempt", || shown(&owner, id)["last_delivery"] != Value::Null);
        shown(&owner, id)["last_delivery"]["outcome"].clone()
    };
    assert_eq!(outcome(&believing, &taken), "delivered");
    assert_eq!(outcome(&believing, &misnamed), "untrusted");
    assert_eq!(outcome(&doubting, &unknown), "untrusted");

    let refused = crate::support::keyledger(&["serve", "--listen", "127.0.0.1:0"]);
    let refused = refused.data(&folder.path().join("data")).argument("--webhook-ca");
    refused.argument(path("names")).run().says(1, &["--webhook-ca", "names"]);
    assert!(!folder.path().join("data").exists());
}
