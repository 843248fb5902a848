//! The besiegers: connections that do one thing, again and again, and put up with every answer.

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

use crate::answer::Head;

/// How long one waits who was not let in.
const AGAIN: Duration = Duration::from_millis(50);

/// What a besieger does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Sends the request, reads the answer, sends it again.
    Ask,
    /// Sends the request so many times at once, and reads nothing.
    NeverRead(usize),
    /// Opens it and sends nothing.
    Idle,
    /// Sends the request and reads for ever.
    Follow,
    /// Sends the request, reads a little, closes it, comes again.
    Leave,
}

/// So many besiegers of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Wave {
    /// How many connections.
    pub(crate) connections: usize,
    pub(crate) manner: Manner,
    /// What is sent.
    pub(crate) request: Arc<Vec<u8>>,
    pub(crate) to: SocketAddr,
    /// Where they come from.
    pub(crate) from: IpAddr,
}

/// What the besiegers were answered: by status, 0 where the connection was refused or ended.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) by_status: BTreeMap<u16, u64>,
    /// Bytes of streams that were read.
    pub(crate) read: u64,
}

/// Besiegers at work, on a thread of their own.
pub(crate) struct Attack {
    thread: JoinHandle<Result<()>>,
    answers: Arc<Mutex<Answers>>,
}

impl Attack {
    /// Begins; it goes on until `ended`.
    pub(crate) fn start(waves: &[Wave], ended: &watch::Receiver<bool>) -> Attack {
        let answers = Arc::<Mutex<Answers>>::default();
        let (waves, of_thread, mut ended) = (waves.to_vec(), Arc::clone(&answers), ended.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                for wave in waves {
                    for _ in 0..wave.connections {
                        tokio::spawn(besiege(wave.clone(), Arc::clone(&of_thread)));
                    }
                }
                let _ = ended.wait_for(|ended| *ended).await;
            });
            // What is under way ends with the runtime.
            runtime.shutdown_background();
            Ok(())
        });
        Attack { thread, answers }
    }

    /// Waits for the end, and says what was answered.
    pub(crate) fn join(self) -> Result<Answers> {
        self.thread.join().map_err(|_| anyhow!("the besiegers' thread died"))??;
        Ok(std::mem::take(&mut *self.answers.lock()))
    }
}

/// One besieger, for ever.
async fn besiege(wave: Wave, answers: Arc<Mutex<Answers>>) {
    loop {
        // Refused, closed, timed out: that is what a siege is for.
        let _ = attempt(&wave, &answers).await;
        *answers.lock().by_status.entry(0).or_default() += 1;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn attempt(wave: &Wave, answers: &Mutex<Answers>) -> Result<()> {
    let socket = if wave.to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(wave.from, 0))?;
    let mut stream = socket.connect(wave.to).await?;
    match wave.manner {
        Manner::Ask => ask(&mut stream, &wave.request, answers).await,
        Manner::NeverRead(times) => {
            for _ in 0..times {
                stream.write_all(&wave.request).await?;
            }
            hold(&stream).await
        }
        Manner::Idle => hold(&stream).await,
        Manner::Follow => {
            stream.write_all(&wave.request).await?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = stream.read(&mut buffer).await?;
                if read == 0 {
                    return Ok(());
                }
                answers.lock().read += u64::try_from(read)?;
            }
        }
        Manner::Leave => {
            stream.write_all(&wave.request).await?;
            let read = stream.read(&mut [0; 512]).await?;
            answers.lock().read += u64::try_from(read)?;
            Ok(())
        }
    }
}

/// Until the other end closes it.
async fn hold(stream: &TcpStream) -> Result<()> {
    // Answers that nobody reads may lie in front of the end, so the end alone is waited for.
    loop {
        let ready = stream.ready(tokio::io::Interest::WRITABLE).await?;
        if ready.is_write_closed() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn ask(stream: &mut TcpStream, request: &[u8], answers: &Mutex<Answers>) -> Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        stream.write_all(request).await?;
        buffer.clear();
        let status = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            let Some(head) = Head::read(&buffer)? else { continue };
            if head.end(&buffer)?.is_some() {
                break head.status;
            }
        };
        *answers.lock().by_status.entry(status).or_default() += 1;
        if status == 503 || status == 429 {
            // As rude as can be, but without spinning.
            tokio::time::sleep(AGAIN).await;
        }
    }
}
