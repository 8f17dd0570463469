//! The gateway's end of the socket pair to a box's supervisor: tells how it
//! is, hears the customer's button and a coming restart.
//!
//! Outside of a box there is no supervisor, and all of this does nothing. The
//! supervisor is trusted (it runs as root here); it can pause, never permit.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram as Pair;
use std::time::Duration;

use culvert_wire::supervisor::{FromGateway, FromSupervisor, LinkState, MAX_MESSAGE};
use culvert_wire::{Decode as _, Encode as _, UnixMs};
use tokio::net::UnixDatagram;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{debug, warn};

use crate::status::{LinkStatus, Status};

/// The supervisor says here that standard input is its socket.
const VARIABLE: &str = "CULVERT_SUPERVISOR";
/// How often the gateway says that it lives.
const BEAT: Duration = Duration::from_secs(5);

/// The socket, if there is a supervisor.
#[derive(Debug)]
pub struct Supervised {
    socket: Option<UnixDatagram>,
    beat: Interval,
    fingerprint: String,
    /// The customer wants no sessions; nobody but the button can lift it.
    paused: bool,
    told: Option<FromGateway>,
    sessions: Option<usize>,
    system: Option<Installed>,
    trouble: Option<Trouble>,
}

/// What is wrong with the box and does not stop it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A cause code.
    pub code: String,
    /// A sentence.
    pub sentence: String,
}

/// What runs on this box, as the supervisor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The board.
    pub board: String,
    /// Version of the release.
    pub version: u64,
    /// It was not healthy yet.
    pub trial: bool,
    /// Version of a release that was left; 0: none.
    pub failed: u64,
}

impl Supervised {
    /// Takes over the inherited socket, if the supervisor says there is one.
    ///
    /// # Errors
    /// What the system says.
    pub fn attach() -> io::Result<Self> {
        let inherited = std::env::var_os(VARIABLE).is_some_and(|value| value == "stdin");
        let socket = inherited.then(|| {
            let own = io::stdin().as_fd().try_clone_to_owned()?;
            Ok::<_, io::Error>(Pair::from(own))
        });
        Self::over(socket.transpose()?)
    }

    /// Names the box's key to the supervisor from now on.
    pub fn prove(&mut self, fingerprint: String) {
        self.fingerprint = fingerprint;
    }

    /// Whether a supervisor runs this process.
    pub fn present(&self) -> bool {
        self.socket.is_some()
    }

    /// Over a packet socket that is there already.
    ///
    /// # Errors
    /// What the system says.
    pub fn over(socket: Option<Pair>) -> io::Result<Self> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let paused = socket.is_some();
        let socket = socket.map(|socket| {
            socket.set_nonblocking(true)?;
            UnixDatagram::from_std(socket)
        });
        Ok(Self {
            socket: socket.transpose()?,
            beat,
            fingerprint: String::new(),
            // Until the supervisor's first word, which is about that.
            paused,
            told: None,
            sessions: None,
            system: None,
            trouble: None,
        })
    }

    /// The next word of the supervisor. Meanwhile says that this process
    /// lives: whoever drives this future lives too.
    pub async fn next(&mut self) -> FromSupervisor {
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            let Some(socket) = &self.socket else {
                std::future::pending::<()>().await;
                continue;
            };
            tokio::select! {
                _ = self.beat.tick() => {
                    self.say(&FromGateway::Health);
                }
                got = socket.recv(&mut buffer) => match got {
                    Ok(0) => self.lost("it closed the socket"),
                    Ok(length) => match FromSupervisor::from_bytes(&buffer[..length]) {
                        Ok(message) => {
                            self.note(&message);
                            return message;
                        }
                        Err(error) => debug!(%error, "The supervisor said something strange"),
                    },
                    Err(error) => self.lost(&error.to_string()),
                },
            }
        }
    }

    fn note(&mut self, message: &FromSupervisor) {
        match message {
            FromSupervisor::Pause(paused) => self.paused = *paused,
            FromSupervisor::System {
                board,
                version,
                trial,
                failed,
            } => {
                self.system = Some(Installed {
                    board: board.clone(),
                    version: *version,
                    trial: *trial,
                    failed: *failed,
                });
            }
            FromSupervisor::Trouble { code, sentence } => {
                self.trouble = (!code.is_empty()).then(|| Trouble {
                    code: code.clone(),
                    sentence: sentence.clone(),
                });
            }
            FromSupervisor::Update(_) | FromSupervisor::Reboot => {}
        }
    }

    /// What runs on this box; none outside of one.
    pub fn system(&self) -> Option<&Installed> {
        self.system.as_ref()
    }

    /// What the supervisor says is wrong with the box.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Hands over something of a release; `false` when that did not work.
    pub fn give(&self, message: &FromGateway) -> bool {
        let given = self
            .socket
            .as_ref()
            .map(|s| s.try_send(&message.to_bytes()));
        matches!(given, Some(Ok(_)))
    }

    /// Whether the customer wants no sessions.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Tells a status, if it is another than before.
    pub fn tell(&mut self, status: &Status) {
        let error = status.last_error.as_ref();
        let message = FromGateway::LinkState {
            link: match status.link {
                LinkStatus::Unclaimed => LinkState::Unclaimed,
                LinkStatus::Down => LinkState::Down,
                LinkStatus::Quarantined => LinkState::Quarantined,
                LinkStatus::Up { .. } => LinkState::Up,
            },
            cause: error.map(|error| error.cause.clone()).unwrap_or_default(),
            sentence: error.map(|error| error.text.clone()).unwrap_or_default(),
            fingerprint: self.fingerprint.clone(),
            link_time: status.link_time_ms.map(UnixMs),
        };
        // What could not be told is told the next time.
        if self.told.as_ref() != Some(&message) && self.say(&message) {
            self.told = Some(message);
        }
        let count = u32::try_from(status.sessions).unwrap_or(u32::MAX);
        if self.sessions != Some(status.sessions) && self.say(&FromGateway::Session(count)) {
            self.sessions = Some(status.sessions);
        }
    }

    /// A supervisor whose socket is full is busy writing to flash: it judges
    /// by the next beat. Answers whether nobody is left to be told.
    fn say(&self, message: &FromGateway) -> bool {
        let Some(socket) = &self.socket else {
            return true;
        };
        let said = socket.try_send(&message.to_bytes());
        if let Err(error) = &said {
            debug!(%error, "The supervisor was not told");
        }
        said.is_ok()
    }

    fn lost(&mut self, why: &str) {
        warn!(why, "The supervisor is gone");
        self.socket = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(theirs: &UnixDatagram) -> Vec<FromGateway> {
        let mut buffer = vec![0; MAX_MESSAGE];
        let mut out = Vec::new();
        while let Ok(length) = theirs.try_recv(&mut buffer) {
            out.push(FromGateway::from_bytes(&buffer[..length]).unwrap());
        }
        out
    }

    async fn pair() -> (Supervised, UnixDatagram) {
        let (ours, theirs) = Pair::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let theirs = UnixDatagram::from_std(theirs).unwrap();
        let mut supervised = Supervised::over(Some(ours)).unwrap();
        supervised.prove("aaaaa".into());
        theirs.writable().await.unwrap();
        (supervised, theirs)
    }

    #[tokio::test]
    async fn the_supervisor_is_told_once_and_heard() {
        let (mut supervised, theirs) = pair().await;
        assert!(supervised.paused(), "nothing was said about a pause yet");
        let status = Status::new("x");
        supervised.tell(&status);
        supervised.tell(&status);
        theirs.readable().await.unwrap();
        assert_eq!(heard(&theirs).len(), 2, "the link and the sessions");

        theirs
            .send(&FromSupervisor::Pause(true).to_bytes())
            .await
            .unwrap();
        let word = supervised.next().await;

        assert_eq!(word, FromSupervisor::Pause(true));
        assert!(supervised.paused());
        let lifted = FromSupervisor::Pause(false).to_bytes();
        theirs.send(&lifted).await.unwrap();
        supervised.next().await;
        assert!(!supervised.paused());
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_is_driven_says_that_it_lives() {
        let (mut supervised, theirs) = pair().await;

        let waited = tokio::time::timeout(BEAT * 3, supervised.next()).await;

        assert!(waited.is_err(), "nobody spoke");
        let beats = heard(&theirs);
        assert!(beats.len() >= 3, "{beats:?}");
        assert!(beats.iter().all(|beat| *beat == FromGateway::Health));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_supervisor_nothing_happens() {
        let mut supervised = Supervised::over(None).unwrap();
        supervised.tell(&Status::new("x"));

        let waited = tokio::time::timeout(BEAT, supervised.next()).await;

        assert!(waited.is_err() && !supervised.paused());
    }
}
