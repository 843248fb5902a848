//! Examples: of parameters by their name, of bodies and answers by the operation.
//!
//! They were taken from a running service, with the text of a key that is none. A test sends every
//! one of them.

use serde_json::Value;

const EXAMPLES: &str = include_str!("examples.json");

/// Adds them to the native document.
#[expect(clippy::expect_used, reason = "a file of this crate, which its tests read")]
pub(super) fn add(document: &mut Value) {
    // The file is part of the program, and a test sees that it is read.
    let examples: Value = serde_json::from_str(EXAMPLES).expect("the examples are JSON");
    let items = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = items.into_iter().flat_map(|items| items.values_mut());
    for operation in operations.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut())
    {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
            let example = examples.pointer("/parameters").and_then(|all| all.get(name)).cloned();
            set(Some(parameter), example);
        }
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let own = examples.pointer("/operations").and_then(|all| all.get(id));
        let (body, answer) = own.map_or((None, None), |own| (own.get("body"), own.get("answer")));
        let sent = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
        set(sent.and_then(|content| content.values_mut().next()), body.cloned());
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        // What is made comes after what a dry run would make.
        let good = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
        let content =
            good.last().and_then(|(_, response)| response.get_mut("content")?.as_object_mut());
        set(content.and_then(|content| content.values_mut().next()), answer.cloned());
    }
}

fn set(of: Option<&mut Value>, example: Option<Value>) {
    if let (Some(of), Some(example)) = (of.and_then(Value::as_object_mut), example) {
        of.insert("example".to_owned(), example);
    }
}
