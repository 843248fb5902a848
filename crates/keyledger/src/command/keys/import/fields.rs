//! From a row of somebody's table to the line that imports its key.

use anyhow::Result;
use csv::StringRecord;
use keys::{Digest, Timestamp};
use serde_json::{Map, Value};

use crate::exit::misuse;

/// How the values of a field are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    List,
    Count,
    Time,
    Pairs,
}

/// The fields of a key, and of where it was made.
const FIELDS: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("description", Kind::Text),
    ("owner", Kind::Text),
    ("account", Kind::Text),
    ("environment", Kind::Text),
    ("role", Kind::Text),
    ("permissions", Kind::List),
    ("project", Kind::Text),
    ("allowed_ips", Kind::List),
    ("expires_at", Kind::Time),
    ("daily_limit", Kind::Count),
    ("tags", Kind::List),
    ("metadata", Kind::Pairs),
    ("reason", Kind::Text),
    ("sha256", Kind::Text),
    ("secret", Kind::Text),
    ("prefix", Kind::Text),
    ("created_at", Kind::Time),
    ("last_used_at", Kind::Time),
    ("source", Kind::Text),
];
/// Those that say where it was made.
const OF_IMPORT: &[&str] = &["sha256", "secret", "prefix", "created_at", "last_used_at", "source"];
/// A pair of the metadata.
const PAIR: &str = "metadata.";
/// What a key is called where no column says it.
const NAMELESS: &str = "imported key";
/// From this number on a time is in milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Which field comes from which column.
pub(super) struct Mapping {
    /// Those that were named. A column with the name of a field needs none.
    named: Vec<(String, String)>,
    /// What the keys were made by, where no column says it.
    pub(super) source: Option<String>,
}

impl Mapping {
    pub(super) fn new(map: &[(String, String)], secret: Option<&str>) -> Result<Mapping> {
        let mut named = map.to_vec();
        named.extend(secret.map(|column| ("secret".to_owned(), column.to_owned())));
        for (at, (field, _)) in named.iter().enumerate() {
            let is_pair = field.strip_prefix(PAIR).is_some_and(|name| !name.is_empty());
            if kind(field).is_none() && !is_pair {
                let all: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
                let all = all.join(" ");
                return Err(misuse(format!("there is no field `{field}`; there are: {all}")));
            }
            if named.iter().take(at).any(|(other, _)| other == field) {
                return Err(misuse(format!("the field `{field}` has two columns")));
            }
        }
        Ok(Mapping { named, source: None })
    }

    /// Refuses columns that are not there.
    pub(super) fn fits(&self, columns: Option<&StringRecord>) -> Result<()> {
        let Some(columns) = columns else { return Ok(()) };
        let missing = |column: &str| columns.iter().all(|other| other != column);
        match self.named.iter().find(|(_, column)| missing(column)) {
            None => Ok(()),
            Some((_, column)) => {
                // Of a file without a header the first line may hold a key.
                let is_header = self.named.iter().any(|(_, column)| !missing(column));
                let there = columns.iter().filter(|_| is_header).collect::<Vec<_>>().join(", ");
                let why = if is_header {
                    format!("there are: {there}")
                } else {
                    let count = columns.len();
                    format!("the first line must name the columns, and has {count} of other names")
                };
                Err(misuse(format!("there is no column `{column}`; {why}")))
            }
        }
    }

    /// The line that imports the key of a row, with an idempotency key that follows from it.
    pub(super) fn line(&self, row: &Map<String, Value>) -> Result<String, String> {
        let is_whole = row.get("import").is_some_and(Value::is_object);
        let mut body = if is_whole { row.clone() } else { self.body(row)? };
        if !body.contains_key("idempotency_key") {
            let digest = Digest::of(&Value::Object(body.clone()).to_string());
            body.insert("idempotency_key".to_owned(), hex::encode(digest.0).into());
        }
        Ok(Value::Object(body).to_string())
    }

    fn body(&self, row: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let (mut body, mut import, mut pairs) = (Map::new(), Map::new(), Map::new());
        for (field, kind) in FIELDS {
            let column = self.named.iter().find(|(name, _)| name == field);
            let column = column.map_or(*field, |(_, column)| column.as_str());
            let Some(value) = row.get(column) else { continue };
            let converted = convert(*kind, value).map_err(|why| format!("{column}: {why}"))?;
            let Some(value) = converted else { continue };
            if *kind == Kind::Pairs {
                pairs.extend(value.as_object().cloned().unwrap_or_default());
            } else {
                let place = if OF_IMPORT.contains(field) { &mut import } else { &mut body };
                place.insert((*field).to_owned(), value);
            }
        }
        for (field, column) in &self.named {
            let (Some(name), Some(value)) = (field.strip_prefix(PAIR), row.get(column)) else {
                continue;
            };
            pairs.extend(text(value).map(|text| (name.to_owned(), text.into())));
        }
        if !pairs.is_empty() {
            body.insert("metadata".to_owned(), pairs.into());
        }
        if let Some(source) = &self.source {
            import.entry("source").or_insert_with(|| source.as_str().into());
        }
        body.entry("name").or_insert_with(|| NAMELESS.into());
        body.insert("import".to_owned(), import.into());
        Ok(body)
    }
}

fn kind(field: &str) -> Option<Kind> {
    FIELDS.iter().find(|(name, _)| *name == field).map(|(_, kind)| *kind)
}

/// The value as the API takes it; none if it is empty.
fn convert(kind: Kind, value: &Value) -> Result<Option<Value>, &'static str> {
    Ok(match kind {
        Kind::Text => text(value).map(Value::from),
        Kind::List => list(value)?.map(Value::from),
        Kind::Time => time(value).map(Value::from),
        Kind::Count => match text(value) {
            Some(text) => Some(text.parse::<u64>().map_err(|_| "must be a whole number")?.into()),
            None => None,
        },
        Kind::Pairs => pairs(value)?,
    })
}

/// What stands in a cell, if anything does.
fn text(value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
    (!text.is_empty()).then_some(text)
}

fn list(value: &Value) -> Result<Option<Vec<String>>, &'static str> {
    let Some(text) = text(value) else { return Ok(None) };
    if text.starts_with('[') {
        return serde_json::from_str(&text).map(Some).map_err(|_| "must be a list of texts");
    }
    let words = text.split([',', ';', ' ', '\t']).filter(|word| !word.is_empty());
    Ok(Some(words.map(str::to_owned).collect()))
}

fn pairs(value: &Value) -> Result<Option<Value>, &'static str> {
    let Some(object) = text(value) else { return Ok(None) };
    let object: Map<String, Value> =
        serde_json::from_str(&object).map_err(|_| "must be a JSON object")?;
    let pairs = object.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?.into())));
    Ok(Some(Value::Object(pairs.collect())))
}

/// A time as RFC 3339. None, a zero or less means that there is none.
fn time(value: &Value) -> Option<String> {
    let text = text(value)?;
    if let Ok(number) = text.parse::<f64>() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a time is no such number, and refused"
        )]
        let number = number as i64;
        let micros = if number >= MILLISECONDS_FROM { 1_000 } else { 1_000_000 };
        let at = Timestamp::from_micros(number.saturating_mul(micros));
        return (number > 0).then(|| at.to_string());
    }
    // As SQL writes it: `2026-01-02 03:04:05.123+00`.
    let Some((date, clock)) = text.split_once([' ', 'T']) else { return Some(text) };
    let clock = clock.trim();
    let zone =
        clock.find(['+', '-', 'Z', 'z']).map_or("", |at| clock.get(at..).unwrap_or_default());
    let rest = match (zone, zone.len()) {
        ("", _) => "Z",
        (_, 3) => ":00",
        _ => "",
    };
    Some(format!("{date}T{clock}{rest}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn mapped(map: &[(&str, &str)], row: &Value) -> Result<Value, String> {
        let map: Vec<_> =
            map.iter().map(|(field, column)| ((*field).to_owned(), (*column).to_owned())).collect();
        let mapping = Mapping::new(&map, None).unwrap();
        let line = mapping.line(row.as_object().unwrap())?;
        let mut line: Value = serde_json::from_str(&line).unwrap();
        line.as_object_mut().unwrap().remove("idempotency_key");
        Ok(line)
    }

    #[test]
    fn a_row_becomes_a_key() {
        let row = json!({"key_hash": "abc", "owner": "ann", "scopes": "a.b, c.d;e.f", "plan": "pro",
            "expires_at": "2030-01-02 03:04:05.5+00", "createdAt": 1_700_000_000_000_i64,
            "daily_limit": "100", "tags": ["x"], "metadata": "{\"a\":1,\"b\":null}", "n": ""});
        let map = [
            ("sha256", "key_hash"),
            ("permissions", "scopes"),
            ("metadata.plan", "plan"),
            ("created_at", "createdAt"),
            ("name", "n"),
        ];
        let expected = json!({"name": "imported key", "owner": "ann", "tags": ["x"],
            "permissions": ["a.b", "c.d", "e.f"], "daily_limit": 100,
            "expires_at": "2030-01-02T03:04:05.5+00:00", "metadata": {"a": "1", "plan": "pro"},
            "import": {"sha256": "abc", "created_at": "2023-11-14T22:13:20.000000Z"}});
        assert_eq!(mapped(&map, &row), Ok(expected));
        let empty = json!({"import": {}, "name": "imported key"});
        assert_eq!(mapped(&[], &json!({"other": 1})), Ok(empty));
    }

    #[test]
    fn a_line_that_has_an_import_is_left_as_it_is() {
        let line = json!({"name": "k", "import": {"sha256": "x"}, "colour": 1});
        for map in [&[][..], &[("sha256", "hash"), ("metadata.id", "name")]] {
            assert_eq!(mapped(map, &line), Ok(line.clone()));
        }
    }

    #[test]
    fn the_idempotency_key_follows_from_the_line() {
        let key = |row: Value| {
            let line = Mapping::new(&[], None).unwrap().line(row.as_object().unwrap()).unwrap();
            serde_json::from_str::<Value>(&line).unwrap()["idempotency_key"].clone()
        };
        assert_eq!(
            key(json!({"sha256": "a", "name": "n"})),
            key(json!({"name": "n", "sha256": "a"}))
        );
        assert_ne!(key(json!({"sha256": "a"})), key(json!({"sha256": "b"})));
        assert_eq!(key(json!({"import": {}, "idempotency_key": "own"})), "own");
    }

    #[test]
    fn times_are_read_as_others_write_them() {
        for (sent, expected) in [
            (json!("2026-01-02T03:04:05Z"), Some("2026-01-02T03:04:05Z")),
            (json!("2026-01-02 03:04:05"), Some("2026-01-02T03:04:05Z")),
            (json!("2026-01-02 03:04:05-07"), Some("2026-01-02T03:04:05-07:00")),
            (json!("2026-01-02 03:04:05.1+05:30"), Some("2026-01-02T03:04:05.1+05:30")),
            (json!("1767323045"), Some("2026-01-02T03:04:05.000000Z")),
            (json!(1_767_323_045_000_i64), Some("2026-01-02T03:04:05.000000Z")),
            (json!(0), None),
            (json!(-1), None),
            (json!(""), None),
            (json!(null), None),
            // The server says what is wrong with it.
            (json!("yesterday"), Some("yesterday")),
        ] {
            assert_eq!(time(&sent).as_deref(), expected, "{sent}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_by_its_column() {
        let map = [("daily_limit", "quota"), ("permissions", "scopes"), ("metadata", "meta")];
        for (row, why) in [
            (json!({"quota": "many"}), "quota: must be a whole number"),
            (json!({"scopes": "[1]"}), "scopes: must be a list of texts"),
            (json!({"scopes": "[oops"}), "scopes: must be a list of texts"),
            (json!({"meta": "x"}), "meta: must be a JSON object"),
        ] {
            assert_eq!(mapped(&map, &row), Err(why.to_owned()));
        }
        for map in [&[("colour", "c")][..], &[("name", "a"), ("name", "b")], &[("metadata.", "a")]]
        {
            let map: Vec<_> = map.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            assert!(Mapping::new(&map, None).is_err(), "{map:?}");
        }
    }

    fn cells() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[-0-9:TZ+. ]{0,30}|\\[[a-z\",]{0,10}\\]|\\{[a-z\":]{0,10}\\}|\\PC{0,20}"
                .prop_map(Value::from),
            proptest::collection::vec(any::<u8>(), 0..3).prop_map(Value::from),
        ]
    }

    proptest! {
        /// Whatever stands in a table, its rows become lines or are refused by their column, and the
        /// same row becomes the same line.
        #[test]
        fn any_row_becomes_a_line_or_is_refused(
            row in proptest::collection::btree_map(
                proptest::sample::select(FIELDS.iter().map(|(name, _)| *name).collect::<Vec<_>>()),
                cells(),
                0..8,
            ),
        ) {
            let row: Map<String, Value> =
                row.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let mapping = Mapping::new(&[], None).unwrap();
            let line = mapping.line(&row);
            prop_assert_eq!(mapping.line(&row), line.clone());
            match line {
                Ok(line) => {
                    let line: Value = serde_json::from_str(&line).unwrap();
                    prop_assert!(line["import"].is_object() && line["name"].is_string(), "{}", line);
                    prop_assert!(line["tags"].is_null() || line["tags"].is_array(), "{}", line);
                }
                Err(why) => {
                    let column = why.split(':').next().unwrap();
                    prop_assert!(row.contains_key(column), "{}", why);
                }
            }
        }
    }
}
