//! `/docs`: the API document as a page. It runs no script and makes no other request.
//!
//! It is ours, and not Swagger UI (`utoipa-swagger-ui` with its files in the program, 5.17), which
//! was tried in Chromium. That one works under `default-src 'self'` only in part: an inline style
//! and its icons, which are `data:` images, are refused. It puts 11 MB of files into the program and
//! a browser loads 1.7 MB of script from it; this page is 120 KB and has `default-src 'none'`. The
//! crates for Redoc and Scalar load their script from another host. What is given up is a form to
//! try a call; each call has its `curl` line for that.

use std::sync::OnceLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keys::Dialect;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::routes::authorize;
use crate::{openapi, wire};

const STYLE: &str = include_str!("docs/style.css");

/// `GET /docs`
pub(crate) async fn page() -> Response {
    static PAGE: OnceLock<(Bytes, HeaderValue)> = OnceLock::new();
    let (text, policy) =
        PAGE.get_or_init(|| (Bytes::from(render(&openapi::document(Dialect::Native))), policy()));
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = wire::typed(StatusCode::OK, content_type, Body::from(text.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Allows this page's own style, by its hash, and nothing else.
#[expect(clippy::expect_used, reason = "a constant text and a hash in base64")]
fn policy() -> HeaderValue {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("lawful in a header")
}

/// One call of the API.
struct Call<'a> {
    method: &'a str,
    path: &'a str,
    operation: &'a Map<String, Value>,
}

impl Call<'_> {
    fn anchor(&self) -> String {
        let path = self.path.trim_matches('/').replace(['/', '{', '}', '.'], "-");
        format!("{}-{path}", self.method)
    }

    fn text(&self, name: &str) -> &str {
        self.operation.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn tag(&self) -> Option<&str> {
        self.operation.get("tags")?.get(0)?.as_str()
    }
}

fn render(document: &Value) -> String {
    let calls = calls(document);
    let mut nav = String::new();
    let mut main = String::new();
    let tags = document.get("tags").and_then(Value::as_array);
    for tag in tags.into_iter().flatten() {
        let name = text(tag, "name");
        let title = name.get(..1).unwrap_or_default().to_uppercase() + name.get(1..).unwrap_or("");
        nav += &format!("<h2>{}</h2><ul>", escape(&title));
        main += &format!(
            "<h2 id=\"{0}\">{1}</h2><p class=\"soft\">{2}</p>",
            escape(name),
            escape(&title),
            escape(text(tag, "description"))
        );
        for call in calls.iter().filter(|call| call.tag() == Some(name)) {
            nav += &format!(
                "<li><a href=\"#{}\">{}<code>{}</code></a></li>",
                call.anchor(),
                method(call.method),
                escape(call.path)
            );
            article(&mut main, call);
        }
        nav += "</ul>";
    }
    schemas(&mut nav, &mut main, document);
    let info = document.get("info").unwrap_or(&Value::Null);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} API</title><style>{STYLE}</style></head><body>\
         <nav aria-label=\"Calls\"><strong>{title}</strong><span class=\"soft\">API {version}</span>\
         {nav}</nav><main><h1>{title} API</h1><p>{description}</p>\
         <p class=\"soft\">Send a token as <code>Authorization: Bearer …</code>; \
         <code>keyledger token</code> makes one. Errors are problems (RFC 9457) with a stable \
         <code>code</code>. The same as a document: <a href=\"/openapi.json\">openapi.json</a>.</p>\
         {main}</main></body></html>",
        title = escape(text(info, "title")),
        version = escape(text(info, "version")),
        description = escape(text(info, "description")),
    )
}

fn calls(document: &Value) -> Vec<Call<'_>> {
    let paths = document.get("paths").and_then(Value::as_object);
    let mut calls = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        for method in ["get", "post", "delete"] {
            if let Some(operation) = item.get(method).and_then(Value::as_object) {
                calls.push(Call { method, path, operation });
            }
        }
    }
    calls
}

fn method(name: &str) -> String {
    format!("<span class=\"method {name}\">{}</span>", name.to_uppercase())
}

fn article(page: &mut String, call: &Call<'_>) {
    *page += &format!(
        "<article id=\"{}\"><header><h3>{}<code>{}</code></h3><p>{}",
        call.anchor(),
        method(call.method),
        escape(call.path),
        escape(call.text("summary"))
    );
    let more = call.text("description");
    if !more.is_empty() {
        *page += &format!(". <span class=\"soft\">{}</span>", marked(more));
    }
    *page += "</p></header>";
    if let Some(parameters) = call.operation.get("parameters").and_then(Value::as_array) {
        *page += "<details><summary>Parameters</summary><div class=\"wide\"><table>\
                  <tr><th>Name</th><th>In</th><th>Type</th><th>Meaning</th></tr>";
        for parameter in parameters {
            row(page, parameter);
        }
        *page += "</table></div></details>";
    }
    if let Some(body) = call.operation.get("requestBody") {
        *page += "<details><summary>Body</summary><p>";
        contents(page, body);
        *page += "</p></details>";
    }
    if let Some(responses) = call.operation.get("responses").and_then(Value::as_object) {
        *page += "<details><summary>Answers</summary><div class=\"wide\"><table>";
        for (status, response) in responses {
            *page += &format!("<tr><th>{}</th><td>", escape(status));
            contents(page, response);
            *page += &format!("</td><td>{}</td></tr>", marked(text(response, "description")));
        }
        *page += "</table></div></details>";
    }
    *page += &format!(
        "<details><summary>curl</summary><pre>{}</pre></details></article>",
        escape(&curl(call))
    );
}

fn row(page: &mut String, parameter: &Value) {
    let required = parameter.get("required").and_then(Value::as_bool) == Some(true);
    *page += &format!(
        "<tr><td><code>{}</code>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(text(parameter, "name")),
        if required { " *" } else { "" },
        escape(text(parameter, "in")),
        kind(parameter.get("schema").unwrap_or(&Value::Null)),
        marked(text(parameter, "description"))
    );
}

fn contents(page: &mut String, of: &Value) {
    let content = of.get("content").and_then(Value::as_object);
    for (at, (media_type, described)) in content.into_iter().flatten().enumerate() {
        if at > 0 {
            *page += "<br>";
        }
        *page += &format!(
            "<code>{}</code> {}",
            escape(media_type),
            kind(described.get("schema").unwrap_or(&Value::Null))
        );
    }
}

fn curl(call: &Call<'_>) -> String {
    let free = call.operation.get("security").is_some_and(|security| {
        security
            .as_array()
            .is_some_and(|all| all.iter().all(|one| one == &Value::Object(Map::new())))
    });
    let mut line = "curl".to_owned();
    if call.method != "get" {
        line += &format!(" -X {}", call.method.to_uppercase());
    }
    if call.path.starts_with(authorize::PATH) {
        line += " -H \"X-Keyledger-Token: $TOKEN\" -H \"X-API-Key: $KEY\"";
    } else if !free {
        line += " -H \"Authorization: Bearer $TOKEN\"";
    }
    let example = call
        .operation
        .get("requestBody")
        .and_then(|body| body.pointer("/content/application~1json/example"));
    if let Some(body) = example {
        line += &format!(" -H 'Content-Type: application/json' -d '{body}'");
    }
    let body = call.operation.get("requestBody");
    if body.is_some_and(|body| body.pointer("/content/application~1x-ndjson").is_some()) {
        line += " -H 'Content-Type: application/x-ndjson' -T keys.ndjson";
    }
    let mut path = call.path.replace("{id}", "$ID");
    let parameters = call.operation.get("parameters").and_then(Value::as_array);
    for parameter in parameters.into_iter().flatten() {
        let name = text(parameter, "name");
        let value = match parameter.get("example") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => continue,
        };
        if text(parameter, "in") == "path" {
            path = path.replace(&format!("{{{name}}}"), &value);
        } else if parameter.get("required").and_then(Value::as_bool) == Some(true) {
            let sign = if path.contains('?') { '&' } else { '?' };
            path += &format!("{sign}{name}={value}");
        }
    }
    format!("{line} \"$URL{path}\"")
}

fn schemas(nav: &mut String, main: &mut String, document: &Value) {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    *nav += "<h2>Types</h2><ul>";
    *main += "<h2 id=\"types\">Types</h2>";
    for (name, schema) in schemas.into_iter().flatten() {
        let name = escape(name);
        *nav += &format!("<li><a href=\"#type-{name}\"><code>{name}</code></a></li>");
        *main += &format!(
            "<article id=\"type-{name}\"><header><h3><code>{name}</code></h3><p>{}</p></header>\
             <details open><summary>Fields</summary><div class=\"wide\"><table>",
            marked(text(schema, "description"))
        );
        fields(main, schema);
        *main += "</table></div></details></article>";
    }
    *nav += "</ul>";
}

/// The fields of an object, those of what it is put together from included.
fn fields(page: &mut String, schema: &Value) {
    for part in ["allOf", "oneOf"] {
        for part in schema.get(part).and_then(Value::as_array).into_iter().flatten() {
            if part.get("$ref").is_some() {
                *page += &format!("<tr><td>all of</td><td>{}</td><td></td></tr>", kind(part));
            }
            fields(page, part);
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, field) in properties.into_iter().flatten() {
        *page += &format!(
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(name),
            kind(field),
            marked(text(field, "description"))
        );
    }
}

/// A schema in a word, or a link to it.
fn kind(schema: &Value) -> String {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let name = escape(target.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(items));
    }
    for part in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema.get(part).and_then(Value::as_array) {
            return parts.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    let word = match schema.get("type") {
        Some(Value::Array(types)) => {
            types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        Some(other) => other.as_str().unwrap_or_default().to_owned(),
        None => String::new(),
    };
    match schema.get("format").and_then(Value::as_str) {
        Some(format) if !format.starts_with("int") => escape(&format!("{word} ({format})")),
        Some(_) | None => escape(&word),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Escaped, with what stands between backticks as code.
fn marked(text: &str) -> String {
    let mut marked = String::new();
    for (at, part) in escape(text).split('`').enumerate() {
        if at % 2 == 1 {
            marked += &format!("<code>{part}</code>");
        } else {
            marked += part;
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_call_and_asks_for_nothing() {
        let document = openapi::document(Dialect::Native);
        let page = render(&document);
        for call in calls(&document) {
            assert!(page.contains(&format!("id=\"{}\"", call.anchor())), "{}", call.path);
        }
        for outside in ["=\"http://", "=\"https://", "<script", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        // Every link within the page leads somewhere.
        for link in page.split("href=\"#").skip(1) {
            let target = link.split('"').next().unwrap();
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(marked("a <b> `c&d`"), "a &lt;b&gt; <code>c&amp;d</code>");
    }
}
