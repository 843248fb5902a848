//! Version 1 of an entry of the access journal. Frozen: no field moves, no variant changes its
//! place. What else is to be recorded is a variant at the end of [`EventV1`].

use eventlog::Seq;
use keys::{Account, Invalid, KeyId, Subject};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use super::twin::twin;
use super::v1::{IpV1, ViaV1};
use super::values::moment;
use crate::caller::{Origin, Roles};
use crate::record::Actor;
use crate::record::access::{Access, Reading};

#[derive(Serialize, Deserialize)]
pub(super) struct EntryV1<'a> {
    at: i64,
    #[serde(borrow)]
    subject: &'a str,
    account: Option<&'a str>,
    roles: u8,
    via: ViaV1<'a>,
    ip: Option<IpV1>,
    request_id: Option<&'a str>,
    salt: [u8; 16],
    event: EventV1<'a>,
}

/// What happened.
#[derive(Serialize, Deserialize)]
enum EventV1<'a> {
    /// A part of the trail was read: equal readings in one entry, with their number.
    Read {
        last_at: i64,
        count: u64,
        reading: ReadingV1,
        from: u64,
        until: Option<u64>,
        #[serde(borrow)]
        of_account: Option<&'a str>,
        of_key: Option<[u8; 16]>,
    },
}

twin!(ReadingV1 = Reading { Event, Events, Stream, History, Report, Entries, Proof, Bundle });

impl<'a> EntryV1<'a> {
    pub(super) fn new(access: &'a Access) -> EntryV1<'a> {
        EntryV1 {
            at: access.at.micros(),
            subject: access.actor.subject.as_str(),
            account: access.actor.account.as_ref().map(Account::as_str),
            roles: access.actor.roles.bits(),
            via: (&access.actor.via).into(),
            ip: access.origin.ip.map(Into::into),
            request_id: access.origin.request_id.as_deref(),
            salt: access.salt,
            event: EventV1::Read {
                last_at: access.last_at.micros(),
                count: access.count,
                reading: access.reading.into(),
                from: access.from.0,
                until: access.until.map(|until| until.0),
                of_account: access.account.as_ref().map(Account::as_str),
                of_key: access.key.map(KeyId::to_bytes),
            },
        }
    }

    pub(super) fn into_access(self, interner: &mut Interner) -> Result<Access, DecodeError> {
        let EventV1::Read { last_at, count, reading, from, until, of_account, of_key } = self.event;
        let (at, last_at) = (moment(self.at)?, moment(last_at)?);
        if count == 0 || last_at < at {
            let expected = "a reading that ended after it began";
            return Err(Invalid::Malformed { expected }.into());
        }
        Ok(Access {
            at,
            last_at,
            count,
            actor: Actor {
                subject: Subject::stored(self.subject)?,
                account: self.account.map(Account::stored).transpose()?,
                roles: Roles::from_bits(self.roles).ok_or(DecodeError::NotCanonical)?,
                via: self.via.into_via(interner),
            },
            origin: Origin {
                ip: self.ip.map(Into::into),
                request_id: self.request_id.map(Into::into),
            },
            reading: reading.into(),
            from: Seq(from),
            until: until.map(Seq),
            account: of_account.map(Account::stored).transpose()?,
            key: of_key.map(KeyId::from_bytes),
            salt: self.salt,
        })
    }
}
