//! What a person types to name a host.
//!
//! `name`, `site/name`, `customer/site/name` or an id, with a port in the form
//! the program at hand is used to: `host:port`, or VNC's `host:display` and
//! `host::port` (S38), and `user@` before it for SSH. The words come from a
//! command line, a `ProxyCommand` or a viewer: whatever looks like an option
//! or holds control characters is refused. Pure.

use std::net::Ipv6Addr;
use std::str::FromStr;

use culvert_wire::id::HostId;

/// What `culvert ssh-config` puts behind every name.
pub const SSH_SUFFIX: &str = ".culvert";
/// Longest word, in bytes.
pub const MAX_WORD: usize = 512;
/// VNC: the port of display 0.
const VNC_BASE: u16 = 5900;
/// VNC: `host:n` is a display below this number and a port from it on, as
/// TigerVNC reads it.
const VNC_DISPLAYS: u16 = 100;

/// How a number behind a colon is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// `host:port`.
    Port,
    /// `host:display` and `host::port`.
    Vnc,
}

/// A host as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostWord {
    /// Account on the host, for SSH.
    pub user: Option<String>,
    /// Customer, when said.
    pub customer: Option<String>,
    /// Site, when said.
    pub site: Option<String>,
    /// The host's name, address or id.
    pub name: String,
    /// The port, when said.
    pub port: Option<u16>,
}

impl HostWord {
    /// Takes a word apart.
    ///
    /// # Errors
    /// [`WordError`], one for each way to be no host.
    pub fn parse(text: &str, numbers: Numbers) -> Result<Self, WordError> {
        if text.len() > MAX_WORD {
            return Err(WordError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(WordError::Control);
        }
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(checked(user)?), rest),
            None => (None, text),
        };
        let (place, port) = split_port(rest, numbers)?;
        let place = place.strip_suffix(SSH_SUFFIX).unwrap_or(place);
        let mut parts: Vec<String> = place.split('/').map(checked).collect::<Result<_, _>>()?;
        if parts.len() > 3 {
            return Err(WordError::TooDeep);
        }
        let name = parts.pop().ok_or(WordError::Empty)?;
        Ok(Self {
            user,
            name,
            site: parts.pop(),
            customer: parts.pop(),
            port,
        })
    }

    /// The id, when the word is one.
    pub fn id(&self) -> Option<HostId> {
        HostId::from_str(&self.name).ok()
    }

    /// The place without user and port, as it would be typed.
    pub fn place(&self) -> String {
        [self.customer.as_deref(), self.site.as_deref()]
            .into_iter()
            .flatten()
            .chain([self.name.as_str()])
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// One part of a word: not empty, not an option.
fn checked(part: &str) -> Result<String, WordError> {
    let part = part.trim();
    if part.is_empty() {
        return Err(WordError::Empty);
    }
    if part.starts_with('-') {
        return Err(WordError::Option);
    }
    Ok(part.to_owned())
}

/// The place and the port behind it.
fn split_port(text: &str, numbers: Numbers) -> Result<(&str, Option<u16>), WordError> {
    // A bare IPv6 address is all colons and has no port.
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        address.parse::<Ipv6Addr>().map_err(|_| WordError::Port)?;
        return match rest {
            "" => Ok((address, None)),
            rest => Ok((address, Some(number_behind(rest, numbers)?))),
        };
    }
    match text.find(':') {
        None => Ok((text, None)),
        Some(at) => {
            let (place, rest) = text.split_at(at);
            Ok((place, Some(number_behind(rest, numbers)?)))
        }
    }
}

/// The port of `:5`, `:5905` or `::5905`.
fn number_behind(text: &str, numbers: Numbers) -> Result<u16, WordError> {
    let digits = |text: &str| match text.parse::<u16>() {
        Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(number),
        Ok(_) | Err(_) => Err(WordError::Port),
    };
    let port = match numbers {
        Numbers::Port => digits(text.strip_prefix(':').ok_or(WordError::Port)?)?,
        Numbers::Vnc => match text.strip_prefix("::") {
            Some(port) => digits(port)?,
            None => match digits(text.strip_prefix(':').ok_or(WordError::Port)?)? {
                display if display < VNC_DISPLAYS => VNC_BASE + display,
                port => port,
            },
        },
    };
    if port == 0 {
        return Err(WordError::Port);
    }
    Ok(port)
}

/// Why text names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A part is missing.
    #[error("a host is name, site/name, customer/site/name or an id")]
    Empty,
    /// More than three parts.
    #[error("a host has at most three parts: customer/site/name")]
    TooDeep,
    /// It looks like an option.
    #[error("a host does not begin with '-'")]
    Option,
    /// It holds control characters.
    #[error("a host holds no control characters")]
    Control,
    /// It is longer than any name.
    #[error("a host is at most {MAX_WORD} bytes long")]
    TooLong,
    /// What follows the colon is no port.
    #[error("what follows the colon is no port (1 to 65535); VNC also takes :display and ::port")]
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, numbers: Numbers) -> Result<(String, Option<u16>), WordError> {
        HostWord::parse(text, numbers).map(|word| (word.place(), word.port))
    }

    fn at(place: &str, port: Option<u16>) -> Result<(String, Option<u16>), WordError> {
        Ok((place.into(), port))
    }

    #[test]
    fn names_sites_and_customers_are_told_apart() {
        let word = HostWord::parse("Acme/Berlin/printer", Numbers::Port).unwrap();

        assert_eq!(word.customer.as_deref(), Some("Acme"));
        assert_eq!(word.site.as_deref(), Some("Berlin"));
        assert_eq!(word.name, "printer");
        assert_eq!(word.port, None);
    }

    #[test]
    fn ports_follow_one_colon() {
        let port = Numbers::Port;
        assert_eq!(word("nas:8443", port), at("nas", Some(8443)));
        assert_eq!(word("site/nas:22", port), at("site/nas", Some(22)));
        assert_eq!(word("[fd00::7]:22", port), at("fd00::7", Some(22)));
        assert_eq!(word("fd00::7", port), at("fd00::7", None));
        for bad in [
            "nas:",
            "nas:0",
            "nas:65536",
            "nas:+1",
            "nas: 1",
            "nas:x",
            "nas::22",
            "nas:1:2",
        ] {
            assert_eq!(word(bad, port), Err(WordError::Port), "{bad}");
        }
    }

    /// S38: `host:display` against `host::port`.
    #[test]
    fn vnc_displays_and_ports_are_told_apart() {
        let vnc = Numbers::Vnc;
        for (text, port) in [
            ("desk", None),
            ("desk:0", Some(5900)),
            ("desk:1", Some(5901)),
            ("desk:99", Some(5999)),
            ("desk:100", Some(100)),
            ("desk:5901", Some(5901)),
            ("desk::5901", Some(5901)),
            ("desk::1", Some(1)),
            ("desk::62000", Some(62000)),
        ] {
            assert_eq!(word(text, vnc), at("desk", port), "{text}");
        }
        assert_eq!(word("[fd00::7]:1", vnc), at("fd00::7", Some(5901)));
        assert_eq!(word("[fd00::7]::80", vnc), at("fd00::7", Some(80)));
        for bad in [
            "desk:",
            "desk::",
            "desk:::1",
            "desk::0",
            "desk:-1",
            "desk::70000",
        ] {
            assert_eq!(word(bad, vnc), Err(WordError::Port), "{bad}");
        }
    }

    /// Row 31: a word never becomes an option of a program.
    #[test]
    fn options_controls_and_nonsense_are_refused() {
        for (text, error) in [
            ("", WordError::Empty),
            ("/", WordError::Empty),
            ("a//b", WordError::Empty),
            ("a/b/c/d", WordError::TooDeep),
            ("-oProxyCommand=x", WordError::Option),
            ("site/-x", WordError::Option),
            ("-l@host", WordError::Option),
            ("@host", WordError::Empty),
            ("a\nb", WordError::Control),
            ("a\u{1b}[2Jb", WordError::Control),
            ("a\0b", WordError::Control),
        ] {
            assert_eq!(word(text, Numbers::Port), Err(error), "{text:?}");
        }
        let long = "x".repeat(64 * 1024);
        assert_eq!(word(&long, Numbers::Vnc), Err(WordError::TooLong));
    }

    #[test]
    fn ssh_users_and_the_config_suffix_are_taken_off() {
        let word = HostWord::parse("root@switch.culvert", Numbers::Port).unwrap();

        assert_eq!(word.user.as_deref(), Some("root"));
        assert_eq!(word.name, "switch");
    }

    #[test]
    fn an_id_is_recognised() {
        let id = HostId::from_random([7; 16]);

        let word = HostWord::parse(&id.to_string(), Numbers::Port).unwrap();

        assert_eq!(word.id(), Some(id));
        assert_eq!(HostWord::parse("nas", Numbers::Port).unwrap().id(), None);
    }
}
