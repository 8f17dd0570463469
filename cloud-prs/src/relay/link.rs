//! What the relay holds of one link.

use std::collections::HashMap;

use culvert_link::queue::FairQueue;
use culvert_wire::frame::Channel;
use culvert_wire::id::SessionId;
use culvert_wire::reason::Reason;

use super::End;

/// One admitted link.
#[derive(Debug)]
pub(super) struct LinkState {
    /// What waits to be sent.
    pub(super) queue: FairQueue<Channel>,
    /// Routes it has joined.
    pub(super) channels: HashMap<Channel, Attached>,
    /// The highest channel it has named: higher ones were never joined.
    pub(super) last_channel: Channel,
    /// Joins that were refused.
    pub(super) bad_joins: u32,
    /// Why it must end.
    pub(super) ending: Option<(Reason, String)>,
    /// Whether it was told that there is something to do.
    pub(super) awake: bool,
}

/// One side of a route on a link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attached {
    pub(super) session: SessionId,
    pub(super) end: End,
}

impl Default for LinkState {
    fn default() -> Self {
        Self {
            queue: FairQueue::default(),
            channels: HashMap::new(),
            last_channel: Channel(0),
            bad_joins: 0,
            ending: None,
            awake: false,
        }
    }
}

impl LinkState {
    /// The first reason to end stays.
    pub(super) fn end(&mut self, reason: Reason, text: &str) {
        self.ending.get_or_insert_with(|| (reason, text.to_owned()));
    }
}
