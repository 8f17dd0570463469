//! What is known of one stream beside QUIC's own state: the gateway's answer,
//! and which ways are over. Pure; driven by [`engine`](crate::engine).

use bytes::Bytes;
use culvert_session::Ending;
use culvert_session::opening::AnswerReader;
use culvert_wire::reason::Reason;

/// One stream of this end.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) head: Head,
    /// The opening, and bytes given with it, that QUIC has not taken yet.
    pub(crate) opening: Bytes,
    /// The end of this direction was asked for while `opening` waited.
    pub(crate) finishing: bool,
    reading: Way,
    writing: Way,
    /// Which way ended first.
    first: Option<Reason>,
}

/// What stands before the target's bytes.
#[derive(Debug)]
pub(crate) enum Head {
    /// Not all of it has come.
    Awaited(AnswerReader),
    /// The target's bytes are next.
    Accepted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    Ended,
}

impl Stream {
    pub(crate) fn new(opening: Bytes) -> Self {
        Self {
            head: Head::Awaited(AnswerReader::default()),
            opening,
            finishing: false,
            reading: Way::Open,
            writing: Way::Open,
            first: None,
        }
    }

    /// The host's direction ended cleanly.
    pub(crate) fn read_ended(&mut self) {
        self.reading = Way::Ended;
        self.first.get_or_insert(Reason::ClosedByHost);
    }

    /// Everything of this end's direction has arrived.
    pub(crate) fn write_ended(&mut self) {
        self.writing = Way::Ended;
        self.first.get_or_insert(Reason::ClosedByTechnician);
    }

    /// The gateway has all it wants of this end's direction; its own may go on.
    pub(crate) fn write_unwanted(&mut self) {
        self.writing = Way::Ended;
        self.first.get_or_insert(Reason::Finished);
    }

    /// Nobody reads any more, by this end's own wish.
    pub(crate) fn read_given_up(&mut self) {
        self.reading = Way::Ended;
        self.first.get_or_insert(Reason::ClosedByTechnician);
    }

    /// Whether the target's bytes may be read.
    pub(crate) fn reads(&self) -> bool {
        self.reading == Way::Open && matches!(self.head, Head::Accepted)
    }

    /// Whether the host's direction is over, or nobody reads it.
    pub(crate) fn read_is_over(&self) -> bool {
        self.reading == Way::Ended
    }

    /// How both ways ended, once they have.
    pub(crate) fn over(&self) -> Option<Ending> {
        if self.reading == Way::Open || self.writing == Way::Open {
            return None;
        }
        Some(Ending::new(self.first.unwrap_or(Reason::Finished), ""))
    }
}
