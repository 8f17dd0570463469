//! The address of a server: `host:port` or `host`, whose port is then 443.

use culvert_wire::grant::HostAddress;

use crate::ConfigError;

/// The port of an address that names none.
const DEFAULT_PORT: u16 = 443;

/// Checks an address and writes its port out.
pub(super) fn check(text: &str) -> Result<String, ConfigError> {
    let wrong = || {
        ConfigError::value(
            "servers",
            format!("{text:?} is no server address: write host:port, without https:// and path"),
        )
    };
    let (host, port) = split(text).ok_or_else(wrong)?;
    let host: HostAddress = host.parse().map_err(|_| wrong())?;
    Ok(join(&host, port))
}

/// Splits `host`, `host:port`, `[v6]` and `[v6]:port`; a bare IPv6 address too.
pub(super) fn split(text: &str) -> Option<(&str, u16)> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some((text, DEFAULT_PORT));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':')?)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|&port| port != 0)?,
        None => DEFAULT_PORT,
    };
    Some((host, port))
}

/// Puts host and port together, IPv6 in brackets.
pub(super) fn join(host: &HostAddress, port: u16) -> String {
    match host.ip() {
        Some(std::net::IpAddr::V6(v6)) => format!("[{v6}]:{port}"),
        Some(std::net::IpAddr::V4(_)) | None => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_port_written_out() {
        for (text, whole) in [
            ("prs.example.com", "prs.example.com:443"),
            ("PRS.example.com:8443", "prs.example.com:8443"),
            ("192.0.2.1", "192.0.2.1:443"),
            ("2001:db8::1", "[2001:db8::1]:443"),
            ("[2001:db8::1]", "[2001:db8::1]:443"),
            ("[2001:db8::1]:9443", "[2001:db8::1]:9443"),
        ] {
            assert_eq!(check(text).unwrap(), whole);
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_right_form() {
        for text in [
            "",
            "https://prs.example.com",
            "prs.example.com/link",
            "prs.example.com:0",
            "prs.example.com:70000",
            "user@prs.example.com",
            "[prs]:443",
            "[2001:db8::1",
            "a b",
        ] {
            let said = check(text).unwrap_err().to_string();
            assert!(said.contains("host:port"), "{text}: {said}");
        }
    }
}
