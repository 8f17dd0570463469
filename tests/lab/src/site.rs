//! A whole site, started and owned as one value.
//!
//! Starting it builds the namespaces, wires them, starts the way to the cloud
//! server and the hosts, and returns when every server has answered. Dropping
//! it ends every process of the site and removes its folder.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::capture::Capture;
use crate::internet::{Forwarder, Overheard};
use crate::keys::Credentials;
use crate::namespace::{Ns, World, finish};
use crate::network::{self, CLOUD_IP, CLOUD_NAME, CLOUD_PORT, PROXY_PORT, ROUTER_IP};
use crate::options::{Dns, SiteOptions, Uplink};
use crate::servers::flavours::{self, Flavour};
use crate::servers::live::Live;
use crate::servers::{self, Start, account};
use crate::{LabError, Running, packages, proxy, ready};

/// A running site.
pub struct Site {
    // Dropped in this order: the namespaces take every program with them.
    world: World,
    running: Vec<Running>,
    forwarder: Forwarder,
    live: Option<Live>,
    folder: TempDir,
    who: Credentials,
    options: SiteOptions,
}

impl Site {
    /// Builds and starts a site; returns when all of it answers.
    pub fn start(options: SiteOptions) -> Result<Self, LabError> {
        packages::ensure()?;
        let folder = temporary_folder()?;
        let who = Credentials::fresh()?;
        let mut world = World::new(folder.path())?;
        build(&mut world, &options, folder.path(), &who)?;
        let forwarder = Forwarder::start(folder.path(), options.cloud, options.internet)?;
        let mut site = Self {
            running: Vec::new(),
            forwarder,
            live: None,
            world,
            folder,
            who,
            options,
        };
        match site.start_programs() {
            Ok(()) => Ok(site),
            Err(error) => Err(error.with_logs(&site.folder.path().join("logs"))),
        }
    }

    /// A command that will run `program` in `ns`. Its environment is plain:
    /// no proxy settings, no screen, a C locale.
    pub fn command(&self, ns: Ns, program: impl AsRef<Path>) -> Command {
        self.world.command(ns, program)
    }

    /// Runs `program` in `ns` to its end.
    pub fn run<A: AsRef<std::ffi::OsStr>>(
        &self,
        ns: Ns,
        program: impl AsRef<Path>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Output, LabError> {
        finish(self.command(ns, program).args(args))
    }

    /// Runs a shell script in `ns`; an error holds what it printed.
    pub fn shell(&self, ns: Ns, script: &str) -> Result<String, LabError> {
        self.world.shell(ns, script, script)
    }

    /// Starts a command made by [`Site::command`]; its output goes to the log
    /// file `name` in the site's folder.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Result<Running, LabError> {
        Running::start(name, self.log_path(name), command)
    }

    /// The same; the program's standard input is `input`.
    pub(crate) fn spawn_with(
        &self,
        name: &str,
        command: &mut Command,
        input: Stdio,
    ) -> Result<Running, LabError> {
        Running::start_with(name, self.log_path(name), command, input)
    }

    /// Where the output of [`Site::spawn`] goes.
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(format!("{name}.log"))
    }

    /// Accounts and passwords of this run.
    pub fn credentials(&self) -> &Credentials {
        &self.who
    }

    /// The site's folder; gone when the site is.
    pub fn temp_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The home of the site's account on a host, as seen from outside: where
    /// the proof that a session worked is found.
    pub fn home(&self, ns: Ns) -> PathBuf {
        account::home(self.folder.path(), ns)
    }

    /// Shapes a `setpriv` command so that it runs as the site's account, on
    /// the host's screen `display` where one is given.
    pub fn as_account(&self, command: &mut Command, display: Option<u32>) {
        account::as_account(command, &self.who, display);
    }

    /// `http://address:port` of the site's proxy, for one that has it.
    pub fn proxy_url(&self) -> String {
        format!("http://{ROUTER_IP}:{PROXY_PORT}")
    }

    /// What the site's router lets out.
    pub fn uplink(&self) -> Uplink {
        self.options.uplink
    }

    /// Where gateway and technician find the cloud server.
    pub fn cloud_address(&self) -> String {
        format!("{CLOUD_IP}:{CLOUD_PORT}")
    }

    /// Where the cloud server listens on this machine.
    pub fn cloud(&self) -> std::net::SocketAddr {
        self.options.cloud
    }

    /// Waits until something listens on a TCP address of this machine.
    pub fn wait_for_loopback(&self, address: std::net::SocketAddr) -> Result<(), LabError> {
        ready::wait_for_listener(&self.world, Ns::Host, 't', &format!("src {address}"))
    }

    /// What an intercepting internet could read so far.
    pub fn overheard(&self) -> Overheard {
        self.forwarder.overheard()
    }

    /// Lets a router swallow every packet without a word, or carry them again.
    pub fn silence(&self, router: Ns, silent: bool) -> Result<(), LabError> {
        network::silence(&self.world, router, silent)
    }

    /// Captures what passes the network card of `ns`.
    pub fn capture(&self, ns: Ns, interface: &str) -> Result<Capture, LabError> {
        Capture::start(self, ns, interface, "")
    }

    /// Captures what the cloud server sends and receives, of every end.
    ///
    /// Needs root: it is the machine's own loopback.
    pub fn capture_cloud(&self) -> Result<Capture, LabError> {
        let cloud = self.options.cloud;
        let only = format!("host {} and tcp port {}", cloud.ip(), cloud.port());
        Capture::start(self, Ns::Host, "lo", &only)
    }

    /// Whether the site runs as an ordinary user.
    pub fn is_unprivileged(&self) -> bool {
        self.world.has_own_user()
    }

    /// Starts one more way to show a screen; `seen_as` is the address at which a
    /// viewer will see it.
    pub fn start_flavour(&self, flavour: Flavour, seen_as: IpAddr) -> Result<Running, LabError> {
        flavours::start(&self.starter(), flavour, seen_as)
    }

    /// The certificate of [`Flavour::VeNCrypt`], for a viewer to trust.
    pub fn vencrypt_certificate(&self) -> PathBuf {
        flavours::certificate(&self.starter())
    }

    /// Ends everything; the same as dropping the site.
    pub fn stop(self) {}

    fn starter(&self) -> Start<'_> {
        Start {
            world: &self.world,
            folder: self.folder.path(),
            who: &self.who,
        }
    }

    fn start_programs(&mut self) -> Result<(), LabError> {
        self.start_internet()?;
        self.start_names()?;
        self.start_proxy()?;
        if self.options.hosts {
            let device = self.folder.path().join("hosts").join("device");
            self.live = Some(Live::start(&device, self.who.live_word.clone())?);
            let running = servers::start(&self.starter())?;
            self.running.extend(running);
        }
        Ok(())
    }

    fn start_internet(&mut self) -> Result<(), LabError> {
        let target = format!("UNIX-CONNECT:{}", self.forwarder.socket().display());
        let listen =
            format!("TCP-LISTEN:{CLOUD_PORT},bind={CLOUD_IP},reuseaddr,fork,backlog=512,nodelay");
        let socat = self.starter().run(Ns::Internet, "socat", |command| {
            // -t: how long one direction may live on after the other has ended.
            command.args(["-t", "30", "-b", "65536", &listen, &target]);
        })?;
        self.running.push(socat);
        // Listening is enough: the cloud server itself may come later.
        ready::wait_for_listener(
            &self.world,
            Ns::Internet,
            't',
            &format!("sport = :{CLOUD_PORT}"),
        )
    }

    fn start_names(&mut self) -> Result<(), LabError> {
        let answer = match self.options.dns {
            Dns::Right => format!("--address=/{CLOUD_NAME}/{CLOUD_IP}"),
            Dns::Wrong => "--address=/#/198.51.100.66".to_owned(),
            Dns::Silent => return Ok(()),
        };
        let dnsmasq = self.starter().run(Ns::Router, "dnsmasq", |command| {
            command
                .args([
                    "--keep-in-foreground",
                    "--conf-file=/dev/null",
                    "--no-hosts",
                ])
                .args(["--no-resolv", "--bind-interfaces", "--user=root"])
                .arg(format!("--listen-address={ROUTER_IP}"))
                .args(["--pid-file=", "--log-facility=-", &answer]);
        })?;
        self.running.push(dnsmasq);
        ready::wait_for_listener(&self.world, Ns::Router, 'u', "sport = :53")
    }

    fn start_proxy(&mut self) -> Result<(), LabError> {
        let Uplink::OnlyProxy(auth) = self.options.uplink else {
            return Ok(());
        };
        let running = proxy::start(&self.starter(), auth, &self.who)?;
        self.running.push(running);
        ready::wait_for_banner(&self.world, Ns::Gateway, ROUTER_IP, PROXY_PORT, "")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if thread::panicking() {
            // What the servers said helps more than the folder's absence.
            for running in &self.running {
                let log = running.log();
                let tail = log.lines().rev().take(5).collect::<Vec<_>>();
                for line in tail.iter().rev() {
                    report(running.name(), line);
                }
            }
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a failed test shows what its servers said"
)]
fn report(name: &str, line: &str) {
    eprintln!("{name}: {line}");
}

fn temporary_folder() -> Result<TempDir, LabError> {
    let folder = tempfile::Builder::new()
        .prefix("culvert-lab-")
        .tempdir()
        .map_err(LabError::file("a temporary folder"))?;
    // The hosts' servers drop to users of their own and must get through.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(folder.path(), open).map_err(LabError::file(folder.path()))?;
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).map_err(LabError::file(&logs))?;
    Ok(folder)
}

fn build(
    world: &mut World,
    options: &SiteOptions,
    folder: &Path,
    who: &Credentials,
) -> Result<(), LabError> {
    world.add(Ns::Internet, "")?;
    world.add(Ns::Router, "")?;
    let prepare = name_server(folder)? + &account::private_tmp(folder, Ns::Gateway);
    world.add(Ns::Gateway, &prepare)?;
    let mut lan = vec![Ns::Gateway];
    if options.hosts {
        for ns in [Ns::Server, Ns::Desktop, Ns::Device] {
            world.add(ns, &account::prepare(folder, ns, who)?)?;
            lan.push(ns);
        }
    }
    network::build_site(world, options.uplink, &lan)?;
    if options.technician {
        world.add(Ns::TechnicianRouter, "")?;
        world.add(
            Ns::Technician,
            &account::private_tmp(folder, Ns::Technician),
        )?;
        network::build_technician(world)?;
    }
    Ok(())
}

/// Gives the gateway the site's name server and not the machine's.
fn name_server(folder: &Path) -> Result<String, LabError> {
    let path = folder.join("resolv.conf");
    std::fs::write(&path, format!("nameserver {ROUTER_IP}\n")).map_err(LabError::file(&path))?;
    Ok(format!(
        "mount --bind {} /etc/resolv.conf\n",
        path.display()
    ))
}
