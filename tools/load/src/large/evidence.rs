//! What is signed and proved: the first proof of a key after a start, the digest of the table, a bundle.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Connection, Target};
use crate::run::real;

use super::calls::{log_size, text, timed};
use super::report::{Column, Goal};

/// The end of a body in chunks.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// Adds what they take. To be called right after a start.
pub(super) async fn measure(target: &Target, column: &mut Column) -> Result<()> {
    let mut connection = Connection::open(target.address).await?;
    let (page, _) = timed(&mut connection, &target.get("/v1/keys?account=large&limit=1")).await?;
    let path = format!("/v1/keys/{}/proof", text(&page, "/items/0/id")?);
    for name in ["first key proof, ms", "next key proof, ms"] {
        let took = answered(target, &path).await?;
        let goal = if name.starts_with("first") { Goal::AtMost(50.0) } else { Goal::None };
        column.add_measured(name, took.map(|took| took.as_secs_f64() * 1e3), goal);
    }
    let took = answered(target, "/v1/table-digest").await?;
    column.add_measured("table-digest, s", took.map(|t| t.as_secs_f64()), Goal::AtMost(1.0));
    let events = log_size(target).await?;
    let took = bundle(target).await?;
    let rate = real(events) / took.as_secs_f64();
    column.add("bundle, events a second", rate, Goal::AtLeast(150_000.0));
    Ok(())
}

/// How long a GET takes; `None` if it is refused, as one that takes too long is.
async fn answered(target: &Target, path: &str) -> Result<Option<Duration>> {
    let mut connection = Connection::open(target.address).await?;
    let began = Instant::now();
    let status = connection.call(&target.get(path)).await?.status();
    if status != 200 {
        eprintln!("large: {path} is answered with {status}");
    }
    Ok((status == 200).then(|| began.elapsed()))
}

/// Downloads a bundle of everything, and keeps none of it. How long that took.
async fn bundle(target: &Target) -> Result<Duration> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(target.address).await?;
    stream.write_all(&target.get("/v1/audit/bundle")).await?;
    let (mut buffer, mut tail, mut is_first) = (vec![0; 256 * 1024], Vec::new(), true);
    loop {
        let count = stream.read(&mut buffer).await?;
        let received = buffer.get(..count).unwrap_or_default();
        if count == 0 || (is_first && !received.starts_with(b"HTTP/1.1 200")) {
            bail!("no bundle, or half of one: {}", String::from_utf8_lossy(received));
        }
        is_first = false;
        tail.extend_from_slice(received);
        tail.drain(..tail.len().saturating_sub(LAST_CHUNK.len()));
        if tail == LAST_CHUNK {
            return Ok(began.elapsed());
        }
    }
}
