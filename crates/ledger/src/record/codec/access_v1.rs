//! Version 1 of an entry of the access journal. Frozen: no field moves, no variant changes its
//! place.

use eventlog::Seq;
use keys::{Account, KeyId, Subject};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use super::twin::twin;
use super::v1::{IpV1, ViaV1, moment};
use crate::caller::Origin;
use crate::record::Actor;
use crate::record::access::{Access, Reading};

#[derive(Serialize, Deserialize)]
pub(super) struct AccessV1<'a> {
    at: i64,
    #[serde(borrow)]
    subject: &'a str,
    account: Option<&'a str>,
    via: ViaV1<'a>,
    ip: Option<IpV1>,
    request_id: Option<&'a str>,
    reading: ReadingV1,
    from: u64,
    until: Option<u64>,
    of_account: Option<&'a str>,
    of_key: Option<[u8; 16]>,
    salt: [u8; 16],
}

twin!(ReadingV1 = Reading { Event, Events, Stream, History, Report, Entries, Proof, Bundle });

impl<'a> AccessV1<'a> {
    pub(super) fn new(access: &'a Access) -> AccessV1<'a> {
        AccessV1 {
            at: access.at.micros(),
            subject: access.actor.subject.as_str(),
            account: access.actor.account.as_ref().map(Account::as_str),
            via: (&access.actor.via).into(),
            ip: access.origin.ip.map(Into::into),
            request_id: access.origin.request_id.as_deref(),
            reading: access.reading.into(),
            from: access.from.0,
            until: access.until.map(|until| until.0),
            of_account: access.account.as_ref().map(Account::as_str),
            of_key: access.key.map(KeyId::to_bytes),
            salt: access.salt,
        }
    }

    /// One reading: this version knows of no more.
    pub(super) fn into_access(self, interner: &mut Interner) -> Result<Access, DecodeError> {
        let at = moment(self.at)?;
        Ok(Access {
            at,
            last_at: at,
            count: 1,
            actor: Actor {
                subject: Subject::stored(self.subject)?,
                account: self.account.map(Account::stored).transpose()?,
                via: self.via.into_via(interner),
            },
            origin: Origin {
                ip: self.ip.map(Into::into),
                request_id: self.request_id.map(Into::into),
            },
            reading: self.reading.into(),
            from: Seq(self.from),
            until: self.until.map(Seq),
            account: self.of_account.map(Account::stored).transpose()?,
            key: self.of_key.map(KeyId::from_bytes),
            salt: self.salt,
        })
    }
}
