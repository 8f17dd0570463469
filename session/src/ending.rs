//! QUIC's close and reset codes as reasons, and back.
//!
//! An application close or a reset carries a [`Reason`] code. What QUIC itself
//! finds (a silent peer, a wrong key) becomes the reason that says it best.

use culvert_wire::reason::Reason;
use noq_proto::{ConnectionError, TransportErrorCode, VarInt};

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub reason: Reason,
    /// A sentence more; may be empty.
    pub text: String,
}

impl Ending {
    /// An end with a reason and a sentence, cut to [`MAX_TEXT`] bytes.
    pub fn new(reason: Reason, text: &str) -> Self {
        Self {
            reason,
            text: plain(text),
        }
    }

    /// What a connection's error means. `own` is what this end said when it
    /// closed the session itself.
    pub fn of(error: &ConnectionError, own: Option<&Self>) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => Self::new(
                reason_of(close.error_code),
                &String::from_utf8_lossy(&close.reason),
            ),
            ConnectionError::LocallyClosed => own
                .cloned()
                .unwrap_or_else(|| Self::new(Reason::Finished, "")),
            ConnectionError::TimedOut | ConnectionError::Reset => Self::new(Reason::PeerLost, ""),
            ConnectionError::VersionMismatch => Self::new(Reason::VersionUnsupported, ""),
            ConnectionError::TransportError(error) => {
                Self::new(reason_of_transport(error.code), &error.to_string())
            }
            ConnectionError::ConnectionClosed(close) => Self::new(
                reason_of_transport(close.error_code),
                &String::from_utf8_lossy(&close.reason),
            ),
            ConnectionError::CidsExhausted => Self::new(Reason::Internal, "connection ids"),
        }
    }
}

/// [`Reason::is_final`] of a route at a gateway, which leaves links itself to come back on a
/// newer one, and whose sessions nobody else can take over. That the other end
/// or the gateway is lost is said of a route that is over, never of a link.
pub fn is_final_at_gateway(reason: Reason) -> bool {
    let left = matches!(reason, Reason::Replaced | Reason::Finished);
    let over = matches!(reason, Reason::PeerLost | Reason::GatewayOffline);
    over || (reason.is_final() && !left)
}

/// The code that a close or reset carries.
pub fn code_of(reason: Reason) -> VarInt {
    VarInt::from_u32(u32::from(reason.code()))
}

/// The reason of a close's or reset's code.
pub fn reason_of(code: VarInt) -> Reason {
    u16::try_from(code.into_inner()).map_or(Reason::ProtocolError, Reason::from_code)
}

/// Longest sentence in a close, in bytes: it has to fit one packet.
pub const MAX_TEXT: usize = 255;

/// A TLS alert is the QUIC code 0x100 plus its number (RFC 9001 §4.8).
fn reason_of_transport(code: TransportErrorCode) -> Reason {
    /// `bad_certificate`, `access_denied`, `decrypt_error`,
    /// `certificate_required`: the key, or the proof of it, was not the one.
    const KEY_ALERTS: [u8; 4] = [42, 49, 51, 116];
    /// `protocol_version`, `no_application_protocol`.
    const VERSION_ALERTS: [u8; 2] = [70, 120];
    let is = |alert: &u8| TransportErrorCode::crypto(*alert) == code;
    if KEY_ALERTS.iter().any(is) {
        Reason::PeerKey
    } else if VERSION_ALERTS.iter().any(is) {
        Reason::VersionUnsupported
    } else if code == TransportErrorCode::INTERNAL_ERROR {
        Reason::Internal
    } else {
        Reason::ProtocolError
    }
}

/// Without control characters, and short: it may come from a stranger.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if out.len() + c.len_utf8() > MAX_TEXT {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use noq_proto::ApplicationClose;

    use super::*;

    #[test]
    fn every_reason_survives_its_code() {
        for reason in Reason::ALL {
            assert_eq!(reason_of(code_of(*reason)), *reason);
        }
        let newer = Reason::Other(9999);
        assert_eq!(reason_of(code_of(newer)), newer);
    }

    #[test]
    fn broken_connections_are_followed_and_orders_obeyed() {
        for reason in [
            Reason::LinkLost,
            Reason::KeepaliveTimeout,
            Reason::ServerDraining,
            Reason::PeerLost,
            Reason::Internal,
            Reason::StorageFull,
            Reason::DatabaseDown,
            Reason::ServerFull,
            Reason::Throttled,
        ] {
            assert!(!reason.is_final(), "{reason:?}");
            let of_a_route = reason == Reason::PeerLost;
            assert_eq!(is_final_at_gateway(reason), of_a_route, "{reason:?}");
        }
        for reason in [
            Reason::Finished,
            Reason::EndedByAdministrator,
            Reason::UserDisabled,
            Reason::SignedOut,
            Reason::Expired,
            Reason::Replaced,
            Reason::TicketInvalid,
            Reason::NotFound,
        ] {
            assert!(reason.is_final(), "{reason:?}");
            let left = matches!(reason, Reason::Finished | Reason::Replaced);
            assert_eq!(is_final_at_gateway(reason), !left, "{reason:?}");
        }
    }

    #[test]
    fn a_code_beyond_16_bits_is_a_protocol_error() {
        assert_eq!(reason_of(VarInt::from_u32(1 << 16)), Reason::ProtocolError);
    }

    #[test]
    fn a_strangers_text_is_short_and_plain() {
        let text = "\u{1b}[31m".to_owned() + &"ä".repeat(1000);
        let closed = ConnectionError::ApplicationClosed(ApplicationClose {
            error_code: code_of(Reason::Expired),
            reason: text.into_bytes().into(),
        });

        let ending = Ending::of(&closed, None);

        assert_eq!(ending.reason, Reason::Expired);
        assert!(ending.text.len() <= MAX_TEXT && ending.text.starts_with("[31mä"));
    }

    #[test]
    fn a_silent_peer_is_lost_and_an_own_close_keeps_its_reason() {
        let own = Ending::new(Reason::ClosedByTechnician, "bye");
        assert_eq!(
            Ending::of(&ConnectionError::TimedOut, Some(&own)).reason,
            Reason::PeerLost
        );
        assert_eq!(Ending::of(&ConnectionError::LocallyClosed, Some(&own)), own);
    }
}
