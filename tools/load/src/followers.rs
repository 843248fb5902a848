//! Clients that follow the stream of events: many, on one thread, with as little work as they can.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use memchr::memmem;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::client::Target;

/// The first line of a stream.
const GREETING: &[u8] = b": following";
/// Time limit for opening all streams.
const OPEN_LIMIT: Duration = Duration::from_secs(60);
/// How many are opened at once: the backlog of a listener is short.
const AT_ONCE: usize = 100;

thread_local! {
    /// What is read is thrown away, so one buffer does for all.
    static SINK: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

/// What a follower does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Follow everything and read it
    Reads,
    /// Follow everything and read only the first line
    Stalls,
    /// Follow events that never happen
    Idles,
}

impl Kind {
    /// The stream of the `number`th follower.
    fn path(self, number: usize) -> String {
        match self {
            Kind::Reads | Kind::Stalls => "/v1/events/stream".to_owned(),
            // Some share a filter, some do not.
            Kind::Idles => format!("/v1/events/stream?actor=nobody-{}", number % 100),
        }
    }
}

/// Open streams. They are closed when this is dropped.
pub(crate) struct Followers {
    /// Dropped, it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    received: AtomicU64,
    ended: AtomicUsize,
}

impl Followers {
    /// Opens `count` streams that begin after place `after`, and waits for the first line of each.
    ///
    /// # Errors
    ///
    /// One of them was refused, or sent no first line within a minute.
    pub(crate) fn open(
        target: &Target,
        kind: Kind,
        count: usize,
        after: Option<u64>,
    ) -> Result<Followers> {
        let counts = Arc::<Counts>::default();
        let (stop, stopped) = oneshot::channel();
        let (report, opened) = std::sync::mpsc::channel();
        let (target, of_thread) = (target.clone(), Arc::clone(&counts));
        let thread = std::thread::Builder::new().name("followers".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let streams = open_all(&target, kind, count, after).await;
                let streams = match streams {
                    Ok(streams) => streams,
                    Err(error) => return drop(report.send(Err(error))),
                };
                drop(report.send(Ok(())));
                let mut reading = JoinSet::new();
                for stream in streams {
                    reading.spawn(follow(stream, kind, Arc::clone(&of_thread)));
                }
                // A message or a dropped sender: both are the end.
                drop(stopped.await);
            });
        })?;
        let followers = Followers { stop: Some(stop), thread: Some(thread), counts };
        opened.recv().map_err(|_| anyhow!("the thread of the followers died"))??;
        Ok(followers)
    }

    /// Bytes that all of them have received after the first lines.
    pub(crate) fn received(&self) -> u64 {
        self.counts.received.load(Ordering::Relaxed)
    }

    /// How many streams the server has ended.
    pub(crate) fn ended(&self) -> usize {
        self.counts.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        drop(self.stop.take());
        // The thread does not panic.
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

async fn open_all(
    target: &Target,
    kind: Kind,
    count: usize,
    after: Option<u64>,
) -> Result<Vec<TcpStream>> {
    let opening = async {
        let mut streams = Vec::with_capacity(count);
        let mut opening = JoinSet::new();
        for number in 0..count {
            let mut path = kind.path(number);
            if let Some(after) = after {
                path += if path.contains('?') { "&" } else { "?" };
                path += &format!("after={after}");
            }
            let (address, request) = (target.address, target.get(&path));
            opening.spawn(async move {
                let mut stream = TcpStream::connect(address).await.context("cannot connect")?;
                stream.write_all(&request).await?;
                read_greeting(&stream).await?;
                Ok::<_, anyhow::Error>(stream)
            });
            if opening.len() >= AT_ONCE
                && let Some(opened) = opening.join_next().await
            {
                streams.push(opened??);
            }
        }
        while let Some(opened) = opening.join_next().await {
            streams.push(opened??);
        }
        Ok(streams)
    };
    tokio::time::timeout(OPEN_LIMIT, opening).await.context("the streams do not begin in time")?
}

/// Reads up to the first line of a stream.
async fn read_greeting(stream: &TcpStream) -> Result<()> {
    let mut head = Vec::new();
    while memmem::find(&head, GREETING).is_none() {
        stream.readable().await?;
        match stream.try_read_buf(&mut head) {
            Ok(0) => bail!("no stream: {}", String::from_utf8_lossy(&head)),
            Ok(_) if head.starts_with(b"HTTP/1.1 200") || head.len() < 12 => {}
            Ok(_) => bail!("no stream: {}", String::from_utf8_lossy(&head)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Follows until the server ends the stream.
async fn follow(stream: TcpStream, kind: Kind, counts: Arc<Counts>) {
    if kind == Kind::Stalls {
        std::future::pending::<()>().await;
    }
    drain(&stream, |count| {
        counts.received.fetch_add(count, Ordering::Relaxed);
    })
    .await;
    counts.ended.fetch_add(1, Ordering::Relaxed);
}

/// Reads a stream until the server ends it, and reports the number of bytes of each read.
pub(crate) async fn drain(stream: &TcpStream, mut received: impl FnMut(u64)) {
    while stream.readable().await.is_ok() {
        match SINK.with_borrow_mut(|sink| stream.try_read(sink)) {
            Ok(count @ 1..) => received(count as u64),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}
