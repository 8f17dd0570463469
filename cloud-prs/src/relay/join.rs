//! Taking a side of a route.

use culvert_wire::frame::{Channel, Closed, Frame, Join, MAX_CHANNELS};
use culvert_wire::id::SessionId;
use culvert_wire::reason::Reason;
use culvert_wire::{Encode as _, UnixMs};

use super::link::Attached;
use super::{End, JoinOutcome, LinkId, Relay, RelayEvent};

/// Refused joins after which a link is ended: nobody guesses for long.
const MAX_BAD_JOINS: u32 = 32;

impl Relay {
    /// An end wants its side; the driver has verified its signature on this
    /// link.
    pub fn handle_join(&mut self, link: LinkId, join: &Join, now: UnixMs) -> JoinOutcome {
        let Some(state) = self.links.get_mut(&link) else {
            return JoinOutcome::Answered;
        };
        let channel = join.channel;
        if channel <= state.last_channel {
            self.offend(link, "a channel was used twice");
            return JoinOutcome::Answered;
        }
        let known = self.routes.contains_key(&join.session);
        if !known && self.over.why(join.session, &join.end).is_none() {
            return JoinOutcome::Unknown;
        }
        state.last_channel = channel;
        self.admit(link, join, now)
    }

    /// Reserves the channel of a join while somebody asks the database, so
    /// that packets behind it are dropped and not held against the link.
    pub fn handle_join_pending(&mut self, link: LinkId, channel: Channel) {
        if let Some(state) = self.links.get_mut(&link) {
            state.last_channel = state.last_channel.max(channel);
        }
    }

    /// As [`Relay::handle_join`], after [`Relay::handle_join_pending`]:
    /// whatever is not known now is refused.
    pub fn handle_join_again(&mut self, link: LinkId, join: &Join, now: UnixMs) -> JoinOutcome {
        self.admit(link, join, now)
    }

    fn admit(&mut self, link: LinkId, join: &Join, now: UnixMs) -> JoinOutcome {
        let Some(state) = self.links.get(&link) else {
            return JoinOutcome::Answered;
        };
        if state.channels.len() >= MAX_CHANNELS {
            return self.refuse(link, join.channel, Reason::TooManySessions);
        }
        if let Some((reason, text)) = self.over.why(join.session, &join.end) {
            let text = text.to_owned();
            self.tell_refused(link, join.channel, reason, text);
            return JoinOutcome::Answered;
        }
        if !self.routes.contains_key(&join.session) {
            let reason = Reason::TicketInvalid;
            self.refuse_quietly(link, join.channel, reason);
            // Without a ticket it comes back to what ended meanwhile.
            return match join.ticket {
                Some(_) => JoinOutcome::Refused(reason),
                None => JoinOutcome::Answered,
            };
        }
        let hash = join.ticket.as_ref().map(culvert_wire::ticket::Ticket::hash);
        let admitted = self.routes.get_mut(&join.session).and_then(|route| {
            let end = route.end_of(&join.end)?;
            let first = route.admit(end, hash.as_ref(), now)?;
            let before = route.attach(end, (link, join.channel));
            Some((end, first, before, route.other(end)))
        });
        let Some((end, first, before, other)) = admitted else {
            return self.refuse(link, join.channel, Reason::TicketInvalid);
        };
        if let Some((old, channel)) = before {
            self.drop_channel(old, channel, Reason::Replaced, "");
        }
        let session = join.session;
        if let Some(state) = self.links.get_mut(&link) {
            state
                .channels
                .insert(join.channel, Attached { session, end });
        }
        let peer = other.is_some();
        let channel = join.channel;
        self.send(link, &Frame::Joined { channel, peer });
        self.hand_over_early(link, channel, session, end);
        if let Some((other, channel)) = other {
            let present = true;
            self.send(other, &Frame::Peer { channel, present });
        }
        self.events.push_back(RelayEvent::Joined {
            session,
            end,
            first,
        });
        JoinOutcome::Answered
    }

    /// Gives an end what came before its first join.
    fn hand_over_early(&mut self, link: LinkId, channel: Channel, session: SessionId, end: End) {
        let Some(route) = self.routes.get_mut(&session) else {
            return;
        };
        let early = route.take_early(end);
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        for (segment, payload) in early {
            let bytes = payload.len() as u64;
            if state.queue.push(channel, channel, segment, payload) {
                route.count_to(end, bytes);
                self.totals.forwarded_bytes += bytes;
                self.totals.forwarded_messages += 1;
            }
        }
        self.wake(link);
    }

    /// Refuses a join without holding it against the link: a session that
    /// ended meanwhile, or a database that does not answer.
    pub fn refuse_quietly(&mut self, link: LinkId, channel: Channel, reason: Reason) {
        self.tell_refused(link, channel, reason, String::new());
    }

    fn tell_refused(&mut self, link: LinkId, channel: Channel, reason: Reason, text: String) {
        self.totals.refused_joins += 1;
        self.send(
            link,
            &Frame::Closed(Closed {
                channel,
                reason,
                text,
            }),
        );
    }

    fn refuse(&mut self, link: LinkId, channel: Channel, reason: Reason) -> JoinOutcome {
        self.refuse_quietly(link, channel, reason);
        if let Some(state) = self.links.get_mut(&link) {
            state.bad_joins += 1;
            if state.bad_joins > MAX_BAD_JOINS {
                self.end_link(link, Reason::Throttled, "too many joins were refused");
            }
        }
        JoinOutcome::Refused(reason)
    }

    /// Takes a channel off a link and tells it why.
    pub(super) fn drop_channel(
        &mut self,
        link: LinkId,
        channel: Channel,
        reason: Reason,
        text: &str,
    ) {
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        state.channels.remove(&channel);
        let text = text.to_owned();
        let closed = Frame::Closed(Closed {
            channel,
            reason,
            text,
        });
        // Behind the packets: the other end's last ones say why it went.
        if state
            .queue
            .push_last(channel, channel, closed.to_bytes())
            .is_err()
        {
            state.end(Reason::LinkLost, "it takes no messages");
        }
        self.wake(link);
    }
}
