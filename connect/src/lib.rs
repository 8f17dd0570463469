//! `culvert`: the technician's command line.

pub mod account;
pub mod home;
pub mod known;
pub mod launch;
pub mod text;
pub mod word;
