//! Why a session, a route or a link ended: one list for every program, the
//! audit row and the sentence a person reads.
//!
//! Codes never change their meaning; a retired one stays reserved. A peer may
//! send a code this version does not know: it is kept as [`Reason::Other`].

use std::fmt;

use crate::{Decode, DecodeError, Encode, Reader, Writer};

macro_rules! reasons {
    ($($code:literal $name:ident $slug:literal $sentence:literal;)*) => {
        /// A reason code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $sentence] $name,)*
            /// A code of a newer version.
            Other(u16),
        }

        impl Reason {
            /// All reasons of this version.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number on the wire.
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// The reason of a number.
            pub const fn from_code(code: u16) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// The short name that the API, logs and reports carry.
            pub const fn slug(self) -> &'static str {
                match self {
                    $(Self::$name => $slug,)*
                    Self::Other(_) => "other",
                }
            }

            /// The reason of a short name.
            pub fn from_slug(slug: &str) -> Option<Self> {
                match slug {
                    $($slug => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// One sentence for a person, without capital and full stop.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                    Self::Other(_) => "the other end gave a reason that this version does not know",
                }
            }
        }
    };
}

reasons! {
    // 0-99: ordinary ends.
    0 Finished "finished" "the session was finished";
    1 ClosedByTechnician "closed_by_technician" "the technician's end closed the session";
    2 ClosedByHost "closed_by_host" "the host closed the connection";
    3 Expired "expired" "the session reached its end time and was not renewed";
    4 Idle "idle" "the session was idle for too long";
    // 100-199: ended by somebody.
    100 EndedByAdministrator "ended_by_administrator" "an administrator ended the session";
    101 AccessRevoked "access_revoked" "access to this host was taken away";
    102 UserDisabled "user_disabled" "the account was disabled";
    103 GatewayRevoked "gateway_revoked" "this gateway was revoked by the provider";
    104 HostDeleted "host_deleted" "the host was removed from the list";
    105 CustomerPause "customer_pause" "the customer has paused remote access at the box";
    106 SignedOut "signed_out" "the sign-in was ended";
    // 200-299: the gateway or the host.
    200 HostRefused "host_refused" "the host refused the connection: nothing listens on that port";
    201 HostTimedOut "host_timed_out" "the host did not answer: it may be off, or a firewall drops the connection";
    202 HostUnreachable "host_unreachable" "the gateway has no route to the host";
    203 HostReset "host_reset" "the host broke the connection";
    204 NameNotResolved "name_not_resolved" "the host's name does not resolve at the site";
    205 AddressForbidden "address_forbidden" "the gateway never connects to this address (itself, loopback, link-local or metadata)";
    206 NotInAllowList "not_in_allow_list" "the gateway's own allow-list does not contain this address";
    207 TooManySessions "too_many_sessions" "the gateway carries as many sessions as it can";
    208 TargetUnknown "target_unknown" "this session was not granted for that target";
    209 HostKeyRefused "host_key_refused" "the host's key was not accepted: it may be another host";
    210 HostSignIn "host_sign_in" "the host did not accept the sign-in";
    211 HostProtocol "host_protocol" "the host does not speak the protocol, or only forms of it that are not allowed";
    212 BridgeEnded "bridge_ended" "the part of the gateway that talked to this host ended: only this connection is affected";
    213 TerminalGone "terminal_gone" "that terminal is over: begin a new one";
    214 CredentialRefused "credential_refused" "the stored credential is not for this host, account and gateway: enter it again";
    // 300-399: the path between.
    300 GatewayOffline "gateway_offline" "the gateway is not connected";
    301 PeerLost "peer_lost" "the other end stopped answering";
    302 ServerDraining "server_draining" "the server is restarting";
    303 LinkLost "link_lost" "the connection to the server was lost";
    304 Replaced "replaced" "a newer connection of the same end took over";
    305 KeepaliveTimeout "keepalive_timeout" "nothing was heard for too long";
    306 Intercepted "intercepted" "somebody on the way opens TLS connections: the server could not prove itself";
    // 400-499: rights and proofs.
    400 NotFound "not_found" "there is no such host, or you may not see it";
    401 SignInNeeded "sign_in_needed" "sign in first";
    402 TicketInvalid "ticket_invalid" "the ticket is not valid, was used already or has expired";
    403 GrantSignature "grant_signature" "the grant is not signed by the provider's broker";
    404 GrantExpired "grant_expired" "the grant's time is over";
    405 GrantReplayed "grant_replayed" "the grant was used already";
    406 GrantForAnother "grant_for_another" "the grant is for another gateway";
    407 GrantTooOld "grant_too_old" "the grant was made before the gateway started";
    408 ClaimRefused "claim_refused" "the claim code is unknown, was used already or has expired";
    409 Quarantined "quarantined" "this gateway's identity was copied, or its card moved: an administrator has to decide";
    410 Unclaimed "unclaimed" "this gateway is not claimed or not assigned to a site";
    411 PeerKey "peer_key" "the other end is not the one that was announced";
    412 Throttled "throttled" "too many tries: wait a moment";
    413 SignInRefused "sign_in_refused" "the name or the password is wrong";
    414 RevokedKey "revoked_key" "the server's key was revoked by the provider";
    415 NotAllowed "not_allowed" "your role does not allow this";
    416 Invalid "invalid" "the request is not valid";
    417 Conflict "conflict" "this does not go together with what is already there";
    418 StepUpNeeded "step_up_needed" "confirm with your password, a code or a passkey first";
    // 500-599: faults.
    500 Internal "internal" "something failed inside the program; its log says more";
    501 StorageFull "storage_full" "the server's disk is full";
    502 DatabaseDown "database_down" "the server's database does not answer";
    503 ServerFull "server_full" "the server carries as many connections as it can";
    504 ProtocolError "protocol_error" "the other end sent something that is not allowed";
    505 VersionUnsupported "version_unsupported" "the two programs have no protocol version in common: update the older one";
}

impl Reason {
    /// Whether a route or link that ended so stays closed: somebody or a rule
    /// ended it, rather than a connection that broke or a server that cannot take
    /// the end in just now and names a time to come back.
    pub const fn is_final(self) -> bool {
        !self.is_of_the_moment() && !matches!(self.code(), 300..=303 | 305..=399)
    }

    /// Whether a server could not do just now what it was asked for: worth another
    /// try, over whatever link.
    pub const fn is_of_the_moment(self) -> bool {
        matches!(self, Self::Throttled) || matches!(self.code(), 500..=503)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl Encode for Reason {
    fn encode(&self, out: &mut Writer) {
        out.u16(self.code());
    }
}

impl Decode for Reason {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::from_code(input.u16()?))
    }
}

#[cfg(feature = "api")]
impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.slug())
    }
}

#[cfg(feature = "api")]
impl<'de> serde::Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let slug = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Ok(Self::from_slug(&slug).unwrap_or(Self::Other(u16::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_and_short_names_are_unique_and_come_back() {
        let mut codes = HashSet::new();
        let mut slugs = HashSet::new();
        for &reason in Reason::ALL {
            assert!(codes.insert(reason.code()), "{reason:?}");
            assert!(slugs.insert(reason.slug()), "{reason:?}");
            assert_eq!(Reason::from_code(reason.code()), reason);
            assert_eq!(Reason::from_slug(reason.slug()), Some(reason));
        }
    }

    #[test]
    fn a_code_of_a_newer_version_is_kept() {
        assert_eq!(Reason::from_bytes(&[0xff, 0xfe]), Ok(Reason::Other(0xfffe)));
    }
}
