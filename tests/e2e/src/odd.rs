//! Hosts of the site that a test of the browser wants beside the usual ones: an
//! SSH server that becomes another machine, one with old cryptography, a desktop
//! that tells which keys came, a key that the account may sign in with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use culvert_lab::{DESKTOP_IP, Ns, Running, SERVER_IP, Site};

use crate::world::{eventually, must_work};

/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// The screen of [`Odd::desktop`]; its port is 5900 and this.
const DISPLAY: u32 = 4;
/// What the SSH server says before anybody signs in: markup, a turn of the line,
/// a bell, an escape sequence.
const BANNER: &str =
    "<img src=x onerror=alert(1)> & welcome\n\u{202e}txt.exe\u{7}\u{1b}[2J\u{1b}]0;owned\u{7}end\n";
/// All that [`Odd::old_sshd`] speaks.
const OLD: &str = "KexAlgorithms diffie-hellman-group14-sha1\nHostKeyAlgorithms ssh-rsa\n\
                   Ciphers aes128-cbc\nMACs hmac-sha1";

/// What runs of it; all of it ends when dropped.
pub struct Odd<'a> {
    site: &'a Site,
    sshd: Option<Running>,
    old: Option<Running>,
    made: usize,
    desktop: Vec<Running>,
}

impl<'a> Odd<'a> {
    /// Nothing yet.
    #[must_use]
    pub fn new(site: &'a Site) -> Self {
        Self {
            site,
            sshd: None,
            old: None,
            made: 0,
            desktop: Vec::new(),
        }
    }

    /// OpenSSH at this port of the server, with a key that nobody has seen, in the
    /// place of the one before; the key's fingerprint.
    ///
    /// # Errors
    /// What failed.
    pub fn sshd(&mut self, port: &str) -> anyhow::Result<String> {
        // The port is free before the next one takes it.
        self.sshd = None;
        let banner = self.site.temp_dir().join("odd-banner");
        fs::write(&banner, BANNER)?;
        let (running, key) =
            self.listen(port, "ed25519", &format!("Banner {}", banner.display()))?;
        self.sshd = Some(running);
        let mut shown = Command::new("ssh-keygen");
        let shown = must_work(shown.arg("-lf").arg(&key))?;
        let line = String::from_utf8(shown.stdout)?;
        let print = line.split_whitespace().nth(1).context("no fingerprint")?;
        Ok(print.to_owned())
    }

    /// OpenSSH at another port of the server, that speaks what an old device does.
    ///
    /// # Errors
    /// What failed.
    pub fn old_sshd(&mut self, port: &str) -> anyhow::Result<()> {
        self.old = None;
        self.old = Some(self.listen(port, "rsa", OLD)?.0);
        Ok(())
    }

    /// OpenSSH with a new key of this kind; it listens.
    fn listen(&mut self, port: &str, kind: &str, more: &str) -> anyhow::Result<(Running, PathBuf)> {
        self.made += 1;
        let name = format!("odd-sshd-{}", self.made);
        let key = self.site.temp_dir().join(&name);
        make_key(&key, kind, "")?;
        let settings = format!(
            "ListenAddress {SERVER_IP}:{port}\nHostKey {}\nPidFile none\nUsePAM yes\n\
             PasswordAuthentication yes\nKbdInteractiveAuthentication no\nStrictModes no\n\
             PrintMotd no\nUseDNS no\n{more}\n",
            key.display(),
        );
        let file = key.with_extension("config");
        fs::write(&file, settings)?;
        let mut command = self.site.command(Ns::Server, "/usr/sbin/sshd");
        let running = self
            .site
            .spawn(&name, command.args(["-D", "-e", "-f"]).arg(&file))?;
        eventually("the SSH server listens", LIMIT, || {
            Ok(running.log().contains("Server listening"))
        })
        .with_context(|| running.log())?;
        Ok((running, key))
    }

    /// A key with a passphrase that the site's account may sign in with.
    ///
    /// # Errors
    /// What failed.
    pub fn key(&self, passphrase: &str) -> anyhow::Result<String> {
        let key = self.site.temp_dir().join("odd-key");
        make_key(&key, "ed25519", passphrase)?;
        let folder = self.site.home(Ns::Server).join(".ssh");
        fs::create_dir_all(&folder)?;
        let public = fs::read_to_string(key.with_extension("pub"))?;
        fs::write(folder.join("authorized_keys"), public)?;
        Ok(fs::read_to_string(key)?)
    }

    /// A desktop that asks nobody for anything, with one window over all of it
    /// that writes down which keys come.
    ///
    /// # Errors
    /// What failed.
    pub fn desktop(&mut self) -> anyhow::Result<()> {
        if !self.desktop.is_empty() {
            return Ok(());
        }
        let screen = format!(":{DISPLAY}");
        let port = (5900 + DISPLAY).to_string();
        let mut server = self.site.command(Ns::Desktop, "setpriv");
        self.site.as_account(&mut server, None);
        server.args(["Xtigervnc", &screen, "-geometry", "1024x768"]);
        server.args(["-rfbport", &port, "-interface", DESKTOP_IP]);
        server.args([
            "-SecurityTypes",
            "None",
            "-AlwaysShared",
            "-nolisten",
            "tcp",
        ]);
        let server = self
            .site
            .spawn("odd-desktop", server.args(["-ac", "-br"]))?;
        let mut keys = self.site.command(Ns::Desktop, "setpriv");
        self.site.as_account(&mut keys, Some(DISPLAY));
        let script = "until xprop -root >/dev/null 2>&1; do sleep .1; done
            exec xev -event keyboard -geometry 1024x768+0+0";
        let keys = self
            .site
            .spawn("odd-keys", keys.args(["sh", "-c", script]))?;
        self.desktop = vec![server, keys];
        eventually("the window is there", LIMIT, || {
            Ok(self.log().contains("MappingNotify") || self.log().contains("KeymapNotify"))
        })
        .with_context(|| self.log())?;
        Ok(())
    }

    /// The names of the keys that came there, once one of them has.
    ///
    /// # Errors
    /// When it does not come.
    pub fn keys(&self, last: &str) -> anyhow::Result<Vec<String>> {
        let names = || -> Vec<String> {
            let log = self.log();
            let presses = log.split("KeyPress event").skip(1);
            let name = |press: &str| {
                let (_, rest) = press.split_once("keysym 0x")?;
                let (_, rest) = rest.split_once(", ")?;
                Some(rest.split_once(')')?.0.to_owned())
            };
            presses.filter_map(name).collect()
        };
        eventually("the key comes", LIMIT, || {
            Ok(names().iter().any(|name| name == last))
        })
        .with_context(|| self.log())?;
        Ok(names())
    }

    fn log(&self) -> String {
        self.desktop.iter().map(Running::log).collect()
    }
}

fn make_key(path: &Path, kind: &str, passphrase: &str) -> anyhow::Result<()> {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-f"]);
    must_work(command.arg(path)).map(drop)
}
