//! What link and engine say, and what becomes of the session: links come and
//! go under it, and only a final reason ends it.

use std::time::Duration;

use culvert_session::Ending;
use culvert_session::address::PathAddress;
use culvert_wire::reason::Reason;
use web_time::Instant;

use super::renewal::Renewal;
use super::{Event, Session, State};
use crate::engine::{self, Engine};
use crate::link::{Link, LinkEvent};

impl Session {
    /// Carries events from link and engine to the worker.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(event) = self.link.as_mut().and_then(Link::poll_event) {
            self.link_event(event, now);
        }
        while let Some(event) = self.engine.as_mut().and_then(Engine::poll_event) {
            match &event {
                engine::Event::Connected => {
                    self.handshake_until = None;
                    self.measure_at = Some(now);
                    self.turn(State::Open);
                }
                engine::Event::Closed(ending) => {
                    let ending = ending.clone();
                    self.over(&ending);
                }
                engine::Event::Accepted(_)
                | engine::Event::Refused(..)
                | engine::Event::Readable(_)
                | engine::Event::Ended(_)
                | engine::Event::Writable(_)
                | engine::Event::Over(..) => {}
            }
            self.events.push_back(Event::Engine(event));
        }
    }

    fn link_event(&mut self, event: LinkEvent, now: Instant) {
        match event {
            LinkEvent::Time(time) => {
                self.renewal.time(time, now);
                self.join(now);
            }
            // A session's link has come back when it is joined.
            LinkEvent::Up if self.granted.is_none() => self.retry.reset(),
            LinkEvent::Up => {}
            LinkEvent::Joined { peer } => {
                if peer {
                    self.early.forget();
                }
                self.rejoined();
            }
            LinkEvent::Met => self.early.repeat(),
            LinkEvent::Packets { segment, payload } => {
                if let Some(engine) = &mut self.engine {
                    engine.handle_packets(PathAddress::RELAY, segment, &payload, now);
                }
            }
            // A number is not joined twice on a link: another one.
            LinkEvent::Closed(ending) => self.lost(&ending, Duration::ZERO, now),
            LinkEvent::Drain(wish) => self.wish = wish,
            LinkEvent::Lost(ending, wait) => self.lost(&ending, wait, now),
        }
    }

    pub(super) fn join(&mut self, now: Instant) {
        let (Some(link), Some(granted)) = (&mut self.link, &self.granted) else {
            return;
        };
        let ticket = (!self.joined).then(|| granted.ticket.clone());
        if link.may_join() {
            self.joins += 1;
            link.join(granted.session, ticket, &self.end, now);
        }
    }

    fn rejoined(&mut self) {
        self.joined = true;
        self.retry.reset();
        let Some(engine) = &mut self.engine else {
            return;
        };
        if self.state == State::Reconnecting {
            // An acknowledgement shows at once what was lost, rather than at
            // the end of a backed-off timer.
            engine.ping();
            let state = if engine.connected() {
                State::Open
            } else {
                State::Connecting
            };
            self.turn(state);
        }
    }

    /// The link is of no use: another one, unless the reason is final.
    pub(super) fn lost(&mut self, ending: &Ending, wait: Duration, now: Instant) {
        if self.link.take().is_some() {
            self.events.push_back(Event::LinkUseless);
        }
        if self.state == State::Closed {
            return;
        }
        // A first join whose answer was lost may have used the ticket up.
        if ending.reason == Reason::TicketInvalid && !self.joined && self.joins > 1 {
            self.joined = true;
        } else if ending.reason.is_final() {
            return self.fail(ending.clone(), now);
        }
        if self.granted.is_some() {
            self.turn(State::Reconnecting);
        }
        let wish = wait.max(std::mem::take(&mut self.wish));
        self.dice = self.dice.wrapping_mul(167).wrapping_add(13);
        self.link_at = Some(now + self.retry.pause(wish, self.dice));
    }

    /// Ends the session from this side.
    pub(super) fn fail(&mut self, ending: Ending, now: Instant) {
        match &mut self.engine {
            Some(engine) => engine.close(ending, now),
            None if self.state == State::Closed => {}
            None => {
                self.over(&ending);
                self.events
                    .push_back(Event::Engine(engine::Event::Closed(ending)));
            }
        }
    }

    /// Everything but the last messages is over.
    fn over(&mut self, ending: &Ending) {
        self.turn(State::Closed);
        (self.link_at, self.handshake_until, self.measure_at) = (None, None, None);
        self.renewal = Renewal::default();
        self.leaving = Some(ending.clone());
    }
}
