//! What a restored database must not revive.

use culvert_wire::reason::Reason;
use serde_json::json;

use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::store::sessions::{self, Filter};
use crate::store::{claims, gateways, invitations, launches, tokens};

/// How much a restore made void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voided {
    /// Claim codes.
    pub codes: u64,
    /// Sign-ins and API tokens.
    pub tokens: u64,
    /// Launch tickets and invitations.
    pub launches: u64,
    /// Sessions with their tickets.
    pub sessions: u64,
    /// Boxes whose lease is not known now: each has moved on since the backup,
    /// and the first one that shows its key and any lease is taken.
    pub boxes: u64,
}

impl App {
    /// Voids every unused code, ticket and token, every running session, and
    /// what is known of boxes' leases: those of the backup are old, and a box
    /// that shows a newer one is no clone.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn void_everything(&self, call: &Call) -> Result<Voided, AppError> {
        let now = self.now();
        let mut write = self.store.write().await?;
        let filter = Filter {
            live: Some(true),
            ..Default::default()
        };
        let live = sessions::list(&mut write, &filter).await?;
        let doer = Doer::from(call);
        let voided = Voided {
            codes: claims::void_all(&mut write, now).await?,
            tokens: tokens::revoke_all(&mut write, None, now).await?,
            launches: launches::void_all(&mut write, None, now).await?
                + invitations::void_all(&mut write, None, now).await?,
            sessions: live.len() as u64,
            boxes: gateways::forget_leases(&mut write).await?,
        };
        self.end_sessions(&mut write, &doer, live, Reason::EndedByAdministrator)
            .await?;
        let event = Event::done("backup.restore", None, "database").after(json!({
            "codes": voided.codes,
            "tokens": voided.tokens,
            "launches": voided.launches,
            "sessions": voided.sessions,
            "boxes": voided.boxes,
        }));
        self.record(&mut write, &doer, event).await?;
        self.commit(write).await?;
        Ok(voided)
    }
}
