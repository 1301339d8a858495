//! Health checks: one try of one check.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What one try showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The check passed.
    Passed,
    /// It did not, and why.
    Failed(String),
}

/// Tries whether somebody takes a connection on a port of this machine.
pub(super) async fn tcp(port: u16, within: Duration) -> Verdict {
    match timeout(within, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await {
        Ok(Ok(_connection)) => Verdict::Passed,
        Ok(Err(error)) => Verdict::Failed(format!("tcp check of port {port}: {error}")),
        Err(_) => Verdict::Failed(format!("tcp check of port {port}: no connection within {within:?}")),
    }
}

/// Asks for a path on a port of this machine; an answer of 200 to 399 passes.
pub(super) async fn http(port: u16, path: &str, within: Duration) -> Verdict {
    match timeout(within, get(port, path)).await {
        Ok(Ok(status)) if status.is_success() || status.is_redirection() => Verdict::Passed,
        Ok(Ok(status)) => Verdict::Failed(format!("http check of {path} on port {port}: answered {status}")),
        Ok(Err(error)) => Verdict::Failed(format!("http check of {path} on port {port}: {error}")),
        Err(_) => {
            Verdict::Failed(format!("http check of {path} on port {port}: no answer within {within:?}"))
        }
    }
}

/// Why a request brought no answer.
#[derive(Debug, thiserror::Error)]
enum GetError {
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    #[error("the path is not part of a URL: {0}")]
    Path(#[from] hyper::http::Error),
    #[error("no HTTP answer: {0}")]
    Http(#[from] hyper::Error),
}

async fn get(port: u16, path: &str) -> Result<StatusCode, GetError> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(HOST, format!("127.0.0.1:{port}"))
        .header(USER_AGENT, "landlord-health-check")
        .body(Empty::<Bytes>::new())?;
    // The connection makes progress only while it is polled; nothing is spawned for it.
    let mut connection = std::pin::pin!(connection);
    let response = sender.send_request(request);
    let mut response = std::pin::pin!(response);
    tokio::select! {
        answer = &mut response => Ok(answer?.status()),
        ended = &mut connection => {
            ended?;
            // The server closed after its answer, which waits in the response.
            Ok(response.await?.status())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// Serves one connection with fixed words.
    async fn answering(words: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /health HTTP/1.1\r\n"));
            stream.write_all(words.as_bytes()).await.unwrap();
        });
        port
    }

    #[tokio::test]
    async fn http_passes_on_2xx_and_3xx_only() {
        let ok = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(http(ok, "/health", SOON).await, Verdict::Passed);
        let moved = answering("HTTP/1.1 302 Found\r\nlocation: /\r\nconnection: close\r\n\r\n").await;
        assert_eq!(http(moved, "/health", SOON).await, Verdict::Passed);
        let busy = answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
        let Verdict::Failed(why) = http(busy, "/health", SOON).await else { panic!("503 passed") };
        assert_eq!(why, format!("http check of /health on port {busy}: answered 503 Service Unavailable"));
    }

    #[tokio::test]
    async fn http_fails_on_silence_and_on_other_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = http(port, "/", Duration::from_millis(50)).await;
        assert_eq!(silent, Verdict::Failed(format!("http check of / on port {port}: no answer within 50ms")));
        let other = answering("SSH-2.0-x\r\n\r\n").await;
        assert!(matches!(http(other, "/health", SOON).await, Verdict::Failed(_)));
        let bad = http(port, "not a path", SOON).await;
        assert!(matches!(bad, Verdict::Failed(why) if why.contains("not part of a URL")));
    }

    #[tokio::test]
    async fn tcp_passes_when_somebody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(tcp(port, SOON).await, Verdict::Passed);
        drop(listener);
        assert!(matches!(tcp(port, SOON).await, Verdict::Failed(why) if why.contains("refused")));
    }
}
