//! One session's task: proves the technician's end, serves its streams, moves
//! to a new route when the link came back, and says at the end what happened.

use std::sync::Arc;
use std::time::Duration;

use culvert_link::Route;
use culvert_session::ending::is_final_at_gateway;
use culvert_session::native::{Counters, Session, accept};
use culvert_session::{Ending, Options};
use culvert_wire::grant::Grant;
use culvert_wire::id::SessionId;
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::{debug, info};

use super::presence::{LOOK, Presence};
use crate::bridge::{Ahead, Bridge};
use crate::dial::Dialer;
use crate::session::{Permits, Record};
use crate::terminal::Terminals;

/// A connection dialled ahead that no stream asked for is given up after this
/// time: hosts hang up on who says nothing, and some serve only one.
const AHEAD: Duration = Duration::from_secs(5);

/// A session without a route asks for one so often: a new link brings one by
/// itself, but the server may have refused it on a link that lives.
const ASTRAY: Duration = Duration::from_secs(5);

/// What a session's task needs.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) grant: Arc<Grant>,
    pub(super) identity: SigningKey,
    pub(super) dialer: Dialer,
    pub(super) dial_ahead: bool,
    pub(super) options: Options,
    /// A new route, when the link came back.
    pub(super) routes: mpsc::Receiver<Route>,
    pub(super) permits: watch::Receiver<Permits>,
    /// Filled when the session must end.
    pub(super) stop: watch::Receiver<Option<Reason>>,
    pub(super) news: mpsc::Sender<(SessionId, News)>,
    pub(super) terminals: Terminals,
}

/// What a session's task tells.
#[derive(Debug)]
pub(super) enum News {
    /// The technician's end has proved its key.
    Open,
    /// It has had no route for a while, whatever the link is.
    Astray,
    /// The session is over.
    Closed(Record),
}

impl Task {
    /// Runs the session to its end.
    pub(super) async fn run(mut self, route: Route) {
        let id = self.grant.session;
        let news = self.news.clone();
        let counters = Arc::new(Counters::default());
        let (reason, streams) = self.live(route, &counters).await;
        let record = Record {
            reason,
            from_hosts: counters.from_tcp(),
            to_hosts: counters.to_tcp(),
            streams,
        };
        // Fails only when the process is going away.
        let _ = news.send((id, News::Closed(record))).await;
    }

    async fn live(&mut self, route: Route, counters: &Arc<Counters>) -> (Reason, u32) {
        // Whoever goes on with what is kept needs no other connection, and many
        // a device has room for only one.
        let anew = self.dial_ahead && !self.terminals.keep_for(&self.grant);
        let ahead = anew.then(|| Ahead::start(self.dialer.clone(), self.grant.clone()));
        let session = match self.meet(route).await {
            Ok(session) => session,
            Err(reason) => return (reason, 0),
        };
        // Fails only when the process is going away.
        let _ = self.news.send((self.grant.session, News::Open)).await;
        info!(session = %self.grant.session, "Session open");
        let bridge = Bridge {
            grant: self.grant.clone(),
            dialer: self.dialer.clone(),
            permits: self.permits.clone(),
            counters: counters.clone(),
            outcome: Arc::default(),
            terminals: self.terminals.clone(),
        };
        let outcome = bridge.outcome.clone();
        let (ended, streams) = self.serve(&session, bridge, ahead).await;
        (outcome.reason(ended), streams)
    }

    /// Waits for the technician's end and its key, over as many links as come.
    async fn meet(&mut self, route: Route) -> Result<Session, Reason> {
        let peer = self.grant.technician_end;
        let mut route = Arc::new(route);
        let reason = loop {
            let meeting = accept(route.clone(), &self.identity, peer, self.options.clone());
            tokio::select! {
                met = meeting => match met {
                    Ok(session) => return Ok(session),
                    Err(error) => {
                        debug!(session = %self.grant.session, %error, "Nobody proved the key");
                        break error.reason();
                    }
                },
                Some(newer) = self.routes.recv() => route = Arc::new(newer),
                reason = stopped(&mut self.stop) => break reason,
            }
        };
        route.leave(reason, "");
        Err(reason)
    }

    async fn serve(
        &mut self,
        session: &Session,
        bridge: Bridge,
        mut ahead: Option<Ahead>,
    ) -> (Reason, u32) {
        let mut streams = JoinSet::new();
        let mut opened = 0_u32;
        let mut routed = true;
        let (unused, astray) = (sleep(AHEAD), sleep(ASTRAY));
        tokio::pin!(unused, astray);
        let mut presence = Presence::new(session.heard());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reason = loop {
            tokio::select! {
                reason = stopped(&mut self.stop) => {
                    session.close(reason, "");
                    break reason;
                }
                incoming = session.accept() => match incoming {
                    Ok((open, stream)) => {
                        opened = opened.saturating_add(1);
                        streams.spawn(bridge.clone().serve(open, stream, ahead.take()));
                    }
                    Err(error) => break error.reason(),
                },
                Some(_) = streams.join_next() => {}
                () = &mut unused, if ahead.is_some() => ahead = None,
                _ = look.tick() => if presence.is_lost(session.heard(), routed) {
                    session.close(Reason::PeerLost, "");
                    break Reason::PeerLost;
                },
                Some(route) = self.routes.recv() => {
                    session.replace_route(route);
                    routed = true;
                }
                () = &mut astray, if !routed => {
                    astray.as_mut().reset(Instant::now() + ASTRAY);
                    // Fails only when the process is going away.
                    let _ = self.news.send((self.grant.session, News::Astray)).await;
                }
                lost = session.route_lost(), if routed => {
                    routed = false;
                    astray.as_mut().reset(Instant::now() + ASTRAY);
                    if let Some(reason) = self.cut_off(lost) {
                        session.close(reason, "");
                        break reason;
                    }
                }
            }
        };
        streams.shutdown().await;
        session.told().await;
        (reason, opened)
    }

    /// Whether a lost route ends the session: it does when the server says
    /// so, not when the link broke or was not taken in just now.
    fn cut_off(&self, lost: Option<Ending>) -> Option<Reason> {
        let reason = lost?.reason;
        info!(session = %self.grant.session, reason = reason.slug(), "Route lost");
        is_final_at_gateway(reason).then_some(reason)
    }
}

/// Waits for the order to stop.
async fn stopped(stop: &mut watch::Receiver<Option<Reason>>) -> Reason {
    match stop.wait_for(Option::is_some).await {
        Ok(reason) => reason.unwrap_or(Reason::Internal),
        // The manager is gone, and with it the process.
        Err(_) => Reason::GatewayOffline,
    }
}
