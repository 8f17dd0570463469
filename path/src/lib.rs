//! Paths between two endpoints: what an endpoint learns about its own address.
//!
//! Pure: no socket, no clock, no randomness. Driven by the cloud server's UDP
//! port and by `doctor`.
//!
//! | module | what |
//! |---|---|
//! | [`stun`] | STUN Binding, both sides |

pub mod stun;
