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
    let done = import(&service, &file, &map);
    assert!(done.out.contains("2 imported, 0 imported before, 3 refused"), "{done:?}");
    assert!(!done.out.contains("old-secret") && !done.err.contains("old-secret"), "{done:?}");
    let refused = service.folder().join("keys.csv.refused");
    let mode = std::fs::metadata(&refused).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        read_to_string(&refused).unwrap(),
        "id,label,owner,text,scopes,created,expires\n\
         5,too,few\n\
         3,third,bob,has spaces in it,a.b,,\n\
         4,\"a \"\"name\"\", quoted\",bob,,a.b,,\n"
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
    write(&file, read_to_string(&refused).unwrap().replace("has spaces in it", "old-secret-3"))
        .unwrap();
    let mended = import(&service, &file, &[&map[..], &["--json"]].concat());
    let lines: Vec<Value> =
        mended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["summary"]["imported"], 1, "{mended:?}");
    assert_eq!(lines[0]["problem"]["code"], "invalid_row");
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
    import(&service, &file, &["--map", "sha256=hash"]).says(2, &["hash", "key, name"]);
    import(&service, &file, &["--map", "colour=key"]).says(2, &["colour", "sha256"]);
    let absent = service.folder().join("absent.csv");
    import(&service, &absent, &[]).says(1, &["absent.csv", "cannot be read"]);
}
