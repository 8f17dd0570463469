//! The control plane through its public faces: the application, the router,
//! the served links. Tests of the store run on SQLite, and on PostgreSQL when
//! `CULVERT_TEST_POSTGRES` holds the address of a server (see
//! `tests/postgres` at the root).

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "cloud/api_matrix.rs"]
mod api_matrix;
#[path = "cloud/audit_trail.rs"]
mod audit_trail;
#[path = "cloud/backups.rs"]
mod backups;
#[path = "cloud/browser_links.rs"]
mod browser_links;
#[path = "cloud/browsers.rs"]
mod browsers;
#[path = "cloud/claiming.rs"]
mod claiming;
#[path = "cloud/ending_access.rs"]
mod ending_access;
#[path = "cloud/factors.rs"]
mod factors;
#[path = "cloud/faults.rs"]
mod faults;
#[path = "cloud/golden.rs"]
mod golden;
#[path = "cloud/handing_over.rs"]
mod handing_over;
#[path = "cloud/happenings.rs"]
mod happenings;
#[path = "cloud/importing.rs"]
mod importing;
#[path = "cloud/joining.rs"]
mod joining;
#[path = "cloud/kept_credentials.rs"]
mod kept_credentials;
#[path = "cloud/passkeys.rs"]
mod passkeys;
#[path = "cloud/quick.rs"]
mod quick;
#[path = "cloud/schema.rs"]
mod schema;
#[path = "cloud/served.rs"]
mod served;
#[path = "cloud/sessions.rs"]
mod sessions;
#[path = "cloud/signing_in.rs"]
mod signing_in;
#[path = "cloud/stopping.rs"]
mod stopping;
#[path = "cloud/telling_webhooks.rs"]
mod telling_webhooks;
#[path = "cloud/whole_tree.rs"]
mod whole_tree;
#[path = "cloud/wires.rs"]
mod wires;
#[path = "cloud/world.rs"]
mod world;
