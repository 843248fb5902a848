//! What a connection sends to a dialect: a create of each, and the request for a public key.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::client::Target;
use crate::script::{Op, Template, name};

/// The secret that callcov's users have their tokens signed with: it gives a user ten keys, so a
/// load of creates takes many users. Only ever the secret of a service that is measured.
pub(crate) const SECRET: &str = "a secret for users that exist while they are measured";
/// Who signs them.
pub(crate) const ISSUER: &str = "load";
/// For whom.
pub(crate) const AUDIENCE: &str = "keyledger";
/// Users so far.
static USERS: AtomicUsize = AtomicUsize::new(1);
/// How many active keys a user of callcov may have.
const KEYS_OF_ONE: usize = 10;

/// What an operation of a dialect sends, with a hole where each request differs from the last.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    template: Template,
    fill: Fill,
}

/// What the hole takes.
#[derive(Clone, Debug)]
enum Fill {
    /// Nothing: there is none.
    Nothing,
    /// The key's name.
    Name,
    /// A token of a user who may have so many keys more.
    Token { text: String, left: usize },
}

impl Spoken {
    /// The requests of `op`; `None` for those of the native API.
    pub(crate) fn new(target: &Target, op: Op) -> Result<Option<Spoken>> {
        let name = name(0, 0);
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
                return Ok(Some(Spoken { template, fill: Fill::Nothing }));
            }
        };
        let template = Template::new(target.post(path, &body), &name)?;
        Ok(Some(Spoken { template, fill: Fill::Name }))
    }

    /// The next request.
    pub(crate) fn next(&mut self, connection: usize, turn: usize) -> &[u8] {
        match &mut self.fill {
            Fill::Nothing => self.template.filled(b""),
            Fill::Name => self.template.filled(name(connection, turn).as_bytes()),
            Fill::Token { text, left } => {
                if *left == 0 {
                    *text = token(USERS.fetch_add(1, Ordering::Relaxed));
                    *left = KEYS_OF_ONE;
                }
                *left -= 1;
                self.template.filled(text.as_bytes())
            }
        }
    }
}

/// The same request by one user after another.
fn by_users(target: &Target, path: &str, body: &str) -> Result<Spoken> {
    let text = token(0);
    let user = Target { token: text.clone(), ..target.clone() };
    let template = Template::new(user.post(path, body), &text)?;
    Ok(Spoken { template, fill: Fill::Token { text, left: 0 } })
}

/// The token of a user, always as long (RFC 7515 §3.1, HS256).
fn token(user: usize) -> String {
    let claims = format!(
        r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"user-{user:09}","account":"acme","role":"owner","exp":4000000000}}"#
    );
    let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let mac = hmac_sha256(SECRET.as_bytes(), token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(mac, &mut token);
    token
}

/// RFC 2104, for a key of at most 64 bytes.
fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| -> [u8; 64] {
        std::array::from_fn(|at| byte ^ key.get(at).copied().unwrap_or(0))
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_the_known_one() {
        // RFC 4231 §4.3.
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        let start = [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e];
        assert_eq!(mac[..8], start);
    }

    #[test]
    fn ten_keys_are_one_users() {
        let target = Target::new("http://127.0.0.1:1", "token").unwrap();
        let mut spoken = Spoken::new(&target, Op::Callcov).unwrap().unwrap();
        let sent: Vec<Vec<u8>> = (0..30).map(|turn| spoken.next(0, turn).to_vec()).collect();
        for (at, request) in sent.iter().enumerate() {
            assert_eq!(request.len(), sent[0].len());
            assert_eq!(*request, sent[at / 10 * 10]);
        }
        let users: std::collections::BTreeSet<_> = sent.iter().collect();
        assert_eq!(users.len(), 3);
        // Another connection has users of its own.
        let mut other = Spoken::new(&target, Op::Callcov).unwrap().unwrap();
        assert!(!users.contains(&other.next(0, 0).to_vec()));
    }
}
