//! Pass-through: one stream of a session and one TCP connection to a host.
//!
//! The bytes are never looked at, so that looking on cannot be told from typing:
//! a stream needs the right to control, a test of the connection does not. A
//! stream names a target of the grant by its number and nothing else; a target
//! that a renewal took away is unknown.

use std::sync::Arc;
use std::time::Duration;

use culvert_session::native::{Counters, Stream, splice_until};
use culvert_wire::grant::{Grant, Rights};
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, MAX_ANSWER_TEXT, Open, Service};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info};

use crate::dial::Dialer;
use crate::outcome::Outcome;
use crate::session::{Permits, Refusal};
use crate::terminal::{Context, Terminals};

/// What every stream of one session shares.
#[derive(Debug, Clone)]
pub struct Bridge {
    /// The verified grant that opened the session.
    pub grant: Arc<Grant>,
    /// Opens connections that the box's rules allow.
    pub dialer: Dialer,
    /// What may still be done.
    pub permits: watch::Receiver<Permits>,
    /// Bytes of all streams.
    pub counters: Arc<Counters>,
    /// Whether any of them reached its host.
    pub outcome: Arc<Outcome>,
    /// The terminals of this process.
    pub terminals: Terminals,
}

/// The session's only target, dialled while the technician's end still proves
/// its key; the first stream gets it. Dropping it ends it.
#[derive(Debug)]
pub struct Ahead(JoinSet<Result<TcpStream, Refusal>>);

impl Ahead {
    /// Starts to dial the grant's first target.
    pub fn start(dialer: Dialer, grant: Arc<Grant>) -> Self {
        let mut dialling = JoinSet::new();
        dialling.spawn(async move { dialer.dial(&grant.targets[0]).await });
        Self(dialling)
    }

    /// The connection, if the host has not hung up meanwhile.
    pub(crate) async fn take(mut self) -> Option<Result<TcpStream, Refusal>> {
        let dialled = self.0.join_next().await?.ok()?;
        match &dialled {
            Ok(tcp) if hung_up(tcp).await => None,
            Ok(_) | Err(_) => Some(dialled),
        }
    }
}

/// Whether the other side has closed: it can be read, and there is nothing.
async fn hung_up(tcp: &TcpStream) -> bool {
    let mut byte = [0];
    // Out of time: nothing to read yet, so it is open.
    let peeked = timeout(Duration::ZERO, tcp.peek(&mut byte)).await;
    matches!(peeked, Ok(Ok(0) | Err(_)))
}

impl Bridge {
    /// Serves one stream to its end.
    pub async fn serve(mut self, open: Open, mut stream: Stream, ahead: Option<Ahead>) {
        let (index, test) = match open.service {
            Service::Target(index) => (usize::from(index), false),
            Service::Test(index) => (usize::from(index), true),
            Service::Terminal(index) => return self.terminal(index.into(), stream, ahead).await,
        };
        let needed = if test { Rights::CONNECT } else { USE };
        if let Err(refusal) = self.permits(index, needed) {
            return self.refuse(stream, index, refusal).await;
        }
        let tcp = match self.connect(index, ahead).await {
            Ok(tcp) => tcp,
            Err(refusal) => return self.refuse(stream, index, refusal).await,
        };
        self.outcome.handle_reached();
        if stream.reply(Answer::Accepted).await.is_err() {
            return;
        }
        if test {
            drop(tcp);
            finish(stream).await;
            return;
        }
        let session = self.grant.session;
        let order = async {
            taken_away(&mut self.permits, index).await;
            info!(%session, index, "The stream's target or the right to use it was taken away");
            Reason::AccessRevoked
        };
        let done = splice_until(stream, tcp, self.counters.clone(), order).await;
        debug!(
            %session, index, to_host = done.to_tcp, from_host = done.from_tcp,
            reason = done.reason.slug(), "Stream ended"
        );
    }

    /// The terminal's own rules follow; here only that the target exists.
    async fn terminal(self, index: usize, stream: Stream, ahead: Option<Ahead>) {
        if let Err(refusal) = self.permits(index, USE) {
            return self.refuse(stream, index, refusal).await;
        }
        let context = Context {
            grant: self.grant,
            index,
            permits: self.permits,
            counters: self.counters,
            outcome: self.outcome,
        };
        self.terminals.serve(context, stream, ahead).await;
    }

    async fn connect(&self, index: usize, ahead: Option<Ahead>) -> Result<TcpStream, Refusal> {
        if let Some(ahead) = ahead
            && let Some(dialled) = ahead.take().await
        {
            return dialled;
        }
        self.dialer.dial(&self.grant.targets[index]).await
    }

    async fn refuse(&self, mut stream: Stream, index: usize, refusal: Refusal) {
        let reason = refusal.reason;
        debug!(index, reason = reason.slug(), "Target not reached");
        self.outcome.handle_refused(reason);
        let mut text = refusal.text;
        text.truncate(text.floor_char_boundary(MAX_ANSWER_TEXT));
        // Fails only when the technician has gone meanwhile.
        let _ = stream.reply(Answer::Refused { reason, text }).await;
    }

    fn permits(&self, index: usize, needed: Rights) -> Result<(), Refusal> {
        judge(&self.permits.borrow(), index, needed)
    }
}

/// What a stream needs that carries a person's work.
pub(crate) const USE: Rights = Rights(Rights::CONNECT.0 | Rights::CONTROL.0);

/// Judges a stream by what its session may still do.
pub(crate) fn judge(permits: &Permits, index: usize, needed: Rights) -> Result<(), Refusal> {
    if !permits.reach(index) {
        return Err(Refusal::new(Reason::TargetUnknown, ""));
    }
    if !permits.allow(index, needed) {
        let text = "this needs the right to control the host";
        return Err(Refusal::new(Reason::NotAllowed, text));
    }
    Ok(())
}

/// Waits until a renewal takes a target, or the right to use it, away.
pub(crate) async fn taken_away(permits: &mut watch::Receiver<Permits>, index: usize) {
    let gone = |permits: &Permits| !permits.allow(index, USE);
    if permits.wait_for(gone).await.is_err() {
        // The session is ending and takes its streams with it.
        std::future::pending::<()>().await;
    }
}

/// A test passes no byte: both ways end cleanly.
async fn finish(mut stream: Stream) {
    use tokio::io::AsyncWriteExt as _;
    // Fails only when the technician has gone meanwhile.
    let _ = stream.shutdown().await;
    stream.reset(Reason::Finished);
}
