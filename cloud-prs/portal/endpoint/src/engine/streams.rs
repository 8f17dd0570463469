//! Reading, writing and ending the streams of an [`Engine`].

use culvert_session::Ending;
use culvert_session::ending::{code_of, reason_of};
use culvert_wire::reason::Reason;
use culvert_wire::stream::Answer;
use noq_proto::{ReadError, VarInt, WriteError};

use super::{Engine, Event, GIVEN_UP, StreamKey, id};
use crate::stream::Head;

/// What one step of reading came to.
enum Step {
    Some(bytes::Bytes),
    Blocked,
    Ended,
    Reset(VarInt),
    Gone,
}

impl Engine {
    /// Appends at most `limit` bytes of the target to `out`; says how many.
    /// Bytes not read stay in QUIC's window: the host is slowed down. Fewer
    /// than `limit` means that an event tells when there is more, or the end.
    pub fn read(&mut self, key: StreamKey, limit: usize, out: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        while taken < limit && self.streams.get(&key).is_some_and(super::Stream::reads) {
            match self.step(key, limit - taken) {
                Step::Some(bytes) => {
                    taken += bytes.len();
                    out.extend_from_slice(&bytes);
                }
                Step::Blocked | Step::Gone => break,
                Step::Ended => {
                    if let Some(stream) = self.streams.get_mut(&key) {
                        stream.read_ended();
                    }
                    self.events.push_back(Event::Ended(key));
                    self.look(key);
                }
                Step::Reset(code) => self.break_off(key, Ending::new(reason_of(code), "")),
            }
        }
        taken
    }

    /// Hands bytes to a stream; says how many it took. Fewer than given means
    /// that [`Event::Writable`] tells when there is room again.
    pub fn write(&mut self, key: StreamKey, bytes: &[u8]) -> usize {
        if !self.push_opening(key) || self.streams.get(&key).is_none_or(|s| s.finishing) {
            return 0;
        }
        self.put(key, bytes)
    }

    /// Ends this end's direction cleanly; what was written still arrives.
    pub fn finish(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(&key) else {
            return;
        };
        stream.finishing = true;
        self.push_opening(key);
    }

    /// Wants no more bytes; the gateway is told why.
    pub fn stop(&mut self, key: StreamKey, reason: Reason) {
        if let Some(stream) = self.streams.get_mut(&key)
            && !stream.read_is_over()
        {
            // Fails only when the gateway has ended it meanwhile.
            let _ = self.connection.recv_stream(id(key)).stop(code_of(reason));
            stream.read_given_up();
            self.look(key);
        }
    }

    /// Breaks both ways.
    pub fn reset(&mut self, key: StreamKey, reason: Reason) {
        self.break_off(key, Ending::new(reason, ""));
    }

    /// Writes what is left of the opening; false while some of it waits.
    pub(super) fn push_opening(&mut self, key: StreamKey) -> bool {
        let Some(stream) = self.streams.get_mut(&key) else {
            return false;
        };
        let opening = std::mem::take(&mut stream.opening);
        let taken = self.put(key, &opening);
        let Some(stream) = self.streams.get_mut(&key) else {
            return false;
        };
        stream.opening = opening.slice(taken..);
        let whole = stream.opening.is_empty();
        if whole && stream.finishing {
            // Fails only when the gateway has stopped it: an event tells.
            let _ = self.connection.send_stream(id(key)).finish();
        }
        whole
    }

    fn put(&mut self, key: StreamKey, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.connection.send_stream(id(key)).write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(WriteError::Blocked | WriteError::ClosedStream) => break,
                Err(WriteError::Stopped(code)) => {
                    self.stopped(key, code);
                    break;
                }
            }
        }
        taken
    }

    pub(super) fn readable(&mut self, key: StreamKey) {
        let answered = match self.streams.get(&key).map(|stream| &stream.head) {
            Some(Head::Awaited(_)) => self.read_head(key),
            Some(Head::Accepted) => true,
            None => false,
        };
        if answered {
            self.events.push_back(Event::Readable(key));
        }
    }

    /// Reads the gateway's answer; true when the target's bytes are next.
    fn read_head(&mut self, key: StreamKey) -> bool {
        loop {
            let wanted = match self.streams.get(&key).map(|stream| &stream.head) {
                Some(Head::Awaited(reader)) => reader.wanted(),
                Some(Head::Accepted) | None => return false,
            };
            let bytes = match self.step(key, wanted) {
                Step::Some(bytes) => bytes,
                Step::Blocked | Step::Gone => return false,
                Step::Ended => {
                    self.refuse(key, Ending::new(Reason::ProtocolError, "no answer"));
                    return false;
                }
                Step::Reset(code) => {
                    self.refuse(key, Ending::new(reason_of(code), ""));
                    return false;
                }
            };
            let Some(stream) = self.streams.get_mut(&key) else {
                return false;
            };
            let Head::Awaited(reader) = &mut stream.head else {
                return false;
            };
            match reader.push(&bytes) {
                Ok(None) => {}
                Ok(Some(Answer::Accepted)) => {
                    stream.head = Head::Accepted;
                    self.events.push_back(Event::Accepted(key));
                    return true;
                }
                Ok(Some(Answer::Refused { reason, text })) => {
                    self.refuse(key, Ending::new(reason, &text));
                    return false;
                }
                Err(error) => {
                    let text = error.to_string();
                    self.refuse(key, Ending::new(Reason::ProtocolError, &text));
                    return false;
                }
            }
        }
    }

    fn step(&mut self, key: StreamKey, limit: usize) -> Step {
        let mut recv = self.connection.recv_stream(id(key));
        let Ok(mut chunks) = recv.read(true) else {
            return Step::Gone;
        };
        let step = match chunks.next(limit) {
            Ok(Some(chunk)) => Step::Some(chunk.bytes),
            Ok(None) => Step::Ended,
            Err(ReadError::Blocked) => Step::Blocked,
            Err(ReadError::Reset(code)) => Step::Reset(code),
        };
        // What it asks to send goes out with the next poll.
        let _ = chunks.finalize();
        step
    }

    pub(super) fn writable(&mut self, key: StreamKey) {
        if self.push_opening(key) {
            self.events.push_back(Event::Writable(key));
        }
    }

    pub(super) fn finished(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.write_ended();
            self.look(key);
        }
    }

    /// The gateway wants no more bytes: the stream is broken, unless it has
    /// not answered yet, since the answer says it better, or it has finished:
    /// then its last bytes may still be on the way or wait for a reader.
    pub(super) fn stopped(&mut self, key: StreamKey, code: VarInt) {
        match self.streams.get_mut(&key) {
            Some(stream) if matches!(stream.head, Head::Awaited(_)) => {
                match reason_of(code) == Reason::Finished {
                    true => stream.write_unwanted(),
                    false => stream.write_ended(),
                }
                stream.opening.clear();
                self.readable(key);
            }
            Some(stream) if reason_of(code) == Reason::Finished => {
                stream.write_unwanted();
                // Fails only for a direction that is over already.
                let _ = self.connection.send_stream(id(key)).reset(code);
                self.look(key);
            }
            Some(_) => self.break_off(key, Ending::new(reason_of(code), "")),
            None => {}
        }
    }

    fn refuse(&mut self, key: StreamKey, ending: Ending) {
        if self.streams.remove(&key).is_some() {
            self.give_up(key, GIVEN_UP);
            self.events.push_back(Event::Refused(key, ending));
        }
    }

    fn break_off(&mut self, key: StreamKey, ending: Ending) {
        if self.streams.remove(&key).is_some() {
            self.give_up(key, ending.reason);
            self.events.push_back(Event::Over(key, ending));
        }
    }

    /// Both fail only for a way that is over already.
    fn give_up(&mut self, key: StreamKey, reason: Reason) {
        let _ = self.connection.send_stream(id(key)).reset(code_of(reason));
        let _ = self.connection.recv_stream(id(key)).stop(code_of(reason));
    }

    /// Tells when both ways are over.
    fn look(&mut self, key: StreamKey) {
        if let Some(ending) = self.streams.get(&key).and_then(super::Stream::over) {
            self.streams.remove(&key);
            self.events.push_back(Event::Over(key, ending));
        }
    }
}
