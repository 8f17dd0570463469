//! What kind of site is wanted.

use std::net::SocketAddr;

/// How a site may be told apart from the ordinary one.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// Where the cloud server listens on this machine's loopback.
    pub cloud: SocketAddr,
    /// What the site's router lets out.
    pub uplink: Uplink,
    /// What stands between the site and the cloud server.
    pub internet: Internet,
    /// What the site's name server answers.
    pub dns: Dns,
    /// Also make a place for the technician, behind a NAT router of her own
    /// that lets only TCP 443 out.
    pub technician: bool,
    /// Start the site's hosts; without them a site is up in half a second.
    pub hosts: bool,
}

impl Default for SiteOptions {
    fn default() -> Self {
        Self {
            cloud: SocketAddr::from(([127, 0, 0, 1], 8443)),
            uplink: Uplink::OnlyTcp443,
            internet: Internet::Honest,
            dns: Dns::Right,
            technician: false,
            hosts: true,
        }
    }
}

/// What the site's router lets out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// TCP to port 443 and nothing else.
    OnlyTcp443,
    /// Nothing; an HTTP proxy on the router connects to port 443.
    OnlyProxy(ProxyAuth),
}

/// What the site's proxy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyAuth {
    /// Nothing (tinyproxy).
    None,
    /// User and password in the clear (tinyproxy).
    Basic,
    /// A digest of both (squid).
    Digest,
}

/// What stands between the site and the cloud server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Internet {
    /// Bytes arrive as they were sent.
    Honest,
    /// A proxy ends TLS with a certificate of its own, reads everything, and
    /// makes a new TLS connection to the cloud server.
    Intercepting,
}

/// What the site's name server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dns {
    /// The cloud server's name has its address.
    Right,
    /// Every name has an address where nobody is.
    Wrong,
    /// There is no name server at all.
    Silent,
}
