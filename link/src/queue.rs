//! What waits to be sent on one link, shared fairly by its routes.
//!
//! Frames of our own go first. Packets wait in one queue per route, bounded in
//! bytes and served round-robin by bytes (deficit round robin, RFC 8290 §3.2
//! explains the family). A full route drops its own newest packets; a full
//! link drops the newest of whichever route holds the most. So one session's
//! bulk never costs another session a packet, and nobody ever waits: a blocked
//! path would block its neighbours.
//!
//! Pure. Driven by the client's `driver` and by the relay.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use bytes::Bytes;
use culvert_wire::frame::{Channel, PACKETS_HEADER, Packets};

/// Bytes one route may have waiting.
pub const ROUTE_BYTES: usize = 64 * 1024;
/// Bytes all routes of one link may have waiting together.
pub const LINK_BYTES: usize = 256 * 1024;
/// Bytes of our own frames that may wait before the link is given up.
pub const CONTROL_BYTES: usize = 1024 * 1024;
/// What a waiting message costs beside its payload, in bytes: so that many
/// tiny ones are bounded too.
const ENTRY: usize = 64;
/// Bytes one route may send before it is the next one's turn.
const QUANTUM: usize = 16 * 1024;

/// One message, ready for a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A frame of our own, encoded.
    Frame(Bytes),
    /// Somebody's packets behind their header.
    Packets {
        /// The message's first bytes.
        header: [u8; PACKETS_HEADER],
        /// The packets.
        payload: Bytes,
    },
}

/// Our own frames pile up: the peer takes nothing, the link must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer takes no messages")]
pub struct Stuck;

/// The queue of one link; `K` names a route.
#[derive(Debug)]
pub struct FairQueue<K> {
    control: VecDeque<Bytes>,
    control_bytes: usize,
    routes: HashMap<K, Waiting>,
    /// Routes with packets, in the order of their turns.
    turns: VecDeque<K>,
    /// INVARIANT: the sum over `routes` of their bytes.
    bytes: usize,
    dropped: Dropped,
}

/// What a queue has dropped since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Messages.
    pub messages: u64,
    /// Their payload's bytes.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    bytes: usize,
    deficit: usize,
}

/// Packets, or with segment size 0 a frame of our own that follows them.
#[derive(Debug)]
struct Message {
    channel: Channel,
    segment: u16,
    payload: Bytes,
}

impl Message {
    fn cost(&self) -> usize {
        self.payload.len() + ENTRY
    }

    fn is_frame(&self) -> bool {
        self.segment == 0
    }

    fn into_outgoing(self) -> Outgoing {
        match self.is_frame() {
            true => Outgoing::Frame(self.payload),
            false => Outgoing::Packets {
                header: Packets::header(self.channel, self.segment),
                payload: self.payload,
            },
        }
    }
}

impl<K> Default for FairQueue<K> {
    fn default() -> Self {
        Self {
            control: VecDeque::new(),
            control_bytes: 0,
            routes: HashMap::new(),
            turns: VecDeque::new(),
            bytes: 0,
            dropped: Dropped::default(),
        }
    }
}

impl<K: Copy + Eq + Hash> FairQueue<K> {
    /// Adds a frame of our own, to go before all packets.
    ///
    /// # Errors
    /// [`Stuck`] when too many wait already.
    pub fn push_frame(&mut self, frame: Bytes) -> Result<(), Stuck> {
        let cost = frame.len() + ENTRY;
        if self.control_bytes + cost > CONTROL_BYTES {
            return Err(Stuck);
        }
        self.control_bytes += cost;
        self.control.push_back(frame);
        Ok(())
    }

    /// Adds a frame of our own behind what waits for a route: its last word.
    ///
    /// # Errors
    /// [`Stuck`] when too many wait already.
    pub fn push_last(&mut self, route: K, channel: Channel, frame: Bytes) -> Result<(), Stuck> {
        let Some(waiting) = self.routes.get_mut(&route) else {
            return self.push_frame(frame);
        };
        let message = Message {
            channel,
            segment: 0,
            payload: frame,
        };
        waiting.bytes += message.cost();
        self.bytes += message.cost();
        waiting.messages.push_back(message);
        Ok(())
    }

    /// Adds packets of a route; `false` means they were dropped.
    pub fn push(&mut self, route: K, channel: Channel, segment: u16, payload: Bytes) -> bool {
        if segment == 0 {
            return false;
        }
        let message = Message {
            channel,
            segment,
            payload,
        };
        let cost = message.cost();
        let mine = self.routes.get(&route).map_or(0, |waiting| waiting.bytes);
        // A whole batch always fits into an empty queue.
        if mine > 0 && mine + cost > ROUTE_BYTES {
            self.drop_one(&message);
            return false;
        }
        while self.bytes + cost > LINK_BYTES && self.bytes > 0 {
            if !self.shed(mine + cost) {
                self.drop_one(&message);
                return false;
            }
        }
        let first = self.turns.is_empty();
        let waiting = self.routes.entry(route).or_default();
        if waiting.messages.is_empty() {
            self.turns.push_back(route);
        }
        waiting.bytes += cost;
        self.bytes += cost;
        waiting.messages.push_back(message);
        if first {
            self.begin_turn();
        }
        true
    }

    /// The next message to send.
    pub fn pop(&mut self) -> Option<Outgoing> {
        if let Some(frame) = self.control.pop_front() {
            self.control_bytes -= frame.len() + ENTRY;
            if self.control.is_empty() {
                self.control = VecDeque::new();
            }
            return Some(Outgoing::Frame(frame));
        }
        loop {
            let route = *self.turns.front()?;
            let Some(waiting) = self.routes.get_mut(&route) else {
                self.turns.pop_front();
                self.begin_turn();
                continue;
            };
            let cost = waiting.messages.front().map_or(0, Message::cost);
            if cost > waiting.deficit {
                self.turns.rotate_left(1);
                self.begin_turn();
                continue;
            }
            waiting.deficit -= cost;
            let message = waiting.messages.pop_front();
            waiting.bytes -= cost;
            self.bytes -= cost;
            if waiting.messages.is_empty() {
                self.turns.pop_front();
                self.routes.remove(&route);
                self.begin_turn();
            }
            if let Some(message) = message {
                return Some(message.into_outgoing());
            }
        }
    }

    /// Forgets what waits for a route.
    pub fn remove(&mut self, route: K) {
        if let Some(waiting) = self.routes.remove(&route) {
            self.bytes -= waiting.bytes;
            let its_turn = self.turns.front() == Some(&route);
            self.turns.retain(|other| *other != route);
            if its_turn {
                self.begin_turn();
            }
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.control.is_empty() && self.turns.is_empty()
    }

    /// Bytes that wait, packets and frames.
    pub fn bytes(&self) -> usize {
        self.bytes + self.control_bytes
    }

    /// Bytes of packets that wait for one route.
    pub fn bytes_of(&self, route: K) -> usize {
        self.routes.get(&route).map_or(0, |waiting| waiting.bytes)
    }

    /// What was dropped so far.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Lets the route at the front send some more.
    fn begin_turn(&mut self) {
        let front = self.turns.front();
        if let Some(waiting) = front.and_then(|route| self.routes.get_mut(route)) {
            // Never more than a turn beyond the largest message.
            waiting.deficit = (waiting.deficit + QUANTUM).min(ROUTE_BYTES + 2 * QUANTUM);
        }
    }

    /// Drops the newest message of the route that holds the most, if that is
    /// more than `than`.
    fn shed(&mut self, than: usize) -> bool {
        let most = self
            .turns
            .iter()
            .filter_map(|key| self.routes.get(key).map(|waiting| (waiting.bytes, *key)))
            .max_by_key(|(bytes, _)| *bytes);
        let Some((_, key)) = most.filter(|(bytes, _)| *bytes > than) else {
            return false;
        };
        let Some(waiting) = self.routes.get_mut(&key) else {
            return false;
        };
        let newest = waiting.messages.iter().rposition(|m| !m.is_frame());
        let Some(message) = newest.and_then(|at| waiting.messages.remove(at)) else {
            return false;
        };
        waiting.bytes -= message.cost();
        self.bytes -= message.cost();
        self.drop_one(&message);
        if self.bytes_of(key) == 0 {
            self.remove(key);
        }
        true
    }

    fn drop_one(&mut self, message: &Message) {
        self.dropped.messages += 1;
        self.dropped.bytes += message.payload.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payload(bytes: usize) -> Bytes {
        Bytes::from(vec![0; bytes])
    }

    fn channel_of(out: Outgoing) -> u32 {
        match out {
            Outgoing::Frame(_) => u32::MAX,
            Outgoing::Packets { header, payload } => {
                let whole = [&header[..], &payload].concat();
                Packets::channel_of(&whole).unwrap().0
            }
        }
    }

    fn push(queue: &mut FairQueue<u32>, route: u32, bytes: usize) -> bool {
        queue.push(route, Channel(route), 1200, payload(bytes))
    }

    #[test]
    fn own_frames_go_before_packets() {
        let mut queue = FairQueue::default();
        push(&mut queue, 1, 100);
        queue.push_frame(Bytes::from_static(b"x")).unwrap();

        assert_eq!(queue.pop(), Some(Outgoing::Frame(Bytes::from_static(b"x"))));
        assert_eq!(queue.pop().map(channel_of), Some(1));
        assert!(queue.is_empty() && queue.bytes() == 0);
    }

    #[test]
    fn a_routes_last_word_follows_its_packets() {
        let mut queue = FairQueue::default();
        push(&mut queue, 1, 60_000);
        queue
            .push_last(1, Channel(1), Bytes::from_static(b"bye"))
            .unwrap();
        queue
            .push_last(2, Channel(2), Bytes::from_static(b"now"))
            .unwrap();

        let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).map(channel_of).collect();

        assert_eq!(order, [u32::MAX, 1, u32::MAX]);
    }

    #[test]
    fn a_keystroke_overtakes_another_sessions_bulk() {
        let mut queue = FairQueue::default();
        while push(&mut queue, 1, 8 * 1024) {}
        push(&mut queue, 2, 60);

        let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).map(channel_of).collect();

        let place = order.iter().position(|route| *route == 2).unwrap();
        assert!(place <= QUANTUM / (8 * 1024), "{order:?}");
    }

    #[test]
    fn a_full_route_drops_its_newest_and_counts_them() {
        let mut queue = FairQueue::default();
        let taken = (0..20).filter(|_| push(&mut queue, 1, 10_000)).count();

        assert_eq!(taken, 6);
        assert_eq!(
            queue.dropped(),
            Dropped {
                messages: 14,
                bytes: 140_000
            }
        );
    }

    /// D3: with the link full of others' bulk, a quiet session loses nothing.
    #[test]
    fn bulk_of_many_sessions_never_drops_a_quiet_ones_packets() {
        let mut queue = FairQueue::default();
        for round in 0..40 {
            for bulk in 0..20 {
                push(&mut queue, bulk, 4_000);
            }
            assert!(push(&mut queue, 100, 150), "round {round}");
            assert!(queue.bytes() <= LINK_BYTES);
        }
    }

    #[test]
    fn two_bulk_routes_get_the_same_bytes_with_different_batch_sizes() {
        let mut queue = FairQueue::default();
        let mut sent = [0; 3];
        for _ in 0..3000 {
            while push(&mut queue, 1, 1_200) {}
            while push(&mut queue, 2, 60_000) {}
            if let Some(Outgoing::Packets { header, payload }) = queue.pop() {
                sent[usize::from(header[4])] += payload.len();
            }
        }
        let ratio =
            f64::from(u32::try_from(sent[1]).unwrap()) / f64::from(u32::try_from(sent[2]).unwrap());
        assert!((0.85..1.15).contains(&ratio), "{sent:?}");
    }

    #[test]
    fn frames_that_nobody_takes_end_in_an_error_not_in_memory() {
        let mut queue = FairQueue::<u32>::default();
        let stuck = (0..100_000).find(|_| queue.push_frame(payload(100)).is_err());

        assert!(stuck.is_some_and(|count| count < 8_000));
        assert!(queue.bytes() <= CONTROL_BYTES);
    }

    proptest! {
        #[test]
        fn bytes_are_always_bounded_and_accounted_for(
            steps in prop::collection::vec((0_u32..40, 0_usize..70_000, 0_u8..4), 1..400),
        ) {
            let mut queue = FairQueue::default();
            let (mut pushed, mut popped) = (0_u64, 0_u64);
            for (route, bytes, what) in steps {
                match what {
                    0 => popped += u64::from(queue.pop().is_some()),
                    _ => { push(&mut queue, route, bytes); pushed += 1; }
                }
                prop_assert!(queue.bytes() <= LINK_BYTES.max(70_000 + ENTRY));
                let sum: usize = queue.routes.values().map(|waiting| waiting.bytes).sum();
                prop_assert_eq!(sum, queue.bytes);
            }
            while queue.pop().is_some() { popped += 1; }
            prop_assert_eq!(pushed, popped + queue.dropped().messages);
            prop_assert_eq!(queue.bytes(), 0);
        }
    }
}
