//! The box at the customer site: dials out, judges grants by itself, carries
//! bytes between a session's streams and the LAN hosts it was granted.
//!
//! Listens on nothing. Never parses what a LAN host sends. The cloud can
//! narrow what the box allows, never widen it.
//!
//! | module | what |
//! |---|---|
//! | [`identity`], [`state`], [`files`] | keys and memory of the box |
//! | [`guard`] | which addresses may be dialled (pure) |
//! | [`session`] | which sessions are accepted, kept and ended (pure) |

pub mod files;
pub mod guard;
pub mod identity;
pub mod session;
pub mod state;
