//! Links of programs that nobody has signed in on yet: somebody is about to sign
//! in, or to join a session by ticket.
//!
//! A device key is nobody's, so anybody on the internet can have such links.
//! They have places of their own, counted in all, per address and per IPv6 /48 as
//! before the gate, and give them back when somebody has signed in or a session
//! is joined; whoever does neither in time is ended. Pure: time is an argument.
//! Driven by the [`Core`](super::core).

use std::collections::HashMap;
use std::net::IpAddr;

use tokio::time::{Duration, Instant};

use super::gate::{GateLimits, Networks, Pool};
use crate::relay::LinkId;

/// The links that are nobody's.
#[derive(Debug, Default)]
pub(super) struct Anonymous {
    links: HashMap<LinkId, Place>,
    places: Pool,
}

#[derive(Debug)]
struct Place {
    /// None when a session over it has ended: a ticket had let it in.
    networks: Option<Networks>,
    since: Instant,
}

impl Anonymous {
    /// Gives a link a place; `false` when there is none.
    pub(super) fn enter(
        &mut self,
        link: LinkId,
        from: IpAddr,
        limits: GateLimits,
        now: Instant,
    ) -> bool {
        let networks = Networks::of(from);
        let entered = self.places.enter(networks, limits);
        if entered {
            let networks = Some(networks);
            self.links.insert(
                link,
                Place {
                    networks,
                    since: now,
                },
            );
        }
        entered
    }

    /// A link that was somebody's is nobody's any more: it has as long as a new one.
    pub(super) fn readmit(&mut self, link: LinkId, now: Instant) {
        let networks = None;
        self.links.insert(
            link,
            Place {
                networks,
                since: now,
            },
        );
    }

    /// A link is gone, or somebody's: its place is free.
    pub(super) fn leave(&mut self, link: LinkId) {
        let networks = self.links.remove(&link).and_then(|place| place.networks);
        if let Some(networks) = networks {
            self.places.leave(networks);
        }
    }

    /// Frees the places of links that are somebody's by now; gives those whose
    /// time is over.
    pub(super) fn sweep(
        &mut self,
        somebodys: impl Fn(LinkId) -> bool,
        life: Duration,
        now: Instant,
    ) -> Vec<LinkId> {
        let theirs: Vec<LinkId> = self
            .links
            .keys()
            .copied()
            .filter(|l| somebodys(*l))
            .collect();
        for link in theirs {
            self.leave(link);
        }
        let over = |place: &Place| now - place.since >= life;
        let over = self.links.iter().filter(|(_, place)| over(place));
        over.map(|(link, _)| *link).collect()
    }

    /// Whether a link has a place here.
    pub(super) fn has(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(60);
    const LIMITS: GateLimits = GateLimits {
        all: 10,
        per_address: 3,
        per_site: 5,
    };

    /// Threat 20.
    #[test]
    fn one_address_takes_its_share_and_the_rest_is_for_others() {
        let (mut links, now) = (Anonymous::default(), Instant::now());
        let number = std::cell::Cell::new(0);
        let enter = |links: &mut Anonymous, from: &str| {
            number.set(number.get() + 1);
            links.enter(LinkId(number.get()), from.parse().unwrap(), LIMITS, now)
        };
        let inside = (0..100)
            .filter(|_| enter(&mut links, "2001:db8::1"))
            .count();
        assert_eq!(inside, 3);
        let of_the_site = |n: u64| format!("2001:db8:0:{n}::1");
        let inside = (1..100)
            .filter(|n| enter(&mut links, &of_the_site(*n)))
            .count();
        assert_eq!(inside, 2);
        let elsewhere = (1..100)
            .filter(|n| enter(&mut links, &format!("192.0.2.{n}")))
            .count();
        assert_eq!(elsewhere, 5);

        for link in 1..=number.get() {
            links.leave(LinkId(link));
        }
        assert!(enter(&mut links, "2001:db8::1") && links.links.len() == 1);
    }

    #[test]
    fn who_signs_in_or_joins_stays_and_who_does_neither_runs_out() {
        let (mut links, begin) = (Anonymous::default(), Instant::now());
        let here = "192.0.2.1".parse().unwrap();
        for link in 1..=3 {
            assert!(links.enter(LinkId(link), here, LIMITS, begin));
        }

        let somebodys = |link| link == LinkId(2);
        assert_eq!(links.sweep(somebodys, LIFE, begin), []);
        assert!(links.enter(LinkId(4), here, LIMITS, begin + LIFE / 2));
        let mut over = links.sweep(somebodys, LIFE, begin + LIFE);

        over.sort_unstable();
        assert_eq!(over, [LinkId(1), LinkId(3)]);
        assert!(links.has(LinkId(4)) && !links.has(LinkId(2)));
        // Its session is over, and it does nothing more.
        links.readmit(LinkId(2), begin + LIFE);
        assert!(
            !links
                .sweep(|_| false, LIFE, begin + LIFE)
                .contains(&LinkId(2))
        );
        assert!(
            links
                .sweep(|_| false, LIFE, begin + 2 * LIFE)
                .contains(&LinkId(2))
        );
    }
}
