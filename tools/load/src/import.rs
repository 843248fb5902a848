//! An import of many keys in one request: how many a second.
//!
//! One connection sends lines as fast as they are taken, and reads the answers meanwhile. Every line has
//! an idempotency key, as those of the command line have. Afterwards some of the texts are verified.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::client::{Connection, Target};
use crate::options::Import;
use crate::process::Server;
use crate::run::real;
use crate::setup::wait;
use crate::token;

/// How many lines are in a chunk.
const CHUNK: u64 = 200;
/// As much of the end of the answer as the summary may take.
const TAIL: usize = 4096;
/// What the answer ends with.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
/// With `--short`.
const FEW: u64 = 20_000;

/// Starts the service, imports, and prints how long it took.
pub(crate) fn run(options: &Import) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("import-").tempdir_in(&options.under)?;
    wait(import(options, folder.path()))
}

async fn import(options: &Import, folder: &Path) -> Result<()> {
    let data = folder.join("data");
    let mut serve = Command::new(&options.server);
    serve.arg("serve").arg("--data").arg(&data).args(["--listen", "127.0.0.1:0"]);
    serve.args(&options.serve);
    let server = Server::start(&mut serve, "", &folder.join("server.log")).await?;
    let owner = ["--ttl", "24h", "--account", "import", "--subject", "mover", "--role", "owner"];
    let token = token::mint(&options.server, &data, &owner)?;
    let target = Target { token, ..server.target.clone() };
    let keys = if options.short { FEW.min(options.keys) } else { options.keys };

    let took = stream(&target, 0..keys, &line).await?;
    let rate = real(keys) / took.as_secs_f64();
    println!("{keys} keys imported in {:.1} s: {rate:.0} a second", took.as_secs_f64());
    println!("processor {:.1} s", server.processor()?);
    println!("memory {} MiB", server.resident()? >> 20);
    for number in [0, keys / 2, keys - 1] {
        let body = format!("{{\"key\":\"{}\"}}", text_of(number));
        let mut connection = Connection::open(target.address).await?;
        let response = connection.call(&target.post("/v1/keys/verify", &body)).await?;
        let answer: Value = serde_json::from_slice(&response.body()?)?;
        ensure!(answer.get("code") == Some(&"VALID".into()), "key {number}: {answer}");
    }
    server.stop().await?;
    Ok(())
}

/// Imports the keys of these numbers in one request; `line` appends that of a number. How long it took.
pub(crate) async fn stream(
    target: &Target,
    numbers: Range<u64>,
    line: &dyn Fn(&mut String, u64),
) -> Result<Duration> {
    let keys = numbers.end - numbers.start;
    let stream = TcpStream::connect(target.address).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let (from, mut to) = stream.into_split();
    let head = format!(
        "POST /v1/keys/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
        target.token
    );
    let started = Instant::now();
    to.write_all(head.as_bytes()).await?;
    let ((), summary) = tokio::try_join!(send(to, numbers, line), summary(from))?;
    let took = started.elapsed();
    let imported = summary.pointer("/summary/imported").and_then(Value::as_u64);
    ensure!(imported == Some(keys), "not all were imported: {summary}");
    Ok(took)
}

/// The whole text of a key.
pub(crate) fn text_of(number: u64) -> String {
    format!("load_{number:032}")
}

fn line(lines: &mut String, number: u64) {
    *lines += &format!(
        "{{\"name\":\"key {number}\",\"owner\":\"team-{}\",\"permissions\":[\"orders.read\"],\
         \"import\":{{\"secret\":\"{}\",\"prefix\":\"load_\"}},\"idempotency_key\":\"{number}\"}}\n",
        number % 1_000,
        text_of(number),
    );
}

async fn send(
    mut to: OwnedWriteHalf,
    numbers: Range<u64>,
    line: &dyn Fn(&mut String, u64),
) -> Result<()> {
    let (mut lines, mut chunk) = (String::new(), String::new());
    let mut first = numbers.start;
    while first < numbers.end {
        lines.clear();
        let next = numbers.end.min(first + CHUNK);
        (first..next).for_each(|number| line(&mut lines, number));
        first = next;
        chunk.clear();
        write!(chunk, "{:x}\r\n{lines}\r\n", lines.len())?;
        to.write_all(chunk.as_bytes()).await?;
    }
    to.write_all(b"0\r\n\r\n").await?;
    Ok(())
}

/// Reads the answer to its end. Its last line.
async fn summary(mut from: OwnedReadHalf) -> Result<Value> {
    let (mut buffer, mut tail) = (vec![0; 64 * 1024], Vec::new());
    while !tail.ends_with(LAST_CHUNK) {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            bail!("the answer was cut off: {}", String::from_utf8_lossy(&tail));
        }
        tail.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let spare = tail.len().saturating_sub(TAIL);
        tail.drain(..spare);
    }
    let tail = String::from_utf8_lossy(&tail);
    let (_, summary) = tail.rsplit_once("{\"summary\"").context("there is no summary")?;
    let line = summary.lines().next().unwrap_or_default();
    serde_json::from_str(&format!("{{\"summary\"{line}")).context("the summary is no JSON")
}
