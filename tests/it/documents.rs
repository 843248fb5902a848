//! What the repository publishes is what the program does.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::{Client, Service, Tsa, keyledger, until};
use crate::webhooks::webhook;
use crate::witnesses::witnessed;

#[test]
fn the_published_openapi_document_is_the_programs() {
    let printed = keyledger(&["openapi"]).run().out;
    let published = include_str!("../../schemas/openapi.json");
    assert!(printed == published, "write it anew: cargo xtask schemas");
}

/// What the document says of a field is what its text, list or number is refused by.
#[test]
fn the_document_has_the_limits_of_the_table() {
    let document: Value = serde_json::from_str(include_str!("../../schemas/openapi.json")).unwrap();
    let limits: Value = serde_json::from_str(include_str!("../../schemas/limits.json")).unwrap();
    let schemas = &document["components"]["schemas"];
    let (texts, counts) = (&limits["texts"], &limits["counts"]);
    let texts_of = |schema: &str, fields: &[(&str, &str)]| {
        for (field, text) in fields {
            let shown = &schemas[schema]["properties"][field];
            let [least, most] = [0, 1].map(|n| texts[text]["characters"][n].as_u64());
            assert_eq!(shown["maxLength"].as_u64(), most, "{schema}.{field}");
            assert_eq!(shown["minLength"].as_u64().or(Some(0)), least, "{schema}.{field}");
        }
    };
    let of_both = [
        ("name", "name"),
        ("description", "description"),
        ("project", "project"),
        ("reason", "reason"),
    ];
    texts_of("CreateKey", &of_both);
    texts_of("RotateKey", &of_both);
    texts_of("CreateKey", &[("owner", "subject"), ("account", "account")]);
    texts_of("ImportSecret", &[("prefix", "imported_prefix"), ("source", "source")]);
    for (schema, text) in
        [("RoleName", "role"), ("Tag", "tag"), ("GrantedPermission", "permission")]
    {
        let most = texts[text]["characters"][1].as_u64();
        assert_eq!(schemas[schema]["maxLength"].as_u64(), most, "{schema}");
    }
    for field in ["permissions", "allowed_ips", "tags"] {
        let shown = schemas["CreateKey"]["properties"][field]["maxItems"].as_u64();
        assert_eq!(shown, counts[field].as_u64(), "{field}");
    }
    for (place, range) in [
        ("/RateLimit/properties/limit", "/numbers/rate_limit"),
        ("/RateLimit/properties/period_s", "/numbers/rate_limit_period_s"),
        ("/Quota/properties/limit", "/numbers/quota"),
        ("/RotateKey/properties/overlap_s", "/numbers/overlap_s"),
        ("/CreateKey/properties/ttl_s", "/of_requests/ttl_s"),
    ] {
        let (shown, range) = (schemas.pointer(place).unwrap(), limits.pointer(range).unwrap());
        assert_eq!(shown["minimum"].as_u64(), range[0].as_u64(), "{place}");
        assert_eq!(shown["maximum"].as_u64(), range[1].as_u64(), "{place}");
    }
}

/// README, Clients of other key APIs: each line works as it is printed.
#[test]
fn the_readmes_dialect_lines_work_as_printed() {
    let readme = include_str!("../../README.md");
    let service = Service::start();
    let client = service.paying("acme", "ann", "owner", "pro");
    let mut tried = Vec::new();
    for line in readme.lines().filter_map(|line| line.strip_prefix("| ")) {
        let Some((name, command)) = line.split_once(" | `curl ") else { continue };
        let (_, after) = command.split_once("$url").unwrap();
        let path = after.split([' ', '"']).next().unwrap();
        let step = match after.split_once("-d '").and_then(|(_, body)| body.split_once('\'')) {
            Some((body, _)) => format!("POST {path} {body}"),
            None => format!("GET {path}"),
        };
        assert!(command.contains("-H \"$auth\""), "{command}");
        let typed = command.contains("-H 'Content-Type: application/json'");
        assert_eq!(typed, step.starts_with("POST"), "{command}");
        let answer = client.send(&step);
        assert!(matches!(answer.status, 200 | 201), "{step}: {answer:?}");
        tried.push(name);
    }
    assert_eq!(tried, ["covosign", "callcov", "cloudsigma", "capgo", "composable"]);
    assert_eq!(client.all("/v1/events").len(), 5);
}

/// Every example of the document works as it is printed, with an id of a key that is there.
///
/// An operation is sent with what it requires, and then once more with each other parameter.
#[test]
fn every_example_of_the_document_works_as_printed() {
    let document: Value = serde_json::from_str(&keyledger(&["openapi"]).good()).unwrap();
    // With a witness and an authority, so that there is something that was cosigned and stamped.
    let folder = tempfile::tempdir().unwrap();
    let tsa = Tsa::start(folder.path());
    let ((service, _witnesses), mut sent) = (witnessed(1, &["--tsa", &tsa.url()]), 0);
    until("there is", || {
        service.client_with(None).send("GET /log/checkpoint/cosigned").status == 200
    });
    let examples = Examples::new(&service, &document);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let optional = parameters(operation).filter(|parameter| parameter["required"] != true);
            let named = optional.filter(|parameter| parameter.get("example").is_some());
            for with in std::iter::once(None).chain(named.map(Some)) {
                examples.send(&method.to_uppercase(), path, operation, with);
                sent += 1;
            }
        }
    }
    assert!(sent > 100, "{sent}");
}

/// What examples are sent to.
struct Examples<'a> {
    document: &'a Value,
    owner: Client,
    admin: Client,
    nobody: Client,
    /// The first key, which nothing changes: it was there as of `seq:0`.
    first: (String, String),
    /// How many persons there are.
    persons: AtomicUsize,
}

impl<'a> Examples<'a> {
    fn new(service: &Service, document: &'a Value) -> Examples<'a> {
        let owner = service.token_of("example", "ann", "owner");
        let owner = service.client_with(Some(&owner));
        let first = owner.create(&new_key(document));
        // So that there is something in the access journal.
        owner.send("GET /v1/events");
        let (admin, nobody) = (service.client("admin"), service.client_with(None));
        Examples { document, owner, admin, nobody, first, persons: AtomicUsize::new(0) }
    }

    /// As the owner of the key, or where that may not, as an admin of all accounts.
    fn send(&self, method: &str, path: &str, operation: &Value, with: Option<&Value>) {
        let id = operation["operationId"].as_str().unwrap();
        let by_key = operation["security"][0].get("key").is_some();
        let changes = method != "GET" && (path.contains("{id}") || by_key);
        let (key, secret) =
            if changes { self.owner.create(&new_key(self.document)) } else { self.first.clone() };
        if id == "enableKey" {
            self.owner.send(&format!("POST /v1/keys/{key}/disable"));
        }
        let (mut path, mut query, mut headers) = (path.to_owned(), Vec::new(), Vec::new());
        let required = parameters(operation).filter(|parameter| parameter["required"] == true);
        for parameter in required.chain(with) {
            let name = parameter["name"].as_str().unwrap();
            let value = match (name, &parameter["example"]) {
                ("id" | "key", _) => key.clone(),
                ("jti", _) => self.new_token("x"),
                ("subject", _) if parameter["in"] == "path" => self.new_person(id),
                ("webhook", _) => webhook(&self.owner, "https://hooks.invalid/", &["created"]).0,
                ("X-API-Key", _) => secret.clone(),
                ("If-Match", _) if id == "enableKey" => "\"2\"".to_owned(),
                (_, Value::String(text)) => text.clone(),
                (_, other) => other.to_string(),
            };
            match parameter["in"].as_str().unwrap() {
                "path" => path = path.replace(&format!("{{{name}}}"), &value),
                "query" if parameter["explode"] == true => {
                    let pairs = parameter["example"].as_object().unwrap().iter();
                    query.extend(
                        pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())),
                    );
                }
                "query" if parameter["example"].is_array() => {
                    let values = parameter["example"].as_array().unwrap().iter();
                    query.extend(values.map(|value| format!("{name}={}", value.as_str().unwrap())));
                }
                "query" => query.push(format!("{name}={value}")),
                _ => headers.push((name, value)),
            }
        }
        let body = operation.pointer("/requestBody/content/application~1json/example");
        let body = body.map_or_else(String::new, |body| format!(" {body}"));
        let body = body.replace(SECRET, &secret);
        let line = format!("{method} {path}?{}{body}", query.join("&"));
        let gateway = operation["security"][0].get("gateway").is_some();
        if gateway {
            headers.push(("X-Keyledger-Token", self.owner.token().unwrap().to_owned()));
            headers.push(("X-API-Key", secret.clone()));
        }
        if by_key {
            headers.push(("Authorization", format!("Bearer {secret}")));
        }
        let free = gateway
            || by_key
            || operation["security"][0].as_object().is_some_and(serde_json::Map::is_empty);
        let status = if free {
            status(&self.nobody, &line, &headers)
        } else {
            match status(&self.owner, &line, &headers) {
                403 => status(&self.admin, &line, &headers),
                other => other,
            }
        };
        assert!((200..300).contains(&status), "{id}: {status}: {line} {headers:?}");
    }

    /// The id of a token that is there.
    fn new_token(&self, subject: &str) -> String {
        let body = format!(r#"{{"subject":"{subject}","role":"user","ttl_s":60}}"#);
        let made = self.owner.send(&format!("POST /v1/tokens {body}"));
        made.json()["token"]["jti"].as_str().unwrap().to_owned()
    }

    /// A person of whom there is something, with a hold for who releases one.
    fn new_person(&self, operation: &str) -> String {
        let person = format!("p{}", self.persons.fetch_add(1, Ordering::Relaxed));
        self.new_token(&person);
        if operation == "releaseSubject" {
            assert_eq!(self.admin.send(&format!("POST /v1/subjects/{person}/hold")).status, 201);
        }
        person
    }
}

/// The key of the examples, which is none.
const SECRET: &str = "kl_live_EXAMPLE0000000000000000000000000";

fn new_key(document: &Value) -> String {
    let example = "/paths/~1v1~1keys/post/requestBody/content/application~1json/example";
    document.pointer(example).unwrap().to_string()
}

fn parameters(operation: &Value) -> impl Iterator<Item = &Value> {
    operation["parameters"].as_array().into_iter().flatten()
}

/// A stream does not end, and a tar is no text: their bodies are left unread.
fn status(client: &Client, line: &str, headers: &[(&str, String)]) -> u16 {
    let unread = ["/v1/events/stream", "/v1/audit/bundle", "/log/tile", "/log/access/tile"];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if unread.iter().any(|path| line.contains(path)) {
        let status = client.status_with(line, &headers);
        return status.split(' ').next().unwrap().parse().unwrap();
    }
    client.send_with(line, &headers).status
}
