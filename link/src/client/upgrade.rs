//! The WebSocket upgrade (RFC 6455 §4.1) at the client's end.

use bytes::Bytes;
use culvert_wire::hello::{LINK_PATH, NONCE_HEADER, NONCE_LEN, SUBPROTOCOLS};
use culvert_wire::reason::Reason;
use data_encoding::{BASE32_NOPAD, BASE64};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::ConnectError;
use crate::http1::{self, Answer, AnswerError};
use crate::ws::accept_key;

/// Asks for a link's WebSocket and checks the answer; returns what came behind
/// it. Whose certificate it was is for the error's sentence.
///
/// # Errors
/// [`ConnectError`].
pub async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    nonce: &[u8; NONCE_LEN],
    issuer: Option<&str>,
) -> Result<(S, Bytes), ConnectError> {
    let key = BASE64.encode(&rand::random::<[u8; 16]>());
    let request = format!(
        "GET {LINK_PATH} HTTP/1.1\r\n\
         Host: {host}\r\n\
         Connection: Upgrade\r\n\
         Upgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Protocol: {}\r\n\
         {NONCE_HEADER}: {}\r\n\
         \r\n",
        SUBPROTOCOLS.join(", "),
        BASE32_NOPAD.encode(nonce).to_ascii_lowercase(),
    );
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(ConnectError::Tls)?;
    stream.flush().await.map_err(ConnectError::Tls)?;
    let answer = match http1::read(&mut stream).await {
        Ok(answer) => answer,
        Err(AnswerError::Io(error)) => return Err(ConnectError::Tls(error)),
        Err(AnswerError::Ended) => {
            return Err(ConnectError::Upgrade("the connection ended".to_owned()));
        }
        Err(AnswerError::NotHttp) => {
            return Err(ConnectError::Upgrade("the answer is not HTTP".to_owned()));
        }
    };
    check(&answer, &key, issuer)?;
    Ok((stream, answer.rest))
}

fn check(answer: &Answer, key: &str, issuer: Option<&str>) -> Result<(), ConnectError> {
    match answer.status {
        101 => {}
        400 if answer.value("culvert-reason") == Some(Reason::VersionUnsupported.slug()) => {
            return Err(ConnectError::Version);
        }
        // Our server never says this to us: what it got was no upgrade.
        426 => {
            return Err(ConnectError::Upgrade(format!(
                "it was taken out on the way (certificate by {})",
                issuer.unwrap_or("somebody without a name")
            )));
        }
        status => {
            return Err(ConnectError::Http {
                status,
                issuer: issuer.map(str::to_owned),
            });
        }
    }
    let says = |name, wanted: &str| {
        let value = answer.value(name).unwrap_or_default();
        value
            .split(',')
            .any(|part| part.trim().eq_ignore_ascii_case(wanted))
    };
    if !says("upgrade", "websocket") || !says("connection", "upgrade") {
        return Err(ConnectError::Upgrade(
            "the answer is not for a WebSocket".to_owned(),
        ));
    }
    if answer.value("sec-websocket-accept") != Some(&accept_key(key.as_bytes())) {
        return Err(ConnectError::Upgrade(
            "the answer is for another request".to_owned(),
        ));
    }
    if answer.value("sec-websocket-extensions").is_some() {
        return Err(ConnectError::Upgrade(
            "an extension was not asked for".to_owned(),
        ));
    }
    match answer.value("sec-websocket-protocol") {
        Some(chosen) if SUBPROTOCOLS.contains(&chosen) => Ok(()),
        Some(_) | None => Err(ConnectError::Version),
    }
}
