//! The provider: a real server with one site, a technician, an administrator,
//! and a host behind the box (this machine's own sshd, which the box meets as
//! another host of its network).

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use culvert_e2e::world::{eventually, must_work};
use culvert_lab::Programs;

use crate::lan::{self, Lan, Names};
use crate::leash::leashed;
use crate::machine::HANGS;

/// Everybody's password here.
const PASSWORD: &str = "correct horse battery";
/// The site of the box.
pub(crate) const SITE: &str = "Harbour/Pump station";
/// Where the sshd behind the box listens.
const SSH_PORT: &str = "22";

/// The server and what is around it.
pub(crate) struct Provider {
    /// The site's network, as long as the provider is there.
    lan: Lan,
    /// A folder that goes when the provider goes.
    pub(crate) home: PathBuf,
    programs: Programs,
    provider_key: String,
    server: Option<Child>,
    sshd: Option<Child>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        for mut child in [self.server.take(), self.sshd.take()].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Kept for whoever looks for the reason.
        if !std::thread::panicking() && std::env::var_os("CULVERT_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.home);
        }
    }
}

impl Provider {
    /// Makes and starts all of it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::start_at(lan::HOST)
    }

    /// The same with the server at another address of this machine.
    pub(crate) fn start_at(address: &str) -> anyhow::Result<Self> {
        let programs = Programs::beside_this_one()?;
        let home = std::env::temp_dir().join(format!("culvert-box-{}", std::process::id()));
        fs::create_dir_all(&home)?;
        let mut it = Self {
            lan: Lan::lay(&home)?,
            programs,
            home,
            provider_key: String::new(),
            server: None,
            sshd: None,
        };
        let mut init = it.prs("init");
        init.arg(format!("--listen={address}:443"))
            .arg(format!("--public-address={}:443", lan::SERVER_NAME));
        let printed = String::from_utf8(must_work(&mut init)?.stdout)?;
        it.provider_key = printed
            .lines()
            .find_map(|line| line.strip_prefix("provider key:"))
            .context("init tells the provider key")?
            .trim()
            .to_owned();
        it.fill()?;
        it.serve()?;
        it.sshd()?;
        let address = format!("{}:443", lan::HOST);
        let mut login = it.culvert(&["login", &address, "--user", "tess", "--password-stdin"]);
        login.args(["--provider-key", &it.provider_key]);
        feed(&mut login, PASSWORD)?;
        Ok(it)
    }

    fn fill(&self) -> anyhow::Result<()> {
        for (name, role) in [("tess", "technician"), ("ada", "administrator")] {
            let mut user = self.admin(&["user", "add", name, "--role", role]);
            feed(user.arg("--password-stdin"), PASSWORD)?;
        }
        let service = format!("ssh:{SSH_PORT}");
        self.did(&["customer", "add", "Harbour"])?;
        self.did(&["site", "add", "--customer", "Harbour", "Pump station"])?;
        let address = ["--address", lan::HOST, "--service", &service];
        self.did(&[&["host", "add", "--site", SITE, "server"], &address[..]].concat())?;
        Ok(())
    }

    /// Starts the server; it is there when this returns.
    pub(crate) fn serve(&mut self) -> anyhow::Result<()> {
        let log = fs::File::create(self.home.join("server.log"))?;
        let serve = self
            .prs("serve")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        self.server = Some(serve);
        eventually("the server", HANGS, || {
            Ok(std::net::TcpStream::connect((lan::HOST, 443)).is_ok())
        })?;
        Ok(())
    }

    fn sshd(&mut self) -> anyhow::Result<()> {
        for name in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
            must_work(keygen.arg(self.home.join(name)))?;
        }
        let home = self.home.display();
        let config = format!(
            "ListenAddress {}:{SSH_PORT}\nHostKey {home}/host\nPidFile none\nStrictModes no\n\
             AuthorizedKeysFile {home}/user.pub\nPasswordAuthentication no\nUsePAM no\n",
            lan::HOST
        );
        let file = self.home.join("sshd_config");
        fs::write(&file, config)?;
        fs::create_dir_all("/run/sshd")?;
        let mut sshd = leashed("/usr/sbin/sshd");
        sshd.arg("-D").arg("-f").arg(file);
        self.sshd = Some(sshd.stderr(Stdio::null()).spawn()?);
        Ok(())
    }

    /// A settings file with a fresh claim code.
    pub(crate) fn settings(&self) -> anyhow::Result<String> {
        self.settings_with(&["gateway", "code", "--site", SITE])
    }

    /// The same for a box that comes in the place of the dead one.
    pub(crate) fn replacement(&self) -> anyhow::Result<String> {
        self.settings_with(&["gateway", "replace", SITE])
    }

    fn settings_with(&self, ask: &[&str]) -> anyhow::Result<String> {
        let printed = self.did(ask)?;
        let code: String = printed.split_whitespace().collect();
        Ok(format!("claim = \"{code}\"\n"))
    }

    /// A command over the box to the server behind it.
    pub(crate) fn session(&self) -> anyhow::Result<()> {
        let mut ssh = self.ssh("echo through $((40 + 2)) the box");
        let said = String::from_utf8(must_work(&mut ssh)?.stdout)?;
        ensure!(said.trim() == "through 42 the box", "{said}");
        Ok(())
    }

    /// A session that lasts until somebody ends it.
    pub(crate) fn lasting_session(&self) -> anyhow::Result<Child> {
        let mut ssh = self.ssh("sleep 100000");
        Ok(ssh.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }

    fn ssh(&self, words: &str) -> Command {
        let proxy = format!(
            "ProxyCommand={} proxy server %p",
            self.program("culvert").display()
        );
        let mut ssh = leashed("ssh");
        ssh.args(["-o", &proxy, "-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .arg("-i")
            .arg(self.home.join("user"))
            .args(["-p", SSH_PORT, "root@server", words])
            .env("HOME", &self.home)
            .env("CULVERT_HOME", self.home.join("culvert"))
            .stdin(Stdio::null());
        ssh
    }

    /// Waits until the API tells the portal what the box says of itself.
    pub(crate) fn sees_health(&self, code: &str) -> anyhow::Result<()> {
        let page = Page::sign_in(&self.home)?;
        let id = text_of(&page.get("/api/v1/gateways")?, "id").context("a box")?;
        eventually(code, HANGS, || {
            let told = page.get(&format!("/api/v1/gateways/{id}"))?;
            Ok(told.contains(&format!("\"code\":\"{code}\"")))
        })?;
        Ok(())
    }

    /// Waits until the API tells the portal that the box is online, or is not;
    /// answers the key's fingerprint as the API tells it.
    pub(crate) fn sees_the_box(&self, online: bool) -> anyhow::Result<String> {
        let page = Page::sign_in(&self.home)?;
        let mut fingerprint = None;
        eventually("the box in the API", HANGS, || {
            let told = page.get("/api/v1/gateways")?;
            fingerprint = text_of(&told, "fingerprint");
            Ok(told.contains(&format!("\"online\":{online}")))
        })?;
        fingerprint.context("the API tells a fingerprint")
    }

    /// Takes a bundle in; no box gets it yet.
    pub(crate) fn publishes(&self, bundle: &Path) -> anyhow::Result<()> {
        let bundle = bundle.to_str().context("a path in words")?;
        self.did(&["release", "publish", bundle])?;
        Ok(())
    }

    /// As a bad server would: the bytes of a release that was published and
    /// promoted are others, of the same length, so that only the box can tell.
    pub(crate) fn hands_out(&self, good: &Path, bad: &Path, version: u64) -> anyhow::Result<()> {
        self.publishes(good)?;
        let name = format!("cloud/releases/qemu-virt-{version}.bundle");
        let mut bytes = fs::read(bad)?;
        bytes.resize(fs::metadata(good)?.len().try_into()?, 0);
        fs::write(self.home.join(name), bytes)?;
        self.promotes(version, "early")
    }

    /// Lets a ring have a release.
    pub(crate) fn promotes(&self, version: u64, ring: &str) -> anyhow::Result<()> {
        let version = version.to_string();
        self.did(&["release", "promote", "qemu-virt", &version, "--ring", ring])?;
        Ok(())
    }

    /// Waits until a list shows `words`.
    pub(crate) fn lists(&self, list: &[&str], words: &str) -> anyhow::Result<()> {
        let mut last = String::new();
        let shown = eventually(words, HANGS, || {
            last = self.did(list)?;
            Ok(last.contains(words))
        });
        shown.with_context(|| last).map(drop)
    }

    /// The box that has a label, as the list of boxes shows it; none if it is not
    /// there.
    pub(crate) fn box_with(&self, label: &str) -> anyhow::Result<Option<String>> {
        let list = self.did(&["gateway", "list"])?;
        let row = list.lines().find(|line| line.contains(label));
        Ok(row.map(str::to_owned))
    }

    /// The site has addresses again, and names or not.
    pub(crate) fn plug_servers(&mut self, names: Names) -> anyhow::Result<()> {
        self.lan.plug_servers(&self.home, names)
    }

    /// The site has neither any more.
    pub(crate) fn unplug_servers(&mut self) {
        self.lan.unplug_servers();
    }

    /// Whether somebody has a DHCP lease of this address.
    pub(crate) fn gave(&self, address: &str) -> anyhow::Result<bool> {
        let leases = fs::read_to_string(self.home.join("leases"))?;
        Ok(leases.contains(address))
    }

    /// A command of the owner of the machine; answers what it printed.
    pub(crate) fn did(&self, args: &[&str]) -> anyhow::Result<String> {
        Ok(String::from_utf8(must_work(&mut self.admin(args))?.stdout)?)
    }

    /// The same, not yet run.
    pub(crate) fn admin(&self, args: &[&str]) -> Command {
        let mut command = self.prs("admin");
        command.args(args);
        command
    }

    fn program(&self, name: &str) -> PathBuf {
        self.programs.folder().join(name)
    }

    fn prs(&self, what: &str) -> Command {
        let mut command = leashed(self.program("culvert-prs"));
        command.arg(what).arg("--data").arg(self.home.join("cloud"));
        command
    }

    fn culvert(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program("culvert"));
        command
            .args(args)
            .env("HOME", &self.home)
            .env("CULVERT_HOME", self.home.join("culvert"));
        command
    }
}

/// An administrator's browser, as far as the API is concerned: curl with the
/// portal's cookie.
struct Page {
    jar: PathBuf,
}

impl Page {
    fn sign_in(home: &Path) -> anyhow::Result<Self> {
        let page = Self {
            jar: home.join("cookies"),
        };
        let body = format!("{{\"name\":\"ada\",\"password\":\"{PASSWORD}\"}}");
        let mut curl = page.curl("/api/v1/sign-in");
        curl.args(["-H", "Content-Type: application/json", "-d", &body]);
        must_work(&mut curl)?;
        Ok(page)
    }

    fn get(&self, path: &str) -> anyhow::Result<String> {
        Ok(String::from_utf8(must_work(&mut self.curl(path))?.stdout)?)
    }

    fn curl(&self, path: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sSfk", "--resolve"])
            .arg(format!("{}:443:{}", lan::SERVER_NAME, lan::HOST))
            .args(["-H", &format!("Origin: https://{}", lan::SERVER_NAME)])
            .arg("-b")
            .arg(&self.jar)
            .arg("-c")
            .arg(&self.jar)
            .arg(format!("https://{}{path}", lan::SERVER_NAME));
        curl
    }
}

/// The first text of a name in JSON.
fn text_of(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    Some(rest.split('"').next()?.to_owned())
}

fn feed(command: &mut Command, word: &str) -> anyhow::Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{word}")?;
    }
    ensure!(child.wait()?.success(), "{command:?} failed");
    Ok(())
}
