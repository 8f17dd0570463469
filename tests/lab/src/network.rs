//! Addresses, wires, routes and firewalls of a site.
//!
//! ```text
//!  .10 server  .20 desktop  .30 device  .2 gateway      technician 10.44.0.2
//!      └───────────┴── 192.168.77.0/24 ─┘                     │
//!                  .1 router (NAT, out: TCP 443)        10.44.0.1 home router
//!                     │ 198.51.100.2                          │ 198.51.101.2
//!                     └──────── internet: 203.0.113.10 ───────┘
//! ```
//! Both routers speak for the same rule: what the gateway or the technician
//! needs beyond outbound TCP 443 does not work here.

use crate::LabError;
use crate::namespace::{Ns, World};
use crate::options::Uplink;

/// The cloud server's public address.
pub const CLOUD_IP: &str = "203.0.113.10";
/// The port it is reached at.
pub const CLOUD_PORT: u16 = 443;
/// A name for it that the site's name server knows.
pub const CLOUD_NAME: &str = "cloud.example";
/// The site's router.
pub const ROUTER_IP: &str = "192.168.77.1";
/// The gateway.
pub const GATEWAY_IP: &str = "192.168.77.2";
/// sshd and telnetd.
pub const SERVER_IP: &str = "192.168.77.10";
/// VNC and RDP.
pub const DESKTOP_IP: &str = "192.168.77.20";
/// A device's web page.
pub const DEVICE_IP: &str = "192.168.77.30";
/// The router's port for tinyproxy or squid.
pub(crate) const PROXY_PORT: u16 = 3128;

/// Wires the internet and the site together.
pub(crate) fn build_site(world: &World, uplink: Uplink, lan: &[Ns]) -> Result<(), LabError> {
    world.shell(
        Ns::Internet,
        "the internet's address",
        &format!(
            "ip address add {CLOUD_IP}/32 dev lo\n\
             echo 1 > /proc/sys/net/ipv4/ip_forward"
        ),
    )?;
    router(world, Ns::Router, "198.51.100")?;
    let mut script = format!(
        "ip link add lan0 type bridge forward_delay 0\n\
         ip address add {ROUTER_IP}/24 dev lan0\n\
         ip link set lan0 up\n"
    );
    for ns in lan {
        script.push_str(&format!(
            "ip link add to-{name} type veth peer name eth0 netns {pid}\n\
             ip link set to-{name} master lan0 up\n",
            name = ns.name(),
            pid = world.inner_pid(*ns),
        ));
    }
    world.shell(Ns::Router, "the site's bridge", &script)?;
    for ns in lan {
        join_lan(world, *ns, lan_address(*ns), ROUTER_IP)?;
    }
    firewall(world, Ns::Router, uplink == Uplink::OnlyTcp443)
}

/// A second NAT with the technician behind it.
pub(crate) fn build_technician(world: &World) -> Result<(), LabError> {
    router(world, Ns::TechnicianRouter, "198.51.101")?;
    let script = format!(
        "ip link add lan0 type veth peer name eth0 netns {}\n\
         ip address add 10.44.0.1/24 dev lan0\n\
         ip link set lan0 up",
        world.inner_pid(Ns::Technician)
    );
    world.shell(Ns::TechnicianRouter, "the technician's line", &script)?;
    join_lan(world, Ns::Technician, "10.44.0.2", "10.44.0.1")?;
    firewall(world, Ns::TechnicianRouter, true)
}

/// Makes a router swallow everything, without a word, or carry it again.
pub(crate) fn silence(world: &World, router: Ns, silent: bool) -> Result<(), LabError> {
    let script = if silent {
        "nft add rule inet site silence drop"
    } else {
        "nft flush chain inet site silence"
    };
    world.shell(router, "the router's silence", script)?;
    Ok(())
}

fn lan_address(ns: Ns) -> &'static str {
    match ns {
        Ns::Server => SERVER_IP,
        Ns::Desktop => DESKTOP_IP,
        Ns::Device => DEVICE_IP,
        Ns::Gateway => GATEWAY_IP,
        Ns::Host | Ns::Internet | Ns::Router | Ns::TechnicianRouter | Ns::Technician => {
            unreachable!("{} is not on the site's LAN", ns.name())
        }
    }
}

fn router(world: &World, ns: Ns, outside: &str) -> Result<(), LabError> {
    let script = format!(
        "ip link add out0 type veth peer name to-{name} netns {pid}\n\
         ip address add {outside}.2/24 dev out0\n\
         ip link set out0 up\n\
         echo 1 > /proc/sys/net/ipv4/ip_forward",
        name = ns.name(),
        pid = world.inner_pid(Ns::Internet),
    );
    world.shell(ns, "a router's outer side", &script)?;
    let script = format!(
        "ip address add {outside}.1/24 dev to-{name}\n\
         ip link set to-{name} up",
        name = ns.name()
    );
    world.shell(Ns::Internet, "the provider's side", &script)?;
    world.shell(
        ns,
        "a route",
        &format!("ip route add default via {outside}.1"),
    )?;
    Ok(())
}

fn join_lan(world: &World, ns: Ns, address: &str, router: &str) -> Result<(), LabError> {
    let script = format!(
        "ip address add {address}/24 dev eth0\n\
         ip link set eth0 up\n\
         ip route add default via {router}"
    );
    world.shell(ns, "a place on the LAN", &script)?;
    Ok(())
}

/// The rule from `lan0` to `lan0` is for kernels that show bridged packets to
/// the firewall, too (br_netfilter).
fn firewall(world: &World, ns: Ns, tcp_443: bool) -> Result<(), LabError> {
    let out = if tcp_443 {
        r#"iifname "lan0" oifname "out0" tcp dport 443 accept"#
    } else {
        ""
    };
    let rules = format!(
        r#"table inet site {{
  chain silence {{ }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    iifname "lan0" oifname "lan0" accept
    jump silence
    ct state established,related accept
    {out}
  }}
  chain input {{
    type filter hook input priority 0; policy drop;
    iif "lo" accept
    jump silence
    ct state established,related accept
    iifname "lan0" udp dport 53 accept
    iifname "lan0" tcp dport {PROXY_PORT} accept
    iifname "lan0" icmp type echo-request accept
  }}
  chain outgoing {{
    type nat hook postrouting priority 100;
    oifname "out0" masquerade
  }}
}}"#
    );
    world.shell(
        ns,
        "a firewall",
        &format!("nft -f - <<'RULES'\n{rules}\nRULES"),
    )?;
    Ok(())
}
