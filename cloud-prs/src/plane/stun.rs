//! The UDP port: answers STUN Binding (RFC 8489), rate-limited, never with
//! more bytes than were asked with. Everything else is silence.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use culvert_path::stun;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tracing::warn;

use super::Inner;
use super::gate::network;

/// Longest request looked at, in bytes.
const MAX_REQUEST: usize = 576;
/// Addresses remembered at once; more in one second share one allowance.
const MAX_ADDRESSES: usize = 16_384;

/// Answers for ever; without a socket it only waits.
pub(super) async fn serve(inner: &Inner, udp: Option<UdpSocket>) {
    let Some(udp) = udp else {
        return std::future::pending().await;
    };
    let mut allowance = Allowance::new(inner.limits.stun_per_second, Instant::now());
    let mut request = [0; MAX_REQUEST];
    loop {
        let (length, from) = match udp.recv_from(&mut request).await {
            Ok(received) => received,
            Err(error) => {
                // An ICMP error of an earlier answer, or a passing shortage.
                warn!(%error, "STUN socket");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            }
        };
        let answer = match allowance.take(network(from.ip()), Instant::now()) {
            true => stun::answer(&request[..length], from),
            false => None,
        };
        let Some(answer) = answer else {
            inner.stun_refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        inner.stun_answers.fetch_add(1, Ordering::Relaxed);
        // A full buffer drops the answer: the client asks again.
        let _ = udp.try_send_to(&answer, from);
    }
}

/// So many answers per address and second.
#[derive(Debug)]
struct Allowance {
    per_second: u32,
    second: Instant,
    used: HashMap<u128, u32>,
}

impl Allowance {
    fn new(per_second: u32, now: Instant) -> Self {
        Self {
            per_second,
            second: now,
            used: HashMap::new(),
        }
    }

    fn take(&mut self, address: u128, now: Instant) -> bool {
        if now.duration_since(self.second).as_secs() >= 1 {
            self.second = now;
            self.used.clear();
        }
        let full = self.used.len() >= MAX_ADDRESSES;
        let key = match full && !self.used.contains_key(&address) {
            true => u128::MAX,
            false => address,
        };
        let used = self.used.entry(key).or_insert(0);
        *used += 1;
        *used <= self.per_second
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_address_has_its_own_allowance_and_memory_is_bounded() {
        let start = Instant::now();
        let mut allowance = Allowance::new(3, start);
        let taken = (0..10).filter(|_| allowance.take(1, start)).count();
        assert_eq!(taken, 3);
        assert!(allowance.take(2, start));
        assert!(allowance.take(1, start + Duration::from_secs(1)));

        let flood = (10..1_000_000)
            .filter(|address| allowance.take(*address, start))
            .count();
        assert!(flood <= MAX_ADDRESSES + 3 && allowance.used.len() <= MAX_ADDRESSES + 1);
    }
}
