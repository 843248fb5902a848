//! Whole answers of a dialect, as they came: the order of fields counts. What was generated is
//! masked by what it is.

use super::client::{Answer, Client};

/// Status and body; times, ids and the random parts of keys masked, each keeping its shape.
pub(crate) fn shown(answer: &Answer) -> String {
    let mut text = answer.text.clone();
    let mut out = String::new();
    while let Some(start) = text.find('"') {
        let rest = &text[start + 1..];
        let Some(end) = string_end(rest) else { break };
        out += &text[..=start];
        out += &masked(&rest[..end]);
        out.push('"');
        text = rest[end + 1..].to_owned();
    }
    format!("{} {out}{text}\n", answer.status)
}

/// Steps, each with its answer beneath it.
pub(crate) fn exchanges(client: &Client, steps: &[&str]) -> String {
    let exchange = |step: &&str| {
        let line: String = step.chars().take(150).collect();
        format!("{line}\n  {}", shown(&client.send(step)))
    };
    steps.iter().map(exchange).collect()
}

/// A text in an answer.
pub(crate) fn text(answer: &Answer, pointer: &str) -> String {
    let json = answer.json();
    let found = json.pointer(pointer).and_then(serde_json::Value::as_str);
    found.unwrap_or_else(|| panic!("no {pointer} in {answer:?}")).to_owned()
}

fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

fn masked(text: &str) -> String {
    let kind = |c: char| match c {
        'a'..='f' => 'h',
        '0'..='9' => '9',
        c if c.is_ascii_alphanumeric() => 'x',
        c => c,
    };
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    match shape.as_str() {
        "9999-99-99T99:99:99Z" => return "<seconds>".to_owned(),
        "9999-99-99T99:99:99.999Z" => return "<millis>".to_owned(),
        _ => {}
    }
    let id: String = text.chars().map(kind).collect();
    let is_id = text.len() == 36 && id.chars().all(|c| matches!(c, 'h' | '9' | '-'));
    if is_id && text.matches('-').count() == 4 {
        return "<id>".to_owned();
    }
    let literals = ["csk_sandbox_", "csk_live_", "sk_live_", "ak_", "sk-", "pk-"];
    for literal in literals {
        let Some(rest) = text.strip_prefix(literal) else { continue };
        let body = rest.trim_end_matches(['*', '.']);
        let tail = &rest[body.len()..];
        let hex = body.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        let uuid = body.matches('-').count() == 4;
        let alphabet = match (uuid, hex) {
            (true, _) => "uuid",
            (_, true) => "hex",
            _ => "base62",
        };
        // Five characters of a UUID, or so, tell nothing of their alphabet.
        let lawful = uuid || body.chars().all(|c| c.is_ascii_alphanumeric());
        if lawful && body.len() >= 5 {
            let alphabet = if body.len() < 8 { "" } else { alphabet };
            return format!("{literal}<{}{alphabet}>{tail}", body.len());
        }
    }
    text.to_owned()
}
