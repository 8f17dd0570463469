//! Culvert's own programs, running around a site as a provider would run them.
//!
//! The cloud server runs on the machine's loopback, the gateway in its place
//! on the site's LAN, `culvert` where the technician is. Every command line of
//! the three programs that the lab knows is in this file.

mod portal;
mod programs;
mod technician;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::keys::random_word;
use crate::namespace::{Ns, finish, said, started};
use crate::network::{CLOUD_IP, CLOUD_PORT, DESKTOP_IP, DEVICE_IP, SERVER_IP};
use crate::options::Uplink;
use crate::{LabError, ProxyAuth, Running, Site, ready};

pub use portal::{Portal, WEB_NAME};
pub use programs::{Programs, node_tool};
pub use technician::Technician;

/// An address of loopback of its own for a cloud server: several run beside
/// one another, and none takes another's port in between.
pub fn free_cloud_address() -> Result<SocketAddr, LabError> {
    let mut bytes = random_word(3)?.into_bytes();
    // 127.97.97.97 to 127.122.122.122: far from 127.0.0.1.
    let (a, b, c) = (bytes.remove(0), bytes.remove(0), bytes.remove(0));
    let address = SocketAddr::from(([127, a, b, c], USUAL_PORT));
    TcpListener::bind(address)
        .and_then(|listener| listener.local_addr())
        .map_err(LabError::Forwarder)
}

/// 127.0.0.1:8443, or another address of loopback where that is taken.
pub fn usual_cloud_address() -> Result<SocketAddr, LabError> {
    TcpListener::bind(("127.0.0.1", USUAL_PORT))
        .and_then(|listener| listener.local_addr())
        .or_else(|_| free_cloud_address())
}

/// A provider with one customer, one site and its hosts.
pub struct Stack<'a> {
    site: &'a Site,
    programs: Programs,
    cloud: Option<Running>,
    gateway: Option<Running>,
    more_gateways: Vec<Running>,
    owner_password: String,
    password: String,
    provider_key: String,
}

impl<'a> Stack<'a> {
    /// Makes a fresh cloud server with the site's customer, hosts and people,
    /// and serves it. The gateway is started by [`Stack::start_gateway`].
    pub fn start(site: &'a Site, programs: Programs) -> Result<Self, LabError> {
        Self::start_with(site, programs, None, |_| Ok(()))
    }

    /// The same with its data in a database at an address, not in a file.
    pub fn start_on_database(
        site: &'a Site,
        programs: Programs,
        address: &str,
    ) -> Result<Self, LabError> {
        Self::start_with(site, programs, Some(address), |_| Ok(()))
    }

    /// The same; `prepare` may change the settings before the server starts.
    fn start_with(
        site: &'a Site,
        programs: Programs,
        database: Option<&str>,
        prepare: impl FnOnce(&Self) -> Result<(), LabError>,
    ) -> Result<Self, LabError> {
        let mut stack = Self {
            site,
            programs,
            cloud: None,
            gateway: None,
            more_gateways: Vec::new(),
            owner_password: random_word(16)?,
            password: random_word(16)?,
            provider_key: String::new(),
        };
        stack.provider_key = stack.init(database)?;
        stack.populate()?;
        prepare(&stack)?;
        stack.serve()?;
        Ok(stack)
    }

    /// Starts the cloud server (again) and waits until it answers.
    pub fn serve(&mut self) -> Result<(), LabError> {
        // Its place is free before the next one takes it, and nobody waits for its socket.
        drop(self.cloud.take());
        let mut command = self.cloud_command();
        command.arg("serve").arg("--data").arg(self.data("cloud"));
        self.cloud = Some(self.site.spawn("culvert-prs", &mut command)?);
        self.site.wait_for_loopback(self.site.cloud())
    }

    /// Claims the gateway with a fresh code and starts it; returns when the
    /// cloud server counts it as connected.
    pub fn start_gateway(&mut self) -> Result<(), LabError> {
        let code = self.admin(&["gateway", "code", "--site", SITE])?;
        let file = self.data("claim.txt");
        std::fs::write(&file, code).map_err(LabError::file(&file))?;
        let settings = self.data("gateway.toml");
        std::fs::write(&settings, self.gateway_settings()?).map_err(LabError::file(&settings))?;
        let mut claim = self.gateway_command();
        claim.arg("claim").arg("--config").arg(&settings);
        claim.arg("--file").arg(&file);
        run_to_end("claiming the gateway", &mut claim)?;
        self.run_gateway()
    }

    /// Starts the claimed gateway (again) and waits until it is connected.
    pub fn run_gateway(&mut self) -> Result<(), LabError> {
        // One that was killed has left that it is connected.
        drop(self.gateway.take());
        let told = self.data("gateway").join("status.json");
        if told.exists() {
            std::fs::remove_file(&told).map_err(LabError::file(&told))?;
        }
        let mut run = self.gateway_command();
        run.arg("run")
            .arg("--config")
            .arg(self.data("gateway.toml"));
        self.gateway = Some(self.site.spawn("culvert-gateway", &mut run)?);
        let mut status = self.gateway_command();
        status
            .arg("status")
            .arg("--config")
            .arg(self.data("gateway.toml"));
        ready::until(
            "the gateway's link",
            Duration::from_secs(40),
            || match run_to_end("culvert-gateway status", &mut status) {
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
        )
    }

    /// Signs a technician in, from a place, with files of her own.
    pub fn technician(&self, ns: Ns, name: &str) -> Result<Technician<'_>, LabError> {
        self.technician_with(ns, name, &[])
    }

    /// The same; all her programs get these variables.
    pub fn technician_with(
        &self,
        ns: Ns,
        name: &str,
        variables: &[(&'static str, String)],
    ) -> Result<Technician<'_>, LabError> {
        let home = self.data(name);
        std::fs::create_dir_all(&home).map_err(LabError::file(&home))?;
        let technician = Technician::new(self, ns, home, variables.to_vec());
        let address = match ns {
            Ns::Host => self.site.cloud().to_string(),
            Ns::Internet
            | Ns::Router
            | Ns::Gateway
            | Ns::Server
            | Ns::Desktop
            | Ns::Device
            | Ns::TechnicianRouter
            | Ns::Technician => self.site.cloud_address(),
        };
        let mut login = technician.culvert(&["login", &address, "--user", TECHNICIAN]);
        login.args(["--password-stdin", "--provider-key", &self.provider_key]);
        feed("signing in", &mut login, &self.password)?;
        Ok(technician)
    }

    /// Runs `culvert-prs admin ...` and returns what it printed.
    pub fn admin(&self, args: &[&str]) -> Result<String, LabError> {
        run_to_end("an administrator's command", &mut self.admin_command(args))
    }

    /// The running cloud server.
    pub fn cloud(&mut self) -> Option<&mut Running> {
        self.cloud.as_mut()
    }

    /// The running gateway.
    pub fn gateway(&mut self) -> Option<&mut Running> {
        self.gateway.as_mut()
    }

    /// The technician's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The provider key's fingerprint.
    pub fn provider_key(&self) -> &str {
        &self.provider_key
    }

    /// Where a program of this stack keeps its files.
    pub fn data(&self, name: &str) -> PathBuf {
        self.site.temp_dir().join(name)
    }

    /// Where the cloud server's TLS keys are, if its build writes them.
    pub fn tls_keys(&self) -> PathBuf {
        self.data("tls-keys")
    }

    fn init(&self, database: Option<&str>) -> Result<String, LabError> {
        let mut command = self.cloud_command();
        command.arg("init");
        if let Some(address) = database {
            command
                .arg("--database-address-file")
                .arg(self.secret("database-address", address)?);
        }
        command.arg("--data").arg(self.data("cloud"));
        command.arg(format!("--listen={}", self.site.cloud()));
        command.arg(format!("--public-address={CLOUD_IP}:{CLOUD_PORT}"));
        let printed = run_to_end("setting up the cloud server", &mut command)?;
        fingerprint(&printed).ok_or_else(|| LabError::Failed {
            what: "reading the provider key's fingerprint".into(),
            output: printed.clone(),
        })
    }

    /// The box's own file: where its data is, and the site's proxy if it has
    /// one. Nothing of what it may reach: that is the product's default.
    fn gateway_settings(&self) -> Result<String, LabError> {
        let mut text = format!("data_dir = \"{}\"\n", self.data("gateway").display());
        let Uplink::OnlyProxy(auth) = self.site.uplink() else {
            return Ok(text);
        };
        text.push_str(&format!("[proxy]\nurl = \"{}\"\n", self.site.proxy_url()));
        if auth != ProxyAuth::None {
            let who = self.site.credentials();
            let file = self.secret("proxy-password", &who.proxy_password)?;
            text.push_str(&format!(
                "user = \"{}\"\npassword_file = \"{}\"\n",
                who.proxy_user,
                file.display()
            ));
        }
        Ok(text)
    }

    /// A file that only its owner reads.
    fn secret(&self, name: &str, text: &str) -> Result<PathBuf, LabError> {
        let file = self.data(name);
        std::fs::write(&file, text).map_err(LabError::file(&file))?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))
            .map_err(LabError::file(&file))?;
        Ok(file)
    }

    /// One customer with one site, its three hosts, an owner and a technician.
    fn populate(&self) -> Result<(), LabError> {
        self.add_user("owner", Some("owner"), &self.owner_password)?;
        self.add_user(TECHNICIAN, None, &self.password)?;
        self.admin(&["customer", "add", CUSTOMER])?;
        self.admin(&["site", "add", "--customer", CUSTOMER, "Pump station"])?;
        for (name, address, services) in HOSTS {
            let mut args = vec!["host", "add", "--site", SITE, name, "--address", address];
            for service in *services {
                args.extend(["--service", service]);
            }
            self.admin(&args)?;
        }
        let pair = ["--user", TECHNICIAN, "--customer", CUSTOMER];
        self.admin(&[&["permission", "grant"], pair.as_slice()].concat())?;
        Ok(())
    }

    fn add_user(&self, name: &str, role: Option<&str>, password: &str) -> Result<(), LabError> {
        let mut args = vec!["user", "add", name, "--password-stdin"];
        args.extend(role.iter().flat_map(|role| ["--role", role]));
        feed("adding a person", &mut self.admin_command(&args), password)?;
        Ok(())
    }

    fn admin_command(&self, args: &[&str]) -> Command {
        let mut command = self.cloud_command();
        command.arg("admin").arg("--data").arg(self.data("cloud"));
        command.args(args);
        command
    }

    fn cloud_command(&self) -> Command {
        let mut command = self.site.command(Ns::Host, self.programs.server());
        // The ordinary server does not look at it.
        command.env("SSLKEYLOGFILE", self.tls_keys());
        command
    }

    fn gateway_command(&self) -> Command {
        self.site
            .command(Ns::Gateway, self.programs.path("culvert-gateway"))
    }
}

fn run_to_end(what: &str, command: &mut Command) -> Result<String, LabError> {
    let output = finish(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Failed {
        what: what.to_owned(),
        output: said(&output),
    })
}

/// Runs a command that reads a password from its standard input.
fn feed(what: &str, command: &mut Command, password: &str) -> Result<String, LabError> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(started(command))?;
    if let Some(mut input) = child.stdin.take() {
        // One that ends without reading says why on its error output.
        let _ = writeln!(input, "{password}");
    }
    let output = child.wait_with_output().map_err(started(command))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Failed {
        what: what.to_owned(),
        output: said(&output),
    })
}

/// The provider key's fingerprint in what `init` prints.
fn fingerprint(printed: &str) -> Option<String> {
    let mut lines = printed.lines();
    let word = lines.find_map(|line| line.strip_prefix("provider key:"))?;
    Some(word.trim().to_owned())
}

/// The provider's one customer.
const CUSTOMER: &str = "Harbour";
/// The customer's one site, as commands name it.
const SITE: &str = "Harbour/Pump station";
/// Above 1024: no privilege is needed for it.
const USUAL_PORT: u16 = 8443;
/// The technician's account.
pub const TECHNICIAN: &str = "tess";

const HOSTS: &[(&str, &str, &[&str])] = &[
    ("server", SERVER_IP, &["ssh", "telnet"]),
    ("desktop", DESKTOP_IP, &["vnc", "rdp"]),
    ("device", DEVICE_IP, &["http", "https"]),
];
