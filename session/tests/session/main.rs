//! Sessions over emulated lines: what they promise, in virtual time.

mod flow;
mod handshake;
mod hostile;
mod life;
mod purity;
mod splice;
mod streams;
mod world;
