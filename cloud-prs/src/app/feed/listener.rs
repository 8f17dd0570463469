//! One listener: hears what it may see, until its sign-in is over, or it is too
//! slow. The end of the sign-in is its last word, and other rights are told: a page
//! shall not have to find out. So whoever sees nothing of the tree listens, too.

use std::collections::VecDeque;
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
    waiting: VecDeque<Said>,
    /// The last word is among those that wait.
    over: bool,
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
        call.needs(Action::MeSee)?;
        let Identity::Person { token, .. } = call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let place = self.feed.place(token)?;
        // Before the question: what happens in between is heard.
        let ring = self.feed.ring.subscribe();
        let mut db = self.store.read().await?;
        let live = Filter {
            live: Some(true),
            worked: true,
            ..Default::default()
        };
        let mut live = sessions::list(&mut db, &live).await?;
        drop(db);
        live.retain(|session| call.actor.may_at(Action::TreeSee, &session.node()));
        let hello = said("hello", &serde_json::json!({ "at": self.now() }));
        let mut waiting = VecDeque::from([hello]);
        live.sort_by_key(|session| session.host.id);
        for of_host in live.chunk_by(|a, b| a.host.id == b.host.id) {
            let users = of_host.iter().cloned().map(Presence::from).collect();
            let host = of_host[0].host.id;
            waiting.push_back(said("presence", &PresenceNow { host, users }));
        }
        let now = Instant::now();
        Ok(Listener {
            call,
            token,
            ring,
            waiting,
            over: false,
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
            if let Some(said) = self.waiting.pop_front() {
                self.beat = Instant::now() + BEAT;
                return Some(said);
            }
            if self.over || Instant::now() >= self.until {
                return None;
            }
            tokio::select! {
                heard = self.ring.recv() => match heard {
                    Ok(live) => self.hear(app, live).await,
                    // Too slow: it comes back and loads everything.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
                () = sleep_until(self.beat) => {
                    self.look(app).await;
                    if !self.over {
                        let beat = said("beat", &serde_json::json!({ "at": app.now() }));
                        self.waiting.push_back(beat);
                    }
                }
            }
        }
    }

    async fn hear(&mut self, app: &App, live: Live) {
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
                .map_or_else(
                    || actor.may(Action::TreeSee),
                    |id| actor.sees(&Node::Customer(id)),
                )
                .then(|| said("tree", &serde_json::json!({}))),
            Live::Rights | Live::Look => return self.look(app).await,
        };
        self.waiting.extend(said);
    }

    /// Reads the rights anew; says when they have changed, and last of all that
    /// the sign-in is over.
    async fn look(&mut self, app: &App) {
        // A database that does not answer now does at the next look.
        let Ok(actor) = app.actor_still(self.token).await else {
            return;
        };
        let nothing = serde_json::json!({});
        let Some(actor) = actor else {
            // Nothing that waits is hers any more.
            self.waiting = VecDeque::from([said("signed_out", &nothing)]);
            self.over = true;
            return;
        };
        if actor == self.call.actor {
            return;
        }
        self.waiting.push_back(said("rights", &nothing));
        if actor.may(Action::TreeSee) {
            self.waiting.push_back(said("tree", &nothing));
        }
        self.call.actor = actor;
    }
}

fn said(name: &'static str, data: &impl Serialize) -> Said {
    let data = serde_json::to_string(data).expect("events are plain data");
    Said { name, data }
}
