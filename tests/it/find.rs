//! Keys found by what they are and how they were used, and counted.

use serde_json::{Value, json};

use crate::support::{Client, Service, keyledger};

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|key| key["name"].as_str().unwrap()).collect()
}

/// Four keys: one that was used, and two of a team.
fn some_keys(owner: &Client) {
    let pairs = |pairs: &str| format!(r#""metadata":{{{pairs}}}"#);
    owner.create(&format!(
        r#"{{"name":"ann","owner":"ann","tags":["ci","eu"],{}}}"#,
        pairs(r#""team":"a b","x.y":"1""#)
    ));
    let (_, secret) = owner.create(&format!(r#"{{"name":"bob",{}}}"#, pairs(r#""team":"a b""#)));
    owner.create(&format!(
        r#"{{"name":"cleo","tags":["ci"],{}}}"#,
        pairs(r#""team":"c","empty":"""#)
    ));
    let (gone, _) = owner.create(r#"{"name":"dora"}"#);
    owner.send(&format!("DELETE /v1/keys/{gone}"));
    let used = owner.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#)).json();
    assert_eq!(used["code"], "VALID");
}

#[test]
fn keys_are_found_by_their_pairs_and_their_use() {
    let service = Service::start();
    let owner = service.client("owner");
    some_keys(&owner);
    let far = "2999-01-01T00:00:00Z";
    let table = [
        ("metadata.team=a%20b", vec!["ann", "bob"]),
        ("metadata.team=a+b&owner=ann", vec!["ann"]),
        ("metadata.x.y=1", vec!["ann"]),
        ("metadata.team=a+b&metadata.x.y=1", vec!["ann"]),
        ("metadata.team=c&metadata.x.y=1", vec![]),
        ("metadata.team=a", vec![]),
        ("metadata.empty=", vec!["cleo"]),
        ("metadata.nothing=", vec![]),
        ("tag=ci", vec!["ann", "cleo"]),
        ("tag=ci&tag=eu", vec!["ann"]),
        ("tag=ci&metadata.team=c", vec!["cleo"]),
        ("tag=c", vec![]),
        ("never_used=true", vec!["ann", "cleo", "dora"]),
        ("never_used=false", vec!["bob"]),
        ("never_used=true&status=enabled", vec!["ann", "cleo"]),
        (&*format!("unused_since={far}"), vec!["ann", "bob", "cleo", "dora"]),
        // Made since then: not a word about how long it was not used.
        ("unused_since=2020-01-01T00:00:00Z", vec![]),
        ("", vec!["ann", "bob", "cleo", "dora"]),
        ("status=revoked", vec!["dora"]),
    ];
    for (query, expected) in &table {
        assert_eq!(names(&owner.all(&format!("/v1/keys?{query}"))), *expected, "{query}");
        let counted = owner.send(&format!("GET /v1/keys?limit=1&count=true&{query}")).json();
        let total = json!([counted["total"], counted["total_is"]]);
        assert_eq!(total, json!([expected.len(), "exact"]), "{query}");
    }
    let plain = owner.send("GET /v1/keys?count=false").json();
    assert!(plain.get("total").is_none() && plain.get("total_is").is_none(), "{plain}");
    // Of the past too, as far as it is known.
    let past = owner.send("GET /v1/keys?count=true&as_of=seq:1&metadata.team=a+b").json();
    assert_eq!(
        (names(past["items"].as_array().unwrap()), &past["total"]),
        (vec!["ann", "bob"], &json!(2))
    );
    // Nobody counts what it does not see.
    let seen_by = |account: &str, subject: &str, role: &str| {
        let client = service.client_with(Some(&service.token_of(account, subject, role)));
        client.send("GET /v1/keys?count=true&limit=1").json()["total"].as_u64().unwrap()
    };
    assert_eq!(seen_by("other", "ann", "owner"), 0);
    assert_eq!(seen_by("acme", "bob", "auditor"), 4);
    assert_eq!(seen_by("acme", "ann", "user"), 1);
}

/// Names in another order than the keys were made in, due times and uses in others again.
fn sortable(owner: &Client) {
    for (name, ttl_s) in
        [("b", Some(300)), ("a", None), ("c", Some(100)), ("B", Some(200)), ("b", None)]
    {
        let ttl_s = ttl_s.map_or(String::new(), |ttl_s| format!(r#","ttl_s":{ttl_s}"#));
        let (_, secret) = owner.create(&format!(r#"{{"name":"{name}"{ttl_s}}}"#));
        if name == "c" || name == "B" {
            owner.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#));
        }
    }
}

#[test]
fn keys_come_in_the_order_that_is_asked_for() {
    let service = Service::start();
    let owner = service.client("owner");
    sortable(&owner);
    // Each by its name, and the keys of one name by their due time.
    let text = |key: &Value| {
        let ends = if key["expires_at"].is_null() { "" } else { "*" };
        format!("{}{ends}", key["name"].as_str().unwrap())
    };
    let table = [
        ("", "b* a c* B* b"),
        ("sort=created_at", "b* a c* B* b"),
        ("order=desc", "b B* c* a b*"),
        ("sort=name", "B* a b* b c*"),
        ("sort=name&order=desc", "c* b b* a B*"),
        ("sort=expires_at&order=asc", "c* B* b* a b"),
        ("sort=expires_at&order=desc", "b* B* c* b a"),
        ("sort=last_used_at", "c* B* b* a b"),
        ("sort=last_used_at&order=desc", "B* c* b a b*"),
        ("sort=name&q=b", "B* b* b"),
        ("sort=last_used_at&never_used=true", "b* a b"),
        ("order=desc&as_of=seq:2", "c* a b*"),
    ];
    for (query, expected) in table {
        for limit in [1, 2, 500] {
            let mut texts = Vec::new();
            let mut cursor = String::new();
            loop {
                let line = format!("GET /v1/keys?{query}&limit={limit}{cursor}");
                let page = owner.send(line.replace("?&", "?").as_str()).json();
                texts.extend(page["items"].as_array().unwrap().iter().map(text));
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(texts.join(" "), expected, "{query} {limit}");
        }
    }
}

#[test]
fn a_cursor_goes_on_in_its_own_list() {
    let service = Service::start();
    let owner = service.client("owner");
    sortable(&owner);
    let lists =
        ["", "sort=name", "sort=name&order=desc", "sort=name&kind=secret", "sort=expires_at"];
    let cursors = lists.map(|list| {
        let page = owner.send(&format!("GET /v1/keys?limit=1&{list}")).json();
        page["next_cursor"].as_str().unwrap().to_owned()
    });
    for (at, list) in lists.iter().enumerate() {
        for (of, cursor) in cursors.iter().enumerate() {
            let answer = owner.send(&format!("GET /v1/keys?count=true&cursor={cursor}&{list}"));
            if at == of {
                assert_eq!(answer.status, 200, "{answer:?}");
            } else {
                assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{list} {of}");
            }
        }
    }
    // What the default is may be written or not, and the order of the parameters is nothing.
    let line = format!("GET /v1/keys?order=asc&cursor={}&sort=created_at", cursors[0]);
    assert_eq!(owner.send(&line).status, 200);
    // Of a key of somebody else.
    let line = format!("GET /v1/keys?sort=name&cursor={}", cursors[1]);
    let stranger = service.client_of("other", "owner");
    assert_eq!(stranger.send(&line).refusal(), (400, "invalid_request".into()));
}

#[test]
fn what_is_no_filter_is_refused_by_its_name() {
    let service = Service::start();
    let owner = service.client("owner");
    let table = [
        ("never_used=maybe", "never_used: must be true or false"),
        ("unused_since=30d", "unused_since: must be an RFC 3339 time"),
        ("count=1", "count: must be true or false"),
        ("metadata=a", "metadata: must be an object of strings"),
        ("metadata.a=1&metadata.a=2", "metadata.a: must be sent once"),
        ("metadata.=1", "metadata: must not have an empty name"),
        ("metadat.a=1", "metadat: unknown field"),
        ("status.a=1", "status: must be a string"),
        ("count=true&count=true", "count: must be sent once"),
        ("tags=a", "tags: unknown field"),
        ("sort=owner", "sort: must be one of: created_at expires_at name last_used_at"),
        ("order=down", "order: must be one of: asc desc"),
        ("sort=name&as_of=seq:0", "sort: does not go with as_of"),
        ("never_used=true&as_of=seq:0", "never_used: does not go with as_of"),
        ("unused_since=2020-01-01T00:00:00Z&as_of=seq:0", "unused_since: does not go with as_of"),
    ];
    owner.create(r#"{"name":"k"}"#);
    for (query, why) in table {
        let answer = owner.send(&format!("GET /v1/keys?{query}"));
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{query}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(why), "{query}: {detail}");
    }
}

#[test]
fn the_command_line_finds_and_counts() {
    let service = Service::start();
    let token = service.token("acme", "owner");
    some_keys(&service.client("owner"));
    let run = |arguments: &[&str]| {
        let program = keyledger(&[&["keys", "list"], arguments].concat());
        program.env("KEYLEDGER_URL", &service.url()).env("KEYLEDGER_TOKEN", &token)
    };
    let table: [(&[&str], &[&str]); 5] = [
        (&["--metadata", "team=a b"], &["ann", "bob"]),
        (&["--metadata", "team=a b", "--metadata", "x.y=1"], &["ann"]),
        (&["--tag", "ci", "--tag", "eu"], &["ann"]),
        (&["--never-used", "--status", "enabled"], &["ann", "cleo"]),
        (&["--unused-since", "30d"], &[]),
    ];
    for (arguments, expected) in table {
        let listed: Value =
            serde_json::from_str(&run(&[arguments, &["--json"]].concat()).good()).unwrap();
        assert_eq!(names(listed.as_array().unwrap()), expected, "{arguments:?}");
        let counted = run(&[arguments, &["--count"]].concat()).good();
        assert_eq!(counted, format!("{}\n", expected.len()), "{arguments:?}");
    }
    let sorted = run(&["--sort", "name", "--order", "desc", "--limit", "2", "--json"]).good();
    let sorted: Value = serde_json::from_str(&sorted).unwrap();
    assert_eq!(names(sorted.as_array().unwrap()), ["dora", "cleo"]);
    let counted: Value = serde_json::from_str(&run(&["--count", "--json"]).good()).unwrap();
    assert_eq!(counted, json!({ "total": 4, "total_is": "exact" }));
    for (wrong, why) in
        [(["--unused-since", "often"], "30d"), (["--metadata", "team"], "name=value")]
    {
        let ended = run(&wrong).run();
        assert!(ended.code == Some(2) && ended.err.contains(why), "{ended:?}");
    }
}
