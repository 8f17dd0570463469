//! Dropbear on a LAN host: the SSH server of routers, cameras and small boxes.

use std::fs;
use std::process::{Child, Command};

use tempfile::TempDir;

use crate::net::Net;
use crate::sshd::{lay_files, serve, stop};

/// A running server; stops when dropped.
pub(crate) struct Dropbear {
    dir: TempDir,
    child: Child,
}

impl Dropbear {
    /// Listens at 192.168.77.10:22 with a host key of a type, and with words of
    /// its command line.
    pub(crate) async fn start(net: &Net, key_type: &str, options: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("dropbear")
            .tempdir()
            .unwrap();
        let at = dir.path();
        let made = Command::new("dropbearkey")
            .args(["-t", key_type, "-f"])
            .arg(at.join("host"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        lay_files(at);
        let script = format!(
            "for file in passwd group shadow; do mount --bind \"$0/$file\" /etc/$file; done
             mount -t tmpfs -o mode=755 tmpfs /run
             mount -t tmpfs -o mode=755 tmpfs /var/log; : > /var/log/wtmp; : > /var/log/lastlog
             exec /usr/sbin/dropbear -F -E -m -P '' -r \"$0/host\" -p 192.168.77.10:22 {options}"
        );
        let child = serve(net, at, &script, "Not backgrounding").await;
        Self { dir, child }
    }

    /// The host key's fingerprint, as Dropbear says it.
    pub(crate) fn fingerprint(&self) -> String {
        let mut command = Command::new("dropbearkey");
        let shown = command.args(["-y", "-f"]).arg(self.dir.path().join("host"));
        let shown = String::from_utf8(shown.output().unwrap().stdout).unwrap();
        let line = shown
            .lines()
            .find_map(|line| line.strip_prefix("Fingerprint: "));
        line.unwrap().to_owned()
    }
}

impl Drop for Dropbear {
    fn drop(&mut self) {
        stop(&mut self.child);
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.path().join("log"));
            println!("--- dropbear's log\n{}", log.unwrap_or_default());
        }
    }
}
