//! Stamps the newest checkpoint again and again, also when nothing was recorded since: that nothing was is
//! worth a time too.

use std::time::Duration;

use crate::app::App;
use crate::stamps::authority::StampError;

/// The pause after the first failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// Has the newest checkpoint stamped whenever it is time, for ever; at once if there is no authority.
pub async fn keep_stamping(app: App) {
    let stamps = app.config().stamps.clone();
    let Some(every) = stamps.0.authority.as_ref().map(|(_, every)| *every) else { return };
    let mut failures = 0;
    loop {
        let now = app.ledger().now();
        // A clock that stepped makes it late by no more than that time.
        let since = stamps.last_at().map(|last| Duration::from_micros(now.micros_since(last)));
        let left = every.saturating_sub(since.unwrap_or(every));
        if !left.is_zero() {
            tokio::time::sleep(left.min(FIRST_PAUSE)).await;
            continue;
        }
        match stamps.stamp(app.ledger()).await {
            Ok(stamped) => {
                failures = 0;
                tracing::info!(size = stamped.size, at = %stamped.at, "a checkpoint was time-stamped");
            }
            Err(error) => {
                warn(&error);
                let pause = pause(failures).min(every);
                failures += 1;
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Tells the operator why there is no time-stamp.
pub(crate) fn warn(error: &StampError) {
    let error = error as &(dyn std::error::Error + 'static);
    tracing::warn!(error, "a checkpoint was not time-stamped");
}

/// The pause after so many failures before.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let minutes = [0, 1, 2, 5, 6, 7, u32::MAX].map(|failures| pause(failures).as_secs() / 60);
        assert_eq!(minutes, [1, 2, 4, 32, 60, 60, 60]);
    }
}
