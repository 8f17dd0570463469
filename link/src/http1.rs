//! Reads the head of one HTTP/1.1 answer: of a proxy or of the upgrade.
//!
//! Bounded, never panics, returns what was read behind the head. Driven by
//! [`crate::proxy`] and [`crate::client`].

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest head, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Most header lines.
const MAX_HEADERS: usize = 64;

/// An answer without its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// What came behind the head already.
    pub(crate) rest: Bytes,
}

impl Answer {
    /// The values of one header, in the order they came.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The first value of one header.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }
}

/// Why no answer was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the connection ended before an answer")]
    Ended,
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

/// Reads up to the empty line.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Answer, AnswerError> {
    let mut got = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut got).await? == 0 {
            return Err(AnswerError::Ended);
        }
        if let Some(answer) = parse(&got)? {
            return Ok(answer);
        }
        if got.len() > MAX_HEAD {
            return Err(AnswerError::NotHttp);
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Answer>, AnswerError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let used = match response.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(AnswerError::NotHttp),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Some(Answer {
        status: response.code.unwrap_or(0),
        headers: response
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), text(header.value)))
            .collect(),
        rest: Bytes::copy_from_slice(&bytes[used..]),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_head_in_pieces_is_read_and_the_rest_kept() {
        let (mut near, mut far) = tokio::io::duplex(7);
        let sent = b"HTTP/1.1 407 Nope\r\nProxy-Authenticate: Basic\r\nproxy-authenticate: Digest x\r\n\r\nREST";
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            near.write_all(sent).await.unwrap();
        });

        let answer = read(&mut far).await.unwrap();

        assert_eq!(answer.status, 407);
        let values: Vec<_> = answer.values("Proxy-Authenticate").collect();
        assert_eq!(values, ["Basic", "Digest x"]);
        assert!(b"REST".starts_with(&answer.rest));
    }

    #[tokio::test]
    async fn endless_heads_and_other_protocols_are_refused() {
        for sent in [
            b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
            [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 40_000]].concat(),
            vec![0; 64 * 1024],
        ] {
            assert!(matches!(
                read(&mut &sent[..]).await,
                Err(AnswerError::NotHttp)
            ));
        }
        assert!(matches!(
            read(&mut &b"HTTP/1.1 2"[..]).await,
            Err(AnswerError::Ended)
        ));
    }
}
