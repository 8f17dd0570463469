//! Carries local connections into a session.
//!
//! Each accepted connection becomes one stream. What the gateway or the host
//! refuses is said on the terminal, once per connection; the other connections
//! do not notice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use culvert_session::native::{Counters, StreamError, splice};
use culvert_wire::grant::Target;
use culvert_wire::reason::Reason;
use culvert_wire::stream::Answer as StreamAnswer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::failure::said;
use crate::local::listen::{Accepted, Listener};
use crate::socks::{self, Answer, Wanted};
use crate::streams::{Streams, is_ordinary};
use crate::text::{note, plain};

/// How many connections there are, and whether there ever was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Busy {
    /// At this moment.
    pub now: usize,
    /// In all.
    pub ever: usize,
}

/// Carries every connection of `listener` to the target of an index, until the
/// listener lets in no more and all of them ended. `busy` follows along.
pub async fn forward(
    mut listener: Listener,
    streams: Streams,
    target: usize,
    busy: watch::Sender<Busy>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Some(accepted) => {
                    busy.send_modify(Busy::more);
                    let streams = streams.clone();
                    connections.spawn(async move { one(accepted, &streams, target).await });
                }
                None => break,
            },
            Some(_) = connections.join_next() => busy.send_modify(Busy::fewer),
        }
    }
    // The port is free again while the last connections go on.
    drop(listener);
    while connections.join_next().await.is_some() {
        busy.send_modify(Busy::fewer);
    }
}

/// Serves SOCKS on `listener`, to the session's targets only.
pub async fn socks(mut listener: Listener, streams: Streams, busy: watch::Sender<Busy>) {
    let mut connections = JoinSet::new();
    let strangers = Arc::new(Mutex::new(HashSet::new()));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Some(accepted) => {
                    busy.send_modify(Busy::more);
                    let (streams, strangers) = (streams.clone(), Arc::clone(&strangers));
                    connections.spawn(async move {
                        one_socks(accepted, &streams, &strangers).await;
                    });
                }
                None => return,
            },
            Some(_) = connections.join_next() => busy.send_modify(Busy::fewer),
        }
    }
}

impl Busy {
    fn more(&mut self) {
        self.now += 1;
        self.ever += 1;
    }

    fn fewer(&mut self) {
        self.now -= 1;
    }
}

async fn one(accepted: Accepted, streams: &Streams, target: usize) {
    let (tcp, _slot) = accepted.into_parts();
    // A session that is over says so by itself.
    let Ok(stream) = streams.open(target).await else {
        return;
    };
    // The program's first bytes go out at once, before the host has answered.
    let end = splice(stream, tcp, Arc::new(Counters::default())).await;
    // The end of the whole session is said once, by whoever waits for it.
    if streams.ending().is_none() {
        tell(&streams.targets()[target], end.reason);
    }
}

async fn one_socks(accepted: Accepted, streams: &Streams, strangers: &Mutex<HashSet<Wanted>>) {
    let (mut tcp, _slot) = accepted.into_parts();
    let Ok(wanted) = socks::accept(&mut tcp).await else {
        return;
    };
    let Some(target) = find(streams.targets(), &wanted) else {
        refuse_stranger(strangers, wanted);
        reply(&mut tcp, Answer::Forbidden).await;
        return;
    };
    let Ok(mut stream) = streams.open(target).await else {
        reply(&mut tcp, Answer::Failed).await;
        return;
    };
    let answer = stream.answer().await;
    if let Some(reason) = refusal(&answer) {
        tell(&streams.targets()[target], reason);
        reply(&mut tcp, socks_answer(reason)).await;
        return;
    }
    reply(&mut tcp, Answer::Granted).await;
    let end = splice(stream, tcp, Arc::new(Counters::default())).await;
    tracing::debug!(reason = end.reason.slug(), "Connection ended");
}

async fn reply(tcp: &mut tokio::net::TcpStream, answer: Answer) {
    use tokio::io::AsyncWriteExt as _;
    // A browser that is gone needs no answer.
    let sent = tcp.write_all(&answer.bytes()).await;
    drop(sent);
}

fn refusal(answer: &Result<StreamAnswer, StreamError>) -> Option<Reason> {
    match answer {
        Ok(StreamAnswer::Accepted) => None,
        Ok(StreamAnswer::Refused { reason, .. }) => Some(*reason),
        Err(error) => Some(error.reason()),
    }
}

/// The target that a browser means.
fn find(targets: &[Target], wanted: &Wanted) -> Option<usize> {
    let host = wanted.host.strip_suffix('.').unwrap_or(&wanted.host);
    targets
        .iter()
        .position(|target| target.address.as_str() == host && target.port == wanted.port)
}

const fn socks_answer(reason: Reason) -> Answer {
    // By number: a reason of a newer version fails like an unknown one.
    match reason.code() {
        200 | 203 => Answer::Refused,
        201 => Answer::TimedOut,
        202 | 204 => Answer::Unreachable,
        205..=208 => Answer::Forbidden,
        _ => Answer::Failed,
    }
}

/// Says once for each host what a page wanted beyond the session.
fn refuse_stranger(strangers: &Mutex<HashSet<Wanted>>, wanted: Wanted) {
    /// A page may ask for any number of them.
    const REMEMBERED: usize = 32;
    let mut seen = strangers.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() < REMEMBERED && !seen.contains(&wanted) {
        tracing::info!(host = %plain(&wanted.host), port = wanted.port, "Refused: not of this session");
        seen.insert(wanted);
    }
}

/// Says why a connection ended, unless somebody just closed it.
fn tell(target: &Target, reason: Reason) {
    if !is_ordinary(reason) {
        note(&format!(
            "{} port {}: {}",
            target.address,
            target.port,
            said(reason, "")
        ));
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::grant::Protocol;

    use super::*;

    fn targets() -> Vec<Target> {
        [
            ("192.168.1.9", 80),
            ("192.168.1.9", 443),
            ("nas.local", 80),
            ("fd00::7", 80),
        ]
        .map(|(address, port)| Target {
            address: address.parse().unwrap(),
            port,
            protocol: Protocol::Http,
        })
        .to_vec()
    }

    /// The proxy is no way into the rest of the site or the internet.
    #[test]
    fn only_the_sessions_hosts_and_ports_are_found() {
        let find = |host: &str, port| {
            let wanted = Wanted {
                host: host.into(),
                port,
            };
            find(&targets(), &wanted)
        };

        assert_eq!(find("192.168.1.9", 80), Some(0));
        assert_eq!(find("192.168.1.9", 443), Some(1));
        assert_eq!(find("nas.local.", 80), Some(2));
        assert_eq!(find("fd00::7", 80), Some(3));
        for (host, port) in [
            ("192.168.1.9", 22),
            ("192.168.1.1", 80),
            ("nas.local", 443),
            ("localhost", 80),
            ("127.0.0.1", 80),
            ("www.example.com", 80),
            ("", 80),
        ] {
            assert_eq!(find(host, port), None, "{host}:{port}");
        }
    }

    #[test]
    fn a_browser_learns_why_as_well_as_socks_can_say_it() {
        assert_eq!(socks_answer(Reason::HostRefused), Answer::Refused);
        assert_eq!(socks_answer(Reason::HostTimedOut), Answer::TimedOut);
        assert_eq!(socks_answer(Reason::HostUnreachable), Answer::Unreachable);
        assert_eq!(socks_answer(Reason::NameNotResolved), Answer::Unreachable);
        assert_eq!(socks_answer(Reason::HostReset), Answer::Refused);
        assert_eq!(socks_answer(Reason::NotInAllowList), Answer::Forbidden);
        assert_eq!(socks_answer(Reason::Internal), Answer::Failed);
    }
}
