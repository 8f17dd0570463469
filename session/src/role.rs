//! Who is who in a session.

/// One end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The technician's end: QUIC client, opens streams and paths.
    Technician,
    /// The gateway or agent: QUIC server, accepts them.
    Gateway,
}
