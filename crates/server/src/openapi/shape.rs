//! Schemas as clients can use them: objects whole instead of in parts, and events told apart by
//! their type.

use keys::EventKind;
use serde_json::{Map, Value, json};

/// Where schemas are, as a reference says it.
const SCHEMAS: &str = "#/components/schemas/";

/// A reference to a schema.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{SCHEMAS}{name}") })
}

/// Makes one line of a description's lines, which end where those of the source did.
pub(super) fn unwrap_lines(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                let paragraphs = text.split("\n\n").map(|lines| lines.replace('\n', " "));
                *text = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
            fields.values_mut().for_each(unwrap_lines);
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_lines),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts objects together that are described in parts, and drops the parts nothing else refers to.
pub(super) fn flatten(schemas: &mut Map<String, Value>) {
    let whole: Vec<(String, Value)> = schemas
        .iter()
        .filter(|(_, schema)| schema.get("allOf").is_some())
        .filter_map(|(name, schema)| {
            let mut object = Map::new();
            collect(schemas, schema, &mut object)?;
            object.insert("type".to_owned(), "object".into());
            if let Some(about) = schema.get("description") {
                object.insert("description".to_owned(), about.clone());
            }
            Some((name.clone(), Value::Object(object)))
        })
        .collect();
    schemas.extend(whole);
}

/// Adds the fields of `schema`, and of what it is put together from. `None` if it is no object.
fn collect(
    schemas: &Map<String, Value>,
    schema: &Value,
    object: &mut Map<String, Value>,
) -> Option<()> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return collect(schemas, schemas.get(target.strip_prefix(SCHEMAS)?)?, object);
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        return parts.iter().try_for_each(|part| collect(schemas, part, object));
    }
    let fields = schema.get("properties")?.as_object()?;
    let all = object.entry("properties").or_insert_with(|| json!({})).as_object_mut()?;
    all.extend(fields.clone());
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    object.entry("required").or_insert_with(|| json!([])).as_array_mut()?.extend(required);
    Some(())
}

/// Makes of `Event` one for each type, with its `type` and the `data` of that type.
pub(super) fn events(schemas: &mut Map<String, Value>) {
    let Some(whole) = schemas.remove("Event") else { return };
    let (mut mapping, mut branches) = (Map::new(), Vec::new());
    for kind in EventKind::ALL {
        let (name, data, about) = match kind {
            EventKind::Created => {
                ("CreatedEvent", "CreatedData", "A key was made, perhaps in the place of another.")
            }
            EventKind::Enabled => ("EnabledEvent", "NoData", "A key was switched back on."),
            EventKind::Disabled => ("DisabledEvent", "NoData", "A key was switched off."),
            EventKind::Expired => ("ExpiredEvent", "ExpiredData", "A key's time ran out."),
            EventKind::Revoked => ("RevokedEvent", "RevokedData", "A key was withdrawn for good."),
            EventKind::Updated => ("UpdatedEvent", "UpdatedData", "A key was edited."),
        };
        let mut branch = whole.clone();
        if let Some(fields) = branch.get_mut("properties").and_then(Value::as_object_mut) {
            fields.insert(
                "type".to_owned(),
                json!({ "type": "string", "const": kind.as_str(), "description": "What happened." }),
            );
            fields.insert("data".to_owned(), reference(data));
        }
        if let Some(branch) = branch.as_object_mut() {
            branch.insert("description".to_owned(), about.into());
        }
        mapping.insert(kind.as_str().to_owned(), format!("{SCHEMAS}{name}").into());
        branches.push(reference(name));
        schemas.insert(name.to_owned(), branch);
    }
    let event = json!({
        "description": "An event of a key; `type` says which.",
        "oneOf": branches,
        "discriminator": { "propertyName": "type", "mapping": mapping },
    });
    schemas.insert("Event".to_owned(), event);
}

/// Removes schemas that nothing refers to, and those that only such ones do.
pub(super) fn prune(document: &mut Value) {
    loop {
        let text = document.to_string();
        let pointer = "/components/schemas";
        let Some(schemas) = document.pointer_mut(pointer).and_then(Value::as_object_mut) else {
            return;
        };
        let all = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"{SCHEMAS}{name}\"")));
        if schemas.len() == all {
            return;
        }
    }
}
