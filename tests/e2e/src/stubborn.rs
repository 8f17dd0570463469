//! A technician's client that was patched to ignore every order to end.
//!
//! Uses the ordinary crates for what it must do right (proof, join, handshake)
//! and never closes by itself: it rejoins on a new link with its old key, keeps
//! its streams and goes on writing.

use std::path::Path;

use culvert_connect::api::Api;
use culvert_link::{Dial, Events, Link, Me, connect};
use culvert_session::Options;
use culvert_session::native::{self, Session, Stream};
use culvert_wire::api::{NewSession, SessionAnswer};
use culvert_wire::grant::Protocol;
use culvert_wire::key::SigningKey;
use culvert_wire::stream::{Answer, Lane, Open, Service};

use crate::signed_in::{SignedIn, said};

/// The client.
pub struct Stubborn {
    dial: Dial,
    me: Me,
    end: SigningKey,
    /// What the server answered.
    pub answer: SessionAnswer,
    /// The session, as far as the client knows.
    pub session: Session,
    /// The stream to the host, accepted by the gateway.
    pub stream: Stream,
    link: Link,
    _events: Events,
}

impl Stubborn {
    /// Opens a session to a host's SSH port with the sign-in in `home`.
    ///
    /// # Errors
    /// What the server or the gateway refuses.
    pub async fn open(home: &Path, host: &str) -> anyhow::Result<Self> {
        Self::open_to(home, host, Protocol::Ssh).await
    }

    /// Opens a session to a host's port for a protocol.
    ///
    /// # Errors
    /// What the server or the gateway refuses.
    pub async fn open_to(home: &Path, host: &str, protocol: Protocol) -> anyhow::Result<Self> {
        let signed_in = SignedIn::at(home, "stubborn 1").await?;
        let host = signed_in.host(host).await?;
        let SignedIn {
            dial,
            me,
            link,
            events,
        } = signed_in;
        let end = SigningKey::from_seed(&rand::random());
        let answer = Api(&link)
            .new_session(&NewSession {
                host,
                protocol,
                ports: Vec::new(),
                end_key: end.public(),
                test: false,
            })
            .await
            .map_err(said)?;
        let route = link.join(answer.session, Some(answer.ticket.clone()), &end)?;
        let session = native::connect(route, &end, answer.gateway_key, Options::default()).await?;
        let mut stream = session
            .open(Open {
                service: Service::Target(0),
                lane: Lane::Input,
            })
            .await?;
        let said = stream.answer().await?;
        anyhow::ensure!(said == Answer::Accepted, "refused: {said:?}");
        Ok(Self {
            dial,
            me,
            end,
            answer,
            session,
            stream,
            link,
            _events: events,
        })
    }

    /// Ignores whatever was said: comes back on a new link and rejoins with the
    /// proven key. Says whether the server let it join.
    ///
    /// # Errors
    /// When no link can be had.
    pub async fn come_back(&mut self) -> anyhow::Result<bool> {
        let anonymous = match &self.me {
            Me::Technician { key, .. } => Me::Technician {
                key: key.clone(),
                token: None,
            },
            Me::Gateway { .. } | Me::Claim { .. } => anyhow::bail!("a technician's client"),
        };
        let (link, events) = connect(&self.dial, anonymous, "stubborn 1").await?;
        self.link = link;
        self._events = events;
        let route = self.link.join(self.answer.session, None, &self.end)?;
        for _ in 0..100 {
            if route.joined() {
                self.session.replace_route(route);
                return Ok(true);
            }
            if route.closed().is_some() || self.link.is_closed() {
                return Ok(false);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok(false)
    }
}
