//! `culvert-prs check`: what stands in the way, and what to do about it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use culvert_config::prs::{Prs, host_and_port};
use culvert_wire::UnixMs;
use nix::sys::statvfs::statvfs;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::timeout;

use super::out;
use crate::app::{Clock, report};
use crate::certificate;
use crate::data::Data;
use crate::keys::Keys;
use crate::serve;
use crate::store::{SCHEMA, Standing, Store};

/// Free space below which the disk counts as nearly full: a month of audit
/// rows at a busy provider.
const LEAST_FREE: u64 = 512 * 1024 * 1024;
/// Days before an end that are worth a warning.
const SOON_MS: u64 = 14 * 24 * 3600 * 1000;
/// 2026-01-01: this program is younger, so no clock before it is right.
const OLDEST_NOW: u64 = 1_767_225_600_000;
/// How long one look at the network may take.
const LOOK: Duration = Duration::from_secs(5);

/// What a look found.
enum Found {
    Good(String),
    Warning(String),
    Bad(String),
}

use Found::{Bad, Good, Warning};

pub(super) async fn run(data: &Data) -> anyhow::Result<()> {
    let settings = match Prs::load(data.dir()) {
        Ok(settings) => settings,
        Err(error) => bail!("settings: {error}: run `culvert-prs init`, or mend the file"),
    };
    let mut found = vec![
        clock(),
        keys(data),
        private(data, &settings),
        certificate_left(data, &settings),
        disk(data),
        database(data, &settings).await,
        port(data, &settings).await,
    ];
    for address in &settings.public_addresses {
        found.push(dns(address).await);
        found.push(reachable(address).await);
    }
    let mut bad = 0;
    for one in found {
        let (mark, text) = match one {
            Good(text) => ("ok      ", text),
            Warning(text) => ("warning ", text),
            Bad(text) => {
                bad += 1;
                ("BAD     ", text)
            }
        };
        out::line(&format!("{mark}{text}"))?;
    }
    if bad > 0 {
        bail!("{bad} of these must be mended first");
    }
    Ok(())
}

fn clock() -> Found {
    let now = Clock::System.now();
    let text = format!("clock: {}", report::date(now));
    if now.0 < OLDEST_NOW {
        return Bad(format!(
            "{text} is in the past: set the clock, and run an NTP client"
        ));
    }
    Good(text)
}

fn keys(data: &Data) -> Found {
    let keys = match Keys::load(data) {
        Ok(keys) => keys,
        Err(error) => return Bad(format!("keys: {error}")),
    };
    let now = Clock::System.now();
    let until = report::date(keys.valid_until());
    let renew = "run `culvert-prs key renew-statement` where the provider key is, then restart";
    if !keys.holds(now) {
        Bad(format!("statement: not valid now (until {until}): {renew}"))
    } else if keys.valid_until().ms_since(now) < SOON_MS {
        Warning(format!("statement: valid until {until} only: {renew}"))
    } else {
        Good(format!("statement: valid until {until}"))
    }
}

/// Every key in the data folder, and that of a certificate from elsewhere, which a group
/// may read.
fn private(data: &Data, settings: &Prs) -> Found {
    let inside = |folder: &str| {
        let entries = std::fs::read_dir(data.path(folder)).into_iter().flatten();
        entries.flatten().map(|entry| entry.path())
    };
    let is_key = |path: &PathBuf| path.extension().is_some_and(|end| end == "key");
    let ours = inside("keys").chain(inside("tls")).filter(is_key);
    let own = settings.certificate.iter().map(|own| own.key.clone());
    for (path, readers) in ours
        .map(|path| (path, 0o077))
        .chain(own.map(|path| (path, 0o007)))
    {
        let Ok(meta) = std::fs::metadata(&path) else {
            continue;
        };
        if meta.permissions().mode() & readers != 0 {
            return Bad(format!(
                "key files: others may read {0}: run `chmod 600 {0}`",
                path.display()
            ));
        }
    }
    Good("key files: others cannot read them".into())
}

fn certificate_left(data: &Data, settings: &Prs) -> Found {
    match certificate::load(data, settings.certificate.as_ref()) {
        Err(error) => Bad(format!("certificate: {error}")),
        Ok((chain, key)) => {
            let names = serve::browser_names(settings);
            let judged = certificate::judge(&chain, &names, Clock::System.now());
            if let Err(error) = crate::plane::server_config(chain, key) {
                return Bad(format!("certificate: it and its key do not fit: {error}"));
            }
            let own = settings.certificate.is_some();
            certificate_found(judged, own)
        }
    }
}

/// What a certificate with its key is worth. A self-made one is renewed by the
/// server, at its start and while it runs.
fn certificate_found(judged: Result<UnixMs, certificate::Fault>, own: bool) -> Found {
    match judged {
        Ok(until) if own && until.ms_since(Clock::System.now()) < SOON_MS => Warning(format!(
            "certificate: your own, until {} only: renew it; a running server takes the new \
             files by itself",
            report::date(until)
        )),
        Ok(until) => {
            let whose = if own { "your own" } else { "self-made" };
            Good(format!(
                "certificate: {whose}, until {}",
                report::date(until)
            ))
        }
        Err(fault) if own => Bad(format!("certificate: {fault}")),
        Err(fault) => Warning(format!(
            "certificate: self-made, renewed at the next start: {fault}"
        )),
    }
}

fn disk(data: &Data) -> Found {
    match statvfs(data.dir()) {
        Err(error) => Bad(format!("disk: {error}")),
        Ok(stat) => {
            let free = stat.blocks_available() * stat.fragment_size();
            let text = format!("disk: {} MiB free", free / (1024 * 1024));
            if free < LEAST_FREE {
                Bad(format!("{text}: make room under {}", data.dir().display()))
            } else {
                Good(text)
            }
        }
    }
}

/// Never changes it: a server of another version may work with it.
async fn database(data: &Data, settings: &Prs) -> Found {
    let place = match serve::place(data, settings) {
        Ok(place) => place,
        Err(error) => return Bad(format!("database: {error}")),
    };
    match Store::standing(place).await {
        Ok(Standing::Current) => Good("database: opens".into()),
        Ok(Standing::New) => Good("database: is made at the first start".into()),
        Ok(Standing::Older(found)) => Good(format!(
            "database: opens; the next start updates it from schema {found} to {SCHEMA}"
        )),
        Err(error) => Bad(format!("database: {error}")),
    }
}

async fn port(data: &Data, settings: &Prs) -> Found {
    let listen = settings.listen;
    if matches!(data.lock(), Ok(None)) {
        return Good(format!("port: a server of this folder listens on {listen}"));
    }
    match TcpListener::bind(listen).await {
        Ok(_) => Good(format!("port: {listen} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Bad(format!(
            "port: {listen} is not allowed: use the systemd unit (`init --systemd`), or a port \
             above 1023"
        )),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Bad(format!(
            "port: another program listens on {listen}: stop it, or change \"listen\""
        )),
        Err(error) => Bad(format!("port: cannot listen on {listen}: {error}")),
    }
}

async fn dns(address: &str) -> Found {
    let Ok((host, _)) = host_and_port("public_addresses", address) else {
        return Bad(format!("dns: {address} is no HOST:PORT"));
    };
    match timeout(LOOK, lookup_host(address)).await {
        Ok(Ok(found)) => {
            let ips: Vec<String> = found.map(|a| a.ip().to_string()).collect();
            Good(format!("dns: {host} is {}", ips.join(", ")))
        }
        Ok(Err(error)) => Bad(format!(
            "dns: {host} does not resolve ({error}): add an A or AAAA record"
        )),
        Err(_) => Bad(format!(
            "dns: no answer about {host} within {} s",
            LOOK.as_secs()
        )),
    }
}

async fn reachable(address: &str) -> Found {
    match timeout(LOOK, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Good(format!("reach: {address} answers")),
        // A server behind NAT often cannot reach its own public address.
        _ => Warning(format!(
            "reach: {address} does not answer from here: start the server, open the port in the \
             firewall, and try from outside"
        )),
    }
}
