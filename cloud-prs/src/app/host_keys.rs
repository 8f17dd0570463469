//! What gateways tell about hosts' keys: a row of the audit each. The
//! gateway's own pins decide; nothing here is ever sent back to one.

use culvert_wire::frame::{HostKey, HostKeyEvent};
use culvert_wire::key::PublicKey;
use serde_json::json;

use super::App;
use super::trail::{Doer, Event};
use crate::store::{StoreError, sessions};

impl App {
    /// A gateway saw something about a host's key.
    pub(crate) async fn host_key_told(&self, gateway: &PublicKey, told: &HostKey) {
        if let Err(error) = self.record_host_key(gateway, told).await {
            tracing::error!(%error, session = %told.session, "A host key event could not be recorded");
        }
    }

    async fn record_host_key(&self, gateway: &PublicKey, told: &HostKey) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        let session = sessions::by_id(&mut write, told.session).await?;
        // A box speaks for its own sessions only.
        let Some(session) = session.filter(|session| session.gateway_key == *gateway) else {
            return Ok(());
        };
        let event = Event::done(
            action(told.event),
            Some(session.customer.id),
            session.host.id,
        )
        .before(json!({ "fingerprint": told.old }))
        .after(json!({
            "session": session.id.to_string(),
            "user": session.user.name,
            "host": session.host.name,
            "port": told.target.port,
            "algorithm": told.algorithm,
            "fingerprint": told.fingerprint,
        }));
        let doer = Doer::gateway(gateway, String::new());
        self.record(&mut write, &doer, event).await?;
        write.commit().await
    }
}

const fn action(event: HostKeyEvent) -> &'static str {
    match event {
        HostKeyEvent::Pinned => "host_key.pinned",
        HostKeyEvent::AcceptedOnce => "host_key.accepted_once",
        HostKeyEvent::ChangeSeen => "host_key.change_seen",
        HostKeyEvent::Replaced => "host_key.replaced",
        HostKeyEvent::Refused => "host_key.refused",
        HostKeyEvent::Revoked => "host_key.revoked",
        HostKeyEvent::RevokedSeen => "host_key.revoked_seen",
        HostKeyEvent::LegacyAllowed => "host_key.legacy_allowed",
    }
}
