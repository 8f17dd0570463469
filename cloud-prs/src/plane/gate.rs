//! How many connections may be open that have not proved anything yet.
//!
//! Three kinds, counted apart, so that none takes the places of another: those
//! that have not asked for anything yet; the same from networks where a gateway
//! has proved itself lately; and those that asked for HTTP, which may stay for
//! minutes. So a flood of HTTP connections, or of silent ones from elsewhere,
//! does not keep known gateways out. Each kind is counted in all, per address
//! (IPv6: per /64, which is what one customer gets) and per IPv6 /48, which is
//! what one customer can get. Over a limit a connection is dropped before its
//! first byte is read.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Networks of gateways that are remembered, 64 bytes each.
const KNOWN: usize = 65_536;
/// How long: a box comes back at least once a day, when it renews its link.
const KNOWN_FOR: Duration = Duration::from_secs(48 * 3600);

/// The gate; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    inside: Arc<Mutex<Inside>>,
    limits: GateLimits,
}

/// How many of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct GateLimits {
    /// In all.
    pub(super) all: usize,
    /// Of one IPv4 address or IPv6 /64.
    pub(super) per_address: usize,
    /// Of one IPv6 /48.
    pub(super) per_site: usize,
}

/// What is known of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing.
    Fresh,
    /// It comes from a gateway's network.
    Known,
    /// It asked for something else than a link.
    Http,
}

#[derive(Debug, Default)]
struct Inside {
    fresh: Pool,
    known: Pool,
    http: Pool,
    gateways: HashMap<u128, Instant>,
    refused: u64,
}

/// Places of one kind.
#[derive(Debug, Default)]
pub(super) struct Pool {
    all: usize,
    by_network: HashMap<u128, usize>,
}

impl Gate {
    pub(super) fn new(limits: GateLimits) -> Self {
        Self {
            inside: Arc::default(),
            limits,
        }
    }

    /// Lets a connection in, as long as the pass lives.
    pub(super) fn enter(&self, from: IpAddr) -> Option<Pass> {
        let networks = Networks::of(from);
        let mut inside = self.lock();
        let kind = match inside.gateways.contains_key(&networks.own) {
            true => Kind::Known,
            false => Kind::Fresh,
        };
        if !inside.pool(kind).enter(networks, self.limits) {
            inside.refused += 1;
            return None;
        }
        drop(inside);
        Some(Pass {
            gate: self.clone(),
            networks,
            kind: Mutex::new(kind),
        })
    }

    /// A gateway has proved itself from there.
    pub(super) fn remember(&self, from: IpAddr, now: Instant) {
        let mut inside = self.lock();
        let gateways = &mut inside.gateways;
        let key = network(from);
        if gateways.len() >= KNOWN && !gateways.contains_key(&key) {
            gateways.retain(|_, at| now - *at < KNOWN_FOR);
            if gateways.len() >= KNOWN {
                return;
            }
        }
        gateways.insert(key, now);
    }

    /// Connections inside, and refused so far.
    pub(super) fn figures(&self) -> (usize, u64) {
        let inside = self.lock();
        let all = inside.fresh.all + inside.known.all + inside.http.all;
        (all, inside.refused)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn pool(&mut self, kind: Kind) -> &mut Pool {
        match kind {
            Kind::Fresh => &mut self.fresh,
            Kind::Known => &mut self.known,
            Kind::Http => &mut self.http,
        }
    }
}

impl Pool {
    /// Takes a place; `false` when there is none.
    pub(super) fn enter(&mut self, networks: Networks, limits: GateLimits) -> bool {
        let count = |key| self.by_network.get(&key).copied().unwrap_or(0);
        let site_full = networks
            .site
            .is_some_and(|site| count(site) >= limits.per_site);
        if self.all >= limits.all || count(networks.own) >= limits.per_address || site_full {
            return false;
        }
        self.all += 1;
        for key in networks.keys() {
            *self.by_network.entry(key).or_default() += 1;
        }
        true
    }

    /// Gives one back.
    pub(super) fn leave(&mut self, networks: Networks) {
        self.all -= 1;
        for key in networks.keys() {
            if let Some(count) = self.by_network.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.by_network.remove(&key);
                }
            }
        }
    }
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Gate,
    networks: Networks,
    kind: Mutex<Kind>,
}

impl Pass {
    /// The connection asked for something else than a link: it takes a place
    /// among those, and `false` means that there is none.
    pub(super) fn asks_http(&self) -> bool {
        let mut kind = self.kind.lock().unwrap_or_else(PoisonError::into_inner);
        if *kind == Kind::Http {
            return true;
        }
        let mut inside = self.gate.lock();
        if !inside.http.enter(self.networks, self.gate.limits) {
            inside.refused += 1;
            return false;
        }
        inside.pool(*kind).leave(self.networks);
        *kind = Kind::Http;
        true
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let kind = *self.kind.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.gate.lock().pool(kind).leave(self.networks);
    }
}

/// What an address counts for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Networks {
    own: u128,
    site: Option<u128>,
}

impl Networks {
    /// The networks of an address.
    pub(super) fn of(address: IpAddr) -> Self {
        let site = match address.to_canonical() {
            IpAddr::V4(_) => None,
            // The lowest bit, which no /64 has, tells it from one.
            IpAddr::V6(address) => Some(u128::from(address) >> 80 << 80 | 1),
        };
        Self {
            own: network(address),
            site,
        }
    }

    fn keys(self) -> impl Iterator<Item = u128> {
        std::iter::once(self.own).chain(self.site)
    }
}

/// IPv4 addresses and IPv6 /64 networks, never the same number.
pub(super) fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address) >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(all: usize, per_address: usize, per_site: usize) -> Gate {
        Gate::new(GateLimits {
            all,
            per_address,
            per_site,
        })
    }

    fn enter(gate: &Gate, from: &str) -> Option<Pass> {
        gate.enter(from.parse().unwrap())
    }

    fn fill(gate: &Gate) -> Vec<Pass> {
        (0..u32::MAX)
            .map_while(|n| gate.enter(IpAddr::from((0x0a00_0000 + n).to_be_bytes())))
            .collect()
    }

    #[test]
    fn limits_hold_for_all_and_for_each_network_and_places_come_back() {
        let gate = gate(3, 2, 3);
        let (a, b) = (enter(&gate, "fd00::1"), enter(&gate, "fd00::2"));
        assert!(a.is_some() && b.is_some());
        assert!(enter(&gate, "fd00::3").is_none(), "two of one /64");
        let c = enter(&gate, "::ffff:10.0.0.1");
        assert!(
            c.is_some() && enter(&gate, "10.0.0.2").is_none(),
            "three in all"
        );

        drop((a, c));

        assert!(enter(&gate, "fd00::3").is_some());
        assert_eq!(gate.figures(), (1, 2));
        drop(b);
        assert!(gate.lock().fresh.by_network.is_empty());
    }

    #[test]
    fn the_many_64s_of_one_48_share_a_larger_limit() {
        let gate = gate(100, 2, 5);
        let of_one_site = |n| enter(&gate, &format!("2001:db8:7:{n}::1"));
        let inside: Vec<Pass> = (0..20).filter_map(of_one_site).collect();
        assert_eq!(inside.len(), 5);
        assert!(enter(&gate, "2001:db8:8::1").is_some(), "another /48");
        assert!(enter(&gate, "10.0.0.1").is_some());

        drop(inside);

        assert!(of_one_site(19).is_some());
        assert!(gate.lock().fresh.by_network.is_empty());
    }

    /// Threats 20 and 21.
    #[test]
    fn a_flood_of_http_takes_no_place_of_a_link() {
        let gate = gate(50, 5, 20);
        let asked: Vec<Pass> = fill(&gate);
        assert!(asked.len() == 50 && asked.iter().all(Pass::asks_http));
        assert!(
            asked[0].asks_http(),
            "a second request takes no second place"
        );

        let fresh = enter(&gate, "192.0.2.1");

        assert!(fresh.as_ref().is_some_and(|fresh| !fresh.asks_http()));
        drop((fresh, asked));
        assert_eq!(gate.figures().0, 0);
        let inside = gate.lock();
        assert!(inside.fresh.by_network.is_empty() && inside.http.by_network.is_empty());
    }

    /// Threats 20 and 21.
    #[test]
    fn silent_connections_from_elsewhere_keep_no_known_gateway_out() {
        let gate = gate(50, 5, 20);
        gate.remember("198.51.100.7".parse().unwrap(), Instant::now());
        let flood = fill(&gate);
        assert_eq!(flood.len(), 50);
        assert!(enter(&gate, "192.0.2.1").is_none());

        let known = enter(&gate, "198.51.100.7");

        assert!(known.is_some());
        drop((flood, known));
        assert_eq!(gate.figures().0, 0);
    }

    #[test]
    fn the_memory_of_gateways_networks_is_bounded_and_forgets_the_old() {
        let gate = gate(1, 1, 1);
        let begin = Instant::now();
        let at = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..70_000 {
            gate.remember(at(n), begin);
        }
        assert_eq!(gate.lock().gateways.len(), KNOWN);

        gate.remember(at(70_001), begin + KNOWN_FOR);

        assert_eq!(gate.lock().gateways.len(), 1);
    }
}
