//! `culvert`: the technician's command line.
//!
//! Works on hosts of customers' sites with the programs that are installed
//! here: one link to the server for each command, one end-to-end encrypted
//! session through it, loopback ports or pipes at this end. Never listens on
//! anything but loopback, never starts a shell, never trusts a web
//! certificate. The program in `main.rs` is a thin shell around this library.
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | what can be typed |
//! | [`commands`] | what each command does |
//! | [`word`], [`pick`] | from a typed word to one host (pure) |
//! | [`launch`], [`scheme`] | `culvert://` addresses (pure), and who answers them on this system |
//! | [`home`], [`account`], [`keyring`], [`known`] | what is remembered between commands |
//! | [`reach`], [`api`] | the server: links to it, its API over them |
//! | [`tunnel`], [`streams`], [`carry`] | a session, its streams, and local connections in them |
//! | [`local`], [`socks`] | loopback ports and who may use them |
//! | [`viewer`] | native programs and their exact arguments |
//! | [`terminal`] | telnet at this end |
//! | [`failure`], [`text`] | what people and scripts are told |
//! | [`signals`] | how a system asks a program to end |

pub mod account;
pub mod api;
pub mod carry;
pub mod cli;
pub mod commands;
pub mod failure;
pub mod home;
pub mod keyring;
pub mod known;
pub mod launch;
pub mod local;
pub mod pick;
pub mod reach;
pub mod scheme;
pub mod signals;
pub mod socks;
pub mod streams;
pub mod terminal;
pub mod text;
pub mod tunnel;
pub mod viewer;
pub mod word;
