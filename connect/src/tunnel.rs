//! One session: asked for, joined, kept alive, ended.
//!
//! From the server's answer on nothing waits for the server: the join, the
//! handshake and the first bytes follow each other at once. The session
//! outlives its link: `keep` opens another one and rejoins, and asks for more
//! time before the old one is over. Streams go straight to the session.

use std::sync::Arc;
use std::time::Duration;

use culvert_link::{Events, Link, Route};
use culvert_session::native::Session;
use culvert_session::{Ending, Options, native};
use culvert_wire::api::{NewSession, RedeemLaunch, SessionAnswer};
use culvert_wire::grant::Protocol;
use culvert_wire::id::HostId;
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use culvert_wire::ticket::Ticket;
use tokio::task::JoinHandle;

use crate::api::Api;
use crate::failure::Failure;
use crate::known::{Known, Met};
use crate::reach::Server;
use crate::streams::{Streams, is_ordinary};
use crate::text::note;

mod keep;

/// What a session is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The host.
    pub host: HostId,
    /// What will be spoken.
    pub protocol: Protocol,
    /// Ports; empty means the host's own for that protocol.
    pub ports: Vec<u16>,
    /// Only to try whether the host answers.
    pub test: bool,
}

/// What a launch ticket stood for.
#[derive(Debug, Clone)]
pub struct Launched {
    /// What is spoken.
    pub protocol: Protocol,
    /// The host's name.
    pub host: String,
    /// The host.
    pub id: HostId,
}

/// A running session.
#[derive(Debug)]
pub struct Tunnel {
    session: Session,
    streams: Streams,
    gateway: String,
    keeper: JoinHandle<()>,
}

impl Tunnel {
    /// Asks for a session and opens it.
    ///
    /// # Errors
    /// [`Failure`] of the server, the gateway or a changed key.
    pub async fn open(
        server: &Server,
        (link, events): (Link, Events),
        ask: Ask,
    ) -> Result<Self, Failure> {
        let end = fresh_key();
        let body = NewSession {
            host: ask.host,
            protocol: ask.protocol,
            ports: ask.ports,
            end_key: end.public(),
            test: ask.test,
        };
        let answer = Api(&link).new_session(&body).await?;
        Self::join(server, link, events, end, answer).await
    }

    /// Exchanges a launch ticket for a session and opens it; says what is to be
    /// spoken, and with whom.
    ///
    /// # Errors
    /// As [`Tunnel::open`].
    pub async fn redeem(
        server: &Server,
        (link, events): (Link, Events),
        launch: Ticket,
    ) -> Result<(Self, Launched), Failure> {
        let end = fresh_key();
        let body = RedeemLaunch {
            launch,
            end_key: end.public(),
        };
        let redeemed = Api(&link).redeem(&body).await?;
        let tunnel = Self::join(server, link, events, end, redeemed.session).await?;
        let launched = Launched {
            protocol: redeemed.protocol,
            host: redeemed.host,
            id: redeemed.host_id,
        };
        Ok((tunnel, launched))
    }

    async fn join(
        server: &Server,
        link: Link,
        events: Events,
        end: SigningKey,
        answer: SessionAnswer,
    ) -> Result<Self, Failure> {
        check_gateway(server, &answer)?;
        let ticket = Some(answer.ticket.clone());
        let route = Arc::new(link.join(answer.session, ticket, &end)?);
        let session = handshake(&route, &end, &answer).await?;
        let kept = keep::Kept {
            server: server.clone(),
            link,
            events,
            end,
            id: answer.session,
            ends_at: answer.ends_at,
            waits: keep::Waits::new(),
        };
        let keeper = tokio::spawn(kept.keep(session.clone()));
        Ok(Self {
            streams: Streams::new(session.clone(), answer.targets),
            session,
            gateway: answer.gateway,
            keeper,
        })
    }

    /// Its targets and streams.
    pub const fn streams(&self) -> &Streams {
        &self.streams
    }

    /// The stable name of the gateway's place.
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Fails when the session was ended by somebody else than this program.
    ///
    /// # Errors
    /// [`Failure::Ended`], [`Failure::EndedElsewhere`].
    pub fn verdict(&self) -> Result<(), Failure> {
        match self.streams.ending() {
            // This program itself says that it is finished.
            Some(ending) if ending.reason == Reason::ClosedByTechnician => {
                Err(Failure::EndedElsewhere)
            }
            Some(ending) if !is_ordinary(ending.reason) => Err(Failure::Ended(ending)),
            Some(_) | None => Ok(()),
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.keeper.abort();
        self.session.close(Reason::ClosedByTechnician, "");
    }
}

/// Keys of technicians' ends are made for one session and never stored.
fn fresh_key() -> SigningKey {
    SigningKey::from_seed(&rand::random())
}

/// Compares the announced key with the known one, before anything is sent.
fn check_gateway(server: &Server, answer: &SessionAnswer) -> Result<(), Failure> {
    let mut known = Known::load(&server.home)?;
    let provider = &server.account.provider;
    let (gateway, site) = (&answer.gateway, &answer.site);
    match known.check(provider, gateway, site, &answer.gateway_key)? {
        Met::Known => {}
        Met::Bound => known.save(&server.home)?,
        Met::First(fingerprint) => {
            known.save(&server.home)?;
            let site = crate::text::plain(site);
            note(&format!(
                "first session with the gateway of {site}; its key is {fingerprint}"
            ));
        }
    }
    Ok(())
}

/// Runs the handshake; a route that closes before it is done says why.
async fn handshake(
    route: &Arc<Route>,
    end: &SigningKey,
    answer: &SessionAnswer,
) -> Result<Session, Failure> {
    /// Far below what a person notices, far above what it costs.
    const LOOK: Duration = Duration::from_millis(25);
    let peer = answer.gateway_key;
    let session = native::connect(Arc::clone(route), end, peer, Options::default());
    let refused = async {
        loop {
            if let Some(closed) = route.closed() {
                return Ending::new(closed.reason, &closed.text);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        session = session => session.map_err(Failure::Session),
        ending = refused => Err(Failure::Ended(ending)),
    }
}
