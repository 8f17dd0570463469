//! The board of a box: what differs from one to the next, and the records by
//! which its boot loader and its system agree on a slot.
//!
//! | module | what |
//! |---|---|
//! | [`profile`] | one `.toml` per board: packages, boot loader, lights, watchdog |
//! | [`environment`] | U-Boot's checksummed environment format (pure) |
//! | [`record`] | the two copies of the state record, and a power cut between |
//! | [`slots`] | which slot boots, tries, good and failed releases (pure) |
//! | [`failed`] | releases that failed here and are not taken again (pure) |
//! | [`hardware`] | lights, watchdog, serial number, through sysfs |
//! | [`gpio`] | a button's line at its GPIO chip |
//! | [`watchdog`] | the hardware watchdog |
//! | [`button`] | what presses of a button mean (pure) |
//!
//! Knows nothing of links, sessions or signatures. Driven by the supervisor
//! and by the image builder.

pub mod button;
pub mod environment;
pub mod failed;
pub mod gpio;
pub mod hardware;
pub mod profile;
pub mod record;
pub mod slots;
pub mod watchdog;
