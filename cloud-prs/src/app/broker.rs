//! Starts and renews sessions: one grant, two tickets, one durable row.
//!
//! Rights are read in the transaction that writes the session, so that a
//! person shut out at the same moment gets none. The row and its audit row
//! are on the disk before the gateway or the asker hears of the session.

use std::time::Duration;

use culvert_wire::UnixMs;
use culvert_wire::api::{Named, NewSession, RenewAnswer, SessionAnswer, StoredCredential};
use culvert_wire::frame::Invite;
use culvert_wire::grant::{
    Grant, JOIN_WITHIN_MS, MAX_TARGETS, Protocol, Rights, SignedGrant, Target,
};
use culvert_wire::id::{SessionId, TokenId};
use culvert_wire::reason::Reason;
use culvert_wire::ticket::Ticket;
use data_encoding::BASE32_NOPAD;
use serde_json::json;

use super::pace::{PER_GATEWAY, PER_PERSON};
use super::trail::{Doer, Event};
use super::tree::reachable_host;
use super::{App, AppError, Call};
use crate::authz::{Action, Actor, Identity};
use crate::relay::{RouteSpec, Side};
use crate::store::gateways::{self, Gateway, GatewayState};
use crate::store::hosts::Host;
use crate::store::sessions::{self, Filter, Session};
use crate::store::{Write, tokens};

/// How long a gateway may take to judge a renewal.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Enough to try a port: a gateway opens nothing else with it.
const TEST: Rights = Rights::CONNECT;

/// A session about to start.
struct Start {
    session: Session,
    grant: SignedGrant,
    technician: Ticket,
    gateway: Ticket,
    credentials: Vec<StoredCredential>,
}

impl App {
    /// Starts a session.
    ///
    /// # Errors
    /// [`AppError`]; [`Reason::GatewayOffline`] says when it was last seen.
    pub async fn start_session(
        &self,
        call: &Call,
        ask: &NewSession,
    ) -> Result<SessionAnswer, AppError> {
        call.needs(Action::SessionStart)?;
        let mut write = self.store.write().await?;
        let call = self.as_now(&mut write, call).await?;
        call.needs(Action::SessionStart)?;
        let host = reachable_host(&mut write, &call, Action::SessionStart, ask.host).await?;
        let targets = targets(&host, ask.protocol, &ask.ports)?;
        let gateway = match &host.gateway {
            Some(at) => gateways::by_id(&mut write, at.id).await?,
            None => None,
        };
        let gateway = self.ready(gateway)?;
        self.not_too_many(&mut write, &call, &gateway).await?;
        let mut start = self.mint(&call, ask, &host, &gateway, targets)?;
        sessions::add(&mut write, &start.session).await?;
        if !ask.test {
            start.credentials = self
                .hand_out(&mut write, &call, &host, &start.session.targets)
                .await?;
        }
        let mut after = json!({
            "host": host.name,
            "targets": start.session.targets,
            "gateway": gateway.identity.fingerprint().to_string(),
        });
        if ask.test {
            after["test"] = json!(true);
        }
        let event =
            Event::done("session.start", Some(host.customer.id), start.session.id).after(after);
        self.record(&mut write, &Doer::from(&call), event).await?;
        write.commit().await?;
        tracing::info!(session = %start.session.id, user = %start.session.user.id, host = %host.id, "Session granted");
        let site = format!("{} / {}", host.customer.name, host.site.name);
        self.open(start, site).await
    }

    /// Refuses what would be more than one person or one box needs.
    async fn not_too_many(
        &self,
        db: &mut Write,
        call: &Call,
        gateway: &Gateway,
    ) -> Result<(), AppError> {
        let user = call.actor.user().ok_or_else(AppError::not_allowed)?;
        if !self.pace.admit(user, self.now()) {
            return Err(AppError::because(Reason::Throttled));
        }
        let live = Filter {
            live: Some(true),
            ..Default::default()
        };
        let hers = Filter {
            user: Some(user),
            ..live.clone()
        };
        let through = Filter {
            gateway: Some(gateway.id),
            ..live
        };
        let full = sessions::list(db, &hers).await?.len() >= PER_PERSON
            || sessions::list(db, &through).await?.len() >= PER_GATEWAY;
        if full {
            return Err(AppError::new(
                Reason::TooManySessions,
                format!(
                    "{PER_PERSON} sessions for a person and {PER_GATEWAY} for a gateway are the most"
                ),
            ));
        }
        Ok(())
    }

    /// The caller with the rights she has inside this transaction.
    async fn as_now(&self, db: &mut Write, call: &Call) -> Result<Call, AppError> {
        let Identity::Person { token, .. } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let actor = self.actor_of_id(db, *token).await?;
        Ok(Call {
            actor: actor.ok_or_else(|| AppError::because(Reason::SignInNeeded))?,
            source: call.source.clone(),
            at: call.at,
        })
    }

    pub(super) async fn actor_of_id(
        &self,
        db: &mut Write,
        id: TokenId,
    ) -> Result<Option<Actor>, AppError> {
        match tokens::by_id(db, id).await? {
            Some(token) => Ok(self.actor_of(db, &token).await?),
            None => Ok(None),
        }
    }

    /// A gateway that can take a session now.
    fn ready(&self, gateway: Option<Gateway>) -> Result<Gateway, AppError> {
        let Some(gateway) = gateway else {
            return Err(AppError::new(
                Reason::Unclaimed,
                "the host's site has no gateway yet",
            ));
        };
        match gateway.state {
            GatewayState::Active => {}
            GatewayState::Quarantined => return Err(AppError::because(Reason::Quarantined)),
            GatewayState::Revoked => return Err(AppError::because(Reason::GatewayRevoked)),
        }
        let online = self
            .links()
            .is_some_and(|links| links.gateway_online(&gateway.identity));
        if online {
            Ok(gateway)
        } else {
            Err(offline(gateway.last_seen))
        }
    }

    fn mint(
        &self,
        call: &Call,
        ask: &NewSession,
        host: &Host,
        gateway: &Gateway,
        targets: Vec<Target>,
    ) -> Result<Start, AppError> {
        let Identity::Person { user, name, token } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let technician = Ticket::from_random(rand::random());
        let at_gateway = Ticket::from_random(rand::random());
        let now = self.now();
        let session = Session {
            id: SessionId::from_random(rand::random()),
            user: Named {
                id: *user,
                name: name.clone(),
            },
            customer: host.customer.clone(),
            site: host.site.clone(),
            host: Named {
                id: host.id,
                name: host.name.clone(),
            },
            gateway: gateway.id,
            gateway_key: gateway.identity,
            end_key: ask.end_key,
            token: Some(*token),
            protocol: ask.protocol,
            targets,
            serial: 0,
            started: now,
            join_by: now.plus_ms(JOIN_WITHIN_MS),
            ends_at: now.plus_ms(self.here.session_ms),
            ended: None,
            reason: None,
            from_hosts: 0,
            to_hosts: 0,
            technician_ticket: Some(hash_text(&technician)),
            gateway_ticket: Some(hash_text(&at_gateway)),
            test: ask.test,
        };
        let grant = self.grant_for(&session, now);
        Ok(Start {
            session,
            grant,
            technician,
            gateway: at_gateway,
            credentials: Vec::new(),
        })
    }

    /// Signs the grant of a session's newest serial.
    fn grant_for(&self, session: &Session, now: UnixMs) -> SignedGrant {
        let grant = Grant {
            broker: self.here.broker.public(),
            session: session.id,
            serial: session.serial,
            gateway: session.gateway_key,
            technician: session.user.id,
            technician_end: session.end_key,
            targets: session.targets.clone(),
            rights: if session.test { TEST } else { Rights::ALL },
            issued: now,
            join_by: now.plus_ms(JOIN_WITHIN_MS),
            ends_at: session.ends_at,
        };
        SignedGrant::sign(grant, &self.here.broker)
    }

    /// Opens the route and calls the gateway; the record is durable.
    async fn open(&self, start: Start, site: String) -> Result<SessionAnswer, AppError> {
        let session = start.session;
        let spec = RouteSpec {
            session: session.id,
            technician: Side {
                ticket: Some(start.technician.hash()),
                end: session.end_key,
            },
            gateway: Side {
                ticket: Some(start.gateway.hash()),
                end: session.gateway_key,
            },
            join_by: session.join_by,
            ends_at: session.ends_at,
        };
        let invite = Invite {
            broker: None,
            grant: start.grant,
            ticket: Some(start.gateway),
        };
        let refused = match self.links() {
            None => Some(Reason::GatewayOffline),
            Some(links) if !links.open_route(spec) => Some(Reason::ServerFull),
            Some(links) if !links.invite(&session.gateway_key, invite) => {
                Some(Reason::GatewayOffline)
            }
            Some(_) => None,
        };
        if let Some(reason) = refused {
            self.end_now(session.id, reason).await?;
            return Err(AppError::because(reason));
        }
        Ok(SessionAnswer {
            session: session.id,
            ticket: start.technician,
            gateway_key: session.gateway_key,
            gateway: session.gateway.to_string(),
            site,
            targets: session.targets,
            ends_at: session.ends_at,
            credentials: start.credentials,
        })
    }

    /// Renews a session of the caller's own, if she still might start it.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn renew_session(&self, call: &Call, id: SessionId) -> Result<RenewAnswer, AppError> {
        call.needs(Action::SessionRenew)?;
        let mut write = self.store.write().await?;
        let call = self.as_now(&mut write, call).await?;
        let mut session = self.own_live(&mut write, &call, id).await?;
        let host = reachable_host(&mut write, &call, Action::SessionRenew, session.host.id).await?;
        let ports: Vec<u16> = session.targets.iter().map(|target| target.port).collect();
        targets(&host, session.protocol, &ports)?;
        let gateway = gateways::by_id(&mut write, session.gateway).await?;
        self.ready(gateway)?;
        let now = self.now();
        let before = session.ends_at;
        session.serial = session.serial.saturating_add(1);
        session.ends_at = now.plus_ms(self.here.session_ms);
        sessions::renew(&mut write, id, session.serial, session.ends_at).await?;
        let event = Event::done("session.renew", Some(session.customer.id), id)
            .before(json!({ "ends_at": before }))
            .after(json!({ "serial": session.serial, "ends_at": session.ends_at }));
        self.record(&mut write, &Doer::from(&call), event).await?;
        write.commit().await?;
        if let Err(refused) = self.renew_at_gateway(&session, now).await {
            let mut write = self.store.write().await?;
            // The serial stays used, the end is the old one; unless another renewal
            // came after this one.
            sessions::take_back(&mut write, id, session.serial, before).await?;
            write.commit().await?;
            return Err(refused);
        }
        Ok(RenewAnswer {
            ends_at: session.ends_at,
        })
    }

    /// Sends the grant and waits until the gateway has judged it.
    async fn renew_at_gateway(&self, session: &Session, now: UnixMs) -> Result<(), AppError> {
        let offline = || AppError::because(Reason::GatewayOffline);
        let links = self.links().ok_or_else(offline)?;
        let answered = self.answers.expect(session.id, session.serial);
        let invite = Invite {
            broker: None,
            grant: self.grant_for(session, now),
            ticket: None,
        };
        if !links.invite(&session.gateway_key, invite) {
            return Err(offline());
        }
        match tokio::time::timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(None)) => {
                links.extend_route(session.id, session.ends_at);
                Ok(())
            }
            Ok(Ok(Some((reason, text)))) if text.is_empty() => Err(AppError::because(reason)),
            Ok(Ok(Some((reason, text)))) => Err(AppError::new(reason, format!("{reason}: {text}"))),
            Ok(Err(_)) | Err(_) => Err(AppError::new(
                Reason::GatewayOffline,
                "the gateway did not answer in time: the session keeps its old end",
            )),
        }
    }

    async fn own_live(
        &self,
        db: &mut Write,
        call: &Call,
        id: SessionId,
    ) -> Result<Session, AppError> {
        let found = sessions::by_id(db, id).await?;
        let own = |session: &Session| call.actor.user() == Some(session.user.id);
        let session = found.filter(own).ok_or_else(AppError::not_found)?;
        match (session.ended, session.reason) {
            (None, _) => Ok(session),
            (Some(_), reason) => Err(AppError::because(reason.unwrap_or(Reason::Finished))),
        }
    }
}

/// What a grant for these ports names.
pub(super) fn targets(
    host: &Host,
    protocol: Protocol,
    ports: &[u16],
) -> Result<Vec<Target>, AppError> {
    let target = |protocol, port| Target {
        address: host.address.clone(),
        port,
        protocol,
    };
    if ports.len() > MAX_TARGETS || ports.contains(&0) {
        return Err(AppError::invalid(format!(
            "a session has 1 to {MAX_TARGETS} ports from 1 to 65535"
        )));
    }
    if ports.is_empty() {
        return own_targets(host, protocol, target);
    }
    let allowed = |port: &u16| host.any_port || host.services.iter().any(|s| s.port == *port);
    if let Some(port) = ports.iter().find(|port| !allowed(port)) {
        return Err(AppError::new(
            Reason::TargetUnknown,
            format!(
                "port {port} is not among this host's services: ask an administrator to add it"
            ),
        ));
    }
    Ok(ports.iter().map(|port| target(protocol, *port)).collect())
}

/// The host's own ports for a protocol; pages come with and without TLS.
fn own_targets(
    host: &Host,
    protocol: Protocol,
    target: impl Fn(Protocol, u16) -> Target,
) -> Result<Vec<Target>, AppError> {
    let web = |p: Protocol| matches!(p, Protocol::Http | Protocol::Https);
    let own = host.services.iter().filter(|s| s.protocol == protocol);
    let beside = host
        .services
        .iter()
        .filter(|s| web(protocol) && web(s.protocol) && s.protocol != protocol);
    let found: Vec<Target> = own
        .chain(beside)
        .take(MAX_TARGETS)
        .map(|service| target(service.protocol, service.port))
        .collect();
    match (found.is_empty(), protocol.default_port()) {
        (false, _) => Ok(found),
        (true, Some(port)) if host.any_port => Ok(vec![target(protocol, port)]),
        (true, _) => Err(AppError::new(
            Reason::TargetUnknown,
            format!("this host has no {protocol} service: ask an administrator to add it"),
        )),
    }
}

fn offline(last_seen: Option<UnixMs>) -> AppError {
    let seen = match last_seen {
        Some(at) => format!("last seen {}", super::report::date(at)),
        None => "it never was".to_owned(),
    };
    AppError::new(
        Reason::GatewayOffline,
        format!("{}: {seen}", Reason::GatewayOffline),
    )
}

pub(super) fn hash_text(ticket: &Ticket) -> String {
    BASE32_NOPAD
        .encode(ticket.hash().as_bytes())
        .to_ascii_lowercase()
}
