//! `culvert://` addresses: what a web page may ask `culvert` to open.
//!
//! `culvert://open?server=HOST:PORT&ticket=TICKET` and nothing else: a one-time
//! ticket, and which server it is for, which must be the one this user signed
//! in to. No part of an address becomes an option, a path or a shell word; what
//! is opened, and with which program, the server and this user's own settings
//! say. Pure.

use culvert_wire::ticket::Ticket;

/// The scheme.
pub const SCHEME: &str = "culvert://";
/// Longest address, in bytes.
pub const MAX_LAUNCH: usize = 512;

/// A checked address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// `host:port` of the server; not trusted, only compared.
    pub server: String,
    /// What the server exchanges for a session, once.
    pub ticket: Ticket,
}

impl Launch {
    /// Takes an address apart.
    ///
    /// # Errors
    /// [`LaunchError`]: nothing of the address is used then.
    pub fn parse(address: &str) -> Result<Self, LaunchError> {
        if address.len() > MAX_LAUNCH {
            return Err(LaunchError::TooLong);
        }
        let rest = address.strip_prefix(SCHEME).ok_or(LaunchError::Scheme)?;
        // Browsers put a slash between the host part and the query.
        let query = rest
            .strip_prefix("open?")
            .or_else(|| rest.strip_prefix("open/?"))
            .ok_or(LaunchError::Action)?;
        let (mut server, mut ticket) = (None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or(LaunchError::Fields)?;
            let slot = match name {
                "server" => &mut server,
                "ticket" => &mut ticket,
                _ => return Err(LaunchError::Fields),
            };
            if slot.replace(value).is_some() {
                return Err(LaunchError::Fields);
            }
        }
        let server = server.ok_or(LaunchError::Fields)?;
        let ticket = ticket.ok_or(LaunchError::Fields)?;
        if !is_server(server) {
            return Err(LaunchError::Server);
        }
        Ok(Self {
            server: server.to_ascii_lowercase(),
            ticket: ticket.parse().map_err(|_| LaunchError::Ticket)?,
        })
    }
}

/// `host:port` in plain letters; brackets around an IPv6 address.
fn is_server(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let port_fits = !port.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0);
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_fits = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.parse::<culvert_wire::grant::HostAddress>().is_ok(),
    };
    port_fits && host_fits
}

/// Why an address opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// Longer than any address of ours.
    #[error("the address is longer than {MAX_LAUNCH} bytes")]
    TooLong,
    /// Another scheme.
    #[error("the address does not begin with {SCHEME}")]
    Scheme,
    /// Another action than `open`.
    #[error("the address asks for something else than to open a session")]
    Action,
    /// A field is missing, doubled or unknown.
    #[error("the address must hold exactly a server and a ticket")]
    Fields,
    /// The server is no `host:port`.
    #[error("the address names no server as host:port")]
    Server,
    /// The ticket is none.
    #[error("the address holds no whole ticket: open the page again")]
    Ticket,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket::from_random([5; 32])
    }

    fn address(server: &str, ticket: &str) -> String {
        format!("culvert://open?server={server}&ticket={ticket}")
    }

    #[test]
    fn a_server_and_a_ticket_are_taken() {
        let good = ticket().reveal();
        for text in [
            address("prs.example.com:443", &good),
            address("PRS.example.com:443", &good),
            format!("culvert://open/?ticket={good}&server=prs.example.com:443"),
        ] {
            let launch = Launch::parse(&text).unwrap();
            assert_eq!(launch.server, "prs.example.com:443");
            assert_eq!(launch.ticket, ticket());
        }
        assert!(Launch::parse(&address("[fd00::1]:443", &good)).is_ok());
    }

    /// Row 31: quotes, `--`, newlines and options of viewers.
    #[test]
    fn nothing_but_a_server_and_a_ticket_passes() {
        let good = ticket().reveal();
        let server = "prs.example.com:443";
        for (text, error) in [
            ("".to_owned(), LaunchError::Scheme),
            ("http://x".to_owned(), LaunchError::Scheme),
            ("culvert:open".to_owned(), LaunchError::Scheme),
            ("CULVERT://open?".to_owned(), LaunchError::Scheme),
            ("culvert://exec?cmd=x".to_owned(), LaunchError::Action),
            ("culvert://open".to_owned(), LaunchError::Action),
            ("culvert://open?".to_owned(), LaunchError::Fields),
            (format!("culvert://open?ticket={good}"), LaunchError::Fields),
            (format!("{}&x=1", address(server, &good)), LaunchError::Fields),
            (format!("{}&", address(server, &good)), LaunchError::Fields),
            (
                format!("{}&server=evil:1", address(server, &good)),
                LaunchError::Fields,
            ),
            (
                format!("{}&-oProxyCommand=id", address(server, &good)),
                LaunchError::Fields,
            ),
            (address("--via=x:1", &good), LaunchError::Server),
            (address("a b:1", &good), LaunchError::Server),
            (address("a'b:1", &good), LaunchError::Server),
            (address("a\nb:1", &good), LaunchError::Server),
            (address("a;id:1", &good), LaunchError::Server),
            (address("a%20b:1", &good), LaunchError::Server),
            (address("user@a:1", &good), LaunchError::Server),
            (address("a:0", &good), LaunchError::Server),
            (address("a:99999", &good), LaunchError::Server),
            (address("a", &good), LaunchError::Server),
            (address(server, ""), LaunchError::Ticket),
            (address(server, "--help"), LaunchError::Ticket),
            (address(server, "\"; rm -rf /"), LaunchError::Ticket),
            (address(server, &format!("{good}\n-x")), LaunchError::Ticket),
            (address(server, &good[1..]), LaunchError::Ticket),
            (address(server, &format!("{good}#f")), LaunchError::Ticket),
            ("culvert://".to_owned() + &"x".repeat(64 * 1024), LaunchError::TooLong),
        ] {
            assert_eq!(Launch::parse(&text), Err(error), "{text:?}");
        }
    }
}
