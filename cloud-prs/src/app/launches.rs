//! One-time tickets that open a session in `culvert`, asked for in a browser.

use culvert_wire::api::{LaunchAnswer, NewLaunch, NewSession, RedeemAnswer, RedeemLaunch};
use culvert_wire::reason::Reason;
use culvert_wire::ticket::Ticket;
use serde_json::json;

use super::broker::{hash_text, targets};
use super::trail::Event;
use super::tree::reachable_host;
use super::{App, AppError, Call};
use crate::authz::{Action, Identity};
use crate::store::hosts;
use crate::store::launches::{self, Launch};

/// How long a launch ticket is good, in milliseconds.
const LAUNCH_MS: u64 = 60_000;

impl App {
    /// Makes a one-time ticket for `culvert open`.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_launch(&self, call: &Call, ask: &NewLaunch) -> Result<LaunchAnswer, AppError> {
        call.needs(Action::Launch)?;
        let Identity::Person { user, token, .. } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let mut write = self.store.write().await?;
        let host = reachable_host(&mut write, call, Action::Launch, ask.host).await?;
        targets(&host, ask.protocol, &ask.ports)?;
        let ticket = Ticket::from_random(rand::random());
        let launch = Launch {
            hash: hash_text(&ticket),
            user: *user,
            token: *token,
            host: host.id,
            protocol: ask.protocol,
            ports: ask.ports.clone(),
            expires: self.now().plus_ms(LAUNCH_MS),
        };
        launches::add(&mut write, &launch, self.now()).await?;
        let event = Event::done("launch.add", Some(host.customer.id), host.id)
            .after(json!({ "protocol": launch.protocol.name(), "ports": launch.ports }));
        self.record(&mut write, &call.into(), event).await?;
        write.commit().await?;
        Ok(LaunchAnswer {
            url: format!("culvert://open/{}", ticket.reveal()),
            expires: launch.expires,
        })
    }

    /// Uses a launch ticket up and starts its session, for whoever asked for
    /// the ticket: an address that strangers learn is worth nothing to them,
    /// and they cannot use it up.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn redeem_launch(
        &self,
        call: &Call,
        ask: &RedeemLaunch,
    ) -> Result<RedeemAnswer, AppError> {
        call.needs(Action::Launch)?;
        let refused = || AppError::because(Reason::TicketInvalid);
        let mut write = self.store.write().await?;
        let hash = hash_text(&ask.launch);
        let found = launches::consume(&mut write, &hash, self.now()).await?;
        let hers = |launch: &Launch| call.actor.user() == Some(launch.user);
        // Left uncommitted, it is not used up.
        let launch: Launch = found.filter(hers).ok_or_else(refused)?;
        // The sign-in in the browser that asked for it must be good still.
        let asker = self.actor_of_id(&mut write, launch.token).await?;
        let host = hosts::by_id(&mut write, launch.host).await?;
        write.commit().await?;
        let host = host.filter(|_| asker.is_some()).ok_or_else(refused)?;
        let new = NewSession {
            host: launch.host,
            protocol: launch.protocol,
            ports: launch.ports,
            end_key: ask.end_key,
            test: false,
        };
        Ok(RedeemAnswer {
            session: self.start_session(call, &new).await?,
            protocol: launch.protocol,
            host: host.name,
            host_id: host.id,
        })
    }
}
