//! Whether a connection leads to one session of the server, or to a pooler that gives each statement another one.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Error};

/// What begins a request for TLS, after its length (PostgreSQL's protocol, `SSLRequest`).
const TLS: i32 = 80_877_103;

/// Whether the process that answers is the one that the connection was told of when it was made. A pooler takes a client in before
/// it is known who will answer, so it tells a number of its own.
pub(crate) async fn is_direct(client: &Client) -> Result<bool, Error> {
    let rows = client.query_typed("SELECT pg_backend_pid()", &[]).await?;
    let answers: Option<i32> = rows.first().and_then(|row| row.try_get(0).ok());
    Ok(answers.is_some() && answers == told(client).await)
}

/// The number of the server's process, as the connection was told. It is for requests to cancel, and only such a request says it:
/// so one is written, and sent to nobody.
async fn told(client: &Client) -> Option<i32> {
    let (near, far) = tokio::io::duplex(64);
    let cancel = client.cancel_token();
    let (written, read) = tokio::join!(cancel.cancel_query_raw(near, Untold), process_in(far));
    written.ok()?;
    read.ok()
}

/// The number of the process in a request to cancel (`CancelRequest`), before which TLS may be asked for.
async fn process_in(mut request: DuplexStream) -> io::Result<i32> {
    let _length = request.read_i32().await?;
    if request.read_i32().await? == TLS {
        request.write_all(b"S").await?;
        let _length = request.read_i32().await?;
        let _cancel = request.read_i32().await?;
    }
    request.read_i32().await
}

/// In place of TLS, where nothing leaves this process.
struct Untold;

impl TlsConnect<DuplexStream> for Untold {
    type Stream = Within;
    type Error = io::Error;
    type Future = Ready<io::Result<Within>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(Within(stream)))
    }
}

struct Within(DuplexStream);

impl TlsStream for Within {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Within {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Within {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
