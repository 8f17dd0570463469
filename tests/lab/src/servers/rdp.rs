//! .20, the desktop over RDP: xrdp with its session manager, no systemd.
//!
//! A login starts a screen of its own (Xvnc behind xrdp), as xrdp does on any
//! server; it is not the screen that VNC shows.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Start, desktop};
use crate::namespace::{Ns, finish, said};
use crate::network::DESKTOP_IP;
use crate::ready::wait_for_banner;
use crate::{LabError, Running};

pub(super) fn start(start: &Start<'_>) -> Result<Vec<Running>, LabError> {
    let folder = start.folder.join("hosts").join("desktop").join("xrdp");
    lay_settings(&folder)?;
    let script = format!(
        "mount --bind {} /etc/xrdp\nmkdir -p /run/xrdp/sockdir\n\
         chmod 1777 /run/xrdp/sockdir",
        folder.display()
    );
    start.world.shell(Ns::Desktop, "xrdp's settings", &script)?;
    let sesman = start.run(Ns::Desktop, "xrdp-sesman", |command| {
        command.arg("--nodaemon");
    })?;
    let xrdp = start.run(Ns::Desktop, "xrdp", |command| {
        command.arg("--nodaemon");
    })?;
    Ok(vec![sesman, xrdp])
}

pub(super) fn wait(start: &Start<'_>) -> Result<(), LabError> {
    wait_for_banner(start.world, Ns::Gateway, DESKTOP_IP, 3389, "")
}

fn lay_settings(folder: &Path) -> Result<(), LabError> {
    fs::create_dir(folder).map_err(LabError::file(folder))?;
    for entry in fs::read_dir("/etc/xrdp").map_err(LabError::file("/etc/xrdp"))? {
        let path = entry.map_err(LabError::file("/etc/xrdp"))?.path();
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with("km-") || name == "xrdp_keyboard.ini" {
            fs::copy(&path, folder.join(name)).map_err(LabError::file(&path))?;
        }
    }
    put(folder, "xrdp.ini", &XRDP.replace("ADDRESS", DESKTOP_IP))?;
    put(folder, "sesman.ini", SESMAN)?;
    let session = format!("#!/bin/sh\n{}\n", desktop::SESSION);
    put(folder, "startwm.sh", &session)?;
    let script = folder.join("startwm.sh");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .map_err(LabError::file(&script))?;
    make_keys(folder)
}

fn make_keys(folder: &Path) -> Result<(), LabError> {
    let script = "xrdp-keygen xrdp rsakeys.ini
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=desktop \
            -keyout key.pem -out cert.pem";
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(folder);
    let output = finish(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Failed {
        what: "making xrdp's keys".into(),
        output: said(&output),
    })
}

fn put(folder: &Path, name: &str, text: &str) -> Result<(), LabError> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(LabError::file(path))
}

const XRDP: &str = "[Globals]
ini_version=1
fork=true
port=tcp://ADDRESS:3389
tcp_nodelay=true
security_layer=negotiate
crypt_level=high
certificate=/etc/xrdp/cert.pem
key_file=/etc/xrdp/key.pem
ssl_protocols=TLSv1.2, TLSv1.3
autorun=Xvnc
allow_channels=true
allow_multimon=true
bitmap_cache=true
bitmap_compression=true
bulk_compression=true
max_bpp=32
new_cursors=true
use_fastpath=both

[Logging]
LogFile=xrdp.log
LogLevel=INFO
EnableSyslog=false

[Channels]
cliprdr=true
drdynvc=true

[Xvnc]
name=Xvnc
lib=libvnc.so
username=ask
password=ask
ip=127.0.0.1
port=-1
";

const SESMAN: &str = "[Globals]
ListenAddress=127.0.0.1
ListenPort=3350
EnableUserWindowManager=false
UserWindowManager=startwm.sh
DefaultWindowManager=startwm.sh
ReconnectScript=/bin/true

[Security]
AllowRootLogin=false
MaxLoginRetry=4
AlwaysGroupCheck=false
RestrictOutboundClipboard=none
RestrictInboundClipboard=none

[Sessions]
X11DisplayOffset=10
MaxSessions=50
KillDisconnected=false
DisconnectedTimeLimit=0
IdleTimeLimit=0
Policy=Default

[Logging]
LogFile=xrdp-sesman.log
LogLevel=INFO
EnableSyslog=false

[Xvnc]
param=Xtigervnc
param=-bs
param=-nolisten
param=tcp
param=-localhost
param=-dpi
param=96

[Chansrv]
FuseMountName=thinclient_drives
FileUmask=077
";
