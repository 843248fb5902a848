//! `?as_of=`: answers about the past, and the record they stand on.

use ledger::{AsOf, Caller, Ledger, Moment, Seq};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;

/// To which moment to look back.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AsOfQuery {
    /// As it was at this time, or right after this record (`seq:N`); a due key is expired from its
    /// due time on. Not in the future, not beyond the log.
    #[param(value_type = Option<crate::wire::words::Moment>)]
    pub(crate) as_of: Option<String>,
}

/// An answer, and the record it stands on.
#[derive(Serialize)]
pub(crate) struct AsOfAnswer<T> {
    #[serde(flatten)]
    answer: T,
    /// Only where `as_of` was asked for: `seq:N`, the last record that counts; null if nothing was
    /// recorded by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Place>,
}

struct Place(Option<Seq>);

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(seq) => serializer.collect_str(&AsOf::Seq(seq)),
            None => serializer.serialize_none(),
        }
    }
}

impl<T> AsOfAnswer<T> {
    /// An answer about the present.
    pub(crate) fn now(answer: T) -> AsOfAnswer<T> {
        AsOfAnswer { answer, as_of: None }
    }

    /// An answer about `moment`.
    pub(crate) fn then(answer: T, moment: &Moment) -> AsOfAnswer<T> {
        AsOfAnswer { answer, as_of: Some(Place(moment.seq())) }
    }
}

/// Finds the moment and asks about it, away from the threads that answer requests: both read the
/// log. Without `as_of` the moment is all that is recorded so far.
pub(crate) async fn read_as_of<T: Send + 'static>(
    app: &App,
    caller: Caller,
    as_of: Option<AsOf>,
    read: impl FnOnce(&Ledger, &Caller, &Moment) -> Result<T, ledger::Error> + Send + 'static,
) -> Result<(T, Moment), ApiError> {
    let looked = app.read(caller, move |ledger, caller| {
        let moment = match ledger.moment(caller, as_of) {
            Ok(moment) => moment,
            Err(error) => return Ok(Err(refused(error))),
        };
        Ok(Ok((read(ledger, caller, &moment)?, moment)))
    });
    looked.await?
}

fn refused(error: ledger::Error) -> ApiError {
    let ledger::Error::BeyondTheLog { length } = error else { return error.into() };
    match length.get().checked_sub(1) {
        Some(last) => ApiError::field("as_of", format_args!("the log ends at seq:{last}")),
        None => ApiError::field("as_of", "the log is empty"),
    }
}
