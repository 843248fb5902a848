//! Attackers: connections that do one thing, again and again, whatever the response.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::followers::drain;
use crate::response::ResponseHead;

/// The pause before the next attempt.
const RETRY: Duration = Duration::from_millis(50);

/// What an attacker does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Sends the request, reads the response, sends it again.
    Repeat,
    /// Sends the request so many times at once, and reads nothing.
    NeverRead(usize),
    /// Opens it and sends nothing.
    Idle,
    /// Sends the request and reads to the end of the stream.
    Follow,
    /// Sends the request, reads a little, closes the connection.
    Leave,
}

/// So many attackers of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Wave {
    /// How many connections.
    pub(crate) connections: usize,
    pub(crate) manner: Manner,
    /// The bytes of the request.
    pub(crate) request: Arc<Vec<u8>>,
    pub(crate) to: SocketAddr,
    /// The address that they connect from.
    pub(crate) from: IpAddr,
}

/// The responses to an attack.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    /// Their number by status; 0 stands for a connection that was refused or ended.
    pub(crate) by_status: BTreeMap<u16, u64>,
    /// Bytes of streams that were read.
    pub(crate) read: u64,
}

/// Attackers at work, on a thread of their own.
pub(crate) struct Attack {
    thread: JoinHandle<Result<()>>,
    responses: Arc<Mutex<Responses>>,
}

impl Attack {
    /// Starts attackers that go on until `ended`.
    pub(crate) fn start(waves: &[Wave], ended: &watch::Receiver<bool>) -> Attack {
        let responses = Arc::<Mutex<Responses>>::default();
        let (waves, shared, mut ended) = (waves.to_vec(), Arc::clone(&responses), ended.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                for wave in waves {
                    for _ in 0..wave.connections {
                        tokio::spawn(attack(wave.clone(), Arc::clone(&shared)));
                    }
                }
                let _ = ended.wait_for(|ended| *ended).await;
            });
            // What is under way ends with the runtime.
            runtime.shutdown_background();
            Ok(())
        });
        Attack { thread, responses }
    }

    /// Waits for the end and returns the responses.
    pub(crate) fn join(self) -> Result<Responses> {
        self.thread.join().map_err(|_| anyhow!("the attackers' thread died"))??;
        Ok(std::mem::take(&mut *self.responses.lock()))
    }
}

/// One attacker, for ever.
async fn attack(wave: Wave, responses: Arc<Mutex<Responses>>) {
    loop {
        // Whatever the failure: the attack goes on.
        let _ = attempt(&wave, &responses).await;
        *responses.lock().by_status.entry(0).or_default() += 1;
        tokio::time::sleep(RETRY).await;
    }
}

async fn attempt(wave: &Wave, responses: &Mutex<Responses>) -> Result<()> {
    let socket = if wave.to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(wave.from, 0))?;
    let mut stream = socket.connect(wave.to).await?;
    match wave.manner {
        Manner::Repeat => repeat(&mut stream, &wave.request, responses).await,
        Manner::NeverRead(times) => {
            for _ in 0..times {
                stream.write_all(&wave.request).await?;
            }
            hold(&stream).await
        }
        Manner::Idle => hold(&stream).await,
        Manner::Follow => {
            stream.write_all(&wave.request).await?;
            drain(&stream, |count| responses.lock().read += count).await;
            Ok(())
        }
        Manner::Leave => {
            stream.write_all(&wave.request).await?;
            let read = stream.read(&mut [0; 512]).await?;
            responses.lock().read += u64::try_from(read)?;
            Ok(())
        }
    }
}

/// Waits until the other end closes the connection.
async fn hold(stream: &TcpStream) -> Result<()> {
    // Unread responses may precede the end, so readiness for reading says nothing.
    loop {
        let ready = stream.ready(tokio::io::Interest::WRITABLE).await?;
        if ready.is_write_closed() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn repeat(
    stream: &mut TcpStream,
    request: &[u8],
    responses: &Mutex<Responses>,
) -> Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        stream.write_all(request).await?;
        buffer.clear();
        let status = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            let Some(head) = ResponseHead::read(&buffer)? else { continue };
            if head.end(&buffer)?.is_some() {
                break head.status;
            }
        };
        *responses.lock().by_status.entry(status).or_default() += 1;
        if status == 503 || status == 429 {
            // No busy loop: the generator shares the machine with the service.
            tokio::time::sleep(RETRY).await;
        }
    }
}
