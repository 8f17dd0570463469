//! Why a command failed, in words, and as an exit code for scripts.

use std::error::Error;

use culvert_link::{ConnectError, LinkClosed};
use culvert_session::Ending;
use culvert_session::native::SessionError;
use culvert_wire::reason::Reason;

use crate::home::HomeError;
use crate::known::ChangedKey;
use crate::launch::LaunchError;
use crate::local::listen::ListenError;
use crate::pick::PickError;
use crate::scheme::RegisterError;
use crate::viewer::ViewerError;
use crate::word::WordError;

/// What a command says with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something else failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Sign in first, or again.
    SignIn = 3,
    /// No such host or session, or several.
    NotFound = 4,
    /// The server cannot be reached.
    Server = 5,
    /// A rule forbids it.
    Forbidden = 6,
    /// The gateway or the host cannot be reached.
    Host = 7,
    /// Somebody or the clock ended the session.
    Ended = 8,
    /// A key is not the known one, or somebody opens TLS on the way.
    Key = 9,
}

impl Exit {
    /// All of them with their meaning, for the manual.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Done, "done"),
        (Self::Failed, "something failed; the message says what"),
        (Self::Usage, "the command line is wrong"),
        (Self::SignIn, "sign in first, or again"),
        (
            Self::NotFound,
            "no such host or session, or several of that name",
        ),
        (Self::Server, "the server cannot be reached"),
        (Self::Forbidden, "a rule forbids it"),
        (Self::Host, "the gateway or the host cannot be reached"),
        (
            Self::Ended,
            "the session was ended by somebody, or its time was over",
        ),
        (
            Self::Key,
            "a key is not the known one, or TLS is opened on the way",
        ),
    ];

    /// What a reason means to a script.
    pub const fn of(reason: Reason) -> Self {
        // By number: a reason of a newer version belongs to its hundred, too.
        match reason.code() {
            0..=2 => Self::Done,
            106 | 401 | 413 => Self::SignIn,
            3..=199 => Self::Ended,
            205 | 206 | 208 => Self::Forbidden,
            200..=301 => Self::Host,
            306 | 411 | 414 => Self::Key,
            302..=399 | 501..=503 => Self::Server,
            400 => Self::NotFound,
            416 => Self::Usage,
            402..=499 => Self::Forbidden,
            _ => Self::Failed,
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The folder of this user.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The host's word.
    #[error(transparent)]
    Word(#[from] WordError),
    /// No single host.
    #[error(transparent)]
    Pick(#[from] PickError),
    /// A `culvert://` address.
    #[error("this address opens nothing: {0}")]
    Launch(#[from] LaunchError),
    /// A local port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A native program.
    #[error(transparent)]
    Viewer(#[from] ViewerError),
    /// `culvert open --register`.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// Another gateway key than before.
    #[error(transparent)]
    ChangedKey(#[from] ChangedKey),
    /// No account.
    #[error("sign in first: culvert login ADDRESS")]
    NoAccount,
    /// No sign-in, or an old one.
    #[error("sign in again: culvert login {server}")]
    NoSignIn {
        /// Where.
        server: String,
    },
    /// The server cannot be reached or trusted.
    #[error("cannot reach {server} [{}]", source.cause())]
    Connect {
        /// Which.
        server: String,
        /// Why.
        source: ConnectError,
    },
    /// The link ended.
    #[error("the server ended the connection: {}", said(.0.reason, &.0.text))]
    Link(LinkClosed),
    /// The server refused the request.
    #[error("{} [{}]", crate::text::plain(message), code(*reason))]
    Api {
        /// The reason code.
        reason: Reason,
        /// Its sentence.
        message: String,
    },
    /// The server answered something else than expected.
    #[error(
        "the server's answer to {what} is not understood (status {status}): is it older or newer?"
    )]
    Answer {
        /// What was asked.
        what: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server did not answer.
    #[error("the server did not answer to {what} in time")]
    NoAnswer {
        /// What was asked.
        what: String,
    },
    /// No session came to be.
    #[error("no session: {}", session_words(.0))]
    Session(SessionError),
    /// The session is over.
    #[error("the session is over: {}", said(.0.reason, &.0.text))]
    Ended(Ending),
    /// The session was ended by the same person, but not by this program.
    #[error("the session was ended from elsewhere, by the same user")]
    EndedElsewhere,
    /// The host or the gateway refused one connection.
    #[error("{host}: {}", said(*reason, text))]
    Target {
        /// Which host.
        host: String,
        /// Why.
        reason: Reason,
        /// A sentence more.
        text: String,
    },
    /// A terminal, a pipe or a program of this computer.
    #[error("{what}")]
    Local {
        /// What failed.
        what: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// Something only the person can settle.
    #[error("{0}")]
    Person(String, Exit),
    /// The viewer's own exit code; it has said why itself.
    #[error("the program ended with code {0}")]
    Program(u8),
}

impl Failure {
    /// The exit code.
    pub fn exit(&self) -> u8 {
        let exit = match self {
            Self::Program(code) => return *code,
            Self::Person(_, exit) => *exit,
            Self::Word(_) | Self::Launch(_) => Exit::Usage,
            Self::Pick(_) => Exit::NotFound,
            Self::ChangedKey(_) => Exit::Key,
            Self::NoAccount | Self::NoSignIn { .. } => Exit::SignIn,
            Self::Connect { source, .. } => match source.cause() {
                "intercepted" | "proof" | "other_provider" | "statement_old" | "no_proof" => {
                    Exit::Key
                }
                _ => Exit::Server,
            },
            Self::NoAnswer { .. } => Exit::Server,
            Self::Link(closed) => Exit::of(closed.reason),
            Self::Api { reason, .. } | Self::Target { reason, .. } => Exit::of(*reason),
            Self::EndedElsewhere => Exit::Ended,
            Self::Session(error) => Exit::of(error.reason()),
            Self::Ended(ending) => Exit::of(ending.reason),
            Self::Home(_)
            | Self::Listen(_)
            | Self::Viewer(_)
            | Self::Register(_)
            | Self::Answer { .. }
            | Self::Local { .. } => Exit::Failed,
        };
        exit as u8
    }

    /// Whether the server knows no sign-in of ours, or not any more.
    fn wants_sign_in(&self) -> bool {
        let reason = match self {
            Self::Link(closed) => closed.reason,
            Self::Api { reason, .. } => *reason,
            Self::Ended(ending) => ending.reason,
            Self::Home(_)
            | Self::Word(_)
            | Self::Pick(_)
            | Self::Launch(_)
            | Self::Listen(_)
            | Self::Viewer(_)
            | Self::Register(_)
            | Self::ChangedKey(_)
            | Self::NoAccount
            | Self::NoSignIn { .. }
            | Self::Connect { .. }
            | Self::Answer { .. }
            | Self::NoAnswer { .. }
            | Self::Session(_)
            | Self::EndedElsewhere
            | Self::Target { .. }
            | Self::Local { .. }
            | Self::Person(..)
            | Self::Program(_) => return false,
        };
        matches!(reason, Reason::SignInNeeded | Reason::SignedOut)
    }

    /// The sentence with all its causes.
    pub fn sentence(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        if let Self::Connect { server, source } = self
            && source.cause() == "other_provider"
        {
            text.push_str(&format!(
                "; if the provider told you of a new key: culvert login {server} --provider-key \
                 FINGERPRINT"
            ));
        }
        if self.wants_sign_in() && !text.contains("culvert login") {
            text.push_str("; run culvert login again");
        }
        text
    }
}

impl From<LinkClosed> for Failure {
    fn from(closed: LinkClosed) -> Self {
        Self::Link(closed)
    }
}

/// What a peer added to a reason, if it says anything new.
/// A reason's sentence, what was added to it, and its code: the same word that reports
/// and the audit trail have.
pub fn said(reason: Reason, text: &str) -> String {
    let more = match text.is_empty() || text == reason.sentence() {
        true => String::new(),
        false => format!(" ({})", crate::text::plain(text)),
    };
    format!("{reason}{more} [{}]", code(reason))
}

/// Of a newer version's reason only the number is known.
fn code(reason: Reason) -> String {
    if let Reason::Other(number) = reason {
        return number.to_string();
    }
    reason.slug().to_owned()
}

fn session_words(error: &SessionError) -> String {
    match error {
        SessionError::Ended(ending) => said(ending.reason, &ending.text),
        SessionError::Key(_) | SessionError::Setup(_) | SessionError::TimedOut { .. } => {
            error.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_an_exit_code_of_its_kind() {
        for (reason, exit) in [
            (Reason::Finished, Exit::Done),
            (Reason::ClosedByHost, Exit::Done),
            (Reason::Expired, Exit::Ended),
            (Reason::UserDisabled, Exit::Ended),
            (Reason::SignedOut, Exit::SignIn),
            (Reason::SignInNeeded, Exit::SignIn),
            (Reason::SignInRefused, Exit::SignIn),
            (Reason::RevokedKey, Exit::Key),
            (Reason::Invalid, Exit::Usage),
            (Reason::NotAllowed, Exit::Forbidden),
            (Reason::HostRefused, Exit::Host),
            (Reason::NotInAllowList, Exit::Forbidden),
            (Reason::GatewayOffline, Exit::Host),
            (Reason::LinkLost, Exit::Server),
            (Reason::Intercepted, Exit::Key),
            (Reason::PeerKey, Exit::Key),
            (Reason::NotFound, Exit::NotFound),
            (Reason::Quarantined, Exit::Forbidden),
            (Reason::StorageFull, Exit::Server),
            (Reason::Internal, Exit::Failed),
            (Reason::Other(9999), Exit::Failed),
        ] {
            assert_eq!(Exit::of(reason), exit, "{reason:?}");
        }
        for &reason in Reason::ALL {
            assert!(
                (Exit::of(reason) == Exit::Done) == (reason.code() < 3),
                "{reason:?}"
            );
        }
    }

    #[test]
    fn the_manual_tells_every_exit_code() {
        let manual = include_str!("../../docs/culvert.md");
        for (exit, meaning) in Exit::ALL {
            let row = format!("| {} | {meaning} |", exit as u8);
            assert!(manual.contains(&row), "{row}");
        }
    }

    #[test]
    fn exit_codes_are_told_in_order() {
        for (at, (exit, _)) in Exit::ALL.iter().enumerate() {
            assert_eq!(*exit as usize, at);
        }
    }

    #[test]
    fn a_sentence_names_its_causes_once_and_no_escape_sequence() {
        let failure = Failure::Local {
            what: "the terminal cannot be set".into(),
            source: std::io::Error::other("not a terminal"),
        };
        assert_eq!(
            failure.sentence(),
            "the terminal cannot be set: not a terminal"
        );
        let foreign = Failure::Api {
            reason: Reason::NotFound,
            message: "a\u{1b}[2Jb".into(),
        };
        assert!(!foreign.sentence().contains('\u{1b}'));
        assert_eq!(foreign.exit(), 4);
    }

    #[test]
    fn an_ended_sign_in_says_what_to_do() {
        let failure = Failure::Api {
            reason: Reason::SignInNeeded,
            message: "sign in first".into(),
        };

        assert_eq!(
            failure.sentence(),
            "sign in first [sign_in_needed]; run culvert login again"
        );
        assert_eq!(failure.exit(), 3);
    }
}
