//! Name servers that routers announce by IPv6 (RFC 8106): the kernel makes
//! addresses and routes of such an announcement by itself and hands the name
//! servers on (rtnetlink, `RTM_NEWNDUSEROPT`). No port is open for that.
//!
//! The bytes come from whoever sends on the site's network: read with bounds,
//! dropped when strange. [`announced`] and [`Servers`] are pure.

use std::fs;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, socket,
};

/// The kernel's group for options of neighbour discovery (`RTNLGRP_ND_USEROPT`,
/// number 20, counted from 1).
const GROUP: u32 = 1 << 19;
/// `RTM_NEWNDUSEROPT`.
const NEW_OPTION: u16 = 68;
/// Bytes of the kernel's header, and of the one of these messages.
const HEADER: usize = 16;
const OPTION_HEADER: usize = 16;
/// A router's announcement.
const ROUTER_ADVERTISEMENT: u8 = 134;
/// Recursive DNS servers, RFC 8106 §5.1.
const RDNSS: u8 = 25;
/// An option's length counts these.
const UNIT: usize = 8;
/// Servers remembered; the resolver asks three.
const MAX: usize = 8;
/// Messages taken in one turn, however many come: the rest waits in the kernel.
const TAKEN: usize = 64;
/// Longest time that a server is believed without a new word.
const LONGEST: u32 = 7 * 24 * 3600;

/// A name server and for how long it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// The kernel's number of the interface.
    pub interface: u32,
    /// The server.
    pub server: Ipv6Addr,
    /// Seconds; 0: it may not be asked any more.
    pub lifetime: u32,
}

/// The name servers in messages of the kernel; what is something else, or
/// strange, is passed over.
pub fn announced(mut messages: &[u8]) -> Vec<Announced> {
    let mut out = Vec::new();
    while let Some((head, _)) = messages.split_first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]);
        let kind = u16::from_ne_bytes([head[4], head[5]]);
        let Some(message) = usize::try_from(length)
            .ok()
            .and_then(|length| messages.get(HEADER..length))
        else {
            break;
        };
        if kind == NEW_OPTION {
            options(message, &mut out);
        }
        // Each begins at a multiple of 4 bytes.
        let next = (HEADER + message.len()).next_multiple_of(4);
        messages = messages.get(next..).unwrap_or_default();
    }
    out
}

/// family, –, length of the options (2), interface (4), ICMP type, code, –.
fn options(message: &[u8], out: &mut Vec<Announced>) {
    let Some((head, rest)) = message.split_first_chunk::<OPTION_HEADER>() else {
        return;
    };
    let length = usize::from(u16::from_ne_bytes([head[2], head[3]]));
    let interface = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]);
    if head[8] != ROUTER_ADVERTISEMENT {
        return;
    }
    let mut rest = rest.get(..length).unwrap_or_default();
    while let [kind, units, ..] = *rest {
        let length = usize::from(units) * UNIT;
        let Some((option, after)) = rest.split_at_checked(length).filter(|_| length > 0) else {
            return;
        };
        if kind == RDNSS {
            servers(option, interface, out);
        }
        rest = after;
    }
}

/// type, length, – (2), lifetime (4), then addresses.
fn servers(option: &[u8], interface: u32, out: &mut Vec<Announced>) {
    let Some((head, addresses)) = option.split_first_chunk::<UNIT>() else {
        return;
    };
    let lifetime = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let (addresses, _) = addresses.as_chunks::<16>();
    for server in addresses.iter().map(|bytes| Ipv6Addr::from(*bytes)) {
        let usable = !server.is_unspecified() && !server.is_loopback() && !server.is_multicast();
        if usable && out.len() < MAX {
            out.push(Announced {
                interface,
                server,
                lifetime,
            });
        }
    }
}

/// The servers that may be asked now.
#[derive(Debug, Default)]
pub struct Servers {
    known: Vec<(u32, Ipv6Addr, Instant)>,
}

impl Servers {
    /// Takes an announcement; those beyond what is remembered are not asked.
    pub fn take(&mut self, told: Announced, now: Instant) {
        let same =
            |known: &(u32, Ipv6Addr, Instant)| (known.0, known.1) == (told.interface, told.server);
        let place = self.known.iter().position(same);
        let until = now + Duration::from_secs(told.lifetime.min(LONGEST).into());
        match place {
            Some(at) => self.known[at].2 = until,
            None if self.known.len() < MAX => {
                self.known.push((told.interface, told.server, until));
            }
            None => {}
        }
    }

    /// Those whose time is not over, oldest first.
    pub fn usable(&mut self, now: Instant) -> Vec<(u32, Ipv6Addr)> {
        self.known.retain(|(_, _, until)| *until > now);
        self.known
            .iter()
            .map(|(interface, server, _)| (*interface, *server))
            .collect()
    }
}

/// An ear for routers.
#[derive(Debug)]
pub struct Routers {
    socket: OwnedFd,
    servers: Servers,
    /// What was told last, for the resolver.
    told: Vec<String>,
}

impl Routers {
    /// Listens to the kernel from now on; before the first interface is up,
    /// so that its first answer is not missed.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkRoute,
        )?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUP))?;
        Ok(Self {
            socket,
            servers: Servers::default(),
            told: Vec::new(),
        })
    }

    /// Takes in what has come; answers the resolver's servers if they are
    /// others than before.
    pub fn changed(&mut self, now: Instant) -> Option<Vec<String>> {
        let mut buffer = [0; 8192];
        for _ in 0..TAKEN {
            let received = recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut buffer);
            let Ok((length, from)) = received else { break };
            // The kernel's own number.
            if from.is_none_or(|from| from.pid() != 0) {
                continue;
            }
            for told in announced(buffer.get(..length).unwrap_or_default()) {
                self.servers.take(told, now);
            }
        }
        let usable = self.servers.usable(now);
        let words: Vec<String> = usable.into_iter().filter_map(word).collect();
        let changed = words != self.told;
        self.told.clone_from(&words);
        changed.then_some(words)
    }
}

/// As the resolver reads it: an address of one cable with the cable's name.
fn word((interface, server): (u32, Ipv6Addr)) -> Option<String> {
    if !server.is_unicast_link_local() {
        return Some(server.to_string());
    }
    Some(format!("{server}%{}", name(Path::new("/"), interface)?))
}

fn name(root: &Path, interface: u32) -> Option<String> {
    let number = interface.to_string();
    fs::read_dir(root.join("sys/class/net"))
        .ok()?
        .flatten()
        .find(|entry| {
            fs::read_to_string(entry.path().join("ifindex")).is_ok_and(|text| text.trim() == number)
        })?
        .file_name()
        .into_string()
        .ok()
}

#[cfg(test)]
mod tests;
