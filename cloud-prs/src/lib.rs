//! The cloud server: relay, broker, API, reports.
//!
//! `http → app → {authz, store, relay, audit}`; `authz`, `audit` and `relay`
//! are pure.

pub mod app;
pub mod audit;
pub mod authz;
pub mod certificate;
pub mod cli;
pub mod data;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod plane;
pub mod relay;
pub mod serve;
pub mod server;
pub mod steady;
pub mod store;
pub mod webauthn;
