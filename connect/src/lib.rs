//! `culvert`: the technician's command line.

pub mod account;
pub mod home;
pub mod known;
pub mod launch;
pub mod local;
pub mod pick;
pub mod socks;
pub mod telnet;
pub mod text;
pub mod viewer;
pub mod word;
