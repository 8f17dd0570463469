//! The portal on the machine's own loopback, and more customers to look at.
//!
//! For `./demo` only: plain HTTP, no certificate to click away. The other
//! customers' boxes are real ones that stand on the same LAN, so every host in
//! the tree that is shown as reachable is.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use super::{SITE, Stack, TECHNICIAN, run_to_end};
use crate::network::{DESKTOP_IP, DEVICE_IP, GATEWAY_IP, SERVER_IP};
use crate::{LabError, Programs, Running, Site};

/// Where the portal is opened, and who may.
pub struct Portal {
    /// What to type into a browser.
    pub url: String,
    /// Where that is served.
    pub address: SocketAddr,
    /// The owner's name.
    pub owner: &'static str,
    /// Her password.
    pub owner_password: String,
}

impl<'a> Stack<'a> {
    /// Starts like [`Stack::start`], with the portal on a loopback port too.
    pub fn start_with_portal(
        site: &'a Site,
        programs: Programs,
    ) -> Result<(Self, Portal), LabError> {
        let address = portal_address()?;
        let stack = Self::start_with(site, programs, None, |stack| stack.add_portal(address))?;
        let portal = Portal {
            url: format!("http://localhost:{}", address.port()),
            address,
            owner: "owner",
            owner_password: stack.owner_password.clone(),
        };
        Ok((stack, portal))
    }

    /// Starts like [`Stack::start`], with the portal under a name of its own, on
    /// the port of the links: HTTPS under the server's private authority.
    pub fn start_with_https(
        site: &'a Site,
        programs: Programs,
    ) -> Result<(Self, Portal), LabError> {
        let url = format!("https://{WEB_NAME}:{}", site.cloud().port());
        // A receiver of webhooks may stand on this machine, with a certificate of
        // the same authority.
        let stack = Self::start_with(site, programs, None, |stack| {
            let authority = stack.data("cloud").join("tls/ca.pem");
            stack.set_portal(&format!(
                "origins = [\"{url}\"]\n\n[webhooks]\nnetworks = [\"127.0.0.0/8\"]\n\
                 authorities = \"{}\"",
                authority.display()
            ))
        })?;
        let portal = Portal {
            url,
            address: site.cloud(),
            owner: "owner",
            owner_password: stack.owner_password.clone(),
        };
        Ok((stack, portal))
    }

    fn add_portal(&self, address: SocketAddr) -> Result<(), LabError> {
        self.set_portal(&format!("loopback = \"{address}\""))
    }

    fn set_portal(&self, line: &str) -> Result<(), LabError> {
        let file = self.data("cloud").join("prs.toml");
        let text = format!("\n[portal]\n{line}\n");
        OpenOptions::new()
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(LabError::file(&file))
    }

    /// More customers: some with a box that runs, one that waits for its box.
    pub fn more_customers(&mut self) -> Result<(), LabError> {
        for (name, address, services) in MORE_AT_HARBOUR {
            self.add_host(SITE, name, address, services)?;
        }
        for (customer, site, box_runs, hosts) in CUSTOMERS {
            let place = format!("{customer}/{site}");
            self.admin(&["customer", "add", customer])?;
            self.admin(&["site", "add", "--customer", customer, site])?;
            for (name, address, services) in *hosts {
                self.add_host(&place, name, address, services)?;
            }
            let pair = ["--user", TECHNICIAN, "--customer", customer];
            self.admin(&[&["permission", "grant"], pair.as_slice()].concat())?;
            if *box_runs {
                self.another_gateway(&place)?;
            }
        }
        Ok(())
    }

    fn add_host(
        &self,
        site: &str,
        name: &str,
        address: &str,
        services: &[&str],
    ) -> Result<(), LabError> {
        let mut args = vec!["host", "add", "--site", site, name, "--address", address];
        for service in services {
            args.extend(["--service", service]);
        }
        self.admin(&args).map(drop)
    }

    fn another_gateway(&mut self, place: &str) -> Result<(), LabError> {
        let code = self.admin(&["gateway", "code", "--site", place])?;
        self.claim_another(&code)
    }

    /// Claims another box with a code, with files of its own, and starts it.
    pub fn claim_another(&mut self, code: &str) -> Result<(), LabError> {
        self.claim_with(code, None)
    }

    /// The same; at the other end of `supervisor` is the box's supervisor.
    pub fn claim_box(&mut self, code: &str, supervisor: OwnedFd) -> Result<(), LabError> {
        self.claim_with(code, Some(supervisor))
    }

    fn claim_with(&mut self, code: &str, supervisor: Option<OwnedFd>) -> Result<(), LabError> {
        let name = format!("gateway-{}", self.more_gateways.len() + 2);
        let file = self.data(&format!("{name}-claim.txt"));
        std::fs::write(&file, code).map_err(LabError::file(&file))?;
        let settings = self.data(&format!("{name}.toml"));
        let text = format!("data_dir = \"{}\"\n", self.data(&name).display());
        std::fs::write(&settings, text).map_err(LabError::file(&settings))?;
        let mut claim = self.gateway_command();
        claim.arg("claim").arg("--config").arg(&settings);
        claim.arg("--file").arg(&file);
        run_to_end("claiming another gateway", &mut claim)?;
        let running = self.run_box(&name, supervisor)?;
        self.more_gateways.push(running);
        Ok(())
    }

    /// Stops the box that was claimed last and starts it again, with another
    /// supervisor: as if it had booted anew.
    pub fn reboot_box(&mut self, supervisor: OwnedFd) -> Result<(), LabError> {
        let name = format!("gateway-{}", self.more_gateways.len() + 1);
        drop(self.more_gateways.pop());
        let running = self.run_box(&name, Some(supervisor))?;
        self.more_gateways.push(running);
        Ok(())
    }

    fn run_box(&self, name: &str, supervisor: Option<OwnedFd>) -> Result<Running, LabError> {
        let settings = self.data(&format!("{name}.toml"));
        let mut run = self.gateway_command();
        run.arg("run").arg("--config").arg(&settings);
        let input = match supervisor {
            Some(socket) => {
                run.env("CULVERT_SUPERVISOR", "stdin");
                Stdio::from(socket)
            }
            None => Stdio::null(),
        };
        self.site.spawn_with(name, &mut run, input)
    }
}

/// The portal's name where it has one; only browsers of tests know it.
pub const WEB_NAME: &str = "portal.culvert.test";

/// 127.0.0.1:8080, or another port of it where that is taken.
fn portal_address() -> Result<SocketAddr, LabError> {
    TcpListener::bind(("127.0.0.1", 8080))
        .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
        .and_then(|listener| listener.local_addr())
        .map_err(LabError::Forwarder)
}

/// Name, address, services.
type Hosts = &'static [(&'static str, &'static str, &'static [&'static str])];

/// More of the first customer's.
const MORE_AT_HARBOUR: Hosts = &[
    ("pump control", SERVER_IP, &["telnet"]),
    ("gauge camera", DEVICE_IP, &["http"]),
];

/// Customer, site, whether its box runs, hosts.
const CUSTOMERS: &[(&str, &str, bool, Hosts)] = &[
    (
        "Lindgren Dental",
        "Front desk",
        true,
        &[
            ("reception", DESKTOP_IP, &["vnc", "rdp"]),
            ("x-ray station", DESKTOP_IP, &["rdp"]),
            ("practice server", SERVER_IP, &["ssh"]),
            ("label printer", DEVICE_IP, &["http", "https"]),
        ],
    ),
    (
        "Okafor Logistics",
        "Warehouse 2",
        true,
        &[
            ("scanner hub", SERVER_IP, &["ssh", "telnet"]),
            ("loading screen", DESKTOP_IP, &["vnc"]),
            ("door controller", DEVICE_IP, &["http"]),
        ],
    ),
    (
        "Mill Street School",
        "Main building",
        false,
        &[
            ("staff room", GATEWAY_IP, &["rdp"]),
            ("timetable screen", GATEWAY_IP, &["vnc"]),
        ],
    ),
];
