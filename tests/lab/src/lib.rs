//! The lab: a real customer site in Linux network namespaces.
//!
//! A [`Site`] is a LAN with an OpenSSH and telnet server, a desktop reachable
//! over VNC and RDP and a device web page, all of them the ordinary Debian
//! programs; a place for the gateway; a router that lets only TCP 443 out; and
//! an "internet" in which the cloud server answers as 203.0.113.10:443. The
//! cloud server itself runs where the tests run and listens on loopback.
//!
//! Nothing is added to the machine's own network and nothing is written
//! outside the site's temporary folder. Everything the site starts lives in
//! one process-id namespace whose first process waits on a pipe held by the
//! [`Site`]: when its owner goes, however it goes, the kernel ends the rest.
//!
//! Works as root, and as another user where user namespaces are allowed.
//! Every call blocks; call it from plain threads, not from async tasks.

mod capture;
mod dialogue;
mod dump;
mod error;
mod hello;
mod internet;
mod keys;
mod namespace;
mod network;
pub mod node;
mod options;
pub mod packages;
mod proof;
mod proxy;
mod ready;
mod running;
mod screen;
mod search;
mod servers;
mod site;
mod stack;

pub use nix::sys::signal::Signal;

pub use capture::{Capture, Flow, Traffic};
pub use dialogue::Dialogue;
pub use dump::core_of;
pub use error::LabError;
pub use hello::{BadHello, check_client_hello};
pub use internet::Overheard;
pub use keys::{Credentials, random_word};
pub use namespace::Ns;
pub use network::{
    CLOUD_IP, CLOUD_NAME, CLOUD_PORT, DESKTOP_IP, DEVICE_IP, GATEWAY_IP, ROUTER_IP, SERVER_IP,
};
pub use options::{Dns, Internet, ProxyAuth, SiteOptions, Uplink};
pub use running::Running;
pub use screen::{Pattern, Screen};
pub use search::{
    files_hold, files_hold_bytes, memory_holds, memory_holds_bytes, text_holds_bytes,
};
pub use servers::flavours::Flavour;
pub use site::Site;
pub use stack::{
    Portal, Programs, Stack, TECHNICIAN, Technician, WEB_NAME, free_cloud_address, node_tool,
    usual_cloud_address,
};
