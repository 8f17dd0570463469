//! The technician's own machine: loopback addresses, listeners, who connects.
//!
//! Never anything but loopback, and never a program of another user.

pub mod address;
pub mod listen;
pub mod owner;
