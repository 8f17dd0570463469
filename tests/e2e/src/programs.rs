//! A technician's open programs: `culvert forward`, `proxy` and `web`, each
//! with a connection that a host holds.
//!
//! They are the shipped programs; a client that ignores orders is in
//! [`crate::stubborn`].

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use culvert_lab::{DEVICE_IP, Running, Site, Technician};

use crate::world::eventually;

/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// All three, open.
pub struct Open {
    forward: Running,
    web: Running,
    proxy: Child,
    /// Held open by whoever uses the programs.
    connections: Vec<TcpStream>,
}

impl Open {
    /// Opens `forward` and `proxy` to the server's SSH and `web` to the device,
    /// and a connection through each.
    ///
    /// # Errors
    /// When one of them does not get through.
    pub fn all(site: &Site, technician: &Technician<'_>, name: &str) -> anyhow::Result<Self> {
        let run = |what: &str, args: &[&str]| {
            let mut command = technician.culvert(args);
            site.spawn(&format!("{what}-{name}"), &mut command)
        };
        let forward = run("forward", &["forward", "server:22"])?;
        let web = run("web", &["web", "device", "--print"])?;
        let mut proxy = technician
            .culvert(&["proxy", "server", "22"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut banner = [0; 7];
        let out = proxy.stdout.as_mut().context("piped")?;
        out.read_exact(&mut banner).context("proxy")?;
        ensure!(&banner == b"SSH-2.0", "proxy: {banner:?}");
        let connections = vec![
            through_forward(printed(&forward, "")?)?,
            through_web(printed(&web, "socks5://")?)?,
        ];
        Ok(Self {
            forward,
            web,
            proxy,
            connections,
        })
    }

    /// Waits until all three have ended by themselves, each with an error.
    ///
    /// # Errors
    /// When one runs on or calls its end ordinary.
    pub fn must_end(mut self) -> anyhow::Result<()> {
        for program in [&mut self.forward, &mut self.web] {
            let ended = program.wait(LIMIT);
            let status = ended.with_context(|| format!("{} runs on", program.name()))?;
            ensure!(!status.success(), "{}: an ordinary end", program.name());
        }
        let proxy = &mut self.proxy;
        eventually("proxy ends", LIMIT, || Ok(proxy.try_wait()?.is_some()))?;
        ensure!(!proxy.wait()?.success(), "proxy: an ordinary end");
        for connection in &mut self.connections {
            connection.set_read_timeout(Some(LIMIT))?;
            let mut rest = Vec::new();
            // A reset or an end: nobody keeps a connection that leads nowhere.
            if let Err(error) = connection.read_to_end(&mut rest) {
                ensure!(
                    error.kind() == std::io::ErrorKind::ConnectionReset,
                    "a connection stays open: {error}"
                );
            }
        }
        Ok(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Gone already as a rule.
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// The address that a program has printed behind a scheme, as soon as it has.
///
/// # Errors
/// When it does not.
pub fn printed(program: &Running, scheme: &str) -> anyhow::Result<SocketAddr> {
    let mut address = None;
    eventually("an address is printed", LIMIT, || {
        let log = program.log();
        let mut found = log.lines().filter_map(|line| line.strip_prefix(scheme));
        address = found.find_map(|rest| rest.trim().parse().ok());
        Ok(address.is_some())
    })
    .with_context(|| program.log())?;
    address.context("just found")
}

fn through_forward(at: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut tcp = TcpStream::connect(at)?;
    let mut banner = [0; 7];
    tcp.read_exact(&mut banner)?;
    ensure!(&banner == b"SSH-2.0", "forward: {banner:?}");
    Ok(tcp)
}

/// SOCKS 5 to the device, and half a request: the device waits for the rest.
fn through_web(at: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut tcp = TcpStream::connect(at)?;
    tcp.write_all(&[5, 1, 0])?;
    let mut chosen = [0; 2];
    tcp.read_exact(&mut chosen)?;
    ensure!(chosen == [5, 0], "SOCKS: {chosen:?}");
    let device: Ipv4Addr = DEVICE_IP.parse()?;
    let mut ask = vec![5, 1, 0, 1];
    ask.extend(device.octets());
    ask.extend(80_u16.to_be_bytes());
    tcp.write_all(&ask)?;
    let mut answer = [0; 10];
    tcp.read_exact(&mut answer)?;
    ensure!(answer[1] == 0, "SOCKS: {answer:?}");
    tcp.write_all(b"GET / HTTP/1.1\r\n")?;
    Ok(tcp)
}
