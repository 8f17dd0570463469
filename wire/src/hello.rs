//! The first messages of a link: the server proves itself inside TLS, then the
//! endpoint does.
//!
//! ```text
//! endpoint                                            server
//!   TLS 1.3 (any certificate; the handshake signature is checked)
//!   GET /link, Upgrade: websocket,
//!     Sec-WebSocket-Protocol: culvert.link.N, culvert.link.N-1
//!     Culvert-Nonce: <base32 of 32 bytes>        ─────►
//!                              ◄─── 101, culvert.link.N-1
//!                              ◄─── ServerProof
//!   LinkAuth (nothing secret before the proof holds) ─►
//!                              ◄─── Frame::Welcome or Frame::Refused
//! ```
//!
//! Both signatures cover the TLS exporter (RFC 8446 §7.5, label
//! [`EXPORTER_LABEL`]), so that neither works on another connection. Browsers
//! cannot read an exporter: they use [`BROWSER_BINDING`] and rely on web PKI.
//! Nor can a page set headers: a browser asks for [`BROWSER_LINK_PATH`], with
//! its nonce as a second subprotocol behind [`NONCE_PROTOCOL`].

mod auth;
mod proof;

pub use auth::{BrowserHello, ClaimHello, GatewayHello, LinkAuth, TechnicianHello, Who};
pub use proof::{ProofError, Proven, ServerProof};

/// Path of the upgrade request.
pub const LINK_PATH: &str = "/link";
/// Path of a browser's upgrade request: cookie and origin are judged there.
pub const BROWSER_LINK_PATH: &str = "/link/browser";
/// A browser's nonce is the subprotocol that begins so, base32 without padding.
pub const NONCE_PROTOCOL: &str = "culvert.nonce.";
/// Request header that carries the endpoint's nonce, base32 without padding.
pub const NONCE_HEADER: &str = "culvert-nonce";
/// Subprotocols this version speaks, best first.
pub const SUBPROTOCOLS: [&str; 1] = ["culvert.link.1"];
/// Label of the TLS exporter; its context is empty, its length 32 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-culvert-link";
/// Length of nonces and channel bindings, in bytes.
pub const NONCE_LEN: usize = 32;
/// What a browser signs instead of an exporter.
pub const BROWSER_BINDING: [u8; NONCE_LEN] = [0; NONCE_LEN];
/// Longest first message of either side, in bytes.
pub const MAX_HELLO: usize = 8 * 1024;
/// Longest version text, in bytes.
pub const MAX_VERSION: usize = 64;
/// Longest API token, in bytes.
pub const MAX_TOKEN: usize = 128;

/// What ties a signature to one TLS connection and one server hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The TLS exporter, or [`BROWSER_BINDING`].
    pub exporter: [u8; NONCE_LEN],
    /// The endpoint's nonce.
    pub client_nonce: [u8; NONCE_LEN],
    /// The server's nonce.
    pub server_nonce: [u8; NONCE_LEN],
}

impl Binding {
    /// Appends `body` to the binding: the message that is signed.
    pub fn message(&self, body: &[u8]) -> Vec<u8> {
        [
            &self.exporter[..],
            &self.client_nonce,
            &self.server_nonce,
            body,
        ]
        .concat()
    }
}

/// What the tests of this folder share.
#[cfg(test)]
mod rig {
    use super::Binding;
    use crate::key::SigningKey;

    pub(super) fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    pub(super) fn binding() -> Binding {
        Binding {
            exporter: [1; 32],
            client_nonce: [2; 32],
            server_nonce: [3; 32],
        }
    }
}
