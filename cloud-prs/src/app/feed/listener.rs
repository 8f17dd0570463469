//! One listener: hears what it may see, until it may not, or is too slow.

use std::time::Duration;

use culvert_wire::id::TokenId;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::{Live, Place, PresenceNow};
use crate::app::marks::Presence;
use crate::app::sessions::sees;
use crate::app::{App, AppError, Call};
use crate::authz::{Action, Identity, Node};
use crate::store::sessions::{self, Filter};

/// How often something is said at least.
const BEAT: Duration = Duration::from_secs(10);
/// How long one listener is served: then it comes back. Below the life that
/// the server gives an HTTP connection.
const LIFE: Duration = Duration::from_secs(240);

/// Something for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The event's name.
    pub name: &'static str,
    /// Its data, JSON.
    pub data: String,
}

/// A page that listens.
pub struct Listener {
    call: Call,
    token: TokenId,
    ring: Receiver<Live>,
    waiting: Vec<Said>,
    beat: Instant,
    until: Instant,
    _place: Place,
}

impl App {
    /// Lets somebody listen; begins with who is where.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn listen(&self, call: Call) -> Result<Listener, AppError> {
        call.needs(Action::TreeSee)?;
        let Identity::Person { token, .. } = call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let place = self.feed.place(token)?;
        // Before the question: what happens in between is heard.
        let ring = self.feed.ring.subscribe();
        let mut db = self.store.read().await?;
        let live = Filter {
            live: Some(true),
            ..Default::default()
        };
        let mut live = sessions::list(&mut db, &live).await?;
        drop(db);
        live.retain(|session| call.actor.may_at(Action::TreeSee, &session.node()));
        let mut waiting = vec![said("hello", &serde_json::json!({ "at": self.now() }))];
        live.sort_by_key(|session| session.host.id);
        for of_host in live.chunk_by(|a, b| a.host.id == b.host.id) {
            let users = of_host.iter().cloned().map(Presence::from).collect();
            let host = of_host[0].host.id;
            waiting.push(said("presence", &PresenceNow { host, users }));
        }
        waiting.reverse();
        let now = Instant::now();
        Ok(Listener {
            call,
            token,
            ring,
            waiting,
            beat: now + BEAT,
            until: now + LIFE,
            _place: place,
        })
    }
}

impl Listener {
    /// The next thing to say; none when it is over.
    pub async fn next(&mut self, app: &App) -> Option<Said> {
        loop {
            if let Some(said) = self.waiting.pop() {
                self.beat = Instant::now() + BEAT;
                return Some(said);
            }
            if Instant::now() >= self.until {
                return None;
            }
            tokio::select! {
                heard = self.ring.recv() => match heard {
                    Ok(live) => self.hear(app, live).await?,
                    // Too slow: it comes back and loads everything.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
                () = sleep_until(self.beat) => {
                    self.look(app).await?;
                    self.waiting.push(said("beat", &serde_json::json!({ "at": app.now() })));
                }
            }
        }
    }

    async fn hear(&mut self, app: &App, live: Live) -> Option<()> {
        let actor = &self.call.actor;
        let said = match live {
            Live::Gateway(node, now) => {
                let sees = match node {
                    Node::All => actor.may_at(Action::TreeSee, &node),
                    Node::Customer(_) | Node::Site { .. } | Node::Host { .. } => actor.sees(&node),
                };
                sees.then(|| said("gateway", &now))
            }
            Live::Session(session) => sees(&self.call, &session).then(|| {
                let kind = match session.ended {
                    Some(_) => "ended",
                    None => "started",
                };
                said(
                    "session",
                    &serde_json::json!({ "kind": kind, "session": session }),
                )
            }),
            Live::Presence(node, now) => actor
                .may_at(Action::TreeSee, &node)
                .then(|| said("presence", &now)),
            Live::Tree(customer) => customer
                .is_none_or(|id| actor.sees(&Node::Customer(id)))
                .then(|| said("tree", &serde_json::json!({}))),
            Live::Rights | Live::Look => self.look(app).await?,
        };
        self.waiting.extend(said);
        Some(())
    }

    /// Reads the rights anew: none when the sign-in is over, or something to
    /// say when they have changed.
    async fn look(&mut self, app: &App) -> Option<Option<Said>> {
        // A database that does not answer now does at the next look.
        let Ok(actor) = app.actor_still(self.token).await else {
            return Some(None);
        };
        let actor = actor?;
        if !actor.may(Action::TreeSee) {
            return None;
        }
        let changed = actor != self.call.actor;
        self.call.actor = actor;
        Some(changed.then(|| said("tree", &serde_json::json!({}))))
    }
}

fn said(name: &'static str, data: &impl Serialize) -> Said {
    let data = serde_json::to_string(data).expect("events are plain data");
    Said { name, data }
}
