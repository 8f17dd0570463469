//! What people do with sessions, each test on a site of its own in namespaces of
//! its own, and what must never come of it. One program: several run at a time, as
//! each mostly waits for a line, a server or a limit to run out.

mod blind;
mod canaries;
mod decrypted;
mod ending;
mod faults;
mod flavours;
mod host_keys;
mod kills;
mod many;
mod overlap;
mod privacy;
mod proxies;
mod releases;
mod renewal;
mod vanished;
mod viewers;
