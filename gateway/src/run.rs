//! The running box: keeps a link, hands what comes over it to the session
//! machine, and does what the machine decides.
//!
//! One loop owns everything; each session has one task, which ends with the
//! loop. Nothing here listens on a socket.

mod effects;
mod health;
mod keys;
mod link;
mod presence;
mod task;
mod unclaimed;
mod update;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use culvert_config::gateway::Gateway;
use culvert_link::standing::{Standing, State as LinkState};
use culvert_link::{Event, Events, Link, Route};
use culvert_session::Options;
use culvert_wire::frame::{Frame, HostKey};
use culvert_wire::id::SessionId;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;
use culvert_wire::supervisor::FromSupervisor;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep_until, timeout};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::connect;
use crate::dial::Dialer;
use crate::identity::{Identity, IdentityError};
use crate::memory::Memory;
use crate::pins::Pins;
use crate::renewal::Renewal;
use crate::reports::Reports;
use crate::session::{Permits, Sessions};
use crate::state::StateError;
use crate::status::{Running, Status};
use crate::supervised::Supervised;
use crate::terminal::Terminals;
use crate::worker::Workers;
use task::News;
use update::Update;

/// News of sessions that may wait; tasks wait when they are full.
const NEWS: usize = 64;
/// Sessions have this long to say goodbye when the process ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// Runs the box until `stop` resolves.
///
/// # Errors
/// [`RunError`] when the box cannot run at all; a lost link is no error.
pub async fn run(settings: Gateway, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    let dir = settings.data_dir.clone();
    let data = |source| RunError::DataDir {
        path: dir.clone(),
        source,
    };
    crate::files::make_dir(&dir).map_err(data)?;
    let _running = Running::claim(&dir)
        .map_err(data)?
        .ok_or_else(|| RunError::AlreadyRunning { path: dir.clone() })?;
    let mut supervised = Supervised::attach().map_err(RunError::Supervisor)?;
    tokio::pin!(stop);
    let identity = tokio::select! {
        () = &mut stop => return Ok(()),
        identity = keys::ready(&dir, &mut supervised) => identity?,
    };
    let fingerprint = identity.signing.public().fingerprint().to_string();
    info!(fingerprint, "Culvert gateway starts");
    supervised.prove(fingerprint);
    tokio::select! {
        () = &mut stop => return Ok(()),
        claimed = unclaimed::wait(&settings, &identity, &mut supervised) => claimed?,
    }
    let memory = Arc::new(Memory::load(&dir)?);
    let mut looped = Loop::new(settings, identity, memory, supervised)?;
    looped.run(stop).await;
    looped.farewell().await;
    info!("Culvert gateway ends");
    Ok(())
}

/// Why the box cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data folder cannot be used.
    #[error("cannot use the data folder {}: {source}", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process runs on the same folder.
    #[error("another culvert-gateway already runs on {}", path.display())]
    AlreadyRunning {
        /// The folder.
        path: PathBuf,
    },
    /// The inherited socket cannot be used.
    #[error("cannot use the supervisor's socket: {0}")]
    Supervisor(#[source] io::Error),
    /// The box has no keys.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The box has no memory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The way out is not usable as it is set.
    #[error(transparent)]
    Connect(#[from] connect::SetupError),
}

/// A running session, as the loop sees it.
#[derive(Debug)]
struct Handle {
    stop: watch::Sender<Option<Reason>>,
    permits: watch::Sender<Permits>,
    routes: mpsc::Sender<Route>,
    task: AbortHandle,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Everything the loop owns.
struct Loop {
    identity: Identity,
    memory: Arc<Memory>,
    dialer: Dialer,
    options: Options,
    standing: Standing,
    link: Option<(Link, Events)>,
    renewal: Option<Renewal>,
    clock: Clock,
    sessions: Sessions,
    handles: HashMap<SessionId, Handle>,
    reports: Reports,
    checkup: health::Checkup,
    status: Status,
    supervised: Supervised,
    update: Update,
    settings: Gateway,
    tell: mpsc::Sender<(SessionId, News)>,
    news: mpsc::Receiver<(SessionId, News)>,
    terminals: Terminals,
    host_keys: mpsc::Receiver<HostKey>,
}

impl Loop {
    fn new(
        settings: Gateway,
        identity: Identity,
        memory: Arc<Memory>,
        supervised: Supervised,
    ) -> Result<Self, RunError> {
        let state = memory.read();
        let me = identity.signing.public();
        let (tell, news) = mpsc::channel(NEWS);
        let dialer = Dialer::new(settings.allow.clone());
        let clock = Clock::new(state.clock_floor);
        let pins = Pins::of(&settings.data_dir);
        let (terminals, host_keys) = Terminals::new(
            Workers::new(),
            pins,
            identity.clone(),
            dialer.clone(),
            clock,
        );
        let attempt = connect::attempts(&settings, &identity, memory.clone())?;
        Ok(Self {
            checkup: health::Checkup::start(settings.clone(), rand::random()),
            standing: Standing::start(attempt, crate::VERSION),
            dialer,
            options: Options {
                max_streams: u32::try_from(settings.max_streams).unwrap_or(u32::MAX),
                ..Options::small()
            },
            link: None,
            renewal: None,
            clock,
            sessions: Sessions::new(me, settings.max_sessions, state.revocations),
            handles: HashMap::new(),
            reports: Reports::default(),
            status: Status::new(crate::VERSION),
            supervised,
            update: Update::new(),
            settings,
            tell,
            news,
            terminals,
            host_keys,
            identity,
            memory,
        })
    }

    async fn run(&mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        self.tell_status();
        loop {
            let over = self.sessions.poll_timeout();
            let over = over.map(|steady| self.clock.instant_of(steady));
            let renew = self.renewal.map(|renewal| renewal.poll_timeout());
            tokio::select! {
                () = &mut stop => return,
                state = self.standing.next() => self.link_changed(state),
                event = next_event(&mut self.link) => self.heard(event),
                Some((id, news)) = self.news.recv() => self.task_told(id, news),
                word = self.supervised.next() => {
                    if self.supervisor_said(&word) {
                        return;
                    }
                }
                Some(host_key) = self.host_keys.recv() => self.tell_host_key(host_key),
                () = self.checkup.next() => self.tell_health(),
                piece = self.update.next() => {
                    let sessions = self.sessions.len();
                    self.update.handle_piece(piece, sessions, &self.supervised);
                }
                () = sleep_until(over.unwrap_or_else(crate::far_away)), if over.is_some() => {
                    self.sessions.handle_timeout(self.clock.now().steady);
                }
                () = sleep_until(renew.unwrap_or_else(crate::far_away)), if renew.is_some() => {
                    self.renew_link();
                }
            }
            self.obey();
            self.carry_update();
        }
    }

    /// Fetches an offered release when no session runs; tells how far it is.
    fn carry_update(&mut self) {
        let (memory, settings) = (&self.memory, &self.settings);
        let source = || update::Source::of(settings, &memory.read());
        self.update
            .carry(self.sessions.len(), &self.supervised, source);
        if let Some((link, _)) = &self.link {
            self.update.tell(link, &self.supervised);
        }
    }

    fn tell_health(&self) {
        if let Some((link, _)) = &self.link {
            let told = &self.supervised;
            self.checkup.tell(link, told.paused(), told.trouble());
        }
    }

    /// Obeys the supervisor; answers whether this process shall end.
    fn supervisor_said(&mut self, word: &FromSupervisor) -> bool {
        match word {
            FromSupervisor::Pause(paused) => {
                info!(paused, "The customer's button");
                if *paused {
                    let reason = Reason::CustomerPause;
                    self.sessions.handle_shutdown(reason);
                    // Those that wait for their technician's return, too.
                    self.terminals.revoke(&Scope::All, reason);
                }
                self.tell_health();
                false
            }
            FromSupervisor::Update(state) => {
                self.update.handle_supervisor(state);
                false
            }
            FromSupervisor::System { version, trial, .. } => {
                info!(version, trial, "The box's system");
                false
            }
            FromSupervisor::Trouble { code, .. } => {
                info!(code, "The box's trouble");
                self.tell_health();
                false
            }
            FromSupervisor::Reboot => {
                info!("The box restarts");
                true
            }
        }
    }

    fn task_told(&mut self, id: SessionId, news: News) {
        match news {
            News::Open => self.sessions.handle_open(id),
            News::Astray => self.rejoin(id),
            News::Closed(record) => {
                self.handles.remove(&id);
                self.sessions.handle_closed(id, record);
            }
        }
    }

    /// For display and the audit: what cannot be told now is not told.
    fn tell_host_key(&mut self, host_key: HostKey) {
        if let Some((link, _)) = &self.link {
            // The pins on this box are what counts.
            let _ = link.send(Frame::HostKey(Box::new(host_key)));
        }
    }

    /// Ends every session with a word, then the link.
    async fn farewell(&mut self) {
        self.sessions.handle_shutdown(Reason::GatewayOffline);
        self.obey();
        let told = timeout(FAREWELL, async {
            while !self.sessions.is_empty() {
                if let Some((id, news)) = self.news.recv().await {
                    self.task_told(id, news);
                    self.obey();
                }
            }
        });
        if told.await.is_err() {
            warn!(left = self.sessions.len(), "Sessions did not end in time");
        }
        if let Some((link, _)) = self.link.take() {
            link.close(Reason::Finished);
            // The limit only bounds the courtesy.
            let _ = timeout(Duration::from_secs(1), link.closed()).await;
        }
    }
}

/// The next event of the link, if there is one.
async fn next_event(link: &mut Option<(Link, Events)>) -> Option<Event> {
    match link {
        Some((_, events)) => events.next().await,
        None => std::future::pending().await,
    }
}

/// What the standing link may report; a name for its module's reader.
type Reported = Option<LinkState>;
