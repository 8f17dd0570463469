//! OpenSSH's own server on a LAN host, with an account that exists only there.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::net::Net;
use crate::program::eventually;

pub(crate) const ACCOUNT: &str = "mechanic";
pub(crate) const PASSWORD: &str = "s3cret Wörd";

/// A running server; stops when dropped.
pub(crate) struct Sshd {
    pub(crate) dir: TempDir,
    child: Child,
}

impl Sshd {
    /// Listens at 192.168.77.10:22 with a host key of a type, and with lines
    /// of its settings file.
    pub(crate) async fn start(net: &Net, key_type: &str, settings: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("sshd").tempdir().unwrap();
        Self::start_in(net, dir, key_type, settings).await
    }

    async fn start_in(net: &Net, dir: TempDir, key_type: &str, settings: &str) -> Self {
        let at = dir.path();
        make_key(&at.join("host"), key_type, "");
        lay_files(at);
        let config = format!(
            "ListenAddress 192.168.77.10\nHostKey {at}/host\nUsePAM yes\nPidFile none\n\
             StrictModes no\nAuthorizedKeysFile {at}/keys\nUseDNS no\nAcceptEnv LANG LC_*\n\
             PrintMotd no\nPrintLastLog no\n{settings}\n",
            at = at.display()
        );
        fs::write(at.join("sshd_config"), config).unwrap();
        let script = "for file in passwd group shadow pam.d; do
               mount --bind \"$0/$file\" /etc/$file
             done
             mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/sshd
             mount -t tmpfs -o mode=755 tmpfs /var/log; : > /var/log/wtmp; : > /var/log/lastlog; : > /var/log/btmp
             exec /usr/sbin/sshd -D -e -f \"$0/sshd_config\"";
        let child = serve(net, at, script, "Server listening").await;
        Self { dir, child }
    }

    /// The host key's fingerprint, as OpenSSH says it.
    pub(crate) fn fingerprint(&self) -> String {
        let mut command = Command::new("ssh-keygen");
        let shown = command.args(["-l", "-f"]).arg(self.dir.path().join("host"));
        let shown = shown.output().unwrap();
        let line = String::from_utf8(shown.stdout).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// Makes a key that the account may sign in with; its file.
    pub(crate) fn user_key(&self, key_type: &str, passphrase: &str) -> String {
        let path = self.dir.path().join(format!("user-{key_type}"));
        make_key(&path, key_type, passphrase);
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        let keys = self.dir.path().join("keys");
        let known = fs::read_to_string(&keys).unwrap_or_default();
        fs::write(&keys, known + &public).unwrap();
        fs::read_to_string(path).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// The machine was installed anew: another key, the same address.
    pub(crate) async fn reinstalled(mut self, net: &Net, settings: &str) -> Self {
        stop(&mut self.child);
        Self::start(net, "ed25519", settings).await
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        stop(&mut self.child);
        if std::thread::panicking() {
            println!("--- sshd's log\n{}", self.log());
        }
    }
}

/// Runs a server's script on the LAN with its folder as `$0`, until it says in
/// `log` that it listens.
pub(crate) async fn serve(net: &Net, folder: &Path, script: &str, listens: &str) -> Child {
    let log = folder.join("log");
    let child = Command::new("ip")
        .args(["netns", "exec", &net.lan(), "sh", "-ec", script])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    eventually("the server listens", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains(listens))
    })
    .await;
    child
}

pub(crate) fn stop(child: &mut Child) {
    // The number of one that was waited for is somebody else's.
    if let Ok(None) = child.try_wait() {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let _ = kill(pid, Signal::SIGTERM);
        let _ = child.wait();
    }
}

fn make_key(path: &Path, key_type: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", key_type, "-N", passphrase, "-f"]);
    let made = command.arg(path).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// The account, as files to lay over those of `/etc`.
pub(crate) fn lay_files(at: &Path) {
    let hashed = Command::new("openssl")
        .args(["passwd", "-6", PASSWORD])
        .output()
        .unwrap();
    let hash = String::from_utf8(hashed.stdout).unwrap();
    let with = |name: &str, line: &str| {
        let own = fs::read_to_string(format!("/etc/{name}")).unwrap();
        fs::write(at.join(name), format!("{own}{line}\n")).unwrap();
    };
    with("passwd", &format!("{ACCOUNT}:x:4711:4711::/:/bin/sh"));
    with("group", &format!("{ACCOUNT}:x:4711:"));
    with(
        "shadow",
        &format!("{ACCOUNT}:{}:20000:0:99999:7:::", hash.trim()),
    );
    let pam = "auth required pam_unix.so\naccount required pam_unix.so\n\
               session required pam_unix.so\n";
    fs::create_dir(at.join("pam.d")).unwrap();
    for service in ["sshd", "other"] {
        fs::write(at.join("pam.d").join(service), pam).unwrap();
    }
}
