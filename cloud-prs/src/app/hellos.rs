//! Gateways' hellos that wait to be judged, so that those that come together
//! are written together, and at a bounded rate: after a stall the ones that
//! piled up do not all come in at once, and people's requests get their turn
//! at the database between them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use culvert_wire::frame::{Refused, Welcome};
use culvert_wire::hello::GatewayHello;
use culvert_wire::id::{GatewayId, Lease};
use culvert_wire::reason::Reason;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::plane::{KEEPALIVE, VERSION};

/// Hellos in one transaction at most: others wait for its disk write.
const TOGETHER: usize = 32;
/// Time for one hello once [`AHEAD`] is used up: 400 a second, well over the
/// rate at which gateways are asked to return.
const EACH: Duration = Duration::from_micros(2_500);
/// How far hellos may be ahead of their rate.
const AHEAD: Duration = Duration::from_millis(100);
/// When a box that may get its right later asks again, in milliseconds.
const ASK_AGAIN_MS: u32 = 60_000;
/// When a box that is shut out asks again, in milliseconds.
const SHUT_OUT_MS: u32 = 3_600_000;
/// How often the gateways are counted.
const COUNT_EVERY: Duration = Duration::from_secs(30);

/// What a hello comes to: place and lease, or why not.
pub(super) type Admitted = Result<(GatewayId, Option<Lease>), Reason>;

/// One that waits.
pub(super) struct Hello {
    /// What the box said.
    pub(super) hello: GatewayHello,
    /// Its program and version.
    pub(super) version: String,
    /// From where.
    pub(super) from: SocketAddr,
    /// Who waits for the answer.
    pub(super) answer: oneshot::Sender<Result<Welcome, Refused>>,
}

impl Hello {
    /// Its link may be gone.
    pub(super) fn answer(self, admitted: Admitted) {
        let _ = self.answer.send(match admitted {
            Ok((id, lease)) => Ok(welcome(Some(id), lease)),
            Err(reason) => Err(refused(reason, "")),
        });
    }

    /// It could not be judged.
    pub(super) fn refuse(self, refused: Refused) {
        // Its link may be gone.
        let _ = self.answer.send(Err(refused));
    }
}

/// Those that wait, and whose turn it is to write them.
#[derive(Default)]
pub(super) struct Hellos {
    /// Held while writing.
    pub(super) turn: tokio::sync::Mutex<Pace>,
    waiting: Mutex<Vec<Hello>>,
    fleet: AtomicUsize,
}

/// Who may write and when.
#[derive(Default)]
pub(super) struct Pace {
    /// When those written so far would have come at their rate.
    due: Option<Instant>,
    counted: Option<Instant>,
}

impl Hellos {
    pub(super) fn push(&self, hello: Hello) {
        self.lock().push(hello);
    }

    /// The oldest ones.
    pub(super) fn take(&self) -> Vec<Hello> {
        let mut waiting = self.lock();
        let count = waiting.len().min(TOGETHER);
        waiting.drain(..count).collect()
    }

    /// Gateways that may come, as counted last.
    pub(super) fn fleet(&self) -> usize {
        self.fleet.load(Ordering::Relaxed)
    }

    pub(super) fn set_fleet(&self, gateways: usize) {
        self.fleet.store(gateways, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Hello>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    /// When the next ones may be written.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due?.checked_sub(AHEAD)
    }

    /// What was begun at `begun` came to this. A stranger's hello, which changes
    /// nothing, takes none of the boxes' time.
    pub(super) fn handle_judged(&mut self, judged: &[Admitted], begun: Instant) {
        let known = |one: &&Admitted| !matches!(one, Err(Reason::Unclaimed));
        self.handle_written(judged.iter().filter(known).count(), begun);
    }

    /// So many were written.
    pub(super) fn handle_written(&mut self, hellos: usize, begun: Instant) {
        let due = self.due.map_or(begun, |due| due.max(begun));
        self.due = Some(due + EACH * u32::try_from(hellos).unwrap_or(u32::MAX));
    }

    /// Whether the gateways are to be counted.
    pub(super) fn count_is_due(&self, now: Instant) -> bool {
        self.counted.is_none_or(|at| now - at >= COUNT_EVERY)
    }

    /// They were counted. Whoever was to count may have been cancelled before.
    pub(super) fn handle_counted(&mut self, now: Instant) {
        self.counted = Some(now);
    }
}

/// What a box or an end that comes in is told.
pub(super) fn welcome(gateway: Option<GatewayId>, lease: Option<Lease>) -> Welcome {
    Welcome {
        keepalive_ms: KEEPALIVE,
        gateway,
        lease,
        version: VERSION.to_owned(),
    }
}

/// What one that does not is told.
pub(super) fn refused(reason: Reason, text: &str) -> Refused {
    let shut_out = matches!(reason, Reason::GatewayRevoked | Reason::ClaimRefused);
    Refused {
        reason,
        retry_after_ms: if shut_out { SHUT_OUT_MS } else { ASK_AGAIN_MS },
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pile_of_hellos_comes_in_at_the_rate_and_a_few_at_once() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let (mut now, mut times) = (start, Vec::new());
        for _ in 0..100 {
            now = pace.next().map_or(now, |at| at.max(now));
            times.push(now - start);
            pace.handle_written(TOGETHER, now);
        }
        assert_eq!(times[1], Duration::ZERO, "the first ones do not wait");
        for window in times.windows(6) {
            let took = window[5] - window[0];
            assert!(took >= EACH * 32 * 5 - AHEAD, "{took:?}");
        }

        now += Duration::from_secs(60);
        assert!(pace.next().is_some_and(|at| at < now), "rested");
    }

    /// Threat 20: whoever has no claim costs the boxes none of their turn.
    #[test]
    fn strangers_do_not_make_boxes_wait() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for _ in 0..1000 {
            pace.handle_judged(&[Err(Reason::Unclaimed), Err(Reason::Unclaimed)], start);
        }
        assert!(pace.next().is_none_or(|at| at <= start));

        for _ in 0..1000 {
            pace.handle_judged(&[Err(Reason::GatewayRevoked)], start);
        }
        let waits = pace.next().map(|at| at - start);
        assert_eq!(waits, Some(EACH * 1000 - AHEAD));
    }
}
