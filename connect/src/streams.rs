//! Streams to the targets of one session.

use culvert_session::Ending;
use culvert_session::native::{Session, SessionError, Stream};
use culvert_wire::grant::{Protocol, Target};
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Lane, Open, Service};

/// A session and what it may reach; clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Streams {
    session: Session,
    targets: Vec<Target>,
}

impl Streams {
    /// The targets are those of the grant, in its order.
    pub const fn new(session: Session, targets: Vec<Target>) -> Self {
        Self { session, targets }
    }

    /// What can be reached.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Opens a stream to the target of an index; bytes may follow at once.
    ///
    /// # Errors
    /// [`SessionError`] when the session is over.
    pub async fn open(&self, target: usize) -> Result<Stream, SessionError> {
        let lane = self.targets.get(target).map(|t| lane_of(t.protocol));
        let open = Open {
            service: Service::Target(index(target)),
            lane: lane.unwrap_or(Lane::Bulk),
        };
        self.session.open(open).await
    }

    /// Opens a stream that only tries the target (S39).
    ///
    /// # Errors
    /// [`SessionError`] when the session is over.
    pub async fn test(&self, target: usize) -> Result<Stream, SessionError> {
        let open = Open {
            service: Service::Test(index(target)),
            lane: Lane::Input,
        };
        self.session.open(open).await
    }

    /// Waits for the session's end, whoever brings it.
    pub async fn ended(&self) -> Ending {
        self.session.closed().await
    }

    /// Why the session is over, if it is.
    pub fn ending(&self) -> Option<Ending> {
        self.session.ending()
    }

    /// Ends the session and tells the gateway.
    pub async fn finish(&self) {
        self.session.close(Reason::Finished, "");
        self.session.told().await;
    }
}

/// Whether an end is the user's own or the host's.
pub fn is_ordinary(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Finished | Reason::ClosedByTechnician | Reason::ClosedByHost
    )
}

/// A stream's urgency, from what is spoken on it.
const fn lane_of(protocol: Protocol) -> Lane {
    match protocol {
        Protocol::Ssh | Protocol::Telnet => Lane::Input,
        Protocol::Vnc | Protocol::Rdp => Lane::Screen,
        Protocol::Http | Protocol::Https | Protocol::Tcp => Lane::Bulk,
    }
}

fn index(target: usize) -> u8 {
    // A grant names at most 16 targets; the gateway refuses any other number.
    u8::try_from(target).unwrap_or(u8::MAX)
}
