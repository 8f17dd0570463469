//! Sites without DHCP, behind a proxy, with IPv6 alone; and a card that was
//! carried to another board.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context as _, ensure};
use culvert_e2e::world::eventually;

use crate::card::Card;
use crate::lan::{self, Names};
use crate::leash::leashed;
use crate::machine::{HANGS, Machine};
use crate::provider::{Provider, SITE};

/// Another board: its interface has another address.
pub(crate) const OTHER_BOARD: [&str; 2] = ["-global", "virtio-net-pci.mac=52:54:00:00:77:07"];
/// Where the site's proxy listens.
const PROXY: &str = "3128";

/// The file of a site without DHCP; no claim code: the box is claimed.
pub(crate) fn fixed_address() -> String {
    format!(
        "[network]\naddress = \"{}/24\"\ngateway = \"{}\"\ndns = [\"{}\"]\n",
        lan::FIXED,
        lan::HOST,
        lan::HOST
    )
}

/// The screen says that the box has it.
pub(crate) fn has_fixed_address(machine: &mut Machine) -> anyhow::Result<()> {
    machine.says(": static address").map(drop)
}

/// The same, where nobody gets out but by a proxy.
pub(crate) fn behind_a_proxy() -> String {
    let proxy = format!("http://{}:{PROXY}", lan::HOST);
    fixed_address() + &format!("[gateway]\nproxy = {{ url = \"{proxy}\" }}\n")
}

/// S27: a card in another board is reported and put aside until somebody has
/// decided; then it is at home there. Its address comes from the file.
pub(crate) fn moved(provider: &Provider, machine: &mut Machine, key: &str) -> anyhow::Result<()> {
    has_fixed_address(machine)?;
    machine.says("this card was in another board before")?;
    machine.boots("status: quarantined")?;
    provider.sees_health("card_moved")?;
    ensure!(provider.session().is_err(), "a session in quarantine");
    provider.did(&["gateway", "release", SITE])?;
    ensure!(machine.online()? == key, "the key must stay");
    machine.says("the card belongs to this board from now on")?;
    provider.sees_health("ok")?;
    provider.session()
}

/// The cable of a box at work is put into another network: it asks there for an
/// address, and does not wait until its lease ends.
pub(crate) fn carried_on(
    provider: &mut Provider,
    machine: &mut Machine,
    key: &str,
) -> anyhow::Result<()> {
    let mut hand = machine.hand()?;
    hand.cable(false)?;
    machine.boots("status: no cable")?;
    provider.plug_servers(Names::Elsewhere)?;
    hand.cable(true)?;
    ensure!(machine.online()? == key, "the key must stay");
    ensure!(provider.gave(lan::ELSEWHERE)?, "the box kept its address");
    provider.plug_servers(Names::Known)
}

/// A real proxy, which alone knows the server's name for the box.
pub(crate) struct Proxy {
    child: Child,
    log: std::path::PathBuf,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// Starts it.
    pub(crate) fn start(home: &Path) -> anyhow::Result<Self> {
        let (config, hosts) = (home.join("proxy.conf"), home.join("proxy.hosts"));
        let log = home.join("proxy.log");
        fs::write(
            &config,
            format!(
                "User root\nGroup root\nPort {PROXY}\nListen {}\nTimeout 600\nMaxClients 20\n\
                 Allow 10.77.0.0/24\nConnectPort 443\nLogLevel Connect\nLogFile \"{}\"\n",
                lan::HOST,
                log.display()
            ),
        )?;
        fs::write(&hosts, format!("{} {}\n", lan::HOST, lan::SERVER_NAME))?;
        let child = leashed("unshare")
            .args(["--mount", "sh", "-ec"])
            .arg("mount --bind \"$0\" /etc/hosts; exec tinyproxy -d -c \"$1\"")
            .args([&hosts, &config])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("tinyproxy (Debian package tinyproxy-bin)")?;
        Ok(Self { child, log })
    }

    /// Waits until somebody was taken to the server.
    pub(crate) fn was_used(&self) -> anyhow::Result<()> {
        let wanted = format!("CONNECT {}:443", lan::SERVER_NAME);
        eventually(&wanted, HANGS, || {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            Ok(log.contains(&wanted))
        })
        .map(drop)
    }
}

/// S26: no IPv4 at all: address, way and name server come from the router's
/// announcement, the server's name leads to an IPv6 address.
///
/// P7: nothing in the machine makes randomness for the kernel: two cards of one
/// image have two keys all the same.
#[test]
fn a_box_on_a_site_with_ipv6_alone_comes_online() -> anyhow::Result<()> {
    let built = crate::built()?;
    let mut provider = Provider::start_at("[::]")?;
    provider.plug_servers(Names::Ipv6)?;
    let card = Card::flash(&built, provider.home.join("card6.img"))?;
    card.provision(&provider.settings()?)?;
    let mut machine = Machine::boot_dull(&card.path)?;
    machine.says("there is randomness after ")?;
    let key = machine.online()?;
    machine.healthy()?;
    let told = provider.sees_the_box(true)?;
    ensure!(told == key, "the API tells {told}, the console {key}");
    ensure!(!provider.gave(lan::BOX)?, "the box had an IPv4 address");
    machine.cut();

    let twin = Card::flash(&built, provider.home.join("twin.img"))?;
    let mut machine = Machine::boot_dull(&twin.path)?;
    let other = machine.says("status: not claimed, key ")?;
    ensure!(other.len() == key.len() && other != key, "twins: {other}");
    Ok(())
}
