//! Does what the session machine wants done.

use culvert_wire::frame::{Frame, InviteResult};
use culvert_wire::reason::Reason;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{error, info};

use super::task::Task;
use super::{Handle, Loop};
use crate::session::{Command, Permits, Record, Start};
use crate::status::LinkStatus;

/// Routes that may wait for a session's task: one for each link meanwhile.
const ROUTES: usize = 2;

impl Loop {
    pub(super) fn obey(&mut self) {
        let mut changed = false;
        while let Some(command) = self.sessions.poll_command() {
            match command {
                Command::Answer(answer) => self.answer(answer),
                Command::Start(start) => {
                    changed = true;
                    self.start(start);
                }
                Command::Renew { session, permits } => {
                    if let Some(handle) = self.handles.get(&session) {
                        handle.permits.send_replace(permits);
                    }
                }
                Command::Stop { session, reason } => {
                    info!(%session, reason = reason.slug(), "Session is ended");
                    if let Some(handle) = self.handles.get(&session) {
                        handle.stop.send_replace(Some(reason));
                    }
                }
                Command::Cut { scope, reason } => self.terminals.revoke(&scope, reason),
                Command::Obeyed(counter) => self.obeyed(counter),
                Command::Report(report) => {
                    changed = true;
                    info!(
                        session = %report.session, reason = report.reason.slug(),
                        from_hosts = report.from_hosts, to_hosts = report.to_hosts,
                        streams = report.streams, "Session over"
                    );
                    self.reports.push(report);
                    self.send_reports();
                }
            }
        }
        if changed {
            self.standing.hurry(!self.sessions.is_empty());
            self.tell_status();
        }
    }

    pub(super) fn send_reports(&mut self) {
        // Before the welcome nothing may be told: the server is still judging.
        let welcomed = match self.status.link {
            LinkStatus::Up { .. } | LinkStatus::Quarantined => true,
            LinkStatus::Unclaimed | LinkStatus::Down => false,
        };
        if let Some((link, _)) = self.link.as_ref().filter(|_| welcomed) {
            self.reports.flush(Instant::now(), |report| {
                link.send(Frame::SessionEnded(report)).is_ok()
            });
        }
    }

    fn answer(&self, answer: InviteResult) {
        match &answer.refused {
            None => info!(session = %answer.session, serial = answer.serial, "Grant accepted"),
            Some((reason, text)) => info!(
                session = %answer.session, serial = answer.serial,
                reason = reason.slug(), text, "Grant refused"
            ),
        }
        if let Some((link, _)) = &self.link {
            // A link that is over cannot be told; the technician's end waits
            // for its own time limit.
            let _ = link.send(Frame::InviteResult(answer));
        }
    }

    fn start(&mut self, start: Start) {
        let id = start.grant.session;
        let joined = match &self.link {
            Some((link, _)) => link
                .join(id, Some(start.ticket), &self.identity.signing)
                .ok(),
            None => None,
        };
        let Some(route) = joined else {
            self.sessions.handle_closed(id, NEVER_JOINED);
            return;
        };
        let (stop, stopped) = watch::channel(None);
        let (permits, permitted) = watch::channel(Permits::of(&start.grant));
        let (routes, new_routes) = mpsc::channel(ROUTES);
        let task = Task {
            grant: start.grant,
            identity: self.identity.signing.clone(),
            dialer: self.dialer.clone(),
            dial_ahead: start.dial_ahead,
            options: self.options.clone(),
            routes: new_routes,
            permits: permitted,
            stop: stopped,
            news: self.tell.clone(),
            terminals: self.terminals.clone(),
        };
        let handle = Handle {
            stop,
            permits,
            routes,
            task: tokio::spawn(task.run(route)).abort_handle(),
        };
        self.handles.insert(id, handle);
    }

    /// Stored first: a counter that was acknowledged must not be forgotten.
    fn obeyed(&mut self, counter: u64) {
        match self.memory.change(|state| state.revocations = counter) {
            Ok(()) => {
                if let Some((link, _)) = &self.link {
                    // Not told: the server sends the order again.
                    let _ = link.send(Frame::Revoked(counter));
                }
            }
            Err(error) => error!(%error, "The revocation counter cannot be written"),
        }
    }
}

/// The link was gone before the session could begin.
const NEVER_JOINED: Record = Record {
    reason: Reason::LinkLost,
    from_hosts: 0,
    to_hosts: 0,
    streams: 0,
};
