//! Terminals: a stream of a session, a worker that speaks SSH or a connection
//! that carries Telnet, and what lies between them: host keys, stored
//! credentials, and the two minutes in which a terminal outlives its stream.
//!
//! A terminal is opened only on a target that the grant names for SSH or Telnet; it is
//! resumed only by the same user on the same target, and ended at once when
//! the user's access is taken away. Never parses what a host sent: that is the
//! worker's. Driven by [`crate::bridge`] (streams) and [`crate::run`]
//! (revocations, link time).

mod events;
mod keeper;
mod opening;
mod page;
mod remote;
mod scrollback;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use culvert_session::native::{Counters, Stream};
use culvert_wire::UnixMs;
use culvert_wire::frame::HostKey;
use culvert_wire::grant::{Grant, Protocol, Target};
use culvert_wire::id::{SessionId, UserId};
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;
use culvert_wire::stream::Answer;
use culvert_wire::terminal::{Resume, Start, Token};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::bridge::Ahead;
use crate::clock::Clock;
use crate::dial::Dialer;
use crate::identity::Identity;
use crate::outcome::Outcome;
use crate::pins::Pins;
use crate::session::{Permits, Refusal};
use crate::worker::{Slot, Workers};
use keeper::{Attach, Keeper, Order};
use page::Page;

/// For an ending worker to make room.
const MAKE_ROOM: Duration = Duration::from_secs(2);

/// Every terminal of this process; clones are handles of the same.
#[derive(Debug, Clone)]
pub struct Terminals(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    workers: Workers,
    pins: Pins,
    identity: Identity,
    dialer: Dialer,
    clock: Mutex<Clock>,
    kept: Mutex<HashMap<Token, Kept>>,
    /// What the server is to be told about host keys. Full: it is not told,
    /// the pins are what counts.
    tell: mpsc::Sender<HostKey>,
}

/// A running terminal, as the others see it.
#[derive(Debug)]
struct Kept {
    technician: UserId,
    target: Target,
    /// The session it was last attached to.
    session: SessionId,
    /// Since when nobody is attached.
    detached: Option<Instant>,
    /// Its last words are on their way: nobody goes on with it.
    ending: bool,
    orders: mpsc::Sender<Order>,
    task: AbortHandle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a terminal stream belongs to.
#[derive(Debug, Clone)]
pub struct Context {
    /// The session's verified grant.
    pub grant: Arc<Grant>,
    /// Which of its targets.
    pub index: usize,
    /// What may still be done.
    pub permits: watch::Receiver<Permits>,
    /// The session's bytes.
    pub counters: Arc<Counters>,
    /// What the session's record will say.
    pub outcome: Arc<Outcome>,
}

impl Context {
    fn target(&self) -> &Target {
        &self.grant.targets[self.index]
    }

    fn permits(&self) -> Result<(), Refusal> {
        crate::bridge::judge(&self.permits.borrow(), self.index, crate::bridge::USE)?;
        match self.target().protocol {
            Protocol::Ssh | Protocol::Telnet => Ok(()),
            Protocol::Tcp | Protocol::Vnc | Protocol::Rdp | Protocol::Http | Protocol::Https => {
                let text = "a terminal of the gateway's is for SSH and Telnet only";
                Err(Refusal::new(Reason::TargetUnknown, text))
            }
        }
    }
}

impl Terminals {
    /// No terminals yet; what is to be told to the server comes out of the
    /// receiver.
    pub fn new(
        workers: Workers,
        pins: Pins,
        identity: Identity,
        dialer: Dialer,
        clock: Clock,
    ) -> (Self, mpsc::Receiver<HostKey>) {
        /// Events that may wait for the loop.
        const EVENTS: usize = 64;
        let (tell, told) = mpsc::channel(EVENTS);
        let inner = Inner {
            workers,
            pins,
            identity,
            dialer,
            clock: Mutex::new(clock),
            kept: Mutex::default(),
            tell,
        };
        (Self(Arc::new(inner)), told)
    }

    /// Takes the clock that a server has just set.
    pub fn hear(&self, clock: Clock) {
        let mut mine = self.0.clock.lock().unwrap_or_else(PoisonError::into_inner);
        *mine = clock;
    }

    /// Ends every terminal that an order of the broker concerns.
    pub fn revoke(&self, scope: &Scope, reason: Reason) {
        for kept in self.kept().values() {
            let concerned = match scope {
                Scope::Sessions(named) => named.contains(&kept.session),
                Scope::Technician(user) => kept.technician == *user,
                Scope::All => true,
            };
            // Full: it is being told already.
            if concerned && kept.orders.try_send(Order::End(reason)).is_err() {
                kept.task.abort();
            }
        }
    }

    /// Whether there is one that this session's technician may go on with,
    /// though the page that had it may not be known to be gone yet.
    pub fn keep_for(&self, grant: &Grant) -> bool {
        self.kept().values().any(|kept| {
            let hers = kept.technician == grant.technician;
            hers && !kept.ending && grant.targets.contains(&kept.target)
        })
    }

    /// How many terminals there are, attached or not.
    pub fn len(&self) -> usize {
        self.kept().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept().is_empty()
    }

    /// Serves a terminal stream until it or its terminal is over.
    pub async fn serve(&self, context: Context, mut stream: Stream, ahead: Option<Ahead>) {
        if let Err(Refusal { reason, text }) = context.permits() {
            context.outcome.handle_refused(reason);
            // Fails only when the technician has gone meanwhile.
            let _ = stream.reply(Answer::Refused { reason, text }).await;
            return;
        }
        if stream.reply(Answer::Accepted).await.is_err() {
            return;
        }
        let mut page = Page::new(stream);
        let Some(start) = page.start().await else {
            return page.refuse(Reason::ProtocolError, "no start").await;
        };
        match start.resume.clone() {
            Some(resume) => self.resume(context, page, &start, resume).await,
            None => self.open(context, page, start, ahead).await,
        }
    }

    async fn open(&self, context: Context, mut page: Page, start: Start, ahead: Option<Ahead>) {
        let mut permits = context.permits.clone();
        let opened = tokio::select! {
            opened = opening::open(self, &context, &mut page, &start, ahead) => opened,
            () = crate::bridge::taken_away(&mut permits, context.index) => {
                Err(opening::End::Refused(Refusal::new(Reason::AccessRevoked, "")))
            }
        };
        match opened {
            Ok(opened) => {
                context.outcome.handle_reached();
                self.keep(context, page, &start, opened).await;
            }
            Err(opening::End::Gone) => {
                debug!(session = %context.grant.session, "Nobody waits for the terminal")
            }
            Err(opening::End::Refused(Refusal { reason, text })) => {
                info!(session = %context.grant.session, reason = reason.slug(), "No terminal");
                context.outcome.handle_refused(reason);
                page.refuse(reason, text).await;
            }
        }
    }

    /// Hands a terminal that runs to its keeper.
    async fn keep(&self, context: Context, page: Page, start: &Start, opened: opening::Opened) {
        let token = Token::from_random(rand::random());
        let (orders, ordered) = mpsc::channel(4);
        let kept = Kept {
            technician: context.grant.technician,
            target: context.target().clone(),
            session: context.grant.session,
            detached: None,
            ending: false,
            orders: orders.clone(),
            task: {
                let keeper = Keeper::new(self.clone(), token, opened, start.size, ordered);
                tokio::spawn(keeper.run()).abort_handle()
            },
        };
        self.kept().insert(token, kept);
        info!(session = %context.grant.session, "Terminal open");
        attach(&orders, context, page, start, None).await;
    }

    async fn resume(&self, context: Context, page: Page, start: &Start, resume: Resume) {
        let orders = {
            let mut kept = self.kept();
            let found = kept.get_mut(&resume.token).filter(|kept| {
                let hers = kept.technician == context.grant.technician;
                hers && !kept.ending && kept.target == *context.target()
            });
            found.map(|kept| {
                kept.session = context.grant.session;
                kept.detached = None;
                kept.orders.clone()
            })
        };
        match orders {
            Some(orders) => {
                info!(session = %context.grant.session, "Terminal resumed");
                context.outcome.handle_reached();
                attach(&orders, context, page, start, Some(resume.seen)).await;
            }
            // The same words for a stranger's token as for one that is over.
            None => page.refuse(Reason::TerminalGone, "").await,
        }
    }

    /// Room for one more worker: the terminal that waits longest for its
    /// technician makes it, if there is none.
    async fn room(&self) -> Option<Slot> {
        if let Some(slot) = self.0.workers.reserve() {
            return Some(slot);
        }
        let oldest = {
            let kept = self.kept();
            let waiting = kept.values().filter(|kept| kept.detached.is_some());
            let oldest = waiting.min_by_key(|kept| kept.detached);
            oldest.map(|kept| kept.orders.clone())
        };
        // Full: it is ending already.
        let _ = oldest?.try_send(Order::End(Reason::TooManySessions));
        self.0.workers.reserve_soon(MAKE_ROOM).await
    }

    fn now(&self) -> UnixMs {
        let clock = self.0.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.now().link
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Token, Kept>> {
        // Entries are inserted and removed whole.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn detached(&self, token: &Token, session: SessionId) {
        let mut kept = self.kept();
        // Resumed meanwhile: the newer session holds it.
        if let Some(kept) = kept.get_mut(token).filter(|kept| kept.session == session) {
            kept.detached = Some(Instant::now());
        }
    }

    fn ending(&self, token: &Token) {
        if let Some(kept) = self.kept().get_mut(token) {
            kept.ending = true;
        }
    }

    fn over(&self, token: &Token) {
        self.kept().remove(token);
    }
}

/// Gives a stream to a keeper and stays until it is done with it. When the
/// session ends this future is dropped, and the keeper sees it.
async fn attach(
    orders: &mpsc::Sender<Order>,
    context: Context,
    page: Page,
    start: &Start,
    seen: Option<u64>,
) {
    let (_held, alive) = oneshot::channel();
    let (done, finished) = oneshot::channel();
    let attach = Attach {
        context,
        page,
        size: start.size,
        seen,
        alive,
        _done: done,
    };
    if let Err(mpsc::error::SendError(Order::Attach(attach))) =
        orders.send(Order::Attach(Box::new(attach))).await
    {
        return attach.page.refuse(Reason::TerminalGone, "").await;
    }
    // Dropped when the keeper is done.
    let _ = finished.await;
}
