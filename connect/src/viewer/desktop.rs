//! VNC and RDP viewers.

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{Start, ViewerError, stem};

/// VNC viewers, in the order they are looked for.
#[cfg(not(target_os = "macos"))]
pub const VNC: &[&str] = &[
    "vncviewer",
    "xtigervncviewer",
    "tvnviewer",
    "gvncviewer",
    "remmina",
];
/// VNC viewers, in the order they are looked for.
#[cfg(target_os = "macos")]
pub const VNC: &[&str] = &["vncviewer", "open"];

/// RDP viewers, in the order they are looked for.
#[cfg(windows)]
pub const RDP: &[&str] = &["mstsc"];
/// RDP viewers, in the order they are looked for.
#[cfg(not(windows))]
pub const RDP: &[&str] = &[
    "xfreerdp3",
    "xfreerdp",
    "sdl-freerdp3",
    "wlfreerdp",
    "remmina",
    "rdesktop",
];

/// A VNC viewer's arguments.
pub fn vnc(program: PathBuf, at: SocketAddr, extra: Vec<OsString>) -> Start {
    let mut args = extra;
    match stem(&program).as_str() {
        "remmina" => args.extend(["-c".into(), format!("vnc://{at}").into()]),
        "open" => args.push(format!("vnc://{at}").into()),
        // gvncviewer takes a display only, counted from port 5900.
        "gvncviewer" => {
            let display = i32::from(at.port()) - 5900;
            args.push(format!("{}:{display}", at.ip()).into());
        }
        // TigerVNC, TightVNC, RealVNC and UltraVNC agree on two colons (S38).
        _ => args.push(format!("{}::{}", at.ip(), at.port()).into()),
    }
    Start { program, args }
}

/// An RDP viewer's arguments; mstsc gets a file in `scratch`.
///
/// # Errors
/// [`ViewerError::Scratch`] when that file cannot be written.
pub fn rdp(
    program: PathBuf,
    at: SocketAddr,
    extra: Vec<OsString>,
    scratch: &Path,
) -> Result<Start, ViewerError> {
    let mut args = extra;
    match stem(&program).as_str() {
        "mstsc" => {
            let file = scratch.join("culvert.rdp");
            write_rdp(&file, at).map_err(ViewerError::Scratch)?;
            args.insert(0, file.into());
        }
        "remmina" => args.extend(["-c".into(), format!("rdp://{at}").into()]),
        "rdesktop" => args.push(at.to_string().into()),
        _ => args.insert(0, format!("/v:{at}").into()),
    }
    Ok(Start { program, args })
}

/// A .rdp file: the address, and nothing of this computer shared but the
/// clipboard.
fn write_rdp(file: &Path, at: SocketAddr) -> std::io::Result<()> {
    let lines = [
        format!("full address:s:{at}"),
        "prompt for credentials:i:1".into(),
        "authentication level:i:2".into(),
        "enablecredsspsupport:i:1".into(),
        "redirectclipboard:i:1".into(),
        "redirectdrives:i:0".into(),
        "drivestoredirect:s:".into(),
        "redirectprinters:i:0".into(),
        "redirectcomports:i:0".into(),
        "redirectsmartcards:i:0".into(),
        "redirectposdevices:i:0".into(),
        "autoreconnection enabled:i:1".into(),
    ];
    let mut out = std::fs::File::create(file)?;
    out.write_all((lines.join("\r\n") + "\r\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::tests::{at, words};

    /// S34: whichever tool is installed is started on the same session.
    #[test]
    fn each_vnc_viewer_gets_the_port_in_its_own_form() {
        for (program, args) in [
            ("/usr/bin/vncviewer", vec!["-Shared", "127.7.8.9::40123"]),
            ("/opt/odd viewer", vec!["-Shared", "127.7.8.9::40123"]),
            ("/usr/bin/gvncviewer", vec!["-Shared", "127.7.8.9:34223"]),
            (
                "/usr/bin/remmina",
                vec!["-Shared", "-c", "vnc://127.7.8.9:40123"],
            ),
            ("/usr/bin/open", vec!["-Shared", "vnc://127.7.8.9:40123"]),
        ] {
            let start = vnc(program.into(), at(), vec!["-Shared".into()]);
            assert_eq!(words(&start), args, "{program}");
            assert_eq!(start.program, Path::new(program));
        }
    }

    #[test]
    fn each_rdp_viewer_gets_the_address_in_its_own_form() {
        let dir = tempfile::tempdir().unwrap();
        for (program, args) in [
            ("/usr/bin/xfreerdp", vec!["/v:127.7.8.9:40123", "/u:eva"]),
            ("/usr/bin/rdesktop", vec!["/u:eva", "127.7.8.9:40123"]),
            (
                "/usr/bin/remmina",
                vec!["/u:eva", "-c", "rdp://127.7.8.9:40123"],
            ),
        ] {
            let start = rdp(program.into(), at(), vec!["/u:eva".into()], dir.path()).unwrap();
            assert_eq!(words(&start), args, "{program}");
        }
    }

    #[test]
    fn mstsc_gets_a_file_that_shares_no_drive() {
        let dir = tempfile::tempdir().unwrap();

        let start = rdp("mstsc.exe".into(), at(), vec!["/f".into()], dir.path()).unwrap();

        let file = dir.path().join("culvert.rdp");
        assert_eq!(start.args, [file.as_os_str(), "/f".as_ref()]);
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.starts_with("full address:s:127.7.8.9:40123\r\n"));
        assert!(text.contains("\r\nredirectdrives:i:0\r\n"));
        assert!(text.contains("\r\nenablecredsspsupport:i:1\r\n"));
    }
}
