//! A tenant follows its own keys, and hears of what it did not do.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::auth::hmac_sha256;
use crate::support::{
    Answers, Client, Ended, Import, Program, Receiver, Service, keyledger, until, wait,
    write_secret,
};

/// A watch on account `acme`: its files, and the token it has.
pub(crate) struct Watch {
    folder: PathBuf,
    token: String,
}

impl Watch {
    pub(crate) fn of(service: &Service) -> Watch {
        Watch { folder: service.folder().to_owned(), token: service.token("acme", "owner") }
    }

    pub(crate) fn with_token(&self, token: &str) -> Watch {
        Watch { folder: self.folder.clone(), token: token.to_owned() }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("watched")
    }

    /// The file of acknowledgements.
    pub(crate) fn own(&self) -> PathBuf {
        self.folder.join("own.ndjson")
    }

    /// Without `--once`.
    fn program(&self, url: &str, more: &[&str]) -> Program {
        keyledger(&["audit", "watch", "--account", "acme", "--json", "--url", url])
            .argument("--state")
            .argument(self.state())
            .argument("--acknowledge")
            .argument(self.own())
            .with(if more.contains(&"--grace") { &[] } else { &["--grace", "0s"] })
            .with(more)
            .env("KEYLEDGER_TOKEN", &self.token)
    }

    pub(crate) fn once(&self, url: &str, more: &[&str]) -> Ended {
        self.program(url, more).argument("--once").run()
    }

    /// Looks once, and has a good end: its alarms.
    pub(crate) fn alarms(&self, url: &str, more: &[&str]) -> Vec<Value> {
        let ended = self.once(url, more);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        alarms(&ended)
    }

    /// Acknowledges what an answer says.
    pub(crate) fn acknowledge(&self, answer: &str) {
        let program = keyledger(&["audit", "acknowledge", "--file"]).argument(self.own());
        program.input(answer).good();
    }

    fn stored(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.state()).unwrap()).unwrap()
    }
}

/// The alarms on stdout.
pub(crate) fn alarms(ended: &Ended) -> Vec<Value> {
    let lines = ended.out.lines().filter(|line| line.starts_with("{\"account\""));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn kinds(alarms: &[Value]) -> Vec<&str> {
    alarms.iter().map(|alarm| alarm["alarm"].as_str().unwrap()).collect()
}

fn make(client: &Client, body: &str) -> (String, String) {
    let answer = client.send(&format!("POST /v1/keys {body}"));
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.json()["key"]["id"].as_str().unwrap().to_owned();
    (id, answer.text)
}

#[test]
fn what_the_owner_says_it_did_raises_nothing() {
    let service = Service::start();
    let (owner, watch) = (service.client("owner"), Watch::of(&service));
    let (first, _) = make(&owner, r#"{"name":"before the watch"}"#);
    let (short, _) = make(&owner, r#"{"name":"short","ttl_s":1}"#);
    assert_eq!(watch.alarms(&service.url(), &[]), Vec::<Value>::new());

    // The answers themselves, also with a secret in one.
    let (second, answer) = make(&owner, r#"{"name":"second"}"#);
    watch.acknowledge(&answer);
    let changed = owner.send(&format!("POST /v1/keys/{second}/disable"));
    let rotated = owner.send(&format!("POST /v1/keys/{first}/rotate {{\"overlap_s\":60}}"));
    watch.acknowledge(&format!("{}\n{}", changed.text, rotated.text));
    let own = std::fs::read_to_string(watch.own()).unwrap();
    assert!(!own.contains("kl_live_") && own.lines().count() == 3, "{own}");
    // A request, by the id that its sender gave it; and an event, by its place.
    let of_request = format!("PATCH /v1/keys/{second} {{\"name\":\"other\"}}");
    assert_eq!(owner.send_with(&of_request, &[("x-request-id", "deploy-7")]).status, 200);
    let named =
        owner.send(&format!("POST /v1/keys/{second}/enable")).json()["event"]["seq"].clone();
    let acknowledge = keyledger(&["audit", "acknowledge", "--request-id", "deploy-7", "--seq"]);
    acknowledge.argument(named.to_string()).argument("--file").argument(watch.own()).good();
    // A key that ends itself.
    let (_, answer) = make(&owner, r#"{"name":"ends itself"}"#);
    watch.acknowledge(&answer);
    assert_eq!(watch.alarms(&service.url(), &[]), Vec::<Value>::new());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let itself = service.client_with(answer["secret"].as_str());
    let ended = itself.send("POST /v1/self/revoke");
    watch.acknowledge(&ended.text);
    // And a subject; the end of a key's time follows from what it was given.
    let deployer = service.token_of("acme", "deployer", "owner");
    make(&service.client_with(Some(&deployer)), r#"{"name":"by the deployer"}"#);
    until("the end is recorded", || {
        owner.send(&format!("GET /v1/keys/{short}/history")).text.contains("\"expired\"")
    });
    assert_eq!(watch.alarms(&service.url(), &["--by", "deployer"]), Vec::<Value>::new());
    let stored = watch.stored();
    assert_eq!((&stored["keys_made"], &stored["waiting"]), (&json!(6), &json!([])), "{stored}");
}

#[test]
fn what_it_did_not_do_is_told_by_hook_and_webhook() {
    let service = Service::start();
    let (owner, watch) = (service.client("owner"), Watch::of(&service));
    let (id, _) = make(&owner, r#"{"name":"k"}"#);
    let (by_program, environment) =
        (service.folder().join("alarms"), service.folder().join("environment"));
    let (by_program, environment) = (by_program.to_str().unwrap(), environment.to_str().unwrap());
    let secret = service.folder().join("secret");
    let key = [7; 32];
    write_secret(&secret, &format!("whsec_{}\n", STANDARD.encode(key)));
    let receiver = Receiver::start();
    let script = "cat >> \"$0\"; echo \"$*\" > \"$1\"; env >> \"$1\"";
    let url = receiver.url();
    let to = [
        ["--hook", "/bin/sh", "--hook-argument", "-c"],
        ["--hook-argument", script, "--hook-argument", by_program],
        ["--hook-argument", environment, "--webhook", &url],
    ];
    let to = [&to.concat()[..], &["--webhook-secret-file", secret.to_str().unwrap()]].concat();
    assert_eq!(watch.alarms(&service.url(), &to), Vec::<Value>::new());

    // The operator ends a key, and another owner of the account makes one.
    let admin = service.client("admin");
    admin.send(&format!("POST /v1/keys/{id}/revoke {{\"reason\":\"unpaid\"}}"));
    make(
        &service.client_with(Some(&service.token_of("acme", "mallory", "owner"))),
        r#"{"name":"m"}"#,
    );
    let alarms = watch.alarms(&service.url(), &to);
    assert_eq!(kinds(&alarms), ["unacknowledged"; 2]);
    let event = owner.send("GET /v1/events/1").json();
    assert_eq!((&alarms[0]["event"], &alarms[0]["key_id"]), (&event, &json!(id)));
    assert!(alarms[0]["detail"].as_str().unwrap().contains("of account `*`"), "{alarms:?}");
    let by_hook: Vec<Value> = std::fs::read_to_string(by_program)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(by_hook, alarms);
    let environment = std::fs::read_to_string(environment).unwrap();
    assert!(!environment.contains("KEYLEDGER") && !environment.contains(&watch.token));
    let posts = receiver.wait_for(2);
    for (post, alarm) in posts.iter().zip(&alarms) {
        assert_eq!((post.json(), post.id()), (alarm.clone(), alarm["id"].as_str().unwrap()));
        let stamp = &post.headers["webhook-timestamp"];
        let signed = format!("{}.{stamp}.{}", post.id(), post.body);
        let mac = STANDARD.encode(hmac_sha256(&key, signed.as_bytes()));
        assert_eq!(post.headers["webhook-signature"], format!("v1,{mac}"));
    }
    // Once.
    assert_eq!(watch.alarms(&service.url(), &to), Vec::<Value>::new());
    assert_eq!(receiver.received().len(), 2);
}

#[test]
fn an_acknowledgement_may_come_later_for_a_while() {
    let service = Service::start();
    let (owner, watch) = (service.client("owner"), Watch::of(&service));
    watch.alarms(&service.url(), &[]);
    let (_, answer) = make(&owner, r#"{"name":"late"}"#);
    make(&owner, r#"{"name":"never"}"#);
    let grace = ["--grace", "1d"];
    assert_eq!(watch.alarms(&service.url(), &grace), Vec::<Value>::new());
    assert_eq!(watch.stored()["waiting"].as_array().unwrap().len(), 2);
    watch.acknowledge(&answer);
    assert_eq!(watch.alarms(&service.url(), &grace), Vec::<Value>::new());
    assert_eq!(watch.stored()["waiting"].as_array().unwrap().len(), 1);
    let alarms = watch.alarms(&service.url(), &[]);
    assert_eq!(kinds(&alarms), ["unacknowledged"]);
    assert_eq!(alarms[0]["event"]["seq"], 1);
}

/// Whatever happens to a watch or to a receiver: an alarm gets through at least once.
#[test]
fn no_alarm_is_lost_with_a_process_or_a_receiver() {
    let service = Service::start();
    let (owner, watch) = (service.client("owner"), Watch::of(&service));
    watch.alarms(&service.url(), &[]);
    make(&owner, r#"{"name":"k"}"#);
    let failed = watch.once(&service.url(), &["--hook", "/bin/false"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("the hook `/bin/false` ended with"), "{failed:?}");
    let slow = ["--hook", "/bin/sleep", "--hook-argument", "60", "--hook-timeout", "1s"];
    let slow = watch.once(&service.url(), &slow);
    assert!(slow.code == Some(1) && slow.err.contains("longer than 1 s"), "{slow:?}");

    let secret = service.folder().join("secret");
    write_secret(&secret, &format!("whsec_{}", STANDARD.encode([7; 32])));
    let receiver = Receiver::that(Answers::Never);
    let url = receiver.url();
    let to = ["--webhook", &url, "--webhook-secret-file", secret.to_str().unwrap()];
    let mut child = watch.program(&service.url(), &to).spawn();
    receiver.wait_for(1);
    // `kill -9`, while nobody knows whether the receiver took it.
    child.kill().unwrap();
    wait(child);
    receiver.answers(Answers::With(204));
    make(&owner, r#"{"name":"another"}"#);
    let ended = watch.once(&service.url(), &to);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let alarms = alarms(&ended);
    assert_eq!(kinds(&alarms), ["unacknowledged"; 2]);
    let posts = receiver.wait_for(3);
    assert_eq!(posts[0].id(), posts[1].id());
    assert_eq!(posts[1].json()["event"]["seq"], 0);
    assert_eq!(posts[2].json()["event"]["seq"], 1);
}

#[test]
fn a_watch_goes_on_and_follows() {
    let service = Service::start();
    let (owner, watch) = (service.client("owner"), Watch::of(&service));
    let receiver = Receiver::start();
    let secret = service.folder().join("secret");
    write_secret(&secret, &format!("whsec_{}", STANDARD.encode([7; 32])));
    let url = receiver.url();
    let to =
        ["--webhook", &url, "--webhook-secret-file", secret.to_str().unwrap(), "--every", "1s"];
    let mut child = watch.program(&service.url(), &to).spawn();
    until("the first look is over", || Path::new(&watch.state()).exists());
    for seq in 0..2 {
        make(&owner, r#"{"name":"k"}"#);
        let posts = receiver.wait_for(seq + 1);
        assert_eq!(posts[seq].json()["event"]["seq"], seq);
    }
    // Two watches would take each other's places.
    let second = watch.once(&service.url(), &[]);
    assert!(second.code == Some(2) && second.err.contains("another watch"), "{second:?}");
    child.kill().unwrap();
    wait(child);
}

#[test]
fn ten_thousand_events_are_followed_in_one_go() {
    const KEYS: u64 = 10_000;
    let service = Service::start();
    let watch = Watch::of(&service);
    watch.alarms(&service.url(), &[]);
    let mut import = Import::open(&service, &service.token("acme", "owner"), "");
    let lines: Vec<String> = (0..KEYS)
        .map(|n| format!("{{\"name\":\"k{n}\",\"import\":{{\"secret\":\"secret-number-{n}\"}}}}\n"))
        .collect();
    for lines in lines.chunks(1_000) {
        import.send(&lines.concat());
    }
    import.end();
    while import.line().get("summary").is_none() {}
    assert_eq!(watch.alarms(&service.url(), &["--by", "owner-of-test"]), Vec::<Value>::new());
    let stored = watch.stored();
    assert_eq!((&stored["keys_made"], &stored["next"]), (&json!(KEYS), &json!(KEYS)));
}

#[test]
fn a_token_sees_its_own_account_and_an_ended_one_nothing() {
    let service = Service::start();
    let watch = Watch::of(&service);
    let stranger = service.client_of("other", "owner");
    make(&stranger, r#"{"name":"theirs"}"#);
    for (account, role) in [("other", "owner"), ("acme", "user"), ("acme", "verifier")] {
        let refused = watch.with_token(&service.token(account, role)).once(&service.url(), &[]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("forbidden") && !watch.state().exists(), "{refused:?}");
    }
    let owner = service.client("owner");
    let made = owner.send(r#"POST /v1/tokens {"subject":"w","role":"owner","ttl_s":600}"#).json();
    let token = made["secret"].as_str().unwrap();
    let mortal = watch.with_token(token);
    assert_eq!(mortal.alarms(&service.url(), &[]), Vec::<Value>::new());
    // Another tenant's events are neither shown nor needed.
    make(&stranger, r#"{"name":"theirs"}"#);
    make(&owner, r#"{"name":"ours"}"#);
    let alarms_of_two = mortal.alarms(&service.url(), &[]);
    assert_eq!(kinds(&alarms_of_two), ["unacknowledged"]);
    let stored = std::fs::read_to_string(watch.state()).unwrap();
    assert!(!stored.contains("theirs") && !stored.contains("other"), "{stored}");

    let jti = made["token"]["jti"].as_str().unwrap();
    assert_eq!(owner.send(&format!("DELETE /v1/tokens/{jti}")).status, 200);
    for times in [1, 0] {
        let ended = mortal.once(&service.url(), &[]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(kinds(&alarms(&ended)), vec!["refused"; times], "{ended:?}");
        assert!(!ended.out.contains(token) && !ended.err.contains(token), "{ended:?}");
    }
    // A state is of one account.
    let other = keyledger(&["audit", "watch", "--account", "other", "--once", "--state"]);
    let other = other.argument(watch.state()).env("KEYLEDGER_TOKEN", stranger.token().unwrap());
    other.env("KEYLEDGER_URL", &service.url()).run().says(2, &["of the account `acme`"]);
}
