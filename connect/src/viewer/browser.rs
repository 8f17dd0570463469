//! A browser with a throw-away profile that reaches one session only.
//!
//! The device keeps its own address in the address line (S32): nothing is
//! rewritten, so absolute links, WebSockets and cookies work as on the LAN. All
//! traffic goes to the session's SOCKS port, names included; the profile is
//! removed when the browser ends.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use culvert_wire::grant::{Protocol, Target};

use super::{Start, ViewerError, stem};

/// Browsers, in the order they are looked for.
pub const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
    "brave-browser",
    "firefox",
    "firefox-esr",
];

/// A browser's arguments; its profile is in the empty folder `profile`.
///
/// # Errors
/// [`ViewerError::Scratch`] when the profile cannot be written.
pub fn start(
    program: PathBuf,
    socks: SocketAddr,
    url: &str,
    profile: &Path,
    extra: Vec<OsString>,
) -> Result<Start, ViewerError> {
    let mut args = extra;
    if stem(&program).starts_with("firefox") {
        let settings = firefox_settings(socks);
        std::fs::write(profile.join("user.js"), settings).map_err(ViewerError::Scratch)?;
        args.extend([
            "-no-remote".into(),
            "-new-instance".into(),
            "-profile".into(),
            profile.into(),
        ]);
    } else {
        args.extend(chromium_options(socks, profile));
    }
    args.push(url.into());
    Ok(Start { program, args })
}

/// The address of a device's page.
pub fn url(target: &Target) -> String {
    let (scheme, usual) = match target.protocol {
        Protocol::Https => ("https", 443),
        Protocol::Tcp if matches!(target.port, 443 | 8443) => ("https", 443),
        Protocol::Http
        | Protocol::Tcp
        | Protocol::Ssh
        | Protocol::Vnc
        | Protocol::Rdp
        | Protocol::Telnet => ("http", 80),
    };
    let host = match target.address.ip() {
        Some(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
        Some(std::net::IpAddr::V4(_)) | None => target.address.to_string(),
    };
    if target.port == usual {
        format!("{scheme}://{host}/")
    } else {
        format!("{scheme}://{host}:{}/", target.port)
    }
}

fn chromium_options(socks: SocketAddr, profile: &Path) -> Vec<OsString> {
    let mut user_data = OsString::from("--user-data-dir=");
    user_data.push(profile);
    vec![
        user_data,
        format!("--proxy-server=socks5://{socks}").into(),
        // Loopback addresses too: the device's may be one on its own side.
        "--proxy-bypass-list=<-loopback>".into(),
        // No name is looked up here; names are the gateway's business.
        format!(
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {}",
            socks.ip()
        )
        .into(),
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp".into(),
        "--disable-quic".into(),
        "--no-first-run".into(),
        "--no-default-browser-check".into(),
        "--disable-background-networking".into(),
        "--disable-component-update".into(),
        "--disable-default-apps".into(),
        "--disable-sync".into(),
    ]
}

fn firefox_settings(socks: SocketAddr) -> String {
    let lines = [
        ("network.proxy.type", "1".to_owned()),
        ("network.proxy.socks", format!("\"{}\"", socks.ip())),
        ("network.proxy.socks_port", socks.port().to_string()),
        ("network.proxy.socks_version", "5".to_owned()),
        ("network.proxy.socks_remote_dns", "true".to_owned()),
        ("network.proxy.no_proxies_on", "\"\"".to_owned()),
        ("network.proxy.allow_hijacking_localhost", "true".to_owned()),
        ("network.dns.disablePrefetch", "true".to_owned()),
        ("network.captive-portal-service.enabled", "false".to_owned()),
        ("network.connectivity-service.enabled", "false".to_owned()),
        ("media.peerconnection.enabled", "false".to_owned()),
        ("browser.shell.checkDefaultBrowser", "false".to_owned()),
        ("browser.aboutwelcome.enabled", "false".to_owned()),
        (
            "datareporting.policy.dataSubmissionEnabled",
            "false".to_owned(),
        ),
        ("app.update.enabled", "false".to_owned()),
    ];
    lines
        .map(|(name, value)| format!("user_pref(\"{name}\", {value});\n"))
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socks() -> SocketAddr {
        "127.7.8.9:40123".parse().unwrap()
    }

    fn target(address: &str, port: u16, protocol: Protocol) -> Target {
        Target {
            address: address.parse().unwrap(),
            port,
            protocol,
        }
    }

    #[test]
    fn the_address_line_shows_the_devices_own_address() {
        for (address, port, protocol, expected) in [
            ("192.168.1.9", 80, Protocol::Http, "http://192.168.1.9/"),
            (
                "192.168.1.9",
                8080,
                Protocol::Http,
                "http://192.168.1.9:8080/",
            ),
            ("nas.local", 443, Protocol::Https, "https://nas.local/"),
            ("fd00::7", 8443, Protocol::Https, "https://[fd00::7]:8443/"),
            ("nas.local", 8443, Protocol::Tcp, "https://nas.local:8443/"),
        ] {
            assert_eq!(url(&target(address, port, protocol)), expected);
        }
    }

    #[test]
    fn chromium_sends_everything_to_the_sessions_port() {
        let profile = tempfile::tempdir().unwrap();

        let start = start(
            "/usr/bin/chromium".into(),
            socks(),
            "http://192.168.1.9/",
            profile.path(),
            vec!["--headless".into()],
        )
        .unwrap();

        let has = |text: &str| start.args.iter().any(|arg| arg == text);
        assert_eq!(start.args[0], "--headless");
        assert_eq!(start.args.last().unwrap(), "http://192.168.1.9/");
        assert!(has("--proxy-server=socks5://127.7.8.9:40123"));
        assert!(has("--proxy-bypass-list=<-loopback>"));
        assert!(has(
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.7.8.9"
        ));
        let profile = format!("--user-data-dir={}", profile.path().display());
        assert!(has(&profile));
    }

    #[test]
    fn firefox_gets_the_same_as_settings_of_its_profile() {
        let profile = tempfile::tempdir().unwrap();

        let start = start(
            "/usr/bin/firefox-esr".into(),
            socks(),
            "http://192.168.1.9/",
            profile.path(),
            vec![],
        )
        .unwrap();

        assert_eq!(start.args[2], "-profile");
        assert_eq!(start.args[3], profile.path());
        let settings = std::fs::read_to_string(profile.path().join("user.js")).unwrap();
        assert!(settings.contains("user_pref(\"network.proxy.socks\", \"127.7.8.9\");"));
        assert!(settings.contains("user_pref(\"network.proxy.socks_port\", 40123);"));
        assert!(settings.contains("user_pref(\"network.proxy.socks_remote_dns\", true);"));
    }
}
