//! What gateways and the relay report, until the application has taken it: each
//! box has a queue of its own, and they are taken in turn.
//!
//! So a box that reports without end waits for itself alone. It is bounded
//! twice: in how many of its reports wait, and in how often it may tell what
//! nothing asked it for, each of which costs the application a disk write. Over
//! either bound its link is ended, and nobody else's. Pure: time is an argument.

use std::collections::{HashMap, VecDeque};

use culvert_wire::key::PublicKey;
use tokio::time::{Duration, Instant};

use super::control::PlaneEvent;

/// Reports of one box that may wait: more than it keeps of ended sessions while
/// it has no link, and orders obeyed beside them.
const PER_BOX: usize = 2048;
/// Reports of all boxes over which each may have only [`PER_BOX_IN_NEED`].
const HIGH: usize = 50_000;
/// So few that tens of thousands of boxes take no more memory than their links.
const PER_BOX_IN_NEED: usize = 16;
/// Arrivals of one box that may wait, and as many departures: one is as good as
/// another, because what counts is how it is when one is taken.
const PRESENCES: usize = 4;
/// What a box may tell unasked at once: how it fares, sixty times.
const BURST: Duration = Duration::from_secs(60);
/// The time after which as much of that is back as a word about the box costs. A
/// box whose line flaps says two words each time it is back.
const WORD: Duration = Duration::from_secs(1);
/// The same for a word about a host's key: sessions bring several at a time.
const HOST_KEY: Duration = Duration::from_millis(200);

/// The reports that wait.
#[derive(Debug, Default)]
pub(super) struct Reports {
    boxes: HashMap<PublicKey, Queue>,
    /// Boxes of which something waits; the first one's turn is next.
    turns: VecDeque<PublicKey>,
    /// What the relay itself has seen.
    routes: VecDeque<PlaneEvent>,
    /// Whether a box's report was taken last.
    box_before: bool,
    /// Of all boxes.
    waiting: usize,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<PlaneEvent>,
    /// When what it told unasked will be forgotten.
    spent: Option<Instant>,
}

/// A box reports more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl Reports {
    /// Keeps what the relay has seen: its routes are bounded.
    pub(super) fn push_route(&mut self, event: PlaneEvent) {
        self.routes.push_back(event);
    }

    /// Keeps that a box came or went, [`PRESENCES`] times at most.
    pub(super) fn push_presence(&mut self, key: PublicKey, event: PlaneEvent) {
        let kind = std::mem::discriminant(&event);
        let same = |other: &&PlaneEvent| std::mem::discriminant(*other) == kind;
        let queue = self.boxes.get(&key);
        let waiting = queue.map_or(0, |queue| queue.waiting.iter().filter(same).count());
        if waiting < PRESENCES {
            self.add(key, event);
        }
    }

    /// Keeps a box's report.
    ///
    /// # Errors
    /// [`TooMany`]: it is not kept.
    pub(super) fn push(
        &mut self,
        key: PublicKey,
        event: PlaneEvent,
        now: Instant,
    ) -> Result<(), TooMany> {
        let most = match self.waiting < HIGH {
            true => PER_BOX,
            false => PER_BOX_IN_NEED,
        };
        let queue = self.boxes.entry(key).or_default();
        queue.spend(cost(&event), now)?;
        if let Some(old) = queue.waiting.iter_mut().find(|old| is_newer(&event, old)) {
            *old = event;
            return Ok(());
        }
        if queue.waiting.len() >= most {
            return Err(TooMany);
        }
        self.add(key, event);
        Ok(())
    }

    /// The next one: the boxes in turn, and between any two what the relay saw.
    pub(super) fn pop(&mut self) -> Option<PlaneEvent> {
        self.box_before = !self.box_before;
        if self.box_before {
            self.pop_box().or_else(|| self.routes.pop_front())
        } else {
            let route = self.routes.pop_front();
            route.or_else(|| self.pop_box())
        }
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.turns.is_empty()
    }

    /// Forgets a box that has no link any more and nothing to tell, once what it
    /// told unasked is forgotten, too.
    pub(super) fn forget_idle(&mut self, linked: impl Fn(&PublicKey) -> bool, now: Instant) {
        self.boxes.retain(|key, queue| {
            !queue.waiting.is_empty() || linked(key) || queue.spent.is_some_and(|at| at > now)
        });
    }

    fn add(&mut self, key: PublicKey, event: PlaneEvent) {
        let queue = self.boxes.entry(key).or_default();
        if queue.waiting.is_empty() {
            self.turns.push_back(key);
        }
        queue.waiting.push_back(event);
        self.waiting += 1;
    }

    fn pop_box(&mut self) -> Option<PlaneEvent> {
        let key = self.turns.pop_front()?;
        let queue = self.boxes.get_mut(&key)?;
        let event = queue.waiting.pop_front()?;
        self.waiting -= 1;
        match queue.waiting.is_empty() {
            // Gives its room back, too.
            true => queue.waiting = VecDeque::new(),
            false => self.turns.push_back(key),
        }
        Some(event)
    }
}

impl Queue {
    fn spend(&mut self, cost: Duration, now: Instant) -> Result<(), TooMany> {
        let spent = self.spent.map_or(now, |at| at.max(now)) + cost;
        if spent > now + BURST {
            return Err(TooMany);
        }
        if !cost.is_zero() {
            self.spent = Some(spent);
        }
        Ok(())
    }
}

/// Whether a report says what one that waits has said before: how the box fares,
/// or a session's record, which it tells again on every new link.
fn is_newer(new: &PlaneEvent, old: &PlaneEvent) -> bool {
    match (new, old) {
        (PlaneEvent::Health { .. }, PlaneEvent::Health { .. }) => true,
        (
            PlaneEvent::SessionEnded { ended: new, .. },
            PlaneEvent::SessionEnded { ended: old, .. },
        ) => new.session == old.session,
        _ => false,
    }
}

/// What a report costs of [`BURST`]: answers and records cost nothing, each was
/// asked for by the server or by a session of its.
const fn cost(event: &PlaneEvent) -> Duration {
    match event {
        PlaneEvent::Health { .. } | PlaneEvent::System { .. } => WORD,
        PlaneEvent::HostKey { .. } => HOST_KEY,
        PlaneEvent::GatewayUp { .. }
        | PlaneEvent::GatewayDown { .. }
        | PlaneEvent::InviteResult { .. }
        | PlaneEvent::SessionEnded { .. }
        | PlaneEvent::Revoked { .. }
        | PlaneEvent::LeaseStored { .. }
        | PlaneEvent::Route(_) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::frame::Health;
    use culvert_wire::id::SessionId;
    use culvert_wire::key::SigningKey;
    use culvert_wire::reason::Reason;

    use super::*;
    use crate::relay::RelayEvent;

    fn key(seed: u8) -> PublicKey {
        SigningKey::from_seed(&[seed; 32]).public()
    }

    fn obeyed(key: PublicKey, counter: u64) -> PlaneEvent {
        PlaneEvent::Revoked { key, counter }
    }

    fn fares(key: PublicKey, uptime_s: u64) -> PlaneEvent {
        let health = Health {
            code: "ok".into(),
            text: String::new(),
            version: String::new(),
            uptime_s,
        };
        PlaneEvent::Health { key, health }
    }

    fn over() -> PlaneEvent {
        PlaneEvent::Route(RelayEvent::Closed {
            session: SessionId::from_random([1; 16]),
            reason: Reason::Finished,
            to_technician: 0,
            to_gateway: 0,
        })
    }

    /// Threat 22.
    #[test]
    fn who_reports_without_end_is_refused_and_makes_nobody_wait() {
        let (mut reports, now) = (Reports::default(), Instant::now());
        let (noisy, quiet) = (key(1), key(2));
        let taken =
            (0..1_000_000).take_while(|n| reports.push(noisy, obeyed(noisy, *n), now).is_ok());
        assert_eq!(taken.count(), PER_BOX);

        reports.push(quiet, obeyed(quiet, 7), now).unwrap();
        reports.push_route(over());

        let next: Vec<_> = std::iter::from_fn(|| reports.pop()).take(3).collect();
        assert!(
            next.contains(&obeyed(quiet, 7)) && next.contains(&over()),
            "{next:?}"
        );
        assert_eq!(std::iter::from_fn(|| reports.pop()).count(), PER_BOX - 1);
        assert!(reports.is_empty());
        reports.push(noisy, obeyed(noisy, 0), now).unwrap();
    }

    /// Threat 22.
    #[test]
    fn many_boxes_that_flood_leave_each_other_a_little_room() {
        let (mut reports, now) = (Reports::default(), Instant::now());
        for seed in 0..100 {
            let one = key(seed);
            while reports.push(one, obeyed(one, 0), now).is_ok() {}
        }
        assert!(
            reports.waiting <= HIGH + 100 * PER_BOX_IN_NEED,
            "{}",
            reports.waiting
        );
        let one = key(200);
        for _ in 0..PER_BOX_IN_NEED {
            reports.push(one, obeyed(one, 1), now).unwrap();
        }
        assert_eq!(reports.push(one, obeyed(one, 1), now), Err(TooMany));
    }

    #[test]
    fn how_a_box_fares_waits_once_and_may_be_told_so_often() {
        let (mut reports, now) = (Reports::default(), Instant::now());
        let one = key(1);
        let told = (0..1000).take_while(|n| reports.push(one, fares(one, *n), now).is_ok());
        assert_eq!(told.count(), 60);
        assert_eq!(reports.pop(), Some(fares(one, 59)));
        assert_eq!(reports.pop(), None);

        // What it is asked for is not counted against it.
        reports.push(one, obeyed(one, 1), now).unwrap();
        let later = now + WORD;
        reports.push(one, fares(one, 60), later).unwrap();
        assert_eq!(reports.push(one, fares(one, 61), later), Err(TooMany));
    }

    #[test]
    fn a_box_that_comes_and_goes_takes_little_room_and_is_forgotten_when_it_has_told_all() {
        let (mut reports, now) = (Reports::default(), Instant::now());
        let one = key(1);
        for _ in 0..1000 {
            reports.push_presence(one, PlaneEvent::GatewayDown { key: one });
        }
        reports.push(one, fares(one, 0), now).unwrap();
        let linked = |_: &PublicKey| false;
        reports.forget_idle(linked, now + BURST);
        assert_eq!(std::iter::from_fn(|| reports.pop()).count(), PRESENCES + 1);

        reports.forget_idle(linked, now);
        assert_eq!(reports.boxes.len(), 1, "it spent something");
        reports.forget_idle(linked, now + BURST);
        assert!(reports.boxes.is_empty());
    }
}
