//! What the application asks of the server's links.

use culvert_wire::UnixMs;
use culvert_wire::frame::{Invite, Offer};
use culvert_wire::id::SessionId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::SignedRevocation;

use super::Caller;
use crate::relay::RouteSpec;

/// The running server's links and routes. No call blocks.
pub trait Links: Send + Sync {
    /// Makes a route; `false` when no more fit.
    fn open_route(&self, route: RouteSpec) -> bool;
    /// Moves a route's end.
    fn extend_route(&self, session: SessionId, ends_at: UnixMs);
    /// Closes a route.
    fn end_route(&self, session: SessionId, reason: Reason);
    /// Closes a route that its gateway refused, with the gateway's sentence.
    fn refuse_route(&self, session: SessionId, reason: Reason, text: &str);
    /// Calls a gateway; `false` when it has no link.
    fn invite(&self, gateway: &PublicKey, invite: Invite) -> bool;
    /// Gives a gateway an order; `false` when it has no link.
    fn revoke(&self, gateway: &PublicKey, revocation: SignedRevocation) -> bool;
    /// Tells a box of a release; `false` when it has no link.
    fn offer(&self, gateway: &PublicKey, offer: Offer) -> bool;
    /// Whether a gateway has a link.
    fn gateway_online(&self, gateway: &PublicKey) -> bool;
    /// Closes a gateway's link.
    fn close_gateway(&self, gateway: &PublicKey, reason: Reason);
    /// Closes the links of the technicians whom `whose` picks.
    fn close_callers(&self, whose: &dyn Fn(&Caller) -> bool, reason: Reason);
}
