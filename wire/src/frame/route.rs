//! Taking and leaving one side of a session's route.
//!
//! A join is bound to its link: it is signed over the link's exporter, so that
//! it is worth nothing on another one.

use super::{Channel, MAX_TEXT};
use crate::hello::Binding;
use crate::id::SessionId;
use crate::key::{BadSignature, Context, PublicKey, Signature, SigningKey};
use crate::reason::Reason;
use crate::ticket::Ticket;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Takes one side of a session's route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The number this end gives to the route.
    pub channel: Channel,
    /// Which session.
    pub session: SessionId,
    /// The one-time ticket; none to rejoin.
    pub ticket: Option<Ticket>,
    /// The end's key: the technician's fresh one, or the gateway's identity.
    pub end: PublicKey,
    signature: Signature,
}

impl Join {
    /// Signs a join for one link.
    pub fn sign(
        channel: Channel,
        session: SessionId,
        ticket: Option<Ticket>,
        end: &SigningKey,
        binding: &Binding,
    ) -> Self {
        let message = Self::message(channel, session, ticket.as_ref(), binding);
        Self {
            channel,
            session,
            ticket,
            end: end.public(),
            signature: end.sign(Context::Join, &message),
        }
    }

    /// Confirms that the end holds its key, on this link.
    ///
    /// # Errors
    /// [`BadSignature`] when it does not.
    pub fn verify(&self, binding: &Binding) -> Result<(), BadSignature> {
        let message = Self::message(self.channel, self.session, self.ticket.as_ref(), binding);
        self.end.verify(Context::Join, &message, &self.signature)
    }

    fn message(
        channel: Channel,
        session: SessionId,
        ticket: Option<&Ticket>,
        binding: &Binding,
    ) -> Vec<u8> {
        let mut out = Writer::default();
        out.u32(channel.0);
        session.encode(&mut out);
        out.option(ticket, |out, ticket| ticket.encode(out));
        binding.message(&out.finish())
    }
}

/// Why one end was told that a route is closed, or closes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Which route.
    pub channel: Channel,
    /// Why.
    pub reason: Reason,
    /// A sentence more; may be empty.
    pub text: String,
}

impl Encode for Join {
    fn encode(&self, out: &mut Writer) {
        self.channel.encode(out);
        self.session.encode(out);
        out.option(self.ticket.as_ref(), |out, ticket| ticket.encode(out));
        self.end.encode(out);
        self.signature.encode(out);
    }
}

impl Decode for Join {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            channel: Channel::decode(input)?,
            session: SessionId::decode(input)?,
            ticket: input.option("ticket", Ticket::decode)?,
            end: PublicKey::decode(input)?,
            signature: Signature::decode(input)?,
        })
    }
}

impl Encode for Closed {
    fn encode(&self, out: &mut Writer) {
        self.channel.encode(out);
        self.reason.encode(out);
        out.text(&self.text, MAX_TEXT);
    }
}

impl Decode for Closed {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            channel: Channel::decode(input)?,
            reason: Reason::decode(input)?,
            text: input.text("text", MAX_TEXT)?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_is_bound_to_its_link() {
        let key = SigningKey::from_seed(&[1; 32]);
        let mut binding = Binding {
            exporter: [1; 32],
            client_nonce: [2; 32],
            server_nonce: [3; 32],
        };
        let join = Join::sign(
            Channel(1),
            SessionId::from_random([4; 16]),
            None,
            &key,
            &binding,
        );

        assert_eq!(join.verify(&binding), Ok(()));
        binding.exporter[3] ^= 1;
        assert!(join.verify(&binding).is_err());
    }
}
