//! 16-byte random ids, one type for each kind of thing.
//!
//! An id is no secret and no right: whoever knows one must still be allowed.
//! Text form: 26 characters of RFC 4648 base32, lower case, without padding.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};

use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Length of every id in bytes.
pub const ID_LEN: usize = 16;

/// Text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is 26 letters and digits (base32)")]
pub struct ParseIdError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; ID_LEN]);

        impl $name {
            /// Makes an id of random bytes that the caller drew.
            pub const fn from_random(bytes: [u8; ID_LEN]) -> Self {
                Self(bytes)
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; ID_LEN] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let bytes = BASE32_NOPAD_NOCASE
                    .decode(text.as_bytes())
                    .map_err(|_| ParseIdError)?;
                Ok(Self(bytes.try_into().map_err(|_| ParseIdError)?))
            }
        }

        impl Encode for $name {
            fn encode(&self, out: &mut Writer) {
                out.put(&self.0);
            }
        }

        impl Decode for $name {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self(input.array()?))
            }
        }

        #[cfg(feature = "api")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        #[cfg(feature = "api")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A customer of the provider.
    CustomerId;
    /// A place of a customer with its own LAN.
    SiteId;
    /// A device on a site's LAN.
    HostId;
    /// A gateway, for as long as its place exists; its key may be replaced.
    GatewayId;
    /// A person who signs in.
    UserId;
    /// One session: also the nonce of its grant.
    SessionId;
    /// One claim code.
    ClaimId;
    /// One run of a gateway process.
    BootId;
    /// What the server hands a gateway at each hello, to notice clones.
    Lease;
    /// A team of people.
    TeamId;
    /// One role of a person or a team at a place.
    AssignmentId;
    /// One invitation of a colleague; never its secret.
    InvitationId;
    /// One passkey of a person, for lists; not the credential's own id.
    PasskeyId;
    /// An API token or a sign-in, for lists and revocation; never the secret.
    TokenId;
    /// A program that waits to be signed in by somebody at the portal.
    HandOverId;
    /// A program that is told what happens.
    WebhookId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_comes_back_as_the_same_id() {
        let id = HostId::from_random([7; ID_LEN]);

        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 26);
    }

    #[test]
    fn other_text_is_no_id() {
        for text in ["", "abc", "../../etc/passwd", "aaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(text.parse::<HostId>(), Err(ParseIdError), "{text}");
        }
    }
}
