//! Listing and ending sessions.

use culvert_wire::api::SessionInfo;
use culvert_wire::id::SessionId;
use culvert_wire::reason::Reason;

use super::trail::Doer;
use super::{App, AppError, Call};
use crate::authz::{Action, Node};
use crate::store::sessions::{self, Filter, Seen, Session};

impl From<Session> for SessionInfo {
    fn from(session: Session) -> Self {
        Self {
            session: session.id,
            user: session.user,
            customer: session.customer,
            site: session.site,
            host: session.host,
            gateway: session.gateway,
            protocol: session.protocol,
            started: session.started,
            ends_at: session.ends_at,
            ended: session.ended,
            reason: session.reason,
            from_hosts: session.from_hosts,
            to_hosts: session.to_hosts,
        }
    }
}

impl App {
    /// Sessions within reach: a technician's own, an administrator's all.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sessions(&self, call: &Call, filter: Filter) -> Result<Vec<Session>, AppError> {
        call.needs(Action::SessionSee)?;
        self.listed(call, filter, Action::SessionSee, Action::SessionSeeAll)
            .await
    }

    /// Sessions where the caller may see her own, and everybody's where she
    /// may see all; tests of a connection are nobody's work.
    pub(super) async fn listed(
        &self,
        call: &Call,
        mut filter: Filter,
        own: Action,
        all: Action,
    ) -> Result<Vec<Session>, AppError> {
        let user = call.actor.user();
        if !call.actor.may(all) {
            // Somebody else's sessions were asked for: none are hers.
            if filter.user.is_some_and(|asked| Some(asked) != user) {
                return Ok(vec![]);
            }
            filter.user = user;
        }
        filter.worked = true;
        let (own, all) = (call.actor.reach(own), call.actor.reach(all));
        filter.seen = all.limit().map(|all| Seen {
            all,
            own: user.map(|user| (user, own.limit())),
        });
        let mut db = self.store.read().await?;
        let mut found = sessions::list(&mut db, &filter).await?;
        // What the database let through is within reach, or it is not shown.
        found.retain(|session| {
            let node = session.node();
            all.covers(&node) || (own.covers(&node) && Some(session.user.id) == user)
        });
        Ok(found)
    }

    /// Ends a session: an own one, an administrator anybody's.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn end_session(&self, call: &Call, id: SessionId) -> Result<(), AppError> {
        call.needs(Action::SessionEnd)?;
        let mut write = self.store.write().await?;
        let found = sessions::by_id(&mut write, id).await?;
        let own = |session: &Session| call.actor.user() == Some(session.user.id);
        let may = |session: &Session| {
            let node = session.node();
            let mine = own(session) && call.actor.may_at(Action::SessionEnd, &node);
            mine || call.actor.may_at(Action::SessionEndAny, &node)
        };
        let session = found.filter(may).ok_or_else(AppError::not_found)?;
        let own = own(&session);
        let reason = if own {
            Reason::ClosedByTechnician
        } else {
            Reason::EndedByAdministrator
        };
        self.end_sessions(&mut write, &Doer::from(call), vec![session], reason)
            .await?;
        Ok(self.commit(write).await?)
    }

    /// Ends a session for a reason of the server's own.
    pub(super) async fn end_now(&self, id: SessionId, reason: Reason) -> Result<(), AppError> {
        let mut write = self.store.write().await?;
        if let Some(session) = sessions::by_id(&mut write, id).await? {
            self.end_sessions(&mut write, &Doer::server(), vec![session], reason)
                .await?;
        }
        Ok(self.commit(write).await?)
    }
}

/// Whether a session exists for the caller.
pub(super) fn sees(call: &Call, session: &SessionInfo) -> bool {
    let node = Node::Host {
        customer: session.customer.id,
        site: session.site.id,
        host: session.host.id,
    };
    let own = call.actor.user() == Some(session.user.id);
    call.actor.may_at(Action::SessionSeeAll, &node)
        || (own && call.actor.may_at(Action::SessionSee, &node))
}
