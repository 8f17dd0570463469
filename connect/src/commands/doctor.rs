//! `culvert doctor`: each thing a session needs, in order, in plain words.

use std::time::{SystemTime, UNIX_EPOCH};

use culvert_link::{ConnectError, Link, ProxyPolicy};
use culvert_wire::UnixMs;

use super::hosts::ago;
use crate::api::Api;
use crate::failure::Failure;
use crate::home::Home;
use crate::known::Known;
use crate::reach::Server;
use crate::text::{plain, result};

/// A clock that is off by more confuses people, though no check of ours.
const CLOCK_MS: u64 = 5 * 60 * 1000;

/// Looks at everything; the first failure is the exit code.
pub(super) async fn doctor(home: Home) -> Result<(), Failure> {
    let path = home.path("");
    say(true, &format!("files are in {}", path.display()));
    let server = match Server::known(home) {
        Ok(server) => server,
        Err(failure) => return broken(failure, "run culvert login ADDRESS"),
    };
    let provider = server.account.provider.fingerprint();
    say(true, &format!("provider key {provider}"));
    match Known::load(&server.home) {
        Ok(_) => say(true, "known gateways can be read"),
        Err(error) => return broken(error.into(), "restore the file, or move it away"),
    }
    proxies(&server);
    let (link, _events) = match server.dial().await {
        Ok(open) => open,
        Err(source) => {
            let advice = advice(&source);
            let server = server.name().to_owned();
            return broken(Failure::Connect { server, source }, advice);
        }
    };
    say(true, &format!("{} proved itself", server.name()));
    clock(&link);
    sign_in(&server, &link).await
}

fn proxies(server: &Server) {
    for address in &server.account.servers {
        let Some((host, port)) = address.rsplit_once(':') else {
            continue;
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().unwrap_or(443);
        match ProxyPolicy::FromEnv.for_server(host, port) {
            Ok(None) => say(true, &format!("{address}: no proxy is set")),
            Ok(Some(proxy)) => say(true, &format!("{address}: through the proxy {proxy:?}")),
            Err(error) => say(false, &format!("{address}: {error}")),
        }
    }
}

fn clock(link: &Link) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    let server = link.link_time();
    let off = server
        .ms_since(UnixMs(now))
        .max(UnixMs(now).ms_since(server));
    if off > CLOCK_MS {
        let off = ago(off);
        say(
            false,
            &format!("this computer's clock is {off} off; culvert works anyway"),
        );
    } else {
        say(true, "this computer's clock agrees with the server's");
    }
}

async fn sign_in(server: &Server, link: &Link) -> Result<(), Failure> {
    let login = "run culvert login again";
    let Some(sign_in) = &server.sign_in else {
        let server = server.name().to_owned();
        return broken(Failure::NoSignIn { server }, login);
    };
    match Api(link).me().await {
        Ok(me) => {
            let left = ago(sign_in.expires.ms_since(link.link_time()));
            let name = plain(&me.user.name);
            say(true, &format!("signed in as {name} for another {left}"));
            Ok(())
        }
        Err(failure) => broken(failure, login),
    }
}

/// What to do about a connection that does not come to be.
fn advice(error: &ConnectError) -> &'static str {
    match error.cause() {
        "settings" => "run culvert login ADDRESS with the address the provider gave",
        "proxy_settings" => "correct HTTPS_PROXY, or unset it where no proxy is needed",
        "dns" | "dns_timeout" => "check the network, and the server's name",
        "tcp" | "tcp_timeout" => {
            "check the network; a firewall has to let TCP to this server and port out"
        }
        "proxy_refused" => "ask who runs the proxy to allow CONNECT to this server and port",
        "proxy_auth" => "put user and password into HTTPS_PROXY: http://user:password@proxy:port",
        "proxy_broken" | "proxy_timeout" => "check HTTPS_PROXY: what it names is no HTTP proxy",
        "intercepted" => {
            "somebody on the way opens TLS: ask for an exception for this server; \
             nothing secret was sent"
        }
        "http" | "websocket" | "websocket_timeout" => {
            "something answers in the server's place, such as a captive portal or a filter: \
             sign in to the network, or ask for an exception"
        }
        "version" => "update culvert, or ask the provider to update the server",
        "other_provider" => {
            "the server belongs to another provider, or somebody stands between: \
             ask the provider for the key's fingerprint before anything else"
        }
        "statement_expired" | "statement_old" => {
            "the provider has to renew the server's statement: tell them"
        }
        _ => "try again; if it stays, tell the provider what this line says",
    }
}

fn broken(failure: Failure, advice: &str) -> Result<(), Failure> {
    say(false, &failure.sentence());
    result(&format!("      {advice}\n"));
    // It has been said.
    Err(Failure::Program(failure.exit()))
}

fn say(fine: bool, what: &str) {
    let mark = if fine { "ok  " } else { "FAIL" };
    result(&format!("{mark}  {what}\n"));
}
