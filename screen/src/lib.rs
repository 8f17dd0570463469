//! What a technician sees of a host, before anything is drawn.
//!
//! Pure: no socket, no clock, no randomness. Driven by `culvert` and by the
//! browser's endpoint.
//!
//! | module | what |
//! |---|---|
//! | [`telnet`] | telnet's options and escapes, at the technician's end |

pub mod telnet;
