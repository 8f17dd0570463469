//! The cloud server: relay, broker, API, reports.
//!
//! `http → app → {authz, store, relay, audit}`; `authz`, `audit` and `relay`
//! are pure.

pub mod audit;
pub mod store;
