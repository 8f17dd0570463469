//! The technician's end of a link, as the application knows it.

use std::net::SocketAddr;
use std::sync::Mutex;

use culvert_wire::id::{TokenId, UserId};
use culvert_wire::key::PublicKey;

use super::trail::Doer;

/// A link of a technician's program: anonymous until it has signed in. Rights
/// are not kept here; each request reads them anew.
#[derive(Debug)]
pub struct Caller {
    /// The device key, proved on the link.
    pub device: PublicKey,
    /// From where.
    pub from: SocketAddr,
    signed_in: Mutex<Option<(TokenId, UserId)>>,
}

impl Caller {
    /// A link whose device key is proved.
    pub const fn new(
        device: PublicKey,
        from: SocketAddr,
        signed_in: Option<(TokenId, UserId)>,
    ) -> Self {
        Self {
            device,
            from,
            signed_in: Mutex::new(signed_in),
        }
    }

    /// Notes who signed in on this link, or that nobody is any more.
    pub fn set(&self, signed_in: Option<(TokenId, UserId)>) {
        *self.lock() = signed_in;
    }

    /// The sign-in or API token of this link.
    pub fn token(&self) -> Option<TokenId> {
        self.lock().map(|(token, _)| token)
    }

    /// The person of this link.
    pub fn user(&self) -> Option<UserId> {
        self.lock().map(|(_, user)| user)
    }

    /// Whoever this is, for the trail.
    pub(crate) fn doer(&self) -> Doer {
        let from = self.from.ip().to_string();
        match self.user() {
            Some(user) => Doer::person(user, from),
            None => Doer::stranger("", from),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(TokenId, UserId)>> {
        self.signed_in
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
