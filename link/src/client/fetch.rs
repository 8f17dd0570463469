//! One body over HTTPS, beside the link: a release that a box was offered.
//!
//! The same way out as the link's, proxy included, and the same TLS: any
//! certificate will do, because nothing that comes is believed. Whoever reads
//! the body judges it.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::{ConnectError, Step, dial, within};
use crate::ahead::Ahead;
use crate::http1::{self, AnswerError};
use crate::proxy::{ProxyPolicy, split_address};

/// Most bytes of one piece.
const PIECE: usize = 16 * 1024;
/// A body that stands still for so long has ended.
const STILL: Duration = Duration::from_secs(60);

/// A body on its way.
#[derive(Debug)]
pub struct Body {
    stream: TlsStream<Ahead<TcpStream>>,
    rest: Bytes,
    left: u64,
}

impl Body {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// When the connection breaks, stands still, or ends before the body does.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.rest.is_empty() {
            let mut piece = BytesMut::with_capacity(PIECE);
            let read = timeout(STILL, self.stream.read_buf(&mut piece)).await;
            if read.map_err(|_| io::ErrorKind::TimedOut)?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.rest = piece.freeze();
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let piece = self.rest.split_to(self.rest.len().min(most).min(PIECE));
        self.left -= piece.len() as u64;
        Ok(Some(piece))
    }
}

/// Asks the servers one after the other for `path`, with one header; the first
/// that has a body of exactly `length` bytes gives it.
///
/// # Errors
/// [`ConnectError`] of the last one.
pub async fn fetch(
    servers: &[String],
    proxy: &ProxyPolicy,
    path: &str,
    header: (&str, &str),
    length: u64,
) -> Result<Body, ConnectError> {
    let mut last = ConnectError::NoServer;
    for server in servers {
        match ask(server, proxy, path, header, length).await {
            Ok(body) => return Ok(body),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(
    server: &str,
    proxy: &ProxyPolicy,
    path: &str,
    (name, value): (&str, &str),
    length: u64,
) -> Result<Body, ConnectError> {
    let (host, port) = split_address(server, Some(443)).ok_or_else(|| ConnectError::Address {
        server: server.to_owned(),
    })?;
    let tcp = dial::open(&host, port, proxy).await?;
    let mut stream = within(Step::Tls, dial::tls(tcp, &host)).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{name}: {value}\r\n\r\n",
        dial::authority(&host, port)
    );
    let asked = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await
    };
    asked.await.map_err(ConnectError::Tls)?;
    let answer = within(Step::Upgrade, async {
        http1::read(&mut stream).await.map_err(|error| match error {
            AnswerError::Io(error) => ConnectError::Tls(error),
            AnswerError::Ended | AnswerError::NotHttp => {
                ConnectError::Upgrade("the answer is not HTTP".to_owned())
            }
        })
    })
    .await?;
    if answer.status != 200 {
        return Err(ConnectError::Http {
            status: answer.status,
            issuer: None,
        });
    }
    let told = answer.value("content-length").map(str::parse);
    if told != Some(Ok(length)) {
        return Err(ConnectError::Upgrade(
            "the answer has another length than was offered".to_owned(),
        ));
    }
    Ok(Body {
        stream,
        rest: answer.rest,
        left: length,
    })
}
