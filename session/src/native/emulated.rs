//! A line between two ends inside one process, with delay, rate, queue, loss
//! and reordering, for tests and benchmarks.
//!
//! Every packet of a batch is judged by itself, as a real line would. Losses
//! come from a seed, time from tokio, so that a paused clock works. Not for
//! carrying anybody's session.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use culvert_wire::frame::{Channel, Packets};
use tokio::time::{Instant, Sleep, sleep_until};

use super::route::PacketRoute;
use crate::Ending;

/// What a line does to packets, the same both ways.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// One way's time.
    pub delay: Duration,
    /// Bits per second; none for no limit.
    pub rate: Option<u64>,
    /// Bytes that wait for a rate; what comes on top is dropped.
    pub queue: usize,
    /// Whether a batch that does not fit the queue as a whole is dropped as a
    /// whole, as relays do; else packet by packet, as routers do.
    pub whole_batches: bool,
    /// Of 1000 packets, how many vanish.
    pub lost_per_mille: u16,
    /// Of 1000 packets, how many take another half of the delay, and so
    /// arrive behind later ones.
    pub late_per_mille: u16,
    /// Where the dice start.
    pub seed: u64,
}

impl Line {
    /// No loss, no limit, and the least delay that a paused clock can pass.
    pub const PERFECT: Self = Self {
        delay: Duration::from_millis(1),
        rate: None,
        queue: usize::MAX,
        whole_batches: false,
        lost_per_mille: 0,
        late_per_mille: 0,
        seed: 1,
    };

    /// A relay link of 20 Mbit/s and 60 ms both ways, with the relay's queue.
    pub const RELAY_20M_60MS: Self = Self {
        delay: Duration::from_millis(30),
        rate: Some(20_000_000),
        queue: 64 * 1024,
        whole_batches: true,
        ..Self::PERFECT
    };
}

/// Two ends of a line.
pub fn pair(line: Line) -> (End, End) {
    let there = Arc::new(Direction::new(line));
    let back = Arc::new(Direction::new(Line {
        seed: line.seed.wrapping_add(1),
        ..line
    }));
    let end = |out: &Arc<Direction>, from: &Arc<Direction>| End {
        out: out.clone(),
        from: from.clone(),
    };
    (end(&there, &back), end(&back, &there))
}

/// One end of a line. Clones share it; dropping does not close it.
#[derive(Debug, Clone)]
pub struct End {
    out: Arc<Direction>,
    from: Arc<Direction>,
}

impl End {
    /// Drops every packet from now on, both ways, without a word.
    pub fn cut(&self) {
        self.out.state().cut = true;
        self.from.state().cut = true;
    }

    /// Ends a [`End::cut`]; what was dropped stays dropped.
    pub fn mend(&self) {
        self.out.state().cut = false;
        self.from.state().cut = false;
    }

    /// Tells both ends that the line is closed.
    pub fn close(&self) {
        self.out.close();
        self.from.close();
    }

    /// Packets that did not fit this end's queue.
    pub fn dropped(&self) -> u64 {
        self.out.state().dropped
    }
}

impl PacketRoute for End {
    fn try_send(&self, segment: u16, payload: &[u8]) -> bool {
        if segment == 0 {
            return false;
        }
        if self.out.line.whole_batches && !self.out.fits(payload.len()) {
            return false;
        }
        let mut all = true;
        for packet in payload.chunks(usize::from(segment)) {
            all &= self.out.push(packet);
        }
        all
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Packets>> {
        self.from.poll_pop(cx)
    }

    fn ended(&self) -> Option<Ending> {
        None
    }

    fn farewell(&self, _: &Ending) {}
}

#[derive(Debug)]
struct Direction {
    line: Line,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: u64,
    /// Packets on the way, by arrival and order of sending.
    flying: BinaryHeap<Reverse<(Instant, u64, Bytes)>>,
    sent: u64,
    dropped: u64,
    /// When the last packet has left for good.
    free_at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    reader: Option<Waker>,
    cut: bool,
    closed: bool,
}

impl Direction {
    fn new(line: Line) -> Self {
        Self {
            line,
            state: Mutex::new(State {
                dice: line.seed,
                flying: BinaryHeap::new(),
                sent: 0,
                dropped: 0,
                free_at: None,
                timer: None,
                reader: None,
                cut: false,
                closed: false,
            }),
        }
    }

    fn push(&self, packet: &[u8]) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        if state.cut || state.closed || state.roll() < self.line.lost_per_mille {
            // Lost on the way: the sender does not learn of it.
            return true;
        }
        let Some(left) = self.leaves(&mut state, packet.len(), now) else {
            state.dropped += 1;
            return false;
        };
        let late = state.roll() < self.line.late_per_mille;
        let delay = self.line.delay
            + if late {
                self.line.delay / 2
            } else {
                Duration::ZERO
            };
        let number = state.sent;
        state.sent += 1;
        state.flying.push(Reverse((
            left + delay,
            number,
            Bytes::copy_from_slice(packet),
        )));
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        true
    }

    /// Whether a batch's last byte still fits the queue.
    fn fits(&self, length: usize) -> bool {
        let mut state = self.state();
        let (Some(rate), Some(free_at)) = (self.line.rate, state.free_at) else {
            return true;
        };
        let waiting = (free_at.max(Instant::now()) - Instant::now()).as_secs_f64() * rate as f64;
        let fits = waiting / 8.0 + length as f64 <= self.line.queue as f64;
        state.dropped += u64::from(!fits);
        fits
    }

    /// When a packet has left a line of this rate; none when its queue is full.
    fn leaves(&self, state: &mut State, length: usize, now: Instant) -> Option<Instant> {
        let Some(rate) = self.line.rate else {
            return Some(now);
        };
        let seconds = |bytes: usize| bytes as f64 * 8.0 / rate as f64;
        let begins = state.free_at.unwrap_or(now).max(now);
        let waiting = (begins - now).as_secs_f64();
        if waiting > seconds(self.line.queue) {
            return None;
        }
        let left = begins + Duration::from_secs_f64(seconds(length));
        state.free_at = Some(left);
        Some(left)
    }

    fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<Packets>> {
        let mut state = self.state();
        if state.closed {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        loop {
            let Some(Reverse((due, _, _))) = state.flying.peek() else {
                return Poll::Pending;
            };
            let due = *due;
            if due > Instant::now() {
                let timer = state
                    .timer
                    .get_or_insert_with(|| Box::pin(sleep_until(due)));
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                continue;
            }
            let Some(Reverse((_, _, payload))) = state.flying.pop() else {
                return Poll::Pending;
            };
            return Poll::Ready(Some(Packets {
                channel: Channel(0),
                segment: u16::try_from(payload.len()).unwrap_or(u16::MAX),
                payload,
            }));
        }
    }

    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// 0 to 999 (xorshift: repeatable, and good enough for losses).
    fn roll(&mut self) -> u16 {
        let mut x = self.dice.max(1);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.dice = x;
        (x % 1000) as u16
    }
}
