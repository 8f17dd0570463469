//! What russh's errors mean to a technician.
//!
//! No text of the host's goes into a sentence, but names of algorithms.

use culvert_wire::reason::Reason;
use russh::{AlgorithmKind, Error};

use super::{Failure, algorithms};

/// Algorithms that are listed in a sentence.
const LISTED: usize = 6;

/// Why the greeting failed.
pub(super) fn greeting(error: Error, legacy: bool) -> Failure {
    if let Error::NoCommonAlgo { kind, theirs, .. } = &error {
        let old = algorithms::would_help(theirs);
        if !legacy && !old.is_empty() {
            return Failure::Legacy(list(old.into_iter()));
        }
        let offer = list(theirs.iter().map(String::as_str));
        let text = format!("no common {}: the host offers {offer}", of(kind));
        return Failure::refused(Reason::HostProtocol, text);
    }
    later(error)
}

/// Why the sign-in failed; a host that hangs up means that it had enough.
pub(super) fn sign_in(error: Error) -> Failure {
    match later(error) {
        Failure::Refused {
            reason: Reason::ClosedByHost,
            ..
        } => {
            let text = "the host hung up during the sign-in";
            Failure::refused(Reason::HostSignIn, text)
        }
        other @ (Failure::Refused { .. } | Failure::Gone | Failure::Legacy(_)) => other,
    }
}

/// Why it failed after the greeting.
pub(super) fn later(error: Error) -> Failure {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "russh has dozens of errors and adds more: what is not named broke a rule"
    )]
    let (reason, text) = match error {
        Error::UnknownKey => (Reason::HostKeyRefused, ""),
        Error::Version => (Reason::HostProtocol, "what answers there is no SSH server"),
        Error::HUP | Error::Disconnect | Error::IO(_) | Error::SendError | Error::RecvError => {
            (Reason::ClosedByHost, "")
        }
        Error::KeepaliveTimeout | Error::ConnectionTimeout | Error::InactivityTimeout => {
            (Reason::HostTimedOut, "it stopped answering")
        }
        Error::WrongServerSig => (
            Reason::HostProtocol,
            "the host could not prove that it holds its key",
        ),
        Error::ChannelOpenFailure(_) => {
            (Reason::HostSignIn, "the host gives this account no shell")
        }
        Error::PacketAuth | Error::DecryptionError => {
            (Reason::HostProtocol, "packets were changed on the way")
        }
        _ => (Reason::HostProtocol, "the host broke the rules of SSH"),
    };
    Failure::refused(reason, text)
}

fn of(kind: &AlgorithmKind) -> &'static str {
    match kind {
        AlgorithmKind::Kex => "key exchange",
        AlgorithmKind::Key => "kind of host key",
        AlgorithmKind::Cipher => "cipher",
        AlgorithmKind::Compression => "compression",
        AlgorithmKind::Mac => "message authentication",
    }
}

/// Names as a host may have made them up: only what can be one is shown.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let plain = |c: char| c.is_ascii_graphic();
    let fit = names.filter(|name| name.len() <= 64 && name.chars().all(plain));
    fit.take(LISTED).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_common(theirs: &[&str]) -> Error {
        Error::NoCommonAlgo {
            kind: AlgorithmKind::Kex,
            ours: Vec::new(),
            theirs: theirs.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn old_algorithms_become_a_question_once() {
        let old = || no_common(&["diffie-hellman-group1-sha1", "evil\x1b[2J"]);

        let Failure::Legacy(text) = greeting(old(), false) else {
            panic!("no question");
        };
        assert_eq!(text, "diffie-hellman-group1-sha1");
        assert!(matches!(
            greeting(old(), true),
            Failure::Refused {
                reason: Reason::HostProtocol,
                ..
            }
        ));
    }

    #[test]
    fn a_list_of_the_host_s_is_short_and_plain() {
        let many: Vec<String> = (0..1000).map(|n| format!("algo-{n}")).collect();
        let names: Vec<&str> = many.iter().map(String::as_str).collect();

        let Failure::Refused { text, .. } = greeting(no_common(&names), false) else {
            panic!("a question");
        };

        assert!(text.len() < 200, "{text}");
    }
}
