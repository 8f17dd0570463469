//! The cloud server: relay, broker, API, reports.
//!
//! `http → app → {authz, store, relay, audit}`; `authz`, `audit` and `relay`
//! are pure.

pub mod app;
pub mod audit;
pub mod authz;
pub mod http;
pub mod store;
pub mod plane;
pub mod relay;
