//! The box, really booted: QEMU's `virt` machine with U-Boot, the disk image
//! that `culvert-image` made, and a real server on this machine.
//!
//! One card is flashed, shipped and lives through it all in one test, as a
//! customer's would. Needs the files that `image/boot-test` builds (their
//! folder is CULVERT_BOX): run by `./check image`. Nothing here judges by the
//! clock; limits only end a run that hangs.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use culvert_e2e::world::{eventually, must_work};
use culvert_lab::Programs;

/// A run that takes longer hangs.
const HANGS: Duration = Duration::from_secs(900);

/// S26, S2, P6, P7, P8, P9: boot and claim at a clock of 1970, a session, two
/// updates, a dead slot, a release that does not come up, a refused release.
#[test]
#[ignore = "needs the image: ./check image"]
fn one_card_lives_through_claim_session_updates_and_sabotage() -> anyhow::Result<()> {
    let built = PathBuf::from(std::env::var_os("CULVERT_BOX").context("CULVERT_BOX is not set")?);
    let provider = Provider::start()?;
    let card = Card::flash(&built, provider.home.join("card.img"))?;
    card.provision(&provider.claim_code()?)?;

    // 1970: no clock, no network time; the box still judges and gets online.
    let mut machine = Machine::boot(&card, &["-rtc", "base=1970-01-01T00:00:00"])?;
    machine.says("slot a: release 0.1.0 (version 1) for qemu-virt")?;
    machine.says("the used claim code is erased from the card")?;
    let key = machine.online()?;
    machine.says("this release is healthy")?;
    provider.sees_the_box(true)?;
    provider.session()?;
    machine.cut();
    provider.sees_the_box(false)?;
    ensure!(
        !card.settings()?.contains("culvert-claim-"),
        "the claim code is still there"
    );

    for (version, slot) in [(2, "b"), (3, "a")] {
        card.put_release(&built, version)?;
        let mut machine = Machine::boot(&card, &[])?;
        machine.says(&format!("version {version} is installed"))?;
        machine.says(&format!(
            "slot {slot}: release 0.{version}.0 (version {version})"
        ))?;
        ensure!(
            machine.online()? == key,
            "an update must not change the key"
        );
        machine.says("this release is healthy")?;
        machine.cut();
    }
    provider.session_after(&card)?;

    // A release whose gateway does not run: given up, the old one is back, and
    // it is not tried a second time.
    card.put_release(&built, 4)?;
    let mut machine = Machine::boot(&card, &[])?;
    machine.says("version 4 is installed")?;
    machine.says("slot b: release 0.4.0 (version 4)")?;
    machine.says("this release was not healthy in time: back to the other slot")?;
    machine.says("slot a: release 0.3.0 (version 3)")?;
    machine.says("this release failed on this box before")?;
    ensure!(
        machine.online()? == key,
        "a rollback must not change the key"
    );
    machine.cut();

    // An older release, validly signed.
    card.put_release(&built, 2)?;
    let mut machine = Machine::boot(&card, &[])?;
    machine.says("the release has version 2, this box takes none below 3")?;
    machine.cut();

    // The running slot's header is gone: the other one is out of tries after
    // its failure, and none is left but turns; the box must not stop.
    card.reflash_slot_b(&built)?;
    card.zero("slot-a")?;
    let mut machine = Machine::boot(&card, &[])?;
    machine.says("slot b: release 0.1.0 (version 1)")?;
    ensure!(machine.online()? == key, "the other slot must keep the key");
    Ok(())
}

/// A server with one site, a technician and a host behind the box: this
/// machine's own sshd, which the box meets as 10.0.2.2 of its LAN.
struct Provider {
    programs: Programs,
    home: PathBuf,
    port: u16,
    ssh_port: u16,
    provider_key: String,
    running: Vec<Child>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// The technician's password here.
const PASSWORD: &str = "correct horse battery";

impl Provider {
    fn start() -> anyhow::Result<Self> {
        let programs = Programs::beside_this_one()?;
        let home = std::env::temp_dir().join(format!("culvert-box-{}", std::process::id()));
        fs::create_dir_all(&home)?;
        let mut it = Self {
            programs,
            home,
            port: free_port()?,
            ssh_port: free_port()?,
            provider_key: String::new(),
            running: Vec::new(),
        };
        let mut init = it.prs("init");
        init.arg(format!("--listen=127.0.0.1:{}", it.port))
            .arg(format!("--public-address=10.0.2.2:{}", it.port));
        let printed = String::from_utf8(must_work(&mut init)?.stdout)?;
        it.provider_key = printed
            .lines()
            .find_map(|line| line.strip_prefix("provider key:"))
            .context("init tells the provider key")?
            .trim()
            .to_owned();
        let mut user = it.admin(&[
            "user",
            "add",
            "tess",
            "--role",
            "technician",
            "--password-stdin",
        ]);
        feed(&mut user, PASSWORD)?;
        let service = format!("ssh:{}", it.ssh_port);
        for args in [
            &["customer", "add", "Harbour"][..],
            &["site", "add", "--customer", "Harbour", "Pump station"],
            &[
                "host",
                "add",
                "--site",
                "Harbour/Pump station",
                "server",
                "--address",
                "10.0.2.2",
                "--service",
                &service,
            ],
            &[
                "permission",
                "grant",
                "--user",
                "tess",
                "--customer",
                "Harbour",
            ],
        ] {
            must_work(&mut it.admin(args))?;
        }
        let serve = it
            .prs("serve")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        it.running.push(serve);
        it.sshd()?;
        let port = it.port;
        eventually("the server", HANGS, || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        let address = format!("127.0.0.1:{port}");
        let mut login = it.culvert(&["login", &address, "--user", "tess", "--password-stdin"]);
        login.args(["--provider-key", &it.provider_key]);
        feed(&mut login, PASSWORD)?;
        Ok(it)
    }

    fn sshd(&mut self) -> anyhow::Result<()> {
        for name in ["host", "user"] {
            let path = self.home.join(name);
            must_work(
                Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                    .arg(path),
            )?;
        }
        let home = self.home.display();
        let config = format!(
            "ListenAddress 127.0.0.1:{}\nHostKey {home}/host\nPidFile none\nStrictModes no\n\
             AuthorizedKeysFile {home}/user.pub\nPasswordAuthentication no\nUsePAM no\n",
            self.ssh_port
        );
        let file = self.home.join("sshd_config");
        fs::write(&file, config)?;
        fs::create_dir_all("/run/sshd")?;
        let sshd = Command::new("/usr/sbin/sshd")
            .arg("-D")
            .arg("-f")
            .arg(file)
            .spawn()?;
        self.running.push(sshd);
        Ok(())
    }

    /// A settings file with a fresh claim code.
    fn claim_code(&self) -> anyhow::Result<String> {
        let output =
            must_work(&mut self.admin(&["gateway", "code", "--site", "Harbour/Pump station"]))?;
        let code: String = String::from_utf8(output.stdout)?
            .split_whitespace()
            .collect();
        Ok(format!("claim = \"{code}\"\n"))
    }

    /// A command over the box to a server behind it.
    fn session(&self) -> anyhow::Result<()> {
        let mut ssh = Command::new("ssh");
        let proxy = format!(
            "ProxyCommand={} proxy server %p",
            self.program("culvert").display()
        );
        ssh.args([
            "-o",
            &proxy,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .arg("-i")
        .arg(self.home.join("user"))
        .args([
            "-p",
            &self.ssh_port.to_string(),
            "root@server",
            "echo through $((40 + 2)) the box",
        ])
        .env("HOME", &self.home)
        .env("CULVERT_HOME", self.home.join("culvert"))
        .stdin(Stdio::null());
        let said = String::from_utf8(must_work(&mut ssh)?.stdout)?;
        ensure!(said.trim() == "through 42 the box", "{said}");
        Ok(())
    }

    fn session_after(&self, card: &Card) -> anyhow::Result<()> {
        let mut machine = Machine::boot(card, &[])?;
        machine.online()?;
        self.sees_the_box(true)?;
        self.session()?;
        machine.cut();
        Ok(())
    }

    /// What the server's list says of the box.
    fn sees_the_box(&self, online: bool) -> anyhow::Result<()> {
        let wanted = if online { " online " } else { " offline " };
        eventually("the box in the server's list", HANGS, || {
            let listed = must_work(&mut self.admin(&["gateway", "list"]))?;
            Ok(String::from_utf8(listed.stdout)?.contains(wanted))
        })?;
        Ok(())
    }

    fn program(&self, name: &str) -> PathBuf {
        self.programs.folder().join(name)
    }

    fn prs(&self, what: &str) -> Command {
        let mut command = Command::new(self.program("culvert-prs"));
        command.arg(what).arg("--data").arg(self.home.join("cloud"));
        command
    }

    /// As the owner of the machine does it.
    fn admin(&self, args: &[&str]) -> Command {
        let mut command = self.prs("admin");
        command.args(args);
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

/// A card in a file.
struct Card {
    path: PathBuf,
    tool: PathBuf,
}

impl Card {
    fn flash(built: &Path, path: PathBuf) -> anyhow::Result<Self> {
        // Holes stay holes: the file is mostly empty.
        must_work(
            Command::new("cp")
                .arg("--sparse=always")
                .arg(built.join("culvert-qemu-virt-1.img"))
                .arg(&path),
        )?;
        let tool = Programs::beside_this_one()?.folder().join("culvert-image");
        Ok(Self { path, tool })
    }

    fn provision(&self, settings: &str) -> anyhow::Result<()> {
        let file = self.path.with_extension("toml");
        fs::write(&file, settings)?;
        must_work(
            self.tool("provision")
                .arg(&self.path)
                .arg("--settings")
                .arg(file),
        )?;
        Ok(())
    }

    fn settings(&self) -> anyhow::Result<String> {
        let output = must_work(self.tool("provision").arg(&self.path).arg("--show"))?;
        Ok(String::from_utf8(output.stdout)?)
    }

    fn put_release(&self, built: &Path, version: u32) -> anyhow::Result<()> {
        let bundle = built.join(format!("culvert-qemu-virt-{version}.bundle"));
        must_work(
            self.tool("provision")
                .arg(&self.path)
                .arg("--release")
                .arg(bundle),
        )?;
        Ok(())
    }

    /// The head of a partition becomes zeros.
    fn zero(&self, slot: &str) -> anyhow::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        Ok(file.write_all_at(&[0; 4096], start_of(slot))?)
    }

    /// Slot B as it was shipped.
    fn reflash_slot_b(&self, built: &Path) -> anyhow::Result<()> {
        let image = File::open(built.join("culvert-qemu-virt-1.img"))?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let mut bytes = vec![0; 48 << 20];
        image.read_exact_at(&mut bytes, start_of("slot-b"))?;
        Ok(file.write_all_at(&bytes, start_of("slot-b"))?)
    }

    fn tool(&self, what: &str) -> Command {
        let mut command = Command::new(&self.tool);
        command.arg(what);
        command
    }
}

/// First byte of a slot, as `culvert-image inspect` prints it.
fn start_of(slot: &str) -> u64 {
    let mib = if slot == "slot-a" { 26 } else { 74 };
    mib << 20
}

/// A machine that is switched on; dropping it cuts its power.
struct Machine {
    qemu: Child,
    screen: PathBuf,
    /// Bytes of the screen that were looked at.
    seen: usize,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Machine {
    fn boot(card: &Card, more: &[&str]) -> anyhow::Result<Self> {
        let screen = card.path.with_extension("screen");
        let disk = format!(
            "if=none,file={},format=raw,id=disk,cache=writeback",
            card.path.display()
        );
        let qemu = Command::new("qemu-system-aarch64")
            .args([
                "-M",
                "virt",
                "-cpu",
                "cortex-a53",
                "-smp",
                "2",
                "-m",
                "256",
                "-nographic",
            ])
            .args([
                "-bios",
                "/usr/lib/u-boot/qemu_arm64/u-boot.bin",
                "-drive",
                &disk,
            ])
            .args([
                "-device",
                "virtio-blk-pci,drive=disk",
                "-netdev",
                "user,id=lan",
            ])
            .args([
                "-device",
                "virtio-net-pci,netdev=lan,romfile=",
                "-device",
                "virtio-rng-pci",
            ])
            .args(more)
            .stdin(Stdio::null())
            .stdout(File::create(&screen)?)
            .stderr(Stdio::inherit())
            .spawn()
            .context("qemu-system-aarch64 (Debian package qemu-system-arm)")?;
        Ok(Self {
            qemu,
            screen,
            seen: 0,
        })
    }

    /// Waits until the screen shows `words`, behind what was waited for before.
    /// Answers the rest of the line.
    fn says(&mut self, words: &str) -> anyhow::Result<String> {
        let mut rest = None;
        let shown = eventually(words, HANGS, || {
            if let Some(status) = self.qemu.try_wait()? {
                anyhow::bail!("the machine ended: {status}");
            }
            let text = String::from_utf8_lossy(&fs::read(&self.screen)?).into_owned();
            let new = text.get(self.seen..).unwrap_or_default();
            let Some(at) = new.find(words) else {
                return Ok(false);
            };
            let after = &new[at + words.len()..];
            let Some((line, _)) = after.split_once('\n') else {
                return Ok(false);
            };
            rest = Some(line.trim().to_owned());
            self.seen += at + words.len();
            Ok(true)
        });
        let screen =
            || String::from_utf8_lossy(&fs::read(&self.screen).unwrap_or_default()).into_owned();
        shown.with_context(|| format!("the screen shows:\n{}", screen()))?;
        rest.context("just found")
    }

    /// Waits until the box is online; answers its key's fingerprint.
    fn online(&mut self) -> anyhow::Result<String> {
        self.says("status: online, key ")
    }

    /// Pulls the plug.
    fn cut(self) {}
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

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
