//! The causes `doctor` knows: a code that never changes its meaning, a
//! sentence for whoever stands at the box, and what to tell the customer's IT.
//!
//! `docs/operations.md` lists them; a test holds the two together.

use serde::{Serialize, Serializer};

/// How bad a cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The box works.
    Works,
    /// The box does not work.
    Broken,
}

macro_rules! causes {
    ($($name:ident $code:literal $weight:ident $sentence:literal $tell:literal;)*) => {
        /// Why the box has no link, or what is amiss though it has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause {
            $(#[doc = $sentence] $name,)*
        }

        impl Cause {
            /// All causes.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code, for scripts and for the support's list.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What it means.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }

            /// What to do, or what to tell the customer's IT.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $tell,)* }
            }

            /// Whether the box works all the same.
            pub const fn weight(self) -> Weight {
                match self { $(Self::$name => Weight::$weight,)* }
            }
        }
    };
}

causes! {
    Ok "ok" Works "everything works" "Nothing to do.";
    UdpBlocked "udp_blocked" Works "the box works; UDP to the server is blocked, so sessions stay on TCP" "Optional: allow outbound UDP to the server's port for faster sessions.";
    ClockWrong "clock_wrong" Works "the box works; its own clock is wrong and is not used" "Optional: allow NTP (UDP 123) or offer an NTP server by DHCP.";
    NotRunning "not_running" Broken "the network is in order, but the gateway service does not run" "Start the service: systemctl start culvert-gateway. Nothing to do for the customer's IT.";
    Refused "refused" Broken "the server answers, but does not accept this box" "Ask the provider's administrator. Nothing to do for the customer's IT.";
    Unclaimed "unclaimed" Broken "the box is not claimed: it knows no provider and no server yet" "Give it a claim code: culvert-gateway claim. Nothing to do for the customer's IT.";
    Storage "storage" Broken "the box cannot read its own data" "Check the data folder; a damaged box is replaced. Nothing to do for the customer's IT.";
    Settings "settings" Broken "a server's address in the settings cannot be used" "Correct `servers` in gateway.toml to host:port.";
    NoCable "no_cable" Broken "no network interface has a carrier" "Plug the cable in; check the cable, the switch port and whether the port is enabled.";
    NoAddress "no_address" Broken "the network is plugged in, but the box has no address: DHCP did not answer" "Tell IT: the port gives no DHCP lease; check the VLAN, the DHCP server, its free addresses and any MAC filter.";
    NoRoute "no_route" Broken "the box has an address but no way out of its network" "Tell IT: DHCP must offer a default gateway (option 3), or a proxy must be set.";
    DnsNotSet "dns_not_set" Broken "the box has no name server" "Tell IT: DHCP must offer a name server (option 6).";
    DnsTimeout "dns_timeout" Broken "the name server does not answer" "Tell IT: the box's name server is down, or UDP/TCP 53 to it is blocked.";
    DnsNoName "dns_no_name" Broken "the name server says that the server's name does not exist" "Tell IT: the name server must resolve public names. If it does, check the name in the settings.";
    DnsFailed "dns_failed" Broken "the name server cannot resolve the server's name" "Tell IT: the name server answers with an error; its forwarding to the internet is broken, or it refuses this box.";
    DnsBlocked "dns_blocked" Broken "the name server answers with a dead address: a filter blocks the name" "Tell IT: a DNS filter blocks the server's name; put it on the filter's allow-list.";
    TcpTimeout "tcp_timeout" Broken "the server does not answer on its port: a firewall drops the connection" "Tell IT: allow outbound TCP to the server's name and port (443 unless stated otherwise).";
    TcpRefused "tcp_refused" Broken "the connection is refused: by a firewall, or nothing listens at the server" "Tell IT: allow outbound TCP to the server's port. If it is allowed, ask the provider whether the server runs.";
    TcpUnreachable "tcp_unreachable" Broken "there is no way to the server: a router on the way says so" "Tell IT: a router or firewall rejects outbound connections to the server; allow them.";
    ProxySettings "proxy_settings" Broken "the proxy setting cannot be used" "Correct [proxy] in gateway.toml or the proxy variables of the environment.";
    ProxyDns "proxy_dns" Broken "the proxy's name does not resolve" "Tell IT: check the proxy's name; correct it in gateway.toml.";
    ProxyUnreachable "proxy_unreachable" Broken "the proxy does not take connections" "Tell IT: check the proxy's address and port, and whether this box may reach it.";
    ProxyAuth "proxy_auth" Broken "the proxy wants a sign-in, or refuses the one given" "Tell IT: the box needs an account on the proxy (Basic or Digest), or an exception by its address.";
    ProxyRefused "proxy_refused" Broken "the proxy refuses to connect to the server" "Tell IT: the proxy must allow CONNECT to the server's name and port.";
    ProxyBroken "proxy_broken" Broken "what is set as proxy does not behave as one" "Tell IT: check the proxy's address and port; it must be an HTTP proxy that allows CONNECT.";
    ProxyTimeout "proxy_timeout" Broken "the proxy accepts, but never answers" "Tell IT: the proxy hangs when connecting to the server; its own way out may be blocked.";
    CaptivePortal "captive_portal" Broken "the network shows a sign-in page instead of the internet" "Tell IT: the box cannot use a sign-in page; put its MAC address on the exception list, or use another network.";
    TlsTimeout "tls_timeout" Broken "the connection opens, but nothing answers inside it" "Tell IT: a firewall accepts connections for the server and holds them back; exempt the server from inspection.";
    TlsBroken "tls_broken" Broken "the connection is broken as soon as TLS begins" "Tell IT: a web filter or DPI firewall cuts TLS to the server; put its name on the allow-list.";
    NotTls "not_tls" Broken "what answers does not speak TLS" "Tell IT: something else answers in the server's place; allow direct TLS to it. Else check the port in the settings.";
    Intercepted "intercepted" Broken "TLS is opened on the way: the box refuses to speak through it" "Tell IT: a proxy or firewall decrypts TLS; exempt the server's name from TLS inspection. Its certificate authority is no remedy.";
    NotOurServer "not_our_server" Broken "another web server, a load balancer or a web filter answers instead of the link" "Tell IT: a web filter answers in the server's place; allow its name. Else check the address in the settings.";
    WebsocketBlocked "websocket_blocked" Broken "the web connection works, but WebSocket does not pass" "Tell IT: a proxy or firewall strips WebSocket upgrades; allow them for the server's name.";
    WebsocketTimeout "websocket_timeout" Broken "the web connection works, but the WebSocket upgrade is never answered" "Tell IT: a proxy or firewall holds WebSocket upgrades back; allow them for the server's name.";
    NoProof "no_proof" Broken "what answers is a WebSocket server, but not the provider's" "Check the server's address in the settings. If it is right, tell IT that something answers in its place.";
    OtherProvider "other_provider" Broken "the server belongs to another provider" "Check the server's address in the settings; a box that changes its provider is claimed anew.";
    StatementExpired "statement_expired" Broken "the provider's statement on its server is not valid at this time" "Ask the provider to renew the server's statement. Nothing to do for the customer's IT.";
    StatementOld "statement_old" Broken "the server shows a statement that the provider has replaced" "Ask the provider to update this server, or to take it out of service. Nothing to do for the customer's IT.";
    Proof "proof" Broken "the server's statement was not signed by the provider" "Check the server's address. If it is right, the provider must look at this server at once.";
    Version "version" Broken "the box and the server have no protocol version in common" "Update the older one. Nothing to do for the customer's IT.";
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_words_and_every_sentence_is_one() {
        let mut codes = HashSet::new();
        for cause in Cause::ALL {
            let code = cause.code();
            assert!(codes.insert(code), "{code}");
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            assert!(!cause.sentence().ends_with('.'), "{code}");
            assert!(cause.remedy().ends_with('.'), "{code}");
        }
    }

    /// The list that people read says what the program says.
    #[test]
    fn operations_md_lists_every_cause_as_the_program_says_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
        let page = std::fs::read_to_string(path).unwrap();
        for cause in Cause::ALL {
            let row = format!(
                "| `{}` | {} | {} |",
                cause.code(),
                cause.sentence(),
                cause.remedy()
            );
            assert!(page.contains(&row), "docs/operations.md lacks:\n{row}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let known = |row: &&str| {
            Cause::ALL
                .iter()
                .any(|c| row.starts_with(&format!("| `{}` |", c.code())))
        };
        assert_eq!(rows.filter(known).count(), Cause::ALL.len());
    }
}
