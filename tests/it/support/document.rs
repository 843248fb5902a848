//! Holds every answer that a test receives against the document of the API it came from.
//!
//! The documents are those that the built program prints. An answer must have a status, headers and
//! a content type that its operation describes, and its JSON must be as its schema says, with no
//! field beside those described. The request of a success must be described as well.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use ureq::http::HeaderMap;

use super::program::keyledger;

/// Headers of HTTP itself, which say nothing of the operation.
const GENERAL: &[&str] = &[
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",
];
/// Pages and documents, which describe no API.
const PAGES: &[&str] = &["/", "/docs", "/openapi.json"];
const DIALECTS: [&str; 5] = ["covosign", "callcov", "cloudsigma", "capgo", "composable"];

static NATIVE: LazyLock<Document> = LazyLock::new(|| Document::printed("native"));
static DIALECT_DOCUMENTS: LazyLock<BTreeMap<&str, Document>> =
    LazyLock::new(|| DIALECTS.map(|name| (name, Document::printed(name))).into());

/// A request, as far as its answer depends on it.
pub(crate) struct RequestLine<'a> {
    pub(crate) method: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) body: Option<&'a str>,
}

impl<'a> RequestLine<'a> {
    /// `METHOD TARGET`, or `METHOD TARGET BODY`.
    pub(crate) fn of(line: &'a str) -> RequestLine<'a> {
        let (method, rest) = line.split_once(' ').unwrap();
        let (target, body) = rest.split_once(' ').map_or((rest, None), |(at, it)| (at, Some(it)));
        RequestLine { method, target, body }
    }

    /// Panics unless the answer is one that the document describes.
    ///
    /// `text` is `None` where the body was left unread, or is no text.
    pub(crate) fn is_answered(&self, status: u16, headers: &HeaderMap, text: Option<&str>) {
        let RequestLine { method, target, .. } = self;
        if let Err(why) = self.judge(status, headers, text) {
            let text = text.unwrap_or("(not read)");
            panic!("not as documented: {why}\n{method} {target}\n{status} {headers:?}\n{text}");
        }
    }

    fn judge(&self, status: u16, headers: &HeaderMap, text: Option<&str>) -> Result<(), String> {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let path = path.split('#').next().unwrap_or_default();
        if PAGES.contains(&path) || path.ends_with("/openapi.json") {
            return Ok(());
        }
        // The service does not name itself: this one came from a gateway's backend.
        if headers.contains_key("server") {
            return Ok(());
        }
        let answer = Answer { status, headers, text: text.filter(|_| self.method != "HEAD") };
        if let Some((name, path)) =
            path.strip_prefix("/dialects/").and_then(|rest| rest.split_once('/'))
            && let Some(document) = DIALECT_DOCUMENTS.get(name)
        {
            return document.judge(self, &format!("/{path}"), query, &answer);
        }
        if NATIVE.at(path).is_none() {
            // A dialect may be at the root as well. More than one may have the path.
            let mounted: Vec<_> =
                DIALECT_DOCUMENTS.values().filter(|document| document.at(path).is_some()).collect();
            let judged: Vec<_> =
                mounted.iter().map(|document| document.judge(self, path, query, &answer)).collect();
            if judged.iter().any(Result::is_ok) {
                return Ok(());
            }
        }
        NATIVE.judge(self, path, query, &answer)
    }
}

struct Answer<'a> {
    status: u16,
    headers: &'a HeaderMap,
    text: Option<&'a str>,
}

impl Answer<'_> {
    /// An address of its own has few of the routes.
    fn is_of_no_route(&self) -> bool {
        self.status == 404 && self.text.is_some_and(|text| text.contains("\"no such route"))
    }

    /// The media type, without parameters.
    fn media_type(&self) -> Option<&str> {
        let declared = self.headers.get("content-type")?.to_str().ok()?;
        Some(declared.split(';').next().unwrap_or_default().trim())
    }
}

/// One document.
struct Document {
    name: &'static str,
    whole: Value,
    /// By the pointer of the schema; made when first needed.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Document {
    fn printed(name: &'static str) -> Document {
        let printed = keyledger(&["openapi", "--dialect", name]).good();
        let mut whole: Value = serde_json::from_str(&printed).unwrap();
        close(&mut whole);
        Document { name, whole, validators: Mutex::default() }
    }

    /// The template that `path` fits best, and what is there.
    fn at(&self, path: &str) -> Option<(&str, &Value)> {
        let paths = self.whole["paths"].as_object().unwrap();
        // A dialect's paths may end in a slash or not.
        let plain = |path: &str| match self.name {
            "native" => path.to_owned(),
            _ => path.trim_end_matches('/').to_owned(),
        };
        let fitting = paths.iter().filter(|(template, _)| fits(&plain(template), &plain(path)));
        // A word goes before a parameter: `/v1/keys/verify` is no key.
        let best = fitting.min_by_key(|(template, _)| template.matches('{').count());
        best.map(|(template, item)| (template.as_str(), item))
    }

    fn judge(
        &self,
        request: &RequestLine<'_>,
        path: &str,
        query: &str,
        answer: &Answer<'_>,
    ) -> Result<(), String> {
        let method = match request.method {
            "HEAD" => "get".to_owned(),
            // A gateway sends its client's.
            _ if self.name == "native" && path.starts_with("/v1/authorize") => "get".to_owned(),
            other => other.to_lowercase(),
        };
        let found = self.at(path).and_then(|(template, item)| Some((template, item.get(&method)?)));
        let Some((template, operation)) = found.filter(|_| !answer.is_of_no_route()) else {
            return self.unknown(answer);
        };
        let pointer = format!("/paths/{}/{method}", escape(template));
        let responses = operation["responses"].as_object().unwrap();
        let range = format!("{}XX", answer.status / 100);
        let status = [answer.status.to_string(), range]
            .into_iter()
            .find(|status| responses.contains_key(status))
            .ok_or_else(|| format!("{} has no status {}", self.name, answer.status))?;
        let pointer = self.resolved(&format!("{pointer}/responses/{status}"));
        let response = self.whole.pointer(&pointer).unwrap();
        let described = response["headers"].as_object();
        let described: Vec<_> =
            described.into_iter().flatten().map(|(name, _)| name.to_lowercase()).collect();
        for name in answer.headers.keys().map(ureq::http::HeaderName::as_str) {
            if !GENERAL.contains(&name) && !described.iter().any(|one| one == name) {
                return Err(format!("the header {name} is not described"));
            }
        }
        self.judge_body(&pointer, response, answer)?;
        if answer.status < 300 {
            self.judge_request(request, operation, template, &method, query)?;
        }
        Ok(())
    }

    /// Of what no operation describes there are refusals only.
    fn unknown(&self, answer: &Answer<'_>) -> Result<(), String> {
        if answer.status < 400 {
            return Err(format!("{} describes no such operation", self.name));
        }
        match (self.name, answer.text, answer.media_type()) {
            ("native", Some(text), Some("application/problem+json")) if !text.is_empty() => {
                self.validate("/components/schemas/Problem", &parsed(text)?)
            }
            _ => Ok(()),
        }
    }

    fn judge_body(
        &self,
        pointer: &str,
        response: &Value,
        answer: &Answer<'_>,
    ) -> Result<(), String> {
        let empty = Map::new();
        let content = response["content"].as_object().unwrap_or(&empty);
        let Some(media_type) = answer.media_type() else {
            let nothing = answer.text.is_none_or(str::is_empty);
            return if nothing { Ok(()) } else { Err("a body of no type".to_owned()) };
        };
        if !content.contains_key(media_type) {
            return Err(format!("the content type {media_type} is not described"));
        }
        let Some(text) = answer.text else { return Ok(()) };
        let schema = format!("{pointer}/content/{}/schema", escape(media_type));
        if media_type == "application/json" || media_type.ends_with("+json") {
            return self.validate(&schema, &parsed(text)?);
        }
        if media_type == "application/x-ndjson" {
            // Where it is only said that it is text, it is events.
            let described = self.whole.pointer(&schema).is_some_and(|it| it["type"] != "string");
            let line_schema = if described { &schema } else { "/components/schemas/Event" };
            for line in text.lines() {
                self.validate(line_schema, &parsed(line)?)?;
            }
        }
        Ok(())
    }

    /// What was taken must be described: parameters, and the body's fields.
    fn judge_request(
        &self,
        request: &RequestLine<'_>,
        operation: &Value,
        template: &str,
        method: &str,
        query: &str,
    ) -> Result<(), String> {
        let parameters = operation["parameters"].as_array();
        let names: Vec<_> = parameters
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap();
            // One of the pairs of a parameter that is an object.
            let name = name.split('.').next().unwrap();
            // Below forward auth's address the query is the client's; a dialect and the operator's
            // pages pass over what they do not know.
            let strict = self.name == "native"
                && !template.ends_with("{path}")
                && operation["tags"][0] != "operations";
            if strict && !names.contains(&name) {
                return Err(format!("the parameter {name} is not described"));
            }
        }
        match request.body.filter(|body| !body.is_empty()) {
            // Of a body of lines some may be bad.
            Some(body) if operation.pointer("/requestBody/content/application~1json").is_some() => {
                let pointer = format!(
                    "/paths/{}/{method}/requestBody/content/application~1json/schema",
                    escape(template)
                );
                let body = body.trim_start_matches('\u{feff}');
                self.validate(&pointer, &parsed(body)?).map_err(|why| format!("request: {why}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Where `pointer` leads if there is a reference.
    fn resolved(&self, pointer: &str) -> String {
        let target = self.whole.pointer(pointer).and_then(|it| it.get("$ref")?.as_str());
        target
            .map_or_else(|| pointer.to_owned(), |target| target.trim_start_matches('#').to_owned())
    }

    fn validate(&self, pointer: &str, value: &Value) -> Result<(), String> {
        let validator = {
            let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
            let made = || Arc::new(self.validator(pointer));
            Arc::clone(validators.entry(pointer.to_owned()).or_insert_with(made))
        };
        let errors: Vec<_> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(format!("{pointer}: {}", errors.join("; "))) }
    }

    fn validator(&self, pointer: &str) -> Validator {
        let mut schema = self.whole.pointer(pointer).unwrap().clone();
        // References lead to where they lead in the document.
        schema["components"] = json!({ "schemas": self.whole["components"]["schemas"] });
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        let built = options.should_validate_formats(true).build(&schema);
        built.unwrap_or_else(|error| panic!("{} {pointer}: {error}", self.name))
    }
}

/// An event that came over a stream must be as the document says.
pub(crate) fn is_event(event: &Value) {
    let judged = NATIVE.validate("/components/schemas/Event", event);
    judged.unwrap_or_else(|why| panic!("not as documented: {why}\n{event}"));
}

fn parsed(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}

/// As one part of a JSON pointer (RFC 6901 §3).
fn escape(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// Whether `path` is one of `template`'s. A tile's name and a client's path have any parts.
fn fits(template: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    for wanted in template.split('/') {
        match (wanted, parts.next()) {
            ("{tile}" | "{path}", Some(_)) => return true,
            (_, Some(part)) if part == wanted || (wanted.starts_with('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

/// Allows an object of an answer no field beside those described. The published document does not
/// say so, because an answer may get more of them.
fn close(document: &mut Value) {
    let mut request_types = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            references(&operation["requestBody"], &mut request_types);
        }
    }
    if let Some(schemas) =
        document.pointer_mut("/components/schemas").and_then(Value::as_object_mut)
    {
        for (name, schema) in schemas {
            if !request_types.contains(name) {
                close_schema(schema, false);
            }
        }
    }
    close_schema(&mut document["paths"], false);
}

fn close_schema(schema: &mut Value, part: bool) {
    match schema {
        Value::Object(fields) => {
            let is_object = fields.get("properties").is_some_and(Value::is_object);
            if is_object && !part && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            for (name, value) in fields {
                if !matches!(name.as_str(), "example" | "examples" | "requestBody") {
                    close_schema(value, name == "allOf");
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close_schema(item, part)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The names of the schemas that `value` refers to.
fn references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                names.push(target.rsplit('/').next().unwrap().to_owned());
            }
            fields.values().for_each(|value| references(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
