//! The claims of a token, and the identity that they give its bearer.

use std::sync::Arc;

use keys::{Account, Subject, Timestamp, bounds};
use ledger::{Identity, OwnToken, Role, Roles, Scope, Via};
use serde::Deserialize;
use serde_json::Value;

use super::checked::{MaxRole, Plan, Token};

/// How far two clocks may differ.
const LEEWAY_S: i64 = 30;

/// The claims of a token (RFC 7519 §4.1), not yet validated: their types are checked after the
/// signature, so that an error describes a genuine token.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: Option<Value>,
    aud: Option<Value>,
    sub: Option<Value>,
    account: Option<Value>,
    role: Option<Value>,
    plan: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    jti: Option<Value>,
}

impl Claims {
    /// The issuer that the token names.
    pub(super) fn issuer(&self) -> Result<&str, &'static str> {
        let issuer = text(self.iss.as_ref(), "the token's issuer must be a text")?;
        issuer.ok_or("the token names no issuer")
    }

    /// Whether it is meant for `audience`.
    pub(super) fn is_for(&self, audience: &str) -> bool {
        texts(self.aud.as_ref()).is_some_and(|named| named.contains(&audience))
    }

    /// Validates the claims of a token with a valid signature. Roles are limited to `most`; the
    /// account `*` is accepted only if `all`.
    pub(super) fn accept(
        &self,
        now: Timestamp,
        most: MaxRole,
        all: bool,
    ) -> Result<Token, &'static str> {
        let ends = seconds(self.exp.as_ref(), "the token's exp must be a number of seconds")?;
        let ends = ends.ok_or("the token has no exp")?;
        let expires_at = Timestamp::from_secs(ends.saturating_add(LEEWAY_S));
        if expires_at <= now {
            return Err("the token has expired");
        }
        let begins = seconds(self.nbf.as_ref(), "the token's nbf must be a number of seconds")?;
        if begins.is_some_and(|begins| Timestamp::from_secs(begins.saturating_sub(LEEWAY_S)) > now)
        {
            return Err("the token does not hold yet");
        }
        let (subject, scope) = (self.subject()?, self.scope(all)?);
        let roles = texts(self.role.as_ref());
        let roles = roles.ok_or("the token's role must be a text or a list of texts")?;
        let roles: Roles =
            roles.into_iter().filter_map(role).filter(|role| most.allows(*role)).collect();
        if scope == Scope::All && roles == Roles::default().with(Role::User) {
            return Err("the role user is for one account, and the token names all");
        }
        let plan = text(self.plan.as_ref(), "the token's plan must be a text")?;
        let plan = plan.map_or(Plan::Free, Plan::of);
        let via = Via::Token { issuer: self.issuer()?.into(), jti: self.id()?.map(Into::into) };
        let identity = Arc::new(Identity { subject, scope, roles, via });
        Ok(Token { identity, plan, expires_at, key: None, row: None, epoch: 0 })
    }

    /// Validates the claims of a token of the service's own, which can be ended before its time: it
    /// has an id, says when it was made, and lives at most `max_ttl_s`, after which its end need not
    /// be remembered.
    pub(super) fn accept_own(
        &self,
        now: Timestamp,
        max_ttl_s: u64,
    ) -> Result<(Token, OwnToken), &'static str> {
        let token = self.accept(now, MaxRole::Admin, true)?;
        let jti = self.id()?.filter(|jti| !jti.is_empty());
        let jti = jti.ok_or("the token has no jti: make a new one")?;
        let made_at = moment(self.iat.as_ref(), "the token's iat must be a number of seconds")?;
        let made_at = made_at.ok_or("the token has no iat: make a new one")?;
        if made_at > now.plus_secs(LEEWAY_S.unsigned_abs()) {
            return Err("the token's iat lies in the future");
        }
        let ends = seconds(self.exp.as_ref(), "the token's exp must be a number of seconds")?;
        let ends_at = Timestamp::from_secs(ends.ok_or("the token has no exp")?);
        if ends_at > made_at.plus_secs(max_ttl_s) {
            return Err("the token lives longer than --max-token-ttl: make a new one");
        }
        let Identity { subject, scope, roles, .. } = &*token.identity;
        let own = OwnToken {
            jti: jti.into(),
            subject: subject.clone(),
            account: scope.account().cloned(),
            roles: *roles,
            made_at,
            ends_at,
        };
        Ok((token, own))
    }

    fn subject(&self) -> Result<Subject, &'static str> {
        const LINE: &str =
            "the token's sub must be one line of 1 to 255 characters, none of them invisible";
        let subject = text(self.sub.as_ref(), "the token's sub must be a text")?;
        Subject::new(subject.ok_or("the token has no sub")?).map_err(|_| LINE)
    }

    fn scope(&self, all: bool) -> Result<Scope, &'static str> {
        const LINE: &str =
            "the token's account must be one line of 1 to 100 characters, none of them invisible";
        match text(self.account.as_ref(), "the token's account must be a text")? {
            Some("*") if all => Ok(Scope::All),
            Some("*") => Err("the token's issuer may not name all accounts"),
            Some(account) => Account::new(account).map(Scope::Account).map_err(|_| LINE),
            None => Err("the token has no account"),
        }
    }

    /// The token's id. RFC 7519 wants a string, but some issuers send numbers.
    fn id(&self) -> Result<Option<String>, &'static str> {
        let id = match &self.jti {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(Value::Number(id)) => Some(id.to_string()),
            Some(_) => return Err("the token's jti must be a text or a number"),
        };
        match id {
            Some(id) if bounds::TOKEN_ID.check(&id).is_err() => {
                Err("the token's jti is longer than 200 bytes")
            }
            // The id is recorded with every change.
            Some(id) if keys::contains_key(&id) => Err("the token's jti holds an API key"),
            id => Ok(id),
        }
    }
}

fn text<'a>(claim: Option<&'a Value>, why: &'static str) -> Result<Option<&'a str>, &'static str> {
    claim.map(|claim| claim.as_str().ok_or(why)).transpose()
}

/// One text, or several; none if the claim is missing.
fn texts(claim: Option<&Value>) -> Option<Vec<&str>> {
    match claim {
        None => Some(Vec::new()),
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(several)) => several.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}

/// RFC 7519 §2: a date may have a fraction, which is cut off.
fn seconds(claim: Option<&Value>, why: &'static str) -> Result<Option<i64>, &'static str> {
    let Some(claim) = claim else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "out of range becomes the nearest end")]
    let whole = || claim.as_f64().map(|seconds| seconds as i64);
    claim.as_i64().or_else(whole).map(Some).ok_or(why)
}

/// A moment, to the microsecond.
fn moment(claim: Option<&Value>, why: &'static str) -> Result<Option<Timestamp>, &'static str> {
    let Some(claim) = claim else { return Ok(None) };
    if let Some(seconds) = claim.as_i64() {
        return Ok(Some(Timestamp::from_secs(seconds)));
    }
    let seconds = claim.as_f64().ok_or(why)?;
    #[expect(clippy::cast_possible_truncation, reason = "out of range becomes the nearest end")]
    Ok(Some(Timestamp::from_micros((seconds * 1e6).round() as i64)))
}

/// A role by its name in a claim. Other names, which an issuer may use elsewhere, are ignored.
fn role(name: &str) -> Option<Role> {
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The outcome for a token with these claims replaced.
    fn outcome(changes: &Value) -> String {
        let mut claims = json!({
            "iss": "i", "sub": "ann", "account": "acme", "role": "owner", "exp": 1000
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let claims: Claims = serde_json::from_value(claims).unwrap();
        match claims.accept(Timestamp::from_secs(900), MaxRole::Admin, false) {
            Err(why) => why.to_owned(),
            Ok(token) => {
                let Via::Token { jti, .. } = &token.identity.via else { unreachable!() };
                format!("{} {jti:?}", token.identity.subject)
            }
        }
    }

    /// Once, a token whose id was a number was reported as not signed.
    #[test]
    fn an_invalid_claim_is_named_in_the_error() {
        let table = [
            (json!({}), "ann None"),
            (json!({"jti": 42}), "ann Some(\"42\")"),
            (json!({"jti": "x"}), "ann Some(\"x\")"),
            (json!({"jti": null}), "ann None"),
            (json!({"jti": ["x"]}), "the token's jti must be a text or a number"),
            (json!({"jti": "x".repeat(201)}), "the token's jti is longer than 200 bytes"),
            (json!({"exp": 999.9}), "ann None"),
            (json!({"exp": "1000"}), "the token's exp must be a number of seconds"),
            (json!({"exp": null}), "the token has no exp"),
            (json!({"exp": 800}), "the token has expired"),
            (json!({"nbf": "0"}), "the token's nbf must be a number of seconds"),
            (json!({"nbf": 2000}), "the token does not hold yet"),
            (json!({"sub": 7}), "the token's sub must be a text"),
            (json!({"sub": null}), "the token has no sub"),
            (json!({"account": 7}), "the token's account must be a text"),
            (json!({"account": null}), "the token has no account"),
            (json!({"account": "*"}), "the token's issuer may not name all accounts"),
            (json!({"role": 7}), "the token's role must be a text or a list of texts"),
            (json!({"role": ["owner", 7]}), "the token's role must be a text or a list of texts"),
            (json!({"role": ["owner", "other"]}), "ann None"),
            (json!({"role": "user"}), "ann None"),
            (json!({"plan": 7}), "the token's plan must be a text"),
        ];
        for (changes, want) in table {
            assert_eq!(outcome(&changes), want, "{changes}");
        }
        assert!(outcome(&json!({"sub": "x".repeat(255)})).starts_with("xxx"));
        for sub in ["x".repeat(256), "ann\u{200b}".to_owned(), String::new()] {
            let why = outcome(&json!({"sub": sub}));
            assert!(why.starts_with("the token's sub must be one line of 1 to 255"), "{why}");
        }
    }
}
