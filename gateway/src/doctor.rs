//! Finds out why the box has no link and says so in words for people.
//!
//! The real connection is tried first, with the very code the running box
//! uses; only when it fails are the layers below asked one by one, so that a
//! working box is never declared ill. It presents itself as an unknown
//! technician's program: the running box's lease is not touched, nothing
//! secret is sent. Ends in exactly one [`Cause`].

mod captive;
mod cause;
mod dns;
mod explain;
mod local;
mod udp;

use std::time::{SystemTime, UNIX_EPOCH};

use culvert_config::gateway::Gateway;
use culvert_link::client::Step as Dialled;
use culvert_link::{ConnectError, Dial, Me, ProxyPolicy, connect};
use culvert_wire::UnixMs;
use culvert_wire::key::{PublicKey, SigningKey};
use serde::Serialize;

use crate::connect::proxy_policy;
use crate::state::{BUILD_FLOOR, State};
use crate::status::{LinkStatus, Running, Status, utc};
pub use cause::{Cause, Weight};

/// A system clock this far from the server's is worth a word, in ms.
const CLOCK_OFF_MS: u64 = 5 * 60 * 1000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// What was tried, in order.
    pub steps: Vec<Step>,
    /// The one cause.
    pub cause: Cause,
    /// What exactly was seen; may be empty.
    pub detail: String,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What.
    pub name: &'static str,
    /// Whether it works.
    pub good: bool,
    /// What was seen.
    pub seen: String,
}

/// A cause with what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    cause: Cause,
    detail: String,
}

impl Found {
    fn new(cause: Cause, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { cause, detail }
    }
}

/// Examines the box and its way to the servers.
pub async fn examine(settings: &Gateway) -> Findings {
    let mut steps = Vec::new();
    let found = search(settings, &mut steps).await;
    Findings {
        steps,
        cause: found.cause,
        detail: found.detail,
    }
}

async fn search(settings: &Gateway, steps: &mut Vec<Step>) -> Found {
    let (state, proxy) = match (
        State::load(&settings.data_dir),
        proxy_policy(&settings.proxy),
    ) {
        (Ok(state), Ok(proxy)) => (state, proxy),
        (Err(error), _) => return Found::new(Cause::Storage, error.to_string()),
        (_, Err(error)) => return Found::new(Cause::ProxySettings, error.to_string()),
    };
    let Some(ways) = Ways::of(settings, &state, proxy) else {
        // Still worth knowing whether a claim could work from here.
        return match local::examine(steps) {
            Some(found) => found,
            None => Found::new(Cause::Unclaimed, ""),
        };
    };
    let mut failed: Option<(String, ConnectError)> = None;
    let mut link_time = None;
    for server in &ways.servers {
        match ways.try_one(server).await {
            Ok(time) => {
                steps.push(Step::good("server", server));
                link_time = Some((server.clone(), time));
            }
            Err(error) => {
                steps.push(Step::bad("server", format!("{server}: {error}")));
                let further = failed
                    .as_ref()
                    .is_none_or(|(_, old)| old.step() < error.step());
                if further {
                    failed = Some((server.clone(), error));
                }
            }
        }
    }
    match (link_time, failed) {
        (Some((server, time)), _) => working(settings, &ways, &server, time, steps).await,
        (None, Some((server, error))) => below(&ways, &server, &error, steps).await,
        (None, None) => Found::new(Cause::Settings, "no server is known"),
    }
}

/// Everything below the link is in order; what else may be amiss?
async fn working(
    settings: &Gateway,
    ways: &Ways,
    server: &str,
    link_time: UnixMs,
    steps: &mut Vec<Step>,
) -> Found {
    if let Some(found) = told_by_the_process(settings) {
        return found;
    }
    let udp = match ways.proxied(server) {
        true => Err("not tried: the way out is a proxy".to_owned()),
        false => udp::probe(server).await,
    };
    let open = udp.is_ok();
    steps.push(match udp {
        Ok(seen) => Step::good("udp", format!("the server sees {seen}")),
        Err(why) => Step::bad("udp", why),
    });
    let now = system_time();
    let off = now.ms_since(link_time).max(link_time.ms_since(now));
    let clock = format!("{}, the server says {}", utc(now), utc(link_time));
    steps.push(Step {
        name: "clock",
        good: off < CLOCK_OFF_MS,
        seen: clock.clone(),
    });
    if off >= CLOCK_OFF_MS {
        Found::new(Cause::ClockWrong, clock)
    } else if !open && !ways.proxied(server) {
        Found::new(Cause::UdpBlocked, "")
    } else {
        Found::new(Cause::Ok, "")
    }
}

/// What only the running process knows: whether the server wants this box.
fn told_by_the_process(settings: &Gateway) -> Option<Found> {
    if !Running::is_taken(&settings.data_dir) {
        return Some(Found::new(Cause::NotRunning, ""));
    }
    let status = Status::load(&settings.data_dir).ok().flatten()?;
    let last = status.last_error?;
    let reason = culvert_wire::reason::Reason::from_slug(&last.cause)?;
    // A link that broke is on its way back; a refusal is not.
    let refusal = (400..500).contains(&reason.code());
    let idle = match status.link {
        LinkStatus::Down | LinkStatus::Quarantined => true,
        LinkStatus::Unclaimed | LinkStatus::Up { .. } => false,
    };
    (idle && refusal).then(|| Found::new(Cause::Refused, last.text))
}

/// No server works: the lowest layer that is broken is the cause.
async fn below(ways: &Ways, server: &str, error: &ConnectError, steps: &mut Vec<Step>) -> Found {
    if let Some(found) = local::examine(steps) {
        return found;
    }
    let proxied = ways.proxied(server);
    if error.step() == Dialled::Resolve {
        let name = if let ConnectError::Resolve { host, .. } = error {
            host.clone()
        } else {
            udp::split(server).map_or_else(String::new, |(host, _)| host)
        };
        return dns::examine(&name, proxied, steps).await;
    }
    if !proxied
        && let Some((host, port)) = udp::split(server)
        && dns::is_dead(&host, port).await
    {
        steps.push(Step::bad("name server", format!("{host} leads nowhere")));
        return Found::new(Cause::DnsBlocked, format!("the name is {host}"));
    }
    let found = explain::explain(error, proxied, local::has_default_route());
    let perhaps_captive = matches!(
        found.cause,
        Cause::TcpTimeout
            | Cause::TcpRefused
            | Cause::TlsTimeout
            | Cause::TlsBroken
            | Cause::NotTls
            | Cause::Intercepted
            | Cause::NotOurServer
    );
    if perhaps_captive
        && !proxied
        && let Some(portal) = captive::portal(server).await
    {
        steps.push(Step::bad("captive portal", portal.clone()));
        return Found::new(Cause::CaptivePortal, portal);
    }
    found
}

/// How the servers are reached.
struct Ways {
    servers: Vec<String>,
    provider: PublicKey,
    epoch_floor: u32,
    clock_floor: UnixMs,
    proxy: ProxyPolicy,
}

impl Ways {
    /// None before the box knows whom it belongs to.
    fn of(settings: &Gateway, state: &State, proxy: ProxyPolicy) -> Option<Self> {
        let claim = state.claim.as_ref();
        let provider = claim.map(|claim| claim.provider).or(settings.provider)?;
        let servers = match settings.servers.is_empty() {
            true => claim?.servers.clone(),
            false => settings.servers.clone(),
        };
        Some(Self {
            servers,
            provider,
            epoch_floor: claim.map_or(0, |claim| claim.epoch_floor),
            clock_floor: state.clock_floor.max(BUILD_FLOOR),
            proxy,
        })
    }

    /// The server's signed time, when a link comes about.
    async fn try_one(&self, server: &str) -> Result<UnixMs, ConnectError> {
        let dial = Dial {
            servers: vec![server.to_owned()],
            provider: self.provider,
            epoch_floor: self.epoch_floor,
            clock_floor: self.clock_floor,
            proxy: self.proxy.clone(),
        };
        let me = Me::Technician {
            key: SigningKey::from_seed(&rand::random()),
            token: None,
        };
        let (link, _events) = connect(&dial, me, crate::VERSION).await?;
        Ok(link.link_time())
    }

    fn proxied(&self, server: &str) -> bool {
        let way = udp::split(server)
            .and_then(|(host, port)| self.proxy.for_server(&host, port).ok().flatten());
        way.is_some()
    }
}

impl Step {
    fn good(name: &'static str, seen: impl Into<String>) -> Self {
        let (good, seen) = (true, seen.into());
        Self { name, good, seen }
    }

    fn bad(name: &'static str, seen: impl Into<String>) -> Self {
        let (good, seen) = (false, seen.into());
        Self { name, good, seen }
    }
}

fn system_time() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixMs(since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }))
}
