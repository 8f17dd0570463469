//! The root side of a box: checks and enters a slot, mounts, keeps clock and
//! network, runs the gateway as its own user, feeds the watchdog, and writes
//! verified releases to the idle slot.
//!
//! It meets what the server sent only as typed messages on one socket pair,
//! and takes nothing from there but bytes of a release, which it judges by the
//! keys in its own read-only root.
//!
//! | module | what |
//! |---|---|
//! | [`early`] | before the root: modules, manifest, verity, entering |
//! | [`run`] | the loop of process 1 |
//! | [`health`] | when a boot has succeeded (pure) |
//! | [`install`] | a bundle that streams into the idle slot |
//! | [`slot`] | header and manifest of a slot |
//! | [`device`] | what can be written, and when it is there for good |
//! | [`disk`] | partitions by name, the state record's two places |
//! | [`system`] | mounts, clock, restart |
//! | [`verity`] | the device-mapper calls for a checked root |
//! | [`root`] | reads that root once, to its end |
//! | [`superblock`], [`journal`] | what a power cut tore of the data's file system (pure) |
//! | [`clock`] | which time is believed (pure) |
//! | [`entropy`] | waits until a key can be made |
//! | [`card`] | the settings partition |
//! | [`dhcp`], [`network`] | addresses |
//! | [`names`], [`routers`] | name servers; what routers announce by IPv6 |
//! | [`ports`] | what can be reached from outside: nothing |
//! | [`gateway`] | the gateway's process and its socket |
//! | [`origin`] | which board the card belongs to (pure) |
//! | [`console`] | the screen |
//! | [`status`] | what the light tells and the screen calls it (pure) |
//! | [`trouble`] | what is wrong and does not stop the box, for the portal (pure) |

pub mod card;
pub mod clock;
pub mod console;
pub mod device;
pub mod dhcp;
pub mod disk;
pub mod early;
pub mod entropy;
pub mod gateway;
pub mod health;
pub mod install;
pub mod journal;
pub mod names;
pub mod network;
pub mod origin;
pub mod ports;
pub mod root;
pub mod routers;
pub mod run;
pub mod slot;
pub mod status;
pub mod superblock;
pub mod system;
pub mod trouble;
pub mod verity;

/// Where a release keeps what its supervisor must know.
pub const RELEASE_DIR: &str = "/etc/culvert";
/// The list of release keys that this release trusts, a wire `KeyList`.
pub const TRUST_FILE: &str = "trust";
/// The board's file.
pub const BOARD_FILE: &str = "board.toml";
