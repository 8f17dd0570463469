//! A session's connection and what this end said when it closed it: shared by
//! the session and its streams, so that all of them name the same reason.

use std::sync::OnceLock;

use noq::{Connection, ConnectionError};

use super::error::{SessionError, StreamError};
use crate::Ending;
use crate::ending::{code_of, reason_of};

#[derive(Debug)]
pub(super) struct Life {
    pub(super) connection: Connection,
    said: OnceLock<Ending>,
}

impl Life {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            said: OnceLock::new(),
        }
    }

    /// The first ending given stands.
    pub(super) fn close(&self, ending: Ending) {
        let ending = self.said.get_or_init(|| ending);
        self.connection
            .close(code_of(ending.reason), ending.text.as_bytes());
    }

    pub(super) async fn closed(&self) -> Ending {
        self.of(&self.connection.closed().await)
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        Some(self.of(&self.connection.close_reason()?))
    }

    pub(super) fn of(&self, error: &ConnectionError) -> Ending {
        Ending::of(error, self.said.get())
    }

    pub(super) fn over(&self, error: &ConnectionError) -> SessionError {
        SessionError::Ended(self.of(error))
    }

    pub(super) fn read_failed(&self, error: &noq::ReadError) -> StreamError {
        match error {
            noq::ReadError::Reset(code) => StreamError::Reset(reason_of(*code)),
            noq::ReadError::ConnectionLost(error) => StreamError::Ended(self.of(error)),
            noq::ReadError::ClosedStream | noq::ReadError::ZeroRttRejected => StreamError::Misused,
        }
    }

    pub(super) fn write_failed(&self, error: &noq::WriteError) -> StreamError {
        match error {
            noq::WriteError::Stopped(code) => StreamError::Reset(reason_of(*code)),
            noq::WriteError::ConnectionLost(error) => StreamError::Ended(self.of(error)),
            noq::WriteError::ClosedStream | noq::WriteError::ZeroRttRejected => {
                StreamError::Misused
            }
        }
    }
}
