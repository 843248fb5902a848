//! Tests as scripts: requests in, a table of answers out, generated values masked.
//!
//! A step is `[@ROLE[:ACCOUNT] ]METHOD PATH[ BODY][ | NAME: VALUE][ => FIELD…]`. Without a role it
//! is the owner of account `acme`. `$1` is the id of the first key that the script made, `$s1` its
//! secret. A refusal is shown as its status, its code and the field that it is about, another answer
//! as its status and the named fields (`key.status`), or all of it.

use std::collections::BTreeMap;

use expect_test::Expect;
use serde_json::Value;

use super::client::{Answer, Client};
use super::service::Service;

/// Runs the steps against a service of their own and compares the answers.
pub(crate) fn check(steps: &[&str], expected: &Expect) {
    Script::new(&Service::start()).check(steps, expected);
}

/// Steps against a service, which remember the keys they made.
pub(crate) struct Script<'a> {
    service: &'a Service,
    clients: BTreeMap<String, Client>,
    ids: Vec<String>,
    secrets: Vec<String>,
}

impl<'a> Script<'a> {
    pub(crate) fn new(service: &'a Service) -> Script<'a> {
        Script { service, clients: BTreeMap::new(), ids: Vec::new(), secrets: Vec::new() }
    }

    pub(crate) fn check(&mut self, steps: &[&str], expected: &Expect) {
        let shown: String = steps.iter().map(|step| self.step(step) + "\n").collect();
        expected.assert_eq(&shown);
    }

    /// The secret of the nth key it made, from 1.
    pub(crate) fn secret(&self, nth: usize) -> &str {
        &self.secrets[nth - 1]
    }

    /// Takes one step and shows its answer.
    pub(crate) fn step(&mut self, step: &str) -> String {
        let (step, fields) = match step.split_once(" => ") {
            Some((step, fields)) => (step, Some(fields)),
            None => (step, None),
        };
        let answer = self.send(step);
        if answer.status >= 400 {
            let field = answer.field().map(|field| format!(" {field}")).unwrap_or_default();
            return format!("{} {}{field}", answer.status, answer.code());
        }
        let json = answer.json();
        self.remember(&json);
        let Some(fields) = fields else {
            return format!("{} {}", answer.status, self.masked("", &json));
        };
        let shown = fields.split(' ').map(|field| {
            if let Some(name) = field.strip_prefix('#') {
                let mut text = answer.header(name).unwrap_or("-").to_owned();
                for (at, id) in self.ids.iter().enumerate() {
                    text = text.replace(id, &format!("${}", at + 1));
                }
                format!("{name}: {text}")
            } else {
                let pointer = format!("/{}", field.replace('.', "/"));
                let value = json.pointer(&pointer).cloned().unwrap_or(Value::from("(missing)"));
                let name = field.rsplit('.').next().unwrap_or(field);
                format!("{name}={}", self.masked(name, &value))
            }
        });
        format!("{} {}", answer.status, shown.collect::<Vec<_>>().join(" "))
    }

    /// Sends one step.
    pub(crate) fn send(&mut self, step: &str) -> Answer {
        let (step, header) = match step.split_once(" | ") {
            Some((step, header)) => (step, header.split_once(": ")),
            None => (step, None),
        };
        let (who, step) = match step.strip_prefix('@') {
            Some(rest) => rest.split_once(' ').unwrap(),
            None => ("owner", step),
        };
        let mut step = step.to_owned();
        for (at, secret) in self.secrets.iter().enumerate() {
            step = step.replace(&format!("$s{}", at + 1), secret);
        }
        for (at, id) in self.ids.iter().enumerate() {
            step = step.replace(&format!("${}", at + 1), id);
        }
        let service = self.service;
        let client =
            self.clients.entry(who.to_owned()).or_insert_with(|| match who.split_once(':') {
                Some((role, account)) => service.client_of(account, role),
                None => service.client(who),
            });
        client.send_with(&step, header.as_slice())
    }

    fn remember(&mut self, json: &Value) {
        if let (Some(id), Some(secret)) = (json.pointer("/key/id"), json.get("secret"))
            && let (Some(id), Some(secret)) = (id.as_str(), secret.as_str())
        {
            self.ids.push(id.to_owned());
            self.secrets.push(secret.to_owned());
        }
    }

    /// The value with what was generated masked.
    fn masked(&self, name: &str, value: &Value) -> String {
        match value {
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", self.masked(name, value)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
            Value::Array(items) => {
                let items = items.iter().map(|item| self.masked(name, item));
                format!("[{}]", items.collect::<Vec<_>>().join(", "))
            }
            Value::String(text) => self.masked_text(name, text),
            Value::Number(_) if name == "late_ms" => "<ms>".to_owned(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        }
    }

    fn masked_text(&self, name: &str, text: &str) -> String {
        if let Some(at) = self.ids.iter().position(|id| id == text) {
            return format!("${}", at + 1);
        }
        if text.starts_with("kl_") {
            return format!("<{name}>");
        }
        if name == "request_id" {
            return "<request>".to_owned();
        }
        if let Some(rest) = text.strip_prefix("token:keyledger:") {
            assert!(rest.len() >= 16 && rest.bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
            return "token:keyledger:<jti>".to_owned();
        }
        let time = text.len() == 27 && text.ends_with('Z') && text.get(10..11) == Some("T");
        if time { "<time>".to_owned() } else { text.to_owned() }
    }
}
