//! An end that leaves out the end-to-end encryption: what it sends reaches the
//! relay as it is.
//!
//! Only for controls: it shows that a search in the relay finds what passes
//! through it, when that can be read.

use std::path::Path;
use std::time::Duration;

use culvert_connect::api::Api;
use culvert_link::{Events, Link, Route};
use culvert_wire::api::NewSession;
use culvert_wire::grant::Protocol;
use culvert_wire::key::SigningKey;

use crate::signed_in::{SignedIn, said};

/// A route to a gateway that has joined it, and nothing above it.
pub struct Bare {
    route: Route,
    _link: Link,
    _events: Events,
}

impl Bare {
    /// Asks for a session on a host's SSH port and joins its route.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn join(home: &Path, host: &str) -> anyhow::Result<Self> {
        let signed_in = SignedIn::at(home, "bare 1").await?;
        let host = signed_in.host(host).await?;
        let SignedIn { link, events, .. } = signed_in;
        let end = SigningKey::from_seed(&rand::random());
        let wanted = NewSession {
            host,
            protocol: Protocol::Ssh,
            ports: Vec::new(),
            end_key: end.public(),
            test: false,
        };
        let answer = Api(&link).new_session(&wanted).await.map_err(said)?;
        let route = link.join(answer.session, Some(answer.ticket), &end)?;
        // Longer than a gateway takes on a busy machine.
        for _ in 0..2000 {
            if route.joined() && route.peer_present() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::ensure!(route.peer_present(), "the gateway did not join");
        Ok(Self {
            route,
            _link: link,
            _events: events,
        })
    }

    /// Sends a packet that is nothing but `word`, many times over.
    pub fn send(&self, word: &str) {
        self.send_bytes(word.as_bytes());
    }

    /// The same with any bytes.
    pub fn send_bytes(&self, bytes: &[u8]) {
        let packet = bytes.repeat(1000 / bytes.len());
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        // A dropped packet is no matter: there are many.
        let _ = self.route.try_send(length, &packet);
    }
}
