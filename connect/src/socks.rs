//! The part of SOCKS 5 (RFC 1928) that a browser needs: CONNECT, no sign-in.
//!
//! Reads the bytes of one client and answers; which targets exist is the
//! caller's word. Nothing else is ever connected: no BIND, no UDP, no name of
//! the open internet. Pure parsing: no socket here, and no allocation beyond
//! the length of a name.

use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const VERSION: u8 = 5;
const NO_SIGN_IN: u8 = 0;
const NONE_FITS: u8 = 0xff;
const CONNECT: u8 = 1;

/// Where a client wants to go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Name or address, in lower case.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// What the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Connected.
    Granted,
    /// Something failed at our end.
    Failed,
    /// This session does not reach that.
    Forbidden,
    /// The gateway has no route.
    Unreachable,
    /// The host refused.
    Refused,
    /// The host did not answer.
    TimedOut,
    /// Only CONNECT is offered.
    Command,
    /// An address of an unknown kind.
    Address,
}

impl Answer {
    const fn code(self) -> u8 {
        match self {
            Self::Granted => 0,
            Self::Failed => 1,
            Self::Forbidden => 2,
            Self::Unreachable => 4,
            Self::Refused => 5,
            Self::TimedOut => 6,
            Self::Command => 7,
            Self::Address => 8,
        }
    }

    /// The message of RFC 1928 §6, with no bound address.
    pub const fn bytes(self) -> [u8; 10] {
        [VERSION, self.code(), 0, 1, 0, 0, 0, 0, 0, 0]
    }
}

/// Reads a client's greeting and request.
///
/// # Errors
/// [`SocksError`]; the client has been told, where the protocol allows it.
pub async fn accept<C: AsyncRead + AsyncWrite + Unpin>(
    client: &mut C,
) -> Result<Wanted, SocksError> {
    greet(client).await?;
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let [version, command, _, kind] = head;
    if version != VERSION {
        return Err(SocksError::Version(version));
    }
    if command != CONNECT {
        client.write_all(&Answer::Command.bytes()).await?;
        return Err(SocksError::Command(command));
    }
    let host = match kind {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await?;
            Ipv4Addr::from(address).to_string()
        }
        3 => {
            let mut name = vec![0; usize::from(client.read_u8().await?)];
            client.read_exact(&mut name).await?;
            String::from_utf8(name)
                .map_err(|_| SocksError::Name)?
                .to_ascii_lowercase()
        }
        4 => {
            let mut address = [0; 16];
            client.read_exact(&mut address).await?;
            Ipv6Addr::from(address).to_string()
        }
        other => {
            client.write_all(&Answer::Address.bytes()).await?;
            return Err(SocksError::Address(other));
        }
    };
    let port = client.read_u16().await?;
    Ok(Wanted { host, port })
}

async fn greet<C: AsyncRead + AsyncWrite + Unpin>(client: &mut C) -> Result<(), SocksError> {
    let version = client.read_u8().await?;
    if version != VERSION {
        return Err(SocksError::Version(version));
    }
    let mut methods = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut methods).await?;
    if !methods.contains(&NO_SIGN_IN) {
        client.write_all(&[VERSION, NONE_FITS]).await?;
        return Err(SocksError::SignIn);
    }
    client.write_all(&[VERSION, NO_SIGN_IN]).await?;
    Ok(())
}

/// Why a client was not served.
#[derive(Debug, thiserror::Error)]
pub enum SocksError {
    /// It does not speak SOCKS 5.
    #[error("the program speaks another protocol than SOCKS 5 (first byte {0})")]
    Version(u8),
    /// It insists on signing in.
    #[error("the program insists on a SOCKS password")]
    SignIn,
    /// It asks for more than a connection.
    #[error("the program asks for SOCKS command {0}; only CONNECT is offered")]
    Command(u8),
    /// It names an address in an unknown way.
    #[error("the program names an address of kind {0}")]
    Address(u8),
    /// The name is no text.
    #[error("the program names a host that is no text")]
    Name,
    /// The connection broke.
    #[error("the program went away")]
    Gone(#[from] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `accept` says to these bytes, and what the client gets.
    async fn talk(bytes: &[u8]) -> (Result<Wanted, SocksError>, Vec<u8>) {
        let (mut client, mut server) = tokio::io::duplex(1024);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let result = accept(&mut server).await;
        drop(server);
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        (result, got)
    }

    fn request(kind: u8, address: &[u8], port: u16) -> Vec<u8> {
        let mut bytes = vec![5, 1, 0, 5, 1, 0, kind];
        bytes.extend_from_slice(address);
        bytes.extend_from_slice(&port.to_be_bytes());
        bytes
    }

    #[tokio::test]
    async fn names_and_both_kinds_of_addresses_are_read() {
        let mut name = vec![9];
        name.extend_from_slice(b"NAS.local");
        let v6: Ipv6Addr = "fd00::7".parse().unwrap();
        for (bytes, host) in [
            (request(3, &name, 443), "nas.local"),
            (request(1, &[10, 0, 0, 4], 443), "10.0.0.4"),
            (request(4, &v6.octets(), 443), "fd00::7"),
        ] {
            let (wanted, said) = talk(&bytes).await;
            let wanted = wanted.unwrap();
            assert_eq!((wanted.host.as_str(), wanted.port), (host, 443));
            assert_eq!(said, [5, 0]);
        }
    }

    #[tokio::test]
    async fn bind_udp_passwords_and_other_protocols_are_refused() {
        let (bind, said) = talk(&[5, 1, 0, 5, 2, 0, 1, 1, 2, 3, 4, 0, 80]).await;
        assert!(matches!(bind, Err(SocksError::Command(2))));
        assert_eq!(said[2..], Answer::Command.bytes());
        let (udp, _) = talk(&[5, 1, 0, 5, 3, 0, 1, 1, 2, 3, 4, 0, 80]).await;
        assert!(matches!(udp, Err(SocksError::Command(3))));
        let (password, said) = talk(&[5, 1, 2]).await;
        assert!(matches!(password, Err(SocksError::SignIn)));
        assert_eq!(said, [5, 0xff]);
        let (http, _) = talk(b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(matches!(http, Err(SocksError::Version(b'G'))));
        let (four, _) = talk(&[4, 1, 0, 80, 1, 2, 3, 4, 0]).await;
        assert!(matches!(four, Err(SocksError::Version(4))));
        let (kind, said) = talk(&request(9, &[], 1)).await;
        assert!(matches!(kind, Err(SocksError::Address(9))));
        assert_eq!(said[2..], Answer::Address.bytes());
    }

    #[tokio::test]
    async fn every_cut_request_ends_in_an_error() {
        let whole = request(3, b"\x03nas", 80);
        for cut in 0..whole.len() {
            let (result, _) = talk(&whole[..cut]).await;
            assert!(matches!(result, Err(SocksError::Gone(_))), "{cut}");
        }
        let (bad, _) = talk(&request(3, b"\x02\xff\xfe", 80)).await;
        assert!(matches!(bad, Err(SocksError::Name)));
    }
}
