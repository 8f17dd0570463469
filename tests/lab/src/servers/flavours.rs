//! .20, further ways to show a screen: each a server of its own on a port of
//! its own, started by the tests that want it.

use std::fs;
use std::net::IpAddr;
use std::process::Command;

use super::account::as_account;
use super::{Start, desktop};
use crate::namespace::{Ns, finish, said};
use crate::network::DESKTOP_IP;
use crate::ready::wait_for_banner;
use crate::{LabError, Running};

/// A way to show a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// x11vnc on the desktop's screen, with a password (`VncAuth`).
    X11vncPassword,
    /// x11vnc on the desktop's screen, open to all (`None`).
    X11vncOpen,
    /// TigerVNC with a screen of its own and every kind of `VeNCrypt`: TLS with
    /// and without certificates, with a password, an account, or neither.
    VeNCrypt,
    /// FreeRDP's shadow server on the desktop's screen, which lets nobody in
    /// without Network Level Authentication.
    Nla,
}

impl Flavour {
    /// The port it is reached at.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::X11vncPassword => 5901,
            Self::X11vncOpen => 5902,
            Self::VeNCrypt => 5903,
            Self::Nla => 3390,
        }
    }

    /// The number of the screen that it shows.
    #[must_use]
    pub const fn display(self) -> u32 {
        match self {
            Self::X11vncPassword | Self::X11vncOpen | Self::Nla => desktop::DISPLAY,
            Self::VeNCrypt => 3,
        }
    }
}

/// Starts a server and waits until it answers. `seen_as` is the address at
/// which a viewer will see it, which its certificate then names.
pub(crate) fn start(
    start: &Start<'_>,
    flavour: Flavour,
    seen_as: IpAddr,
) -> Result<Running, LabError> {
    let password = start.folder.join("hosts").join("desktop").join("vnc");
    let port = flavour.port().to_string();
    let x11vnc = |name: &str, auth: &[&str]| {
        start.run_as(Ns::Desktop, "setpriv", name, |command| {
            as_account(command, start.who, Some(flavour.display()));
            command.args(["x11vnc", "-forever", "-shared", "-noipv6", "-desktop", name]);
            command
                .args(["-rfbport", &port, "-listen", DESKTOP_IP])
                .args(auth);
        })
    };
    let running = match flavour {
        Flavour::X11vncPassword => x11vnc(
            "x11vnc-password",
            &["-rfbauth", &password.to_string_lossy()],
        )?,
        Flavour::X11vncOpen => x11vnc("x11vnc-open", &["-nopw"])?,
        Flavour::VeNCrypt => {
            make_certificate(start, seen_as)?;
            start.run_as(Ns::Desktop, "setpriv", "VeNCrypt", |command| {
                as_account(command, start.who, None);
                command
                    .args(["Xtigervnc", &format!(":{}", flavour.display())])
                    .args(["-desktop", "vencrypt", "-geometry", "1024x768"])
                    .args(["-rfbport", &port, "-interface", DESKTOP_IP])
                    .args(["-SecurityTypes", VENCRYPT, "-AlwaysShared", "-rfbauth"])
                    .arg(&password)
                    .args(["-PlainUsers", &start.who.user, "-pam_service", "other"])
                    .arg("-X509Cert")
                    .arg(certificate(start))
                    .arg("-X509Key")
                    .arg(key(start))
                    .args(["-nolisten", "tcp", "-ac", "-br"]);
            })?
        }
        Flavour::Nla => {
            let sam = start.folder.join("hosts").join("desktop").join("sam");
            let line = format!(
                "{}:::{}:::\n",
                start.who.user,
                nt_hash(&start.who.password)?
            );
            fs::write(&sam, line).map_err(LabError::file(&sam))?;
            start.run_as(Ns::Desktop, "setpriv", "shadow", |command| {
                as_account(command, start.who, Some(flavour.display()));
                command.args(["freerdp-shadow-cli", &format!("/port:{port}")]);
                command.arg(format!("/bind-address:{DESKTOP_IP}"));
                command.args(["/sec:nla", "+auth"]);
                command.arg(format!("/sam-file:{}", sam.display()));
            })?
        }
    };
    let banner = match flavour {
        Flavour::X11vncPassword | Flavour::X11vncOpen | Flavour::VeNCrypt => "RFB 003.008",
        Flavour::Nla => "",
    };
    wait_for_banner(start.world, Ns::Gateway, DESKTOP_IP, flavour.port(), banner)?;
    Ok(running)
}

/// Where the certificate is that a viewer can be told to trust.
pub(crate) fn certificate(start: &Start<'_>) -> std::path::PathBuf {
    start.folder.join("hosts/desktop/vencrypt.pem")
}

fn key(start: &Start<'_>) -> std::path::PathBuf {
    start.folder.join("hosts/desktop/vencrypt.key")
}

fn make_certificate(start: &Start<'_>, seen_as: IpAddr) -> Result<(), LabError> {
    let mut command = Command::new("openssl");
    command
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ])
        .args(["-subj", "/CN=desktop", "-addext"])
        .arg(format!("subjectAltName=IP:{seen_as}"))
        .arg("-keyout")
        .arg(key(start))
        .arg("-out")
        .arg(certificate(start));
    must(&mut command, "making the desktop's certificate")?;
    // The account's own server reads it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(key(start), open).map_err(LabError::file(key(start)))
}

/// What Windows keeps of a password (MS-NLMP 3.3.1): MD4, which only OpenSSL's
/// provider of old algorithms still knows.
fn nt_hash(password: &str) -> Result<String, LabError> {
    let script = "printf %s \"$1\" | iconv -t UTF-16LE |
        openssl dgst -provider legacy -provider default -md4 -r";
    let mut command = Command::new("sh");
    command.args(["-ec", script, "sh", password]);
    let hash = must(&mut command, "hashing a password for NLA")?;
    Ok(hash
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}

fn must(command: &mut Command, what: &str) -> Result<String, LabError> {
    let output = finish(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Failed {
        what: what.into(),
        output: said(&output),
    })
}

/// Every kind that TigerVNC offers here; the viewer chooses one.
const VENCRYPT: &str = "TLSNone,TLSVnc,TLSPlain,X509None,X509Vnc,X509Plain,Plain";
