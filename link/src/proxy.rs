//! HTTP CONNECT (RFC 9110 §9.3.6) through a customer's proxy.
//!
//! Signs in with Digest where it is offered, else with Basic, and only when
//! the proxy asks. The proxy sees the server's name and TLS, nothing else.
//! Driven by [`crate::client`].

mod environment;
mod login;

use std::fmt;
use std::str::FromStr;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

pub use self::environment::Environment;
use crate::http1::{self, AnswerError};

/// Which proxy to use.
#[derive(Debug, Clone, Default)]
pub enum ProxyPolicy {
    /// None at all.
    None,
    /// What `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    FromEnv,
    /// This one, for every server.
    Explicit(ProxyServer),
}

impl ProxyPolicy {
    /// The proxy for one server.
    ///
    /// # Errors
    /// [`ProxyUrlError`] when a variable names a proxy that cannot be used.
    pub fn for_server(&self, host: &str, port: u16) -> Result<Option<ProxyServer>, ProxyUrlError> {
        match self {
            Self::None => Ok(None),
            Self::FromEnv => Environment::of_process().for_server(host, port),
            Self::Explicit(proxy) => Ok(Some(proxy.clone())),
        }
    }
}

/// A proxy's address and sign-in; the password never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyServer {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name and password.
    pub login: Option<(String, String)>,
}

impl ProxyServer {
    /// The same proxy with another sign-in.
    #[must_use]
    pub fn with_login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() { "MASKED@" } else { "" };
        write!(f, "http://{login}{}:{}", self.host, self.port)
    }
}

/// Text that names no usable proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyUrlError {
    /// SOCKS, or TLS to the proxy.
    #[error("a proxy of kind {0}:// cannot be used: only http:// proxies with CONNECT")]
    Scheme(String),
    /// Not `[http://][user:password@]host[:port]`.
    #[error("a proxy is written http://[user:password@]host:port")]
    Form,
}

impl FromStr for ProxyServer {
    type Err = ProxyUrlError;

    fn from_str(text: &str) -> Result<Self, ProxyUrlError> {
        let rest = match text.trim().split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => return Err(ProxyUrlError::Scheme(scheme.to_owned())),
            None => text.trim(),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, address) = match rest.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, rest),
        };
        let (host, port) = split_address(address, Some(3128)).ok_or(ProxyUrlError::Form)?;
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            (unescape(user), unescape(password))
        });
        let visible = |text: &String| !text.chars().any(char::is_control);
        if login
            .as_ref()
            .is_some_and(|(user, password)| !visible(user) || !visible(password))
        {
            return Err(ProxyUrlError::Form);
        }
        Ok(Self { host, port, login })
    }
}

/// Takes `host:port`, `[v6]:port` or `host` apart.
pub(crate) fn split_address(text: &str, default_port: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (
                host,
                after
                    .strip_prefix(':')
                    .or_else(|| after.is_empty().then_some("")),
            )
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            Some(_) => return None,
            None => (text, Some("")),
        },
    };
    let port = match port? {
        "" => default_port?,
        port => port.parse().ok().filter(|port| *port != 0)?,
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    (!host.is_empty() && host.len() <= 255 && host.chars().all(legal))
        .then(|| (host.to_owned(), port))
}

/// Undoes percent escapes; what is none stays as it is.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match (
            bytes[at],
            pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()),
        ) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Why a proxy let nothing through.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// It answered with this status.
    #[error("the proxy refused the connection (status {status})")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// It wants a sign-in that is missing, wrong or of an unknown kind.
    #[error("the proxy wants a sign-in ({offered}){}", if *.tried { ": it refused the one given" } else { "" })]
    Login {
        /// The kinds it offers.
        offered: String,
        /// Whether a sign-in was tried.
        tried: bool,
    },
    /// It is no HTTP proxy, or the connection to it broke.
    #[error("the proxy did not answer as a proxy: {0}")]
    Answer(String),
}

/// What one attempt ended in.
#[derive(Debug)]
pub enum Attempt {
    /// The tunnel is open.
    Open,
    /// Try again on a fresh connection, with this header.
    Again(String),
}

/// Asks for a tunnel on a connection to the proxy; `authorization` comes from
/// an earlier attempt.
///
/// # Errors
/// [`TunnelError`].
pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    proxy: &ProxyServer,
    target: &str,
    authorization: Option<&str>,
) -> Result<Attempt, TunnelError> {
    let broken = |error: std::io::Error| TunnelError::Answer(error.to_string());
    let extra = authorization.map_or_else(String::new, |value| {
        format!("Proxy-Authorization: {value}\r\n")
    });
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{extra}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let answer = match http1::read(stream).await {
        Ok(answer) => answer,
        Err(error @ (AnswerError::Ended | AnswerError::NotHttp | AnswerError::Io(_))) => {
            return Err(TunnelError::Answer(error.to_string()));
        }
    };
    match answer.status {
        // TLS speaks first at our end: a proxy that already did is none.
        200..=299 if answer.rest.is_empty() => Ok(Attempt::Open),
        200..=299 => Err(TunnelError::Answer("it spoke before we did".into())),
        407 => {
            let challenges: Vec<&str> = answer.values("proxy-authenticate").collect();
            login::answer(&challenges, proxy.login.as_ref(), target, authorization)
                .map(Attempt::Again)
        }
        // tinyproxy's answer to a wrong password.
        401 => Err(TunnelError::Login {
            offered: "status 401".into(),
            tried: authorization.is_some(),
        }),
        status => Err(TunnelError::Refused { status }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Parts = (String, u16, Option<(String, String)>);

    fn proxy(text: &str) -> Result<Parts, ProxyUrlError> {
        text.parse::<ProxyServer>()
            .map(|p| (p.host, p.port, p.login))
    }

    #[test]
    fn proxies_are_read_as_people_write_them() {
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        let ok = |host: &str, port, login| Ok((host.to_owned(), port, login));
        assert_eq!(proxy("http://proxy.lan:8080/"), ok("proxy.lan", 8080, None));
        assert_eq!(proxy("proxy.lan"), ok("proxy.lan", 3128, None));
        assert_eq!(
            proxy("http://dom%5Cme:p%40ss:w@10.0.0.1:3128"),
            ok("10.0.0.1", 3128, login("dom\\me", "p@ss:w"))
        );
        assert_eq!(proxy("http://[fd00::1]:3128"), ok("fd00::1", 3128, None));
        assert_eq!(
            proxy("socks5://x:1080"),
            Err(ProxyUrlError::Scheme("socks5".into()))
        );
        for bad in [
            "",
            "http://",
            "a b:1",
            "x:0",
            "x:99999",
            "1:2:3",
            "u%0d%0a:x@h:1",
        ] {
            assert_eq!(proxy(bad), Err(ProxyUrlError::Form), "{bad}");
        }
    }

    #[test]
    fn a_proxys_password_never_prints() {
        let proxy: ProxyServer = "http://me:hunter2@proxy:1".parse().unwrap();
        assert_eq!(format!("{proxy:?}"), "http://MASKED@proxy:1");
    }

    proptest! {
        #[test]
        fn arbitrary_text_gives_no_panic(text in "\\PC{0,60}") {
            let _ = text.parse::<ProxyServer>();
            let _ = split_address(&text, None);
        }
    }
}
