//! Why a session or a stream failed.

use std::io;
use std::time::Duration;

use culvert_wire::reason::Reason;
use culvert_wire::stream::Answer;
use noq::{ConnectError, ConnectionError};

use crate::Ending;
use crate::tls::TlsError;

/// Why there is no session, or no session any more.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// This end's key is not usable.
    #[error("the session's keys cannot be used")]
    Key(#[from] TlsError),
    /// The shell could not be set up.
    #[error("the session could not be set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The peer did not finish the handshake in time.
    #[error("the other end did not answer within {limit:?}")]
    TimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// The session is over, or the peer refused it.
    #[error("{} ({})", .0.reason, .0.reason.slug())]
    Ended(Ending),
}

impl SessionError {
    /// The reason code for the report and the person.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Key(_) | Self::Setup(_) => Reason::Internal,
            Self::TimedOut { .. } => Reason::PeerLost,
            Self::Ended(ending) => ending.reason,
        }
    }

    /// The same as an end with a sentence.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Key(_) | Self::Setup(_) | Self::TimedOut { .. } => {
                Ending::new(self.reason(), &self.to_string())
            }
            Self::Ended(ending) => ending.clone(),
        }
    }
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Setup(Box::new(error))
    }
}

impl From<ConnectError> for SessionError {
    fn from(error: ConnectError) -> Self {
        Self::Setup(Box::new(error))
    }
}

impl From<ConnectionError> for SessionError {
    fn from(error: ConnectionError) -> Self {
        Self::Ended(Ending::of(&error, None))
    }
}

/// Why a stream carries no more bytes.
///
/// Inside an [`io::Error`] it is the error's source, so that a caller of
/// `AsyncRead` can find the reason with [`StreamError::of`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The peer broke the stream, or will read no more of it.
    #[error("{reason}", reason = .0.sentence())]
    Reset(Reason),
    /// The gateway refused the target.
    #[error("{reason}", reason = .0.sentence())]
    Refused(Reason, String),
    /// The session is over.
    #[error("{reason}", reason = .0.reason.sentence())]
    Ended(Ending),
    /// The peer began the stream with bytes that are not allowed.
    #[error("the other end's answer is not one")]
    Malformed,
    /// The stream was used after its end, or before its answer.
    #[error("the stream is not open for this")]
    Misused,
}

impl StreamError {
    /// The reason code.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Reset(reason) | Self::Refused(reason, _) => *reason,
            Self::Ended(ending) => ending.reason,
            Self::Malformed => Reason::ProtocolError,
            Self::Misused => Reason::Internal,
        }
    }

    /// The stream's error inside an I/O error, if it is one.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// A refusal as an error.
    pub(super) fn refused(answer: &Answer) -> Option<Self> {
        match answer {
            Answer::Accepted => None,
            Answer::Refused { reason, text } => Some(Self::Refused(*reason, text.clone())),
        }
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Reset(_) => io::ErrorKind::ConnectionReset,
            StreamError::Refused(..) => io::ErrorKind::ConnectionRefused,
            StreamError::Ended(_) => io::ErrorKind::ConnectionAborted,
            StreamError::Malformed => io::ErrorKind::InvalidData,
            StreamError::Misused => io::ErrorKind::NotConnected,
        };
        Self::new(kind, error)
    }
}
