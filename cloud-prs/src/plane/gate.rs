//! How many connections may be open that have not proved anything yet.
//!
//! Counted in all and per address (IPv6: per /64, which is what one customer
//! gets). Over a limit a connection is dropped before its first byte is read.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The gate; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    inside: Arc<Mutex<Inside>>,
    most: usize,
    most_per_address: usize,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    by_address: HashMap<u128, usize>,
    refused: u64,
}

impl Gate {
    pub(super) fn new(most: usize, most_per_address: usize) -> Self {
        Self {
            inside: Arc::default(),
            most,
            most_per_address,
        }
    }

    /// Lets a connection in, as long as the pass lives.
    pub(super) fn enter(&self, from: IpAddr) -> Option<Pass> {
        let key = network(from);
        let mut inside = self.lock();
        let own = inside.by_address.get(&key).copied().unwrap_or(0);
        if inside.all >= self.most || own >= self.most_per_address {
            inside.refused += 1;
            return None;
        }
        inside.all += 1;
        inside.by_address.insert(key, own + 1);
        drop(inside);
        Some(Pass {
            gate: self.clone(),
            key,
        })
    }

    /// Connections inside, and refused so far.
    pub(super) fn figures(&self) -> (usize, u64) {
        let inside = self.lock();
        (inside.all, inside.refused)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Gate,
    key: u128,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.lock();
        inside.all -= 1;
        if let Some(own) = inside.by_address.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                inside.by_address.remove(&self.key);
            }
        }
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

    #[test]
    fn limits_hold_for_all_and_for_each_network_and_places_come_back() {
        let gate = Gate::new(3, 2);
        let enter = |text: &str| gate.enter(text.parse().unwrap());
        let (a, b) = (enter("fd00::1"), enter("fd00::2"));
        assert!(a.is_some() && b.is_some());
        assert!(enter("fd00::3").is_none(), "two of one /64");
        let c = enter("::ffff:10.0.0.1");
        assert!(c.is_some() && enter("10.0.0.2").is_none(), "three in all");

        drop((a, c));

        assert!(enter("fd00::3").is_some());
        assert_eq!(gate.figures(), (1, 2));
        drop(b);
        assert!(gate.lock().by_address.is_empty());
    }
}
