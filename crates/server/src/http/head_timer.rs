//! The time that the head of a request may take: one timer a connection.
//!
//! hyper asks for a new timer for each head. Those of the runtime lie in one wheel behind a lock,
//! and a request would take that lock twice. Here a connection has one timer in the wheel, which is
//! set again only when it has run out before the present head's time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;

type Shared = Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>;

/// hyper's timer for one connection.
pub(crate) struct HeadTimer(Shared);

impl HeadTimer {
    /// A timer that first runs out after `limit`.
    pub(crate) fn new(limit: Duration) -> HeadTimer {
        HeadTimer(Arc::new(Mutex::new(Box::pin(tokio::time::sleep(limit)))))
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Head { deadline: deadline.into(), timer: Arc::clone(&self.0) })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// The wait for one head.
struct Head {
    deadline: tokio::time::Instant,
    timer: Shared,
}

impl Sleep for Head {}

impl Future for Head {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.timer.lock();
        loop {
            // It runs out for an earlier head, whose time was up sooner.
            ready!(timer.as_mut().poll(context));
            if tokio::time::Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::{Instant, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// The client's end of a connection that answers everything with nothing.
    fn connect() -> DuplexStream {
        let (client, served) = tokio::io::duplex(4096);
        let mut http = http1::Builder::new();
        http.header_read_timeout(LIMIT).timer(HeadTimer::new(LIMIT));
        let service =
            service_fn(async |_| Ok::<_, Infallible>(axum::http::Response::new(Body::empty())));
        tokio::spawn(http.serve_connection(TokioIo::new(served), service));
        client
    }

    /// How long it takes until the connection is closed.
    async fn closed(client: &mut DuplexStream) -> Duration {
        let since = Instant::now();
        let hour = Duration::from_secs(3600);
        let end = tokio::time::timeout(hour, client.read_to_end(&mut Vec::new())).await;
        end.expect("it stays open").unwrap();
        since.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_cut_off() {
        let mut client = connect();
        client.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        assert_eq!(closed(&mut client).await.as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn every_head_has_the_whole_time() {
        let mut client = connect();
        for _ in 0..5 {
            sleep(Duration::from_secs(20)).await;
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let mut answer = [0; 512];
            assert_ne!(client.read(&mut answer).await.unwrap(), 0);
            assert!(answer.starts_with(b"HTTP/1.1 200"));
        }
        assert_eq!(closed(&mut client).await.as_secs(), 30);
    }
}
