//! `keyledger keys import`: files of keys.

use std::fs::{read_to_string, write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{Ended, Service, keyledger};

fn import(service: &Service, file: &Path, arguments: &[&str]) -> Ended {
    let program = keyledger(&["keys", "import"]).argument(file).with(arguments);
    let program = program.env("KEYLEDGER_URL", &service.url());
    program.env("KEYLEDGER_TOKEN", &service.token("acme", "owner")).run()
}

#[test]
fn a_table_moves_in_and_its_bad_rows_stay() {
    let service = Service::start();
    let file = service.folder().join("keys.csv");
    write(
        &file,
        "id,label,owner,text,scopes,created,expires\n\
         1,first,ann,old-secret-1,\"a.b,c.d\",2024-05-06 07:08:09+00,\n\
         2,second,bob,old-secret-2,a.*,1700000000,1900000000\n\
         3,third,bob,has spaces in it,a.b,,\n\
         4,\"a \"\"name\"\", quoted\",bob,,a.b,,\n\
         5,too,few\n",
    )
    .unwrap();
    let map = [
        "--map",
        "name=label",
        "--map",
        "permissions=scopes",
        "--map",
        "created_at=created",
        "--map",
        "expires_at=expires",
        "--map",
        "metadata.old_id=id",
        "--secret-column",
        "text",
        "--source",
        "billing",
    ];
    let looked = import(&service, &file, &[&map[..], &["--dry-run"]].concat());
    assert_eq!(looked.code, Some(1), "{looked:?}");
    assert!(looked.out.contains("2 would be imported, 0 imported before, 3 refused"), "{looked:?}");
    let owner = service.client("owner");
    assert_eq!(owner.all("/v1/keys").len(), 0);
    let refused = service.folder().join("keys.csv.refused");
    assert!(!refused.exists(), "a dry run writes nothing");
    let done = import(&service, &file, &map);
    assert!(done.out.contains("2 imported, 0 imported before, 3 refused"), "{done:?}");
    assert!(!done.out.contains("old-secret") && !done.err.contains("old-secret"), "{done:?}");
    let mode = std::fs::metadata(&refused).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        read_to_string(&refused).unwrap(),
        "id,label,owner,text,scopes,created,expires\n\
         3,third,bob,has spaces in it,a.b,,\n\
         4,\"a \"\"name\"\", quoted\",bob,,a.b,,\n\
         5,too,few\n"
    );
    let keys = owner.all("/v1/keys");
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["imported"]["created_at"], "2024-05-06T07:08:09.000000Z");
    assert_eq!(keys[0]["metadata"]["old_id"], "1");
    assert_eq!(keys[1]["expires_at"], "2030-03-17T17:46:40.000000Z");
    let verdict = owner.send(r#"POST /v1/keys/verify {"key":"old-secret-2","permission":"a.x"}"#);
    assert_eq!(verdict.json()["code"], "VALID");

    // The same again makes nothing twice; what was mended moves in.
    let again = import(&service, &file, &map);
    assert!(again.out.contains("0 imported, 2 imported before, 3 refused"), "{again:?}");
    write(&refused, read_to_string(&refused).unwrap().replace("has spaces in it", "old-secret-3"))
        .unwrap();
    let mended = import(&service, &refused, &[&map[..], &["--json"]].concat());
    let lines: Vec<Value> =
        mended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = lines.iter().map(|line| line["line"].clone()).collect();
    assert_eq!(numbers, [Value::from(3), Value::from(4), Value::Null], "in their order");
    assert_eq!(lines[1]["problem"]["code"], "invalid_row");
    assert_eq!(lines.last().unwrap()["summary"]["imported"], 1, "{mended:?}");
}

/// The names of the files in a folder.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// `FILE.refused` is what the last import of FILE refused: no more, and nothing if there is none.
#[test]
fn refused_rows_are_there_until_none_is() {
    let service = Service::start();
    let folder = tempfile::tempdir().unwrap();
    let (file, refused) = (folder.path().join("k.csv"), folder.path().join("k.csv.refused"));
    let bad = "secret,name\nold-1,a\nold 2,b\nold 3,c\n";
    write(&file, bad).unwrap();
    let first = import(&service, &file, &[]);
    let hint = "k.csv.refused: mend them and import that file with the same options";
    assert!(first.out.contains(hint), "{first:?}");
    assert_eq!(files(folder.path()), ["k.csv", "k.csv.refused"]);

    // Mended one by one, in that file.
    let mend = |from: &str| {
        let mended = read_to_string(&refused).unwrap().replacen(from, &from.replace(' ', "-"), 1);
        write(&refused, mended).unwrap();
    };
    mend("old 2");
    let looked = import(&service, &refused, &["--dry-run"]);
    assert!(looked.out.contains("1 would be imported, 0 imported before, 1 refused"), "{looked:?}");
    assert_eq!(read_to_string(&refused).unwrap().lines().count(), 3, "as it was");
    assert_eq!(import(&service, &refused, &[]).code, Some(1));
    assert_eq!(read_to_string(&refused).unwrap(), "secret,name\nold 3,c\n");
    assert_eq!(files(folder.path()), ["k.csv", "k.csv.refused"]);
    mend("old 3");
    let last = import(&service, &refused, &[]);
    assert_eq!(last.code, Some(0), "{last:?}");
    assert!(last.out.contains("k.csv.refused is removed"), "{last:?}");
    assert_eq!(files(folder.path()), ["k.csv"]);
    assert_eq!(service.client("owner").all("/v1/keys").len(), 3);

    // An import that breaks off leaves it as it was, one that is in order removes it.
    assert_eq!(import(&service, &file, &[]).code, Some(1));
    let before = read_to_string(&refused).unwrap();
    write(&file, [b"secret,name\nold 4,d\n", &b"\xff,e\n"[..]].concat()).unwrap();
    assert!(import(&service, &file, &[]).err.contains("run the same command again"));
    assert_eq!(read_to_string(&refused).unwrap(), before);
    write(&file, bad.replace("old ", "old-")).unwrap();
    import(&service, &file, &["--dry-run"]);
    assert_eq!(files(folder.path()), ["k.csv", "k.csv.refused"]);
    assert_eq!(import(&service, &file, &[]).code, Some(0));
    assert_eq!(files(folder.path()), ["k.csv"]);
}

#[test]
fn a_line_with_an_import_is_sent_as_it_is_among_rows() {
    let service = Service::start();
    let file = service.folder().join("mixed.ndjson");
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let lines = [
        r#"{"name":"x","import":{"secret":"mm2"}}"#.to_owned(),
        format!(r#"{{"hash":"{digest}","name":"q"}}"#),
        r#"{"hash":"no digest","name":"no"}"#.to_owned(),
        "no line".to_owned(),
        format!(r#"{{"hash":"{}"}}"#, digest.replace('b', "c")),
        r#"{"import":{"secret":"mm3"}}"#.to_owned(),
    ];
    write(&file, lines.join("\n")).unwrap();
    let done = import(&service, &file, &["--map", "sha256=hash"]);
    assert!(done.out.contains("3 imported, 0 imported before, 3 refused"), "{done:?}");
    assert!(done.out.contains("name: is missing"), "{done:?}");
    let keys = service.client("owner").all("/v1/keys");
    let mut names: Vec<_> = keys.iter().map(|key| key["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["imported key", "q", "x"]);
    let refused = read_to_string(service.folder().join("mixed.ndjson.refused")).unwrap();
    assert_eq!(refused.lines().collect::<Vec<_>>(), [&lines[2], &lines[3], &lines[5]]);
}

#[test]
fn stdin_is_a_file_without_a_name() {
    let service = Service::start();
    let folder = tempfile::tempdir().unwrap();
    let table = [
        ("{\"secret\":\"one\"}\n{\"secret\":\"t w o\"}\n", &[][..], "stdin.ndjson.refused"),
        ("secret\nthree\nf o u r\n", &["--format", "csv"], "stdin.csv.refused"),
    ];
    for (text, format, refused) in table {
        let program = keyledger(&["keys", "import", "-"]).with(format).folder(folder.path());
        let program = program.env("KEYLEDGER_URL", &service.url()).input(text);
        let done = program.env("KEYLEDGER_TOKEN", &service.token("acme", "owner")).run();
        assert!(done.out.contains("1 imported, 0 imported before, 1 refused"), "{done:?}");
        assert!(done.out.contains(refused), "{done:?}");
        let again = import(&service, &folder.path().join(refused), &["--dry-run"]);
        assert!(again.out.contains("import.secret"), "read as it was written: {again:?}");
    }
}

/// Several requests at a time; where the account has one place, the others wait for it.
#[test]
fn lines_of_the_api_move_in_as_they_are() {
    for options in [&[][..], &["--max-exports-per-account", "1"]] {
        let service = Service::with(options);
        let file = service.folder().join("keys.ndjson");
        let line = |number| {
            let permission = if number % 100 == 99 { "no permission" } else { "a.b" };
            format!(
                "{{\"name\":\"k{number}\",\"permissions\":[\"{permission}\"],\
                 \"import\":{{\"secret\":\"old-{number}\"}}}}\n"
            )
        };
        write(&file, (0..3_050).map(line).collect::<String>()).unwrap();
        let done = import(&service, &file, &[]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.out.contains("3020 imported, 0 imported before, 30 refused"), "{done:?}");
        // In their order, whichever request was answered first.
        let refused: String = (0..30).map(|hundred| line(hundred * 100 + 99)).collect();
        let path = service.folder().join("keys.ndjson.refused");
        assert_eq!(read_to_string(path).unwrap(), refused);
        assert_eq!(service.client("owner").all("/v1/keys").len(), 3_020);
        let again = import(&service, &file, &[]);
        assert!(again.out.contains("0 imported, 3020 imported before, 30 refused"), "{again:?}");
    }
}

#[test]
fn what_does_not_fit_is_misuse() {
    let service = Service::start();
    let file = service.folder().join("keys.csv");
    write(&file, "key,name\nx,y\n").unwrap();
    let mapped = ["--map", "sha256=hash", "--map", "name=name"];
    import(&service, &file, &mapped).says(2, &["hash", "key, name"]);
    // Where nothing fits it may be no header, and hold a key.
    let secret = import(&service, &file, &mapped[..2]);
    assert!(!secret.err.contains("key, name"), "{secret:?}");
    secret.says(2, &["hash", "has 2 of other names"]);
    import(&service, &file, &["--map", "colour=key"]).says(2, &["colour", "sha256"]);
    for (separator, word) in [(";", "semicolons"), ("\t", "tabs")] {
        write(&file, ["sha256", "name\nx", "y\n"].join(separator)).unwrap();
        for map in [&[][..], &["--map", "sha256=hash"]] {
            import(&service, &file, map).says(2, &[word, "commas"]);
        }
    }
    let absent = service.folder().join("absent.csv");
    import(&service, &absent, &[]).says(1, &["absent.csv", "cannot be read"]);
}
