//! Reads the first bytes of a connection as a TLS ClientHello.
//!
//! Written from RFC 8446 section 4.1.2 on its own, so that it does not share
//! a mistake with the library that wrote the bytes.

/// Why some bytes are no valid ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHello {
    /// They end too early.
    #[error("the hello ends too early")]
    Short,
    /// The record is no handshake record.
    #[error("the first record is no handshake")]
    NoHandshake,
    /// The message is no ClientHello.
    #[error("the first message is no ClientHello")]
    NoClientHello,
    /// A length inside does not fit its surroundings.
    #[error("the lengths inside the hello do not fit")]
    Lengths,
    /// TLS 1.3 is not among the offered versions.
    #[error("TLS 1.3 is not offered")]
    NotTls13,
}

/// Checks that `bytes` begin with one whole, valid ClientHello that offers
/// TLS 1.3, and returns the server name in it, if there is one.
pub fn check_client_hello(bytes: &[u8]) -> Result<Option<String>, BadHello> {
    let mut stream = Reader(bytes);
    if stream.number(1)? != 22 || stream.number(1)? != 3 || stream.number(1)? > 4 {
        return Err(BadHello::NoHandshake);
    }
    let mut record = stream.block(2)?;
    if record.number(1)? != 1 {
        return Err(BadHello::NoClientHello);
    }
    let mut hello = record.block(3)?;
    record.must_be_done()?;
    if hello.number(2)? != 0x0303 {
        return Err(BadHello::NoClientHello);
    }
    hello.take(32)?;
    if hello.block(1)?.0.len() > 32 {
        return Err(BadHello::Lengths);
    }
    let suites = hello.block(2)?;
    if suites.0.is_empty() || suites.0.len() % 2 != 0 || hello.block(1)?.0 != [0] {
        return Err(BadHello::Lengths);
    }
    let mut extensions = hello.block(2)?;
    hello.must_be_done()?;
    read_extensions(&mut extensions)
}

fn read_extensions(extensions: &mut Reader<'_>) -> Result<Option<String>, BadHello> {
    let (mut tls13, mut name) = (false, None);
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let mut body = extensions.block(2)?;
        match kind {
            0 => {
                let mut names = body.block(2)?;
                names.number(1)?;
                name = Some(String::from_utf8_lossy(names.block(2)?.0).into_owned());
            }
            43 => tls13 = body.block(1)?.0.chunks(2).any(|version| version == [3, 4]),
            _ => {}
        }
    }
    if tls13 {
        Ok(name)
    } else {
        Err(BadHello::NotTls13)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], BadHello> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(BadHello::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<usize, BadHello> {
        let fold = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Ok(self.take(bytes)?.iter().fold(0, fold))
    }

    fn block(&mut self, length_bytes: usize) -> Result<Reader<'a>, BadHello> {
        let count = self.number(length_bytes)?;
        self.take(count).map(Reader)
    }

    fn must_be_done(&self) -> Result<(), BadHello> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(BadHello::Lengths)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_of_rustls_is_read_with_its_server_name() {
        assert_eq!(
            check_client_hello(&hello_of_rustls()),
            Ok(Some("cloud.example".into()))
        );
    }

    #[test]
    fn a_hello_cut_anywhere_is_refused() {
        let hello = hello_of_rustls();
        for length in 0..hello.len() {
            assert_eq!(check_client_hello(&hello[..length]), Err(BadHello::Short));
        }
    }

    #[test]
    fn a_hello_with_one_length_byte_changed_is_refused() {
        for at in [3, 4, 6, 7, 8, 43] {
            let mut hello = hello_of_rustls();
            hello[at] ^= 1;
            assert!(check_client_hello(&hello).is_err(), "byte {at}");
        }
    }

    #[test]
    fn other_protocols_are_named() {
        let http = check_client_hello(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(http, Err(BadHello::NoHandshake));
        let ssh = check_client_hello(b"SSH-2.0-OpenSSH_9.2\r\n");
        assert_eq!(ssh, Err(BadHello::NoHandshake));
    }

    fn hello_of_rustls() -> Vec<u8> {
        let provider = rustls::crypto::ring::default_provider();
        let settings = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = "cloud.example".try_into().unwrap();
        let mut client = rustls::ClientConnection::new(settings.into(), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }
}
