//! Gauges of the service under load.

use crate::client::{Connection, Target};

/// A gauge of the service's metrics; `None` if there is none.
pub(crate) async fn gauge(target: &Target, name: &str) -> Option<u64> {
    let mut connection = Connection::open(target.address).await.ok()?;
    let response = connection.call(&target.get("/metrics")).await.ok()?;
    let body = String::from_utf8(response.body().ok()?).ok()?;
    let line = body.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.split(' ').nth(1)?.parse().ok()
}
