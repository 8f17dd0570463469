//! Whose signature counts: brokers that the pinned provider vouches for.

use culvert_wire::UnixMs;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::statement::{NodeStatement, SignedStatement};

use super::Refusal;

/// Brokers beyond the link's own node that are remembered for revocations.
const MAX_BROKERS: usize = 8;

/// Who speaks on the link, as its proof showed.
#[derive(Debug, Clone, Copy)]
pub struct Voice<'a> {
    /// The node's own statement, verified by the link.
    pub node: &'a NodeStatement,
    /// The provider key the box trusts now.
    pub provider: &'a PublicKey,
    /// The highest statement epoch seen.
    pub epoch_floor: u32,
}

impl Voice<'_> {
    fn is_broker(&self, now: UnixMs) -> bool {
        usable(self.node, self, now)
    }
}

fn usable(statement: &NodeStatement, voice: &Voice<'_>, now: UnixMs) -> bool {
    statement.roles.broker
        && statement.provider == *voice.provider
        && statement.epoch >= voice.epoch_floor
        && now <= statement.not_after
}

/// Brokers that showed a good statement with an invitation; their revocations
/// carry none.
#[derive(Debug, Default)]
pub(super) struct Brokers {
    known: Vec<NodeStatement>,
}

impl Brokers {
    /// The broker key that an invitation's grant must be signed with.
    pub(super) fn of_invite(
        &mut self,
        shown: Option<&SignedStatement>,
        voice: &Voice<'_>,
        now: UnixMs,
    ) -> Result<PublicKey, Refusal> {
        let Some(shown) = shown else {
            if voice.is_broker(now) {
                return Ok(voice.node.node);
            }
            let text = "the server may not sign grants and showed no broker's statement";
            return Err(Refusal::new(Reason::GrantSignature, text));
        };
        let statement = *shown
            .verify(voice.provider, now, voice.epoch_floor)
            .map_err(|error| Refusal::new(Reason::GrantSignature, error.to_string()))?;
        if !statement.roles.broker {
            let text = "the server whose statement was shown may not sign grants";
            return Err(Refusal::new(Reason::GrantSignature, text));
        }
        self.remember(statement);
        Ok(statement.node)
    }

    /// Every key whose revocations are obeyed at this time.
    pub(super) fn all(&self, voice: &Voice<'_>, now: UnixMs) -> impl Iterator<Item = PublicKey> {
        let own = voice.is_broker(now).then_some(voice.node.node);
        let known = self
            .known
            .iter()
            .filter(|statement| usable(statement, voice, now))
            .map(|statement| statement.node)
            .collect::<Vec<_>>();
        own.into_iter().chain(known)
    }

    fn remember(&mut self, statement: NodeStatement) {
        self.known.retain(|known| known.node != statement.node);
        if self.known.len() >= MAX_BROKERS {
            self.known.remove(0);
        }
        self.known.push(statement);
    }
}
