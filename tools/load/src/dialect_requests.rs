//! The requests to dialects: the create of each, and the one for a public key.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::client::Target;
use crate::op::Op;
use crate::template::{Template, key_name};

/// The HS256 secret of the tokens of callcov's users. A user of callcov may have ten keys, so a load of
/// creates takes many users. Only a service under measurement has this secret.
pub(crate) const SECRET: &str = "a secret for users that exist while they are measured";
/// `iss` of these tokens.
pub(crate) const ISSUER: &str = "load";
/// `aud` of these tokens.
pub(crate) const AUDIENCE: &str = "keyledger";
/// Users so far.
static USERS: AtomicUsize = AtomicUsize::new(1);
/// How many active keys a user of callcov may have.
const KEYS_PER_USER: usize = 10;

/// The requests of one operation, with a hole where each request differs from the last.
#[derive(Clone, Debug)]
pub(crate) struct DialectRequests {
    template: Template,
    fill: Fill,
}

/// What the hole is filled with.
#[derive(Clone, Debug)]
enum Fill {
    /// Nothing: there is none.
    Nothing,
    /// The key's name.
    Name,
    /// A token of a user who may create `left` more keys.
    Token { text: String, left: usize },
}

impl DialectRequests {
    /// The requests of `op`; `None` for those of the native API.
    pub(crate) fn new(target: &Target, op: Op) -> Result<Option<DialectRequests>> {
        let name = key_name(0, 0);
        let (path, body) = match op {
            Op::Create | Op::Receipt | Op::Verify | Op::List | Op::Mixed => return Ok(None),
            Op::Covosign => (
                "/dialects/covosign/api/v1/api-keys",
                format!(r#"{{"name":"{name}","environment":"SANDBOX","allowedIps":["10.0.0.1"]}}"#),
            ),
            Op::Cloudsigma => {
                ("/dialects/cloudsigma/v1/api-keys", format!(r#"{{"name":"{name}"}}"#))
            }
            Op::Capgo => (
                "/dialects/capgo/apikey/",
                format!(r#"{{"org_id":"acme","mode":"read","name":"{name}"}}"#),
            ),
            Op::Composable => (
                "/dialects/composable/api/v1/apikeys",
                format!(r#"{{"name":"{name}","role":"developer"}}"#),
            ),
            Op::Callcov => {
                let body = r#"{"description":"Production API key for call analysis integration"}"#;
                return by_users(target, "/dialects/callcov/api/v1/api-keys/", body).map(Some);
            }
            Op::Users => {
                let body = r#"{"name":"API key","description":"Production API key for call analysis integration"}"#;
                return by_users(target, "/v1/keys", body).map(Some);
            }
            Op::Public => {
                let path = "/dialects/composable/api/v1/apikeys/pk?name=load&ttl=86400";
                let template = Template::new(target.get(path), "")?;
                return Ok(Some(DialectRequests { template, fill: Fill::Nothing }));
            }
        };
        let template = Template::new(target.post(path, &body), &name)?;
        Ok(Some(DialectRequests { template, fill: Fill::Name }))
    }

    /// The next request.
    pub(crate) fn next(&mut self, connection: usize, turn: usize) -> &[u8] {
        match &mut self.fill {
            Fill::Nothing => self.template.filled(b""),
            Fill::Name => self.template.filled(key_name(connection, turn).as_bytes()),
            Fill::Token { text, left } => {
                if *left == 0 {
                    *text = token(USERS.fetch_add(1, Ordering::Relaxed));
                    *left = KEYS_PER_USER;
                }
                *left -= 1;
                self.template.filled(text.as_bytes())
            }
        }
    }
}

/// The same request by one user after another.
fn by_users(target: &Target, path: &str, body: &str) -> Result<DialectRequests> {
    let text = token(0);
    let user = Target { token: text.clone(), ..target.clone() };
    let template = Template::new(user.post(path, body), &text)?;
    Ok(DialectRequests { template, fill: Fill::Token { text, left: 0 } })
}

/// The token of a user (RFC 7515 §3.1, HS256); all tokens have the same length.
#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn token(user: usize) -> String {
    let claims = format!(
        r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"user-{user:09}","account":"acme","role":"owner","exp":4000000000}}"#
    );
    let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    let mac = mac.chain_update(&token).finalize().into_bytes();
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(mac, &mut token);
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_keys_are_one_users() {
        let target = Target::new("http://127.0.0.1:1", "token").unwrap();
        let mut requests = DialectRequests::new(&target, Op::Callcov).unwrap().unwrap();
        let sent: Vec<Vec<u8>> = (0..30).map(|turn| requests.next(0, turn).to_vec()).collect();
        for (at, request) in sent.iter().enumerate() {
            assert_eq!(request.len(), sent[0].len());
            assert_eq!(*request, sent[at / 10 * 10]);
        }
        let users: std::collections::BTreeSet<_> = sent.iter().collect();
        assert_eq!(users.len(), 3);
        // Another connection has users of its own.
        let mut other = DialectRequests::new(&target, Op::Callcov).unwrap().unwrap();
        assert!(!users.contains(&other.next(0, 0).to_vec()));
    }
}
