//! A session's life at the gateway: the call to it, the answer, the record of
//! its end.

use super::MAX_TEXT;
use crate::grant::SignedGrant;
use crate::id::SessionId;
use crate::reason::Reason;
use crate::statement::SignedStatement;
use crate::ticket::Ticket;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Calls a gateway to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The broker's statement, when it is not the link's own node.
    pub broker: Option<SignedStatement>,
    /// The grant.
    pub grant: SignedGrant,
    /// The gateway's ticket; none when the grant renews a running session.
    pub ticket: Option<Ticket>,
}

/// A gateway's answer to an [`Invite`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteResult {
    /// Which session.
    pub session: SessionId,
    /// The grant's serial.
    pub serial: u32,
    /// Nothing when accepted, else why not.
    pub refused: Option<(Reason, String)>,
}

/// A gateway's record of a session that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnded {
    /// Which session.
    pub session: SessionId,
    /// Why.
    pub reason: Reason,
    /// Bytes from the LAN hosts to the technician.
    pub from_hosts: u64,
    /// Bytes from the technician to the LAN hosts.
    pub to_hosts: u64,
    /// Streams opened.
    pub streams: u32,
}

impl Encode for Invite {
    fn encode(&self, out: &mut Writer) {
        out.option(self.broker.as_ref(), |out, s| s.encode(out));
        self.grant.encode(out);
        out.option(self.ticket.as_ref(), |out, ticket| ticket.encode(out));
    }
}

impl Decode for Invite {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            broker: input.option("broker", SignedStatement::decode)?,
            grant: SignedGrant::decode(input)?,
            ticket: input.option("ticket", Ticket::decode)?,
        })
    }
}

impl Encode for InviteResult {
    fn encode(&self, out: &mut Writer) {
        self.session.encode(out);
        out.u32(self.serial);
        out.option(self.refused.as_ref(), |out, (reason, text)| {
            reason.encode(out);
            out.text(text, MAX_TEXT);
        });
    }
}

impl Decode for InviteResult {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            session: SessionId::decode(input)?,
            serial: input.u32()?,
            refused: input.option("refused", |input| {
                let reason = Reason::decode(input)?;
                Ok((reason, input.text("text", MAX_TEXT)?.to_owned()))
            })?,
        })
    }
}

impl Encode for SessionEnded {
    fn encode(&self, out: &mut Writer) {
        self.session.encode(out);
        self.reason.encode(out);
        out.u64(self.from_hosts);
        out.u64(self.to_hosts);
        out.u32(self.streams);
    }
}

impl Decode for SessionEnded {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            session: SessionId::decode(input)?,
            reason: Reason::decode(input)?,
            from_hosts: input.u64()?,
            to_hosts: input.u64()?,
            streams: input.u32()?,
        })
    }
}
