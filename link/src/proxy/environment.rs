//! Which proxy the usual environment variables name for a server.
//!
//! As curl reads them: lower case before upper case, `https_proxy` before
//! `all_proxy`; `no_proxy` lists names, their subdomains, addresses, networks
//! and `*`. Pure but for [`Environment::of_process`].

use std::net::IpAddr;

use super::{ProxyServer, ProxyUrlError, split_address};

/// The variables, as they were read.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    proxy: Option<String>,
    bypass: String,
}

impl Environment {
    /// Reads this process's environment.
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads variables from wherever they are.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let filled = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let either = |name: &str| filled(name).or_else(|| filled(&name.to_uppercase()));
        Self {
            proxy: either("https_proxy").or_else(|| either("all_proxy")),
            bypass: either("no_proxy").unwrap_or_default(),
        }
    }

    /// The proxy for one server.
    ///
    /// # Errors
    /// [`ProxyUrlError`] when the named proxy cannot be used.
    pub fn for_server(&self, host: &str, port: u16) -> Result<Option<ProxyServer>, ProxyUrlError> {
        match &self.proxy {
            Some(proxy) if !self.bypasses(host, port) => proxy.parse().map(Some),
            Some(_) | None => Ok(None),
        }
    }

    fn bypasses(&self, host: &str, port: u16) -> bool {
        self.bypass
            .split([',', ' '])
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .any(|entry| matches(entry, host, port))
    }
}

fn matches(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        let own = entry.trim_matches(['[', ']']).parse() == Ok(address);
        return own || in_network(entry, address) || with_port(entry, host, port);
    }
    let name = entry.trim_start_matches("*.").trim_start_matches('.');
    is_under(host, name) || with_port(name, host, port)
}

fn with_port(entry: &str, host: &str, port: u16) -> bool {
    split_address(entry, None).is_some_and(|(name, own)| own == port && is_under(host, &name))
}

/// Whether `host` is `name` or below it.
fn is_under(host: &str, name: &str) -> bool {
    let (host, name) = (host.to_ascii_lowercase(), name.to_ascii_lowercase());
    host == name
        || host
            .strip_suffix(&name)
            .is_some_and(|front| front.ends_with('.'))
}

fn in_network(entry: &str, address: IpAddr) -> bool {
    let Some((network, length)) = entry.split_once('/') else {
        return false;
    };
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], host: &str, port: u16) -> Option<String> {
        let read = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let proxy = Environment::read(read).for_server(host, port).unwrap();
        proxy.map(|proxy| proxy.host)
    }

    #[test]
    fn the_most_specific_variable_wins() {
        let all = [
            ("ALL_PROXY", "a:1"),
            ("HTTPS_PROXY", "b:1"),
            ("https_proxy", "c:1"),
        ];
        assert_eq!(chosen(&all, "prs", 443).as_deref(), Some("c"));
        assert_eq!(chosen(&all[..2], "prs", 443).as_deref(), Some("b"));
        assert_eq!(chosen(&all[..1], "prs", 443).as_deref(), Some("a"));
        assert_eq!(
            chosen(&[("https_proxy", " "), ("HTTP_PROXY", "x:1")], "prs", 443),
            None
        );
    }

    #[test]
    fn no_proxy_names_hosts_domains_addresses_and_networks() {
        for (list, host, bypassed) in [
            ("*", "prs.example.com", true),
            ("example.com", "prs.example.com", true),
            (".example.com", "PRS.Example.com", true),
            ("*.example.com", "prs.example.com", true),
            ("ample.com", "prs.example.com", false),
            ("localhost, prs.example.com:443", "prs.example.com", true),
            ("prs.example.com:444", "prs.example.com", false),
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.9.8.7", false),
            ("10.9.8.7", "10.9.8.7", true),
            ("0.0.0.0/0", "10.9.8.7", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "10.0.0.1", false),
            ("10.0.0.0/99", "10.0.0.1", false),
            ("", "prs.example.com", false),
        ] {
            let got = chosen(&[("https_proxy", "p:1"), ("NO_PROXY", list)], host, 443);
            assert_eq!(got.is_none(), bypassed, "{list} for {host}");
        }
    }
}
