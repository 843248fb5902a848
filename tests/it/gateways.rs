//! Forward auth as gateways use it: nginx and Caddy as they are, with the configurations of the
//! documents, and the requests that Envoy, Traefik and ingress-nginx send.

use crate::support::gateway::{Gateway, Relay, backend, block, free_address, put, reached};
use crate::support::{Answer, Client, Service};

const SEVEN: [&str; 7] = [
    "x-key-code",
    "x-key-id",
    "x-key-account",
    "x-key-owner",
    "x-key-role",
    "x-key-permissions",
    "x-key-expires-at",
];

/// What a client would like the backend to believe.
const FORGED: [(&str, &str); 9] = [
    ("x-key-code", "VALID"),
    ("x-key-id", "forged"),
    ("x-key-account", "forged"),
    ("x-key-owner", "forged"),
    ("x-key-role", "forged"),
    ("x-key-permissions", "*"),
    ("x-key-expires-at", "forged"),
    ("x-forwarded-for", "203.0.113.7"),
    ("forwarded", "for=203.0.113.7"),
];

const TRUSTED: &[&str] = &["--trusted-proxy", "127.0.0.1"];

/// A service behind a gateway, whose addresses and token take the place of the document's.
struct Setup {
    service: Service,
    relay: Relay,
    backend: std::net::SocketAddr,
    at: std::net::SocketAddr,
    token: String,
}

impl Setup {
    fn new() -> Setup {
        let service = Service::with(TRUSTED);
        let relay = Relay::to(service.address());
        let token = service.token("acme", "verifier");
        Setup { service, relay, backend: backend(), at: free_address(), token }
    }

    fn nginx(&self) -> Option<Gateway> {
        let text = block("README.md", "nginx");
        let text = put(&text, "127.0.0.1:7070", &self.relay.address);
        let text = put(&text, "127.0.0.1:8080", &self.backend);
        let text = put(&text, "listen 80", &format!("listen {}", self.at));
        Gateway::nginx(self.at, &put(&text, "the verifier token", &self.token))
    }

    fn caddy(&self) -> Option<Gateway> {
        let text = block("docs/gateways.md", "caddyfile");
        let text = put(&text, "127.0.0.1:7070", &self.relay.address);
        let text = put(&text, "127.0.0.1:8081", &self.backend);
        let config = put(&text, ":8080", &format!("http://{}", self.at));
        Gateway::caddy(self.at, &config, &self.token)
    }

    fn key(&self, more: &str) -> (String, String) {
        let body = format!(r#"{{"name":"k","permissions":["orders.read"]{more}}}"#);
        self.service.client("owner").create(&body)
    }

    /// What holds of every gateway. A refusal shows as its status; `limit` is the one of a key whose
    /// day is used up.
    fn is_guarded_by(&self, client: &Client) {
        let (id, secret) = self.key(r#","allowed_ips":["::ffff:127.0.0.0/104"],"owner":"ann""#);
        let with = |line: &str, more: &[(&str, &str)]| {
            let mut headers = vec![("x-api-key", secret.as_str())];
            headers.extend(more);
            client.send_with(line, &headers)
        };

        // Each method and its body reach the backend, with the service's headers about the key and
        // without its secret.
        let long = "x".repeat(100_000);
        for line in ["GET /a?b=c", "DELETE /a", "POST /a some-text", &format!("PUT /a {long}")] {
            let answer = with(line, &FORGED);
            assert_eq!(answer.status, 200, "{line}: {answer:?}");
            let head = &answer.text;
            assert!(!head.contains(&secret.to_lowercase()), "{head}");
            assert!(!head.contains("forged"), "{head}");
            let has = |header: String| assert!(head.contains(&header), "no {header} in {head}");
            has(format!("x-key-id: {id}"));
            has("x-key-account: acme".to_owned());
            has("x-key-owner: ann".to_owned());
        }
        let bearer = format!("Bearer {secret}");
        let answer = client.send_with("GET /a", &[("authorization", &bearer)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.text.contains(&secret.to_lowercase()), "{answer:?}");

        // A client says nothing about itself.
        let (_, elsewhere) = self.key(r#","allowed_ips":["203.0.113.7"]"#);
        for more in [&FORGED[..], &[("x-keyledger-options", "limit_status=429")]] {
            let mut headers = vec![("x-api-key", elsewhere.as_str())];
            headers.extend(more);
            assert_eq!(client.send_with("GET /a", &headers).status, 403);
        }
        assert_eq!(client.send_with("GET /a", &FORGED).status, 401);
        assert_eq!(with("GET /a", &[("authorization", "Bearer kl_live_x")]).status, 401);

        let (_, once) = self.key(r#","daily_limit":1"#);
        let once = || client.send_with("GET /a", &[("x-api-key", &once)]);
        assert_eq!(once().status, 200);
        let used_up = once();
        assert_eq!(used_up.status, 429, "{used_up:?}");
        let wait: u32 = used_up.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=86_400).contains(&wait), "{wait}");

        let (_, rare) = self.key(r#","rate_limit":{"limit":1,"period_s":86400}"#);
        let rare = || client.send_with("GET /a", &[("x-api-key", &rare)]);
        assert_eq!(rare().status, 200);
        let limited = rare();
        assert_eq!(limited.status, 429, "{limited:?}");
        assert!(limited.header("retry-after").is_some(), "{limited:?}");
        assert_eq!(limited.header("ratelimit-policy"), Some(r#""rate";q=1;w=86400"#));
        assert!(limited.header("ratelimit").unwrap().starts_with(r#""rate";r=0;t="#));

        // A connection is used again.
        let before = self.relay.connections();
        for _ in 0..20 {
            assert_eq!(with("GET /a", &[]).status, 200);
        }
        assert!(self.relay.connections() - before <= 2, "{}", self.relay.connections() - before);
    }
}

#[test]
fn nginx_guards_a_backend_as_the_readme_has_it() {
    let setup = Setup::new();
    let Some(nginx) = setup.nginx() else { return };
    setup.is_guarded_by(&nginx.client());

    // A good answer says what is left, too.
    let (_, limited) = setup.key(r#","quota":{"limit":9,"per":"total"}"#);
    let answer = nginx.client().send_with("GET /a", &[("x-api-key", &limited)]);
    assert_eq!(answer.header("ratelimit"), Some(r#""quota";r=8"#), "{answer:?}");

    // What its configuration does not pass on does not come from the client either.
    let (id, secret) = setup.key("");
    let mut headers = vec![("x-api-key", secret.as_str())];
    headers.extend(FORGED);
    let head = nginx.client().send_with("GET /a", &headers).text;
    let passed = [
        "x-key-account: acme".to_owned(),
        format!("x-key-id: {id}"),
        "x-key-owner: owner-of-test".to_owned(),
    ];
    assert_eq!(reached(&head, "x-key-"), passed.into());
}

#[test]
fn caddy_guards_a_backend_as_its_guide_has_it() {
    let setup = Setup::new();
    let Some(caddy) = setup.caddy() else { return };
    setup.is_guarded_by(&caddy.client());

    // It passes on where the client wanted to go, and a key may stand there.
    let (_, secret) = setup.key("");
    assert_eq!(caddy.client().send(&format!("GET /a?api_key={secret}")).status, 200);
}

/// An answer of the service to what a gateway sends. Each must have all seven headers.
fn send(gateway: &Client, line: &str, headers: &[(&str, &str)]) -> Answer {
    let answer = gateway.send_with(line, headers);
    for name in SEVEN {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name} in {answer:?}");
    }
    let passed_on = SEVEN[1..].iter().any(|name| answer.header(name) != Some(""));
    assert_eq!(passed_on, answer.status == 200, "{answer:?}");
    answer
}

#[test]
fn envoy_asks_with_the_clients_method_and_path() {
    let port = free_address();
    let address = port.to_string();
    let own_address = ["--authorize-listen", &address, "--authorize-account", "acme"];
    let service = Service::with(&[TRUSTED, &own_address].concat());
    let (_, secret) = service
        .client("owner")
        .create(r#"{"name":"k","permissions":["orders.read"],"allowed_ips":["203.0.113.0/24"]}"#);
    let token = service.token("acme", "verifier");
    for (gateway, token) in [
        (service.client_with(None), Some(("x-keyledger-token", token.as_str()))),
        (Client::new(port, None), None),
    ] {
        let send = |line: &str, options: Option<&str>, key: Option<&str>| {
            let mut headers = vec![
                ("x-forwarded-for", "203.0.113.9"),
                ("x-envoy-internal", "true"),
                ("x-forwarded-proto", "https"),
            ];
            headers.extend(token);
            headers.extend(key.map(|key| ("x-api-key", key)));
            headers.extend(options.map(|options| ("x-keyledger-options", options)));
            let answer = send(&gateway, line, &headers);
            (answer.status, answer.header("x-key-code").unwrap().to_owned())
        };
        let key = Some(secret.as_str());
        let verdict = |status, code: &str| (status, code.to_owned());
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            for path in
                ["", "/", "/orders/7", "/orders/7?limit=5&permission=admin.all", "//a/../%2F"]
            {
                let line = format!("{method} /v1/authorize{path}");
                let options = (!path.is_empty()).then_some("permission=orders.read");
                assert_eq!(send(&line, options, key), verdict(200, "VALID"), "{line}");
            }
        }
        assert_eq!(send("HEAD /v1/authorize/orders", None, key), verdict(200, "VALID"));
        let body = format!("POST /v1/authorize/orders {}", "x".repeat(200_000));
        assert_eq!(send(&body, None, key), verdict(200, "VALID"));
        assert_eq!(send(&body, None, None), verdict(401, "MISSING"));

        // The options are the gateway's; what the client asks for is not taken for them.
        let line = "GET /v1/authorize/orders?permission=orders.read&account=x";
        let write = Some("permission=orders.write");
        assert_eq!(send(line, write, key), verdict(403, "INSUFFICIENT_PERMISSIONS"));
        assert_eq!(send(line, Some("environment=sandbox"), key), verdict(403, "WRONG_ENVIRONMENT"));
        assert_eq!(send(line, Some("permision=typo"), key), verdict(400, ""));
        assert_eq!(send("GET /v1/authorize?account=acme", write, key), verdict(400, ""));
        assert_eq!(send(&format!("GET /v1/authorize/a?api_key={secret}"), None, None).0, 200);
        let two = "GET /v1/authorize/a?api_key=kl_live_x";
        assert_eq!(send(two, None, key), verdict(401, "AMBIGUOUS"));
    }
    assert_eq!(service.client_with(None).send("GET /v1/authorized").status, 404);
}

#[test]
fn a_used_up_key_is_403_where_a_gateway_asks_for_that() {
    let service = Service::start();
    let (_, secret) = service.client("owner").create(r#"{"name":"k","daily_limit":1}"#);
    let token = service.token("acme", "verifier");
    let gateway = service.client_with(None);
    let send = |query: &str| {
        let headers = [("x-keyledger-token", token.as_str()), ("x-api-key", &secret)];
        let answer = send(&gateway, &format!("GET /v1/authorize{query}"), &headers);
        let wait = answer.header("retry-after").map(|wait| wait.parse::<u32>().unwrap());
        (answer.status, answer.header("x-key-code").unwrap().to_owned(), wait)
    };
    assert_eq!(send("?limit_status=403").0, 200);
    for (query, status) in [("", 429), ("?limit_status=429", 429), ("?limit_status=403", 403)] {
        let (was, code, wait) = send(query);
        assert_eq!((was, code.as_str()), (status, "USAGE_EXCEEDED"), "{query}");
        assert!(wait.is_some_and(|wait| (1..=86_400).contains(&wait)), "{wait:?}");
    }
    for wrong in ["?limit_status=200", "?limit_status=x", "?limit_status="] {
        assert_eq!(send(wrong).0, 400, "{wrong}");
    }
}

/// Traefik, ingress-nginx and others each say in their own way where the client wanted to go.
#[test]
fn the_key_may_stand_in_the_address_that_a_gateway_passes_on() {
    let service = Service::start();
    let (_, secret) = service.client("owner").create(r#"{"name":"k"}"#);
    let token = service.token("acme", "verifier");
    let uri = format!("/orders?a=b&api_key={secret}");
    let url = format!("https://api.example.com{uri}");
    for (name, value) in
        [("x-forwarded-uri", &uri), ("x-original-uri", &uri), ("x-original-url", &url)]
    {
        let headers = [
            ("x-keyledger-token", token.as_str()),
            ("x-forwarded-method", "POST"),
            ("x-forwarded-host", "api.example.com"),
            ("x-sent-from", "nginx-ingress-controller"),
            (name, value),
        ];
        assert_eq!(send(&service.client_with(None), "GET /v1/authorize", &headers).status, 200);
    }
}

/// What the request layer refuses, and what the gateway itself does wrongly, say nothing of a key
/// either: with all seven headers.
#[test]
fn every_answer_has_all_seven_headers() {
    let service = Service::start();
    let gateway = service.client_with(None);
    let owner = service.token("acme", "owner");
    let worker = service.token("acme", "worker");
    let many: Vec<_> = (0..70).map(|n| (format!("x-more-{n}"), n.to_string())).collect();
    let many: Vec<_> = many.iter().map(|(name, n)| (name.as_str(), n.as_str())).collect();
    for path in ["", "/", "/a/b"] {
        let line = format!("GET /v1/authorize{path}");
        for (headers, status) in [
            (&[][..], 401),
            (&[("x-keyledger-token", "nonsense")], 401),
            (&[("x-keyledger-token", &*worker)], 403),
            (&[("x-keyledger-token", &*owner)], 401),
            (&[("x-keyledger-token", &*owner), ("x-keyledger-token", &*owner)], 400),
            (&many, 431),
        ] {
            assert_eq!(send(&gateway, &line, headers).status, status, "{line} {headers:?}");
        }
    }
}

/// A list with the proxy's own network in it used to be good for everyone whom the proxy did not
/// name.
#[test]
fn an_address_that_is_not_known_is_on_no_list() {
    let body = r#"{"name":"k","allowed_ips":["127.0.0.0/8","::ffff:203.0.113.0/120"]}"#;
    let forwarded = [TRUSTED, &["--forwarded-header", "forwarded"]].concat();
    for (options, headers, expected) in [
        (TRUSTED, &[("x-forwarded-for", "203.0.113.7")][..], 200),
        (TRUSTED, &[("x-forwarded-for", "::ffff:203.0.113.7")], 200),
        (TRUSTED, &[("x-forwarded-for", "198.51.100.1, 203.0.113.7")], 200),
        (TRUSTED, &[("forwarded", "for=\"[::ffff:203.0.113.7]:80\"")], 200),
        (TRUSTED, &[("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "127.0.0.1")], 200),
        (TRUSTED, &[("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7")], 200),
        (TRUSTED, &[("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.8")], 403),
        (&forwarded, &[("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=203.0.113.8")], 200),
        (&forwarded, &[("x-forwarded-for", "203.0.113.7")], 403),
        (TRUSTED, &[], 403),
        (TRUSTED, &[("x-forwarded-for", "")], 403),
        (TRUSTED, &[("x-forwarded-for", "unknown")], 403),
        (TRUSTED, &[("x-forwarded-for", "203.0.113.7, unknown")], 403),
        (TRUSTED, &[("x-forwarded-for", "203.0.113.7,")], 403),
        (TRUSTED, &[("x-forwarded-for", "127.0.0.1%lo")], 403),
        (TRUSTED, &[("forwarded", "for=_hidden")], 403),
        (TRUSTED, &[("forwarded", "for=\"unix:/run/x\"")], 403),
        (TRUSTED, &[("forwarded", "proto=https")], 403),
        (&[], &[("x-forwarded-for", "unknown")], 200),
    ] {
        let service = Service::with(options);
        let owner = service.client("owner");
        let made = owner.send(&format!("POST /v1/keys {body}")).json();
        let shown = serde_json::json!(["127.0.0.0/8", "203.0.113.0/24"]);
        assert_eq!(made["key"]["allowed_ips"], shown);
        let token = service.token("acme", "verifier");
        let mut all = vec![
            ("x-keyledger-token", token.as_str()),
            ("x-api-key", made["secret"].as_str().unwrap()),
        ];
        all.extend(headers);
        let answer = send(&service.client_with(None), "GET /v1/authorize", &all);
        assert_eq!(answer.status, expected, "{options:?} {headers:?} {answer:?}");
    }
}

#[test]
fn another_header_may_hold_the_key() {
    let service = Service::with(&["--key-header", "X-Acme-Key"]);
    let (_, secret) = service.client("owner").create(r#"{"name":"k"}"#);
    let token = service.token("acme", "verifier");
    let send = |headers: &[(&str, &str)]| {
        let headers = [&[("x-keyledger-token", token.as_str())], headers].concat();
        send(&service.client_with(None), "GET /v1/authorize", &headers).status
    };
    assert_eq!(send(&[("x-acme-key", &secret)]), 200);
    assert_eq!(send(&[("x-api-key", &secret)]), 401);
    // It means something else to the service behind, then.
    assert_eq!(send(&[("x-acme-key", &secret), ("x-api-key", "something else")]), 200);
}

/// nginx sends `Content-Length` and no body when only half of it is configured.
#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let service = Service::start();
    let (_, secret) = service.client("owner").create(r#"{"name":"k"}"#);
    let token = service.token("acme", "verifier");
    let head = format!(
        "GET /v1/authorize HTTP/1.1\r\nhost: x\r\nx-keyledger-token: {token}\r\n\
         x-api-key: {secret}\r\n"
    );
    let client = service.client_with(None);
    let half = client.raw(format!("{head}content-length: 1000\r\n\r\n").as_bytes());
    assert!(half.starts_with("HTTP/1.1 200 "), "{half}");
    assert!(half.to_lowercase().contains("\r\nconnection: close\r\n"), "{half}");

    // What stands in a body is no second request.
    let inner = "GET /v1/authorize HTTP/1.1\r\nhost: x\r\n\r\n";
    let smuggled = format!("{head}content-length: {}\r\n\r\n{inner}", inner.len());
    let answers = client.raw(smuggled.as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
}
