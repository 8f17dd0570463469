//! When to ping and when to give a silent peer up.
//!
//! Anything heard counts as life, anything sent keeps a NAT's mapping. The
//! client pings, the server only listens: one exchange per interval. Pure:
//! time is an argument. Driven by [`crate::pipe`].

use std::time::Duration;

use tokio::time::Instant;

/// A client pings after this time without hearing or without sending
/// anything; NATs and proxies forget after 30 s and more.
pub const PING_AFTER: Duration = Duration::from_secs(20);
/// Silence after which the other end counts as gone.
pub const SILENCE: Duration = Duration::from_secs(33);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Send this ping.
    Ping(u64),
    /// Close: nothing was heard for too long.
    Dead,
}

/// One link's watch.
#[derive(Debug)]
pub struct Keepalive {
    ping_after: Option<Duration>,
    heard: Instant,
    sent: Instant,
    pinged: Instant,
    number: u64,
}

impl Keepalive {
    /// A client's: pings.
    pub fn client(now: Instant) -> Self {
        Self {
            ping_after: Some(PING_AFTER),
            ..Self::server(now)
        }
    }

    /// A server's: only listens.
    pub fn server(now: Instant) -> Self {
        Self {
            ping_after: None,
            heard: now,
            sent: now,
            pinged: now,
            number: 0,
        }
    }

    /// Pings at least as often as the server wishes.
    pub fn shorten(&mut self, wish: Duration) {
        let wish = wish.max(Duration::from_secs(1));
        self.ping_after = self.ping_after.map(|own| own.min(wish));
    }

    /// Something came.
    pub fn handle_heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Something went out.
    pub fn handle_sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// What is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        if now.duration_since(self.heard) >= SILENCE {
            return Due::Dead;
        }
        match self.ping_at() {
            Some(at) if at <= now => {
                self.number += 1;
                self.pinged = now;
                Due::Ping(self.number)
            }
            Some(_) | None => Due::Nothing,
        }
    }

    /// When [`Keepalive::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        let dead = self.heard + SILENCE;
        self.ping_at().map_or(dead, |ping| ping.min(dead))
    }

    fn ping_at(&self) -> Option<Instant> {
        let after = self.ping_after?;
        Some(self.heard.min(self.sent).max(self.pinged) + after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(100);

    /// Runs the watch with a peer that answers until `silent`; gives the time
    /// of the verdict and the longest gap between sent messages.
    fn run(
        mut watch: Keepalive,
        start: Instant,
        silent: Duration,
        end: Duration,
    ) -> (Option<Duration>, Duration) {
        let mut now = start;
        let mut sent = start;
        let mut gap = Duration::ZERO;
        while now - start < end {
            now += STEP;
            match watch.handle_timeout(now) {
                Due::Nothing => {}
                Due::Dead => return (Some(now - start), gap),
                Due::Ping(_) => {
                    gap = gap.max(now - sent);
                    sent = now;
                    watch.handle_sent(now);
                    if now - start < silent {
                        watch.handle_heard(now);
                    }
                }
            }
        }
        (None, gap)
    }

    /// SPECIFICATION.md: keep-alive at most every 25 s.
    #[test]
    fn an_idle_link_speaks_at_least_every_25_seconds() {
        let start = Instant::now();
        let hours = Duration::from_secs(7200);

        let (dead, gap) = run(Keepalive::client(start), start, hours, hours);

        assert_eq!(dead, None);
        assert!(gap <= Duration::from_secs(25), "{gap:?}");
    }

    #[test]
    fn a_half_open_link_is_found_within_35_seconds_of_silence() {
        for silent in (0..120).map(Duration::from_secs) {
            let start = Instant::now();
            let client = run(
                Keepalive::client(start),
                start,
                silent,
                Duration::from_secs(600),
            )
            .0;
            let last_heard = Duration::from_secs(silent.as_secs().saturating_sub(1) / 20 * 20);
            let limit = last_heard + Duration::from_secs(35);
            assert!(
                client.is_some_and(|dead| dead <= limit),
                "{silent:?}: {client:?}"
            );
        }
        let start = Instant::now();
        let server = run(
            Keepalive::server(start),
            start,
            Duration::ZERO,
            Duration::from_secs(600),
        )
        .0;
        assert!(server.is_some_and(|dead| dead <= Duration::from_secs(35)));
    }

    #[test]
    fn a_server_may_ask_for_more_pings_but_not_for_fewer() {
        let start = Instant::now();
        let mut watch = Keepalive::client(start);
        watch.shorten(Duration::from_secs(3600));
        assert_eq!(watch.poll_timeout(), start + PING_AFTER);
        watch.shorten(Duration::ZERO);
        assert_eq!(watch.poll_timeout(), start + Duration::from_secs(1));
    }
}
