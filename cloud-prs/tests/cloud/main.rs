//! The control plane through its public faces: the application, the router,
//! the served links. Tests of the store run on SQLite, and on PostgreSQL when
//! `CULVERT_TEST_POSTGRES` holds the address of a server (see
//! `tests/postgres` at the root).

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod api_matrix;
mod audit_trail;
mod backups;
mod browser_links;
mod browsers;
mod claiming;
mod downloads;
mod ending_access;
mod factors;
mod faults;
mod golden;
mod handing_over;
mod happenings;
mod hostile_bodies;
mod importing;
mod joining;
mod kept_credentials;
mod managing_people;
mod passkeys;
mod quick;
mod releases;
mod schema;
mod served;
mod sessions;
mod signing_in;
mod stopping;
mod telling_webhooks;
mod watched;
mod whole_tree;
mod wires;
mod world;
