//! Listing and ending sessions.

use culvert_wire::api::SessionInfo;
use culvert_wire::id::SessionId;
use culvert_wire::reason::Reason;

use super::trail::Doer;
use super::{App, AppError, Call};
use crate::authz::Action;
use crate::store::sessions::{self, Filter, Session};

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
    /// Sessions within reach: a technician's own, an owner's all.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sessions(&self, call: &Call, filter: Filter) -> Result<Vec<Session>, AppError> {
        call.needs(Action::SessionSee)?;
        let mut db = self.store.read().await?;
        let mut found = sessions::list(&mut db, &limited(call, filter)).await?;
        found.retain(|session| call.actor.reaches(session.customer.id));
        Ok(found)
    }

    /// Ends a session: an own one, an owner anybody's.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn end_session(&self, call: &Call, id: SessionId) -> Result<(), AppError> {
        call.needs(Action::SessionEnd)?;
        let mut write = self.store.write().await?;
        let found = sessions::by_id(&mut write, id).await?;
        let session = found
            .filter(|session| call.actor.reaches(session.customer.id))
            .ok_or_else(AppError::not_found)?;
        let own = call.actor.user() == Some(session.user.id);
        if !own && !call.actor.may(Action::SessionEndAny) {
            return Err(AppError::not_found());
        }
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
    let own = call.actor.user() == Some(session.user.id);
    call.actor.may(Action::SessionSee)
        && call.actor.reaches(session.customer.id)
        && (own || call.actor.may(Action::SessionSeeAll))
}

/// A filter that shows no more than the caller may see.
pub(super) fn limited(call: &Call, filter: Filter) -> Filter {
    if call.actor.may(Action::SessionSeeAll) {
        return filter;
    }
    // Somebody else's sessions were asked for: none are hers.
    let user = call.actor.user();
    match filter.user {
        Some(asked) if Some(asked) != user => Filter {
            limit: Some(0),
            ..filter
        },
        Some(_) | None => Filter { user, ..filter },
    }
}
