//! Peers that read, do not read, and go: by real sockets, and a clock of the test's own.

use std::future::poll_fn;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// A client, and the served end of its connection, which holds little for it.
async fn connect(
    watch: Watch,
    patience: impl Fn() -> Duration,
) -> (TcpStream, Peer<impl Fn() -> Watch, impl Fn() -> Duration>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = socket.listen(1).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (client, Peer::new(stream, move || watch, patience))
}

/// Whether the connection ends while nothing is written, as hyper would see it.
async fn flushed(peer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let end = poll_fn(|context| match Pin::new(&mut *peer).poll_flush(context) {
        Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
    });
    // By the clock of the test, which goes on when nothing else does.
    tokio::time::timeout(Duration::from_secs(3600), end).await.unwrap_or(Ok(()))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_given_up() {
    let (client, mut peer) = connect(Watch::Nothing, || PATIENCE).await;
    let started = Instant::now();
    let error = peer.write_all(&vec![0; 64 << 20]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(started.elapsed() >= PATIENCE);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn patience_that_gets_shorter_holds_for_a_write_that_waits() {
    let patience = std::sync::atomic::AtomicU64::new(PATIENCE.as_secs());
    let now = || Duration::from_secs(patience.load(std::sync::atomic::Ordering::Relaxed));
    let (client, mut peer) = connect(Watch::Nothing, now).await;
    let started = Instant::now();
    let bytes = vec![0; 64 << 20];
    let mut write = std::pin::pin!(peer.write_all(&bytes));
    let first = tokio::time::timeout(Duration::from_secs(1), write.as_mut()).await;
    assert!(first.is_err(), "it waits");
    patience.store(5, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(write.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(started.elapsed().as_secs(), 5);
    drop(client);
}

#[tokio::test]
async fn a_client_that_reads_gets_everything() {
    let (mut client, mut peer) = connect(Watch::Closed, || PATIENCE).await;
    let sent = vec![7; 1 << 20];
    let (written, read) = (peer.write_all(&sent), async {
        let mut read = vec![0; 1 << 20];
        client.read_exact(&mut read).await.map(|_| read)
    });
    let (written, read) = tokio::join!(written, read);
    written.unwrap();
    assert_eq!(read.unwrap(), sent);
}

/// What the client does, and which watch ends for it.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_ends_what_watches_for_it() {
    use Watch::{Broken, Closed, Nothing};
    for (watch, ends) in [(Nothing, false), (Broken, false), (Closed, true)] {
        let (mut client, mut peer) = connect(watch, || PATIENCE).await;
        client.shutdown().await.unwrap();
        assert_eq!(flushed(&mut peer).await.is_err(), ends, "half-closed, {watch:?}");
    }
    for (watch, ends) in [(Nothing, false), (Broken, true), (Closed, true)] {
        let (client, mut peer) = connect(watch, || PATIENCE).await;
        // What was sent and never read: the client's end breaks off instead of closing.
        peer.write_all(b"unread").await.unwrap();
        client.readable().await.unwrap();
        drop(client);
        assert_eq!(flushed(&mut peer).await.is_err(), ends, "broken off, {watch:?}");
    }
}
