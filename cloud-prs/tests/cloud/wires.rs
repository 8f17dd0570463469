//! Links that note what the application asks of them.

use std::collections::HashSet;
use std::sync::Mutex;

use culvert_cloud_prs::app::{App, Caller, Links};
use culvert_cloud_prs::relay::RouteSpec;
use culvert_wire::UnixMs;
use culvert_wire::frame::{Invite, InviteResult, Offer};
use culvert_wire::id::SessionId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::SignedRevocation;

/// What was asked.
#[derive(Default)]
pub(crate) struct Wires {
    pub(crate) online: Mutex<HashSet<PublicKey>>,
    pub(crate) routes: Mutex<Vec<RouteSpec>>,
    pub(crate) invites: Mutex<Vec<Invite>>,
    pub(crate) offers: Mutex<Vec<(PublicKey, Offer)>>,
    pub(crate) extended: Mutex<Vec<(SessionId, UnixMs)>>,
    pub(crate) ended: Mutex<Vec<(SessionId, Reason)>>,
    pub(crate) orders: Mutex<Vec<(PublicKey, SignedRevocation)>>,
    pub(crate) closed_gateways: Mutex<Vec<(PublicKey, Reason)>>,
    pub(crate) callers: Mutex<Vec<std::sync::Arc<Caller>>>,
    pub(crate) closed_callers: Mutex<Vec<(PublicKey, Reason)>>,
    pub(crate) app: Mutex<Option<std::sync::Weak<App>>>,
    pub(crate) broker: Mutex<Option<PublicKey>>,
    pub(crate) refused: Mutex<Vec<(SessionId, Reason, String)>>,
    pub(crate) refuses: Mutex<Option<(Reason, String)>>,
}

impl Wires {
    /// Judges a renewal as a gateway does: a moment later, from its own task.
    fn answer(&self, gateway: &PublicKey, invite: &Invite) {
        let app = self
            .app
            .lock()
            .unwrap()
            .as_ref()
            .and_then(std::sync::Weak::upgrade);
        let (Some(app), gateway) = (app, *gateway) else {
            return;
        };
        let grant = invite
            .grant
            .verify(&self.broker.lock().unwrap().unwrap())
            .unwrap();
        let result = InviteResult {
            session: grant.session,
            serial: grant.serial,
            refused: self.refuses.lock().unwrap().clone(),
        };
        tokio::spawn(async move { app.invite_answered(&gateway, result).await });
    }
}

impl Links for Wires {
    fn open_route(&self, route: RouteSpec) -> bool {
        self.routes.lock().unwrap().push(route);
        true
    }

    fn extend_route(&self, session: SessionId, ends_at: UnixMs) {
        self.extended.lock().unwrap().push((session, ends_at));
    }

    fn end_route(&self, session: SessionId, reason: Reason) {
        self.ended.lock().unwrap().push((session, reason));
    }

    fn refuse_route(&self, session: SessionId, reason: Reason, text: &str) {
        let refused = (session, reason, text.to_owned());
        self.refused.lock().unwrap().push(refused);
    }

    fn invite(&self, gateway: &PublicKey, invite: Invite) -> bool {
        if invite.ticket.is_none() {
            self.answer(gateway, &invite);
        }
        self.invites.lock().unwrap().push(invite);
        self.gateway_online(gateway)
    }

    fn revoke(&self, gateway: &PublicKey, revocation: SignedRevocation) -> bool {
        self.orders.lock().unwrap().push((*gateway, revocation));
        self.gateway_online(gateway)
    }

    fn offer(&self, gateway: &PublicKey, offer: Offer) -> bool {
        self.offers.lock().unwrap().push((*gateway, offer));
        self.gateway_online(gateway)
    }

    fn gateway_online(&self, gateway: &PublicKey) -> bool {
        self.online.lock().unwrap().contains(gateway)
    }

    fn close_gateway(&self, gateway: &PublicKey, reason: Reason) {
        self.closed_gateways
            .lock()
            .unwrap()
            .push((*gateway, reason));
    }

    fn close_callers(&self, whose: &dyn Fn(&Caller) -> bool, reason: Reason) {
        let callers = self.callers.lock().unwrap();
        let picked = callers.iter().filter(|caller| whose(caller));
        let picked = picked.map(|caller| (caller.device, reason));
        self.closed_callers.lock().unwrap().extend(picked);
    }
}
