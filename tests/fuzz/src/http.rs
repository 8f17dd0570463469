//! What is said in HTTP and SOCKS by others: a proxy's answer to CONNECT, a
//! server's to an upgrade, the requests of local programs, bodies of the API,
//! tables of hosts.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use culvert_cloud_prs::app::assignments::NewAssignment;
use culvert_cloud_prs::app::credentials::NewCredential;
use culvert_cloud_prs::app::import;
use culvert_cloud_prs::app::marks::NotesChange;
use culvert_cloud_prs::app::second::{SecondAnswer, StepUp};
use culvert_cloud_prs::app::tree::HostSpec;
use culvert_cloud_prs::app::webhooks::NewWebhook;
use culvert_connect::socks;
use culvert_link::ProxyServer;
use culvert_link::client::upgrade;
use culvert_link::proxy::{Attempt, ask};
use culvert_link::ws::accept_key;
use culvert_wire::api::{
    NewHandOver, NewLaunch, NewSession, NewToken, RedeemLaunch, SignIn, SignInAnswer,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest sentence about somebody else's bytes.
const MAX_SENTENCE: usize = 400;

/// What a local program says to the SOCKS port.
pub(crate) fn socks(input: &[u8]) {
    let mut client = Said::new(input);
    match at_once(socks::accept(&mut client)) {
        Ok(wanted) => {
            assert!(wanted.host.len() <= 255, "a name has 255 bytes at most");
            assert_eq!(wanted.host, wanted.host.to_ascii_lowercase());
        }
        Err(error) => plain(&error.to_string()),
    }
    assert!(client.heard.len() <= 12, "a greeting and one answer");
}

/// What a proxy answers to CONNECT, at the first try and with a sign-in.
pub(crate) fn proxy_answer(input: &[u8]) {
    let proxy: ProxyServer = "http://proxy.example:3128".parse().expect("an address");
    let proxy = proxy.with_login("user", "password");
    for before in [None, Some("Basic dXNlcjpwYXNzd29yZA==")] {
        let mut stream = Said::new(input);
        match at_once(ask(&mut stream, &proxy, "prs.example.com:443", before)) {
            Ok(Attempt::Open) => {}
            Ok(Attempt::Again(header)) => {
                assert!(
                    !header.contains(['\r', '\n']),
                    "a header of the proxy's own"
                );
            }
            Err(error) => plain(&error.to_string()),
        }
    }
}

/// What somebody answers to the request for a WebSocket. `@ACCEPT@` stands for
/// the right answer to our key, so that a seed gets through.
pub(crate) fn upgrade_answer(input: &[u8]) {
    let stream = Said::new(input);
    match at_once(upgrade(
        stream,
        "prs.example.com",
        &[7; 32],
        Some("Example"),
    )) {
        Ok((_, rest)) => assert!(input.ends_with(&rest) || input.len() < 1024),
        Err(error) => plain(&error.to_string()),
    }
}

/// Bodies of the API's requests, and of the answer to a sign-in.
pub(crate) fn api_json(input: &[u8]) {
    again::<SignIn>(input);
    again::<SignInAnswer>(input);
    again::<NewHandOver>(input);
    again::<NewToken>(input);
    again::<NewSession>(input);
    again::<NewLaunch>(input);
    again::<RedeemLaunch>(input);
    let _ = serde_json::from_slice::<NewAssignment>(input);
    let _ = serde_json::from_slice::<NewCredential>(input);
    let _ = serde_json::from_slice::<NotesChange>(input);
    let _ = serde_json::from_slice::<SecondAnswer>(input);
    let _ = serde_json::from_slice::<StepUp>(input);
    let _ = serde_json::from_slice::<HostSpec>(input);
    let _ = serde_json::from_slice::<NewWebhook>(input);
}

/// A table of hosts: each line becomes a host or a sentence.
pub(crate) fn hosts_csv(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    for line in import::judged(text).unwrap_or_default() {
        assert!(!line.name.chars().any(char::is_control), "{line:?}");
        assert_ne!(line.host.is_some(), line.error.is_some(), "{line:?}");
    }
}

fn again<T: DeserializeOwned + Serialize>(input: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(input) {
        let text = serde_json::to_vec(&value).expect("what was read can be written");
        let back: T = serde_json::from_slice(&text).expect("and read again");
        let twice = serde_json::to_vec(&back).expect("and written again");
        assert_eq!(text, twice, "two texts for one value");
    }
}

/// A sentence for people: short, and nothing in it moves a terminal.
fn plain(sentence: &str) {
    assert!(sentence.len() <= MAX_SENTENCE, "{} bytes", sentence.len());
    assert!(!sentence.chars().any(char::is_control), "{sentence:?}");
}

/// Runs what never waits.
fn at_once<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for something"),
    }
}

/// A peer that says these bytes, then nothing more, and hears everything.
struct Said {
    bytes: Vec<u8>,
    at: usize,
    heard: Vec<u8>,
}

impl Said {
    fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            at: 0,
            heard: Vec::new(),
        }
    }

    /// Puts the right answer to the key that was heard where a seed wants it.
    fn accept(&mut self) {
        const PLACE: &[u8] = b"@ACCEPT@";
        let heard = String::from_utf8_lossy(&self.heard).into_owned();
        let key = heard.split("Sec-WebSocket-Key: ").nth(1);
        let key = key.and_then(|rest| rest.split('\r').next());
        let at = self.bytes.windows(PLACE.len()).position(|w| w == PLACE);
        if let (Some(key), Some(at)) = (key, at) {
            let right = accept_key(key.as_bytes());
            self.bytes.splice(at..at + PLACE.len(), right.into_bytes());
        }
    }
}

impl AsyncRead for Said {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.at == 0 {
            self.accept();
        }
        let take = buf.remaining().min(self.bytes.len() - self.at);
        buf.put_slice(&self.bytes[self.at..self.at + take]);
        self.at += take;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Said {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.heard.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(path: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/");
        std::fs::read(format!("{folder}{path}")).unwrap()
    }

    /// Else the corpora would never leave the doorstep.
    #[test]
    fn good_seeds_get_all_the_way_through() {
        let mut browser = Said::new(&seed("socks/name"));
        assert_eq!(
            at_once(socks::accept(&mut browser)).unwrap().host,
            "nas.local"
        );
        let proxy: ProxyServer = "http://proxy.example:3128".parse().unwrap();
        let proxy = proxy.with_login("user", "password");
        let answer = |name: &str| {
            let mut stream = Said::new(&seed(name));
            at_once(ask(&mut stream, &proxy, "prs.example.com:443", None))
        };
        assert!(matches!(answer("proxy_answer/open"), Ok(Attempt::Open)));
        for name in ["proxy_answer/basic", "proxy_answer/digest"] {
            assert!(matches!(answer(name), Ok(Attempt::Again(_))), "{name}");
        }
        let stream = Said::new(&seed("upgrade_answer/good"));
        let got = at_once(upgrade(stream, "prs.example.com", &[7; 32], None));
        assert_eq!(&got.unwrap().1[..], b"behind");
        let lines = import::judged(std::str::from_utf8(&seed("hosts_csv/commas")).unwrap());
        assert!(lines.unwrap().iter().all(|line| line.error.is_none()));
        for (name, fits) in [
            (
                "session",
                serde_json::from_slice::<NewSession>(&seed("api_json/session")).is_ok(),
            ),
            (
                "host",
                serde_json::from_slice::<HostSpec>(&seed("api_json/host")).is_ok(),
            ),
            (
                "token",
                serde_json::from_slice::<NewToken>(&seed("api_json/token")).is_ok(),
            ),
        ] {
            assert!(fits, "{name}");
        }
    }
}
