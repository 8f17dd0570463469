//! A gateway's link for ever: connects, reports, comes back.
//!
//! One link at a time, kept until it ends: a draining server cuts it when it
//! said. After a loss it waits as [`crate::backoff`] says and as the server
//! wished. Driven by its own task, which ends with the [`Standing`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use culvert_wire::reason::Reason;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use crate::backoff::Backoff;
use crate::client::{ConnectError, Dial, Me, connect};
use crate::link::{Events, Link};

/// States that may wait for their taker; the task waits when they are full.
const STATES: usize = 16;

/// What a standing link reports.
#[derive(Debug)]
pub enum State {
    /// A link is open; its events are the owner's to take.
    Up(Link, Events),
    /// The link ended.
    Down(Reason, String),
    /// No server could be used; tried again after `wait`.
    Failed {
        /// Why.
        error: ConnectError,
        /// When the next attempt starts.
        wait: Duration,
    },
}

/// A link that is made anew whenever it is lost. Dropping it ends the attempts.
#[derive(Debug)]
pub struct Standing {
    states: mpsc::Receiver<State>,
    wishes: mpsc::Sender<Duration>,
    hurry: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Standing {
    /// Starts; `dial` and `me` are asked anew for every attempt, because
    /// floors, lease and pin move.
    pub fn start(attempt: impl Fn() -> (Dial, Me) + Send + Sync + 'static, version: &str) -> Self {
        let (sender, states) = mpsc::channel(STATES);
        let (wishes, wished) = mpsc::channel(4);
        let version = version.to_owned();
        let hurry = Arc::new(AtomicBool::new(false));
        let hurried = Arc::clone(&hurry);
        let task = tokio::spawn(run(Arc::new(attempt), version, sender, wished, hurried));
        Self {
            states,
            wishes,
            hurry,
            task,
        }
    }

    /// Whether somebody waits for this link: while sessions run over it, a
    /// lost link comes back sooner. A server has far fewer boxes with sessions
    /// than boxes.
    pub fn hurry(&self, hurry: bool) {
        self.hurry.store(hurry, Ordering::Relaxed);
    }

    /// The next state; never `None` while the task lives.
    pub async fn next(&mut self) -> Option<State> {
        self.states.recv().await
    }

    /// The server named a time (`Refused`, `Drain`): the next attempt is made
    /// no sooner, and after a drain no later than the jitter allows.
    pub fn come_back_in(&self, wish: Duration) {
        // Full: as many wishes wait already, one is as good as another.
        let _ = self.wishes.try_send(wish);
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    attempt: Arc<dyn Fn() -> (Dial, Me) + Send + Sync>,
    version: String,
    states: mpsc::Sender<State>,
    mut wished: mpsc::Receiver<Duration>,
    hurry: Arc<AtomicBool>,
) {
    let mut backoff = Backoff::default();
    let mut first = true;
    loop {
        if !first {
            while let Ok(wish) = wished.try_recv() {
                backoff.handle_wish(wish);
            }
            let wait = match hurry.load(Ordering::Relaxed) {
                true => backoff.next_hurried(rand::random()),
                false => backoff.next(rand::random()),
            };
            debug!(?wait, "Waiting before the next attempt");
            sleep(wait).await;
        }
        first = false;
        let (dial, me) = attempt();
        let report = match connect(&dial, me, &version).await {
            Ok((link, events)) => {
                let up = Instant::now();
                info!(node = %link.proven().statement.node.fingerprint(), "Link is up");
                // Holds no handle: the owner decides when the link ends.
                let (ended, spread) = (link.watch_end(), link.spread());
                if states.send(State::Up(link, events)).await.is_err() {
                    return;
                }
                let (reason, text) = stay(ended, &mut wished, &mut backoff).await;
                backoff.handle_down(up.elapsed());
                if let Some(spread) = spread.get() {
                    backoff.handle_spread(spread);
                }
                info!(reason = reason.slug(), "Link is down");
                State::Down(reason, text)
            }
            Err(error) => {
                let wait = backoff.clone().next(1.0);
                State::Failed { error, wait }
            }
        };
        if states.send(report).await.is_err() {
            return;
        }
    }
}

/// Waits for the end of a link and notes wishes meanwhile.
async fn stay(
    ended: impl Future<Output = (Reason, String)>,
    wished: &mut mpsc::Receiver<Duration>,
    backoff: &mut Backoff,
) -> (Reason, String) {
    tokio::pin!(ended);
    loop {
        tokio::select! {
            why = &mut ended => return why,
            wish = wished.recv() => match wish {
                Some(wish) => backoff.handle_wish(wish),
                None => return ended.await,
            },
        }
    }
}
