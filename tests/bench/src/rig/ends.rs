//! The two ends of a session over real links to the shipped relay.

use std::net::SocketAddr;

use anyhow::ensure;
use culvert_link::proxy::ProxyPolicy;
use culvert_link::{Dial, Event, Events, Link, Me, Route};
use culvert_session::Options;
use culvert_session::native::{PacketRoute, Session};
use culvert_wire::UnixMs;
use culvert_wire::hello::GatewayHello;
use culvert_wire::id::BootId;
use culvert_wire::key::SigningKey;

use super::{keys, plane};

/// A link, kept up by holding this.
pub(crate) struct Linked {
    pub(crate) link: Link,
    _events: Events,
}

/// A gateway's link whose welcome has come.
pub(crate) async fn gateway_link(to: SocketAddr, key: SigningKey) -> anyhow::Result<Linked> {
    let hello = GatewayHello {
        identity: key.public(),
        boot: BootId::from_random([7; 16]),
        lease: None,
        revocations: 0,
    };
    welcomed(to, Me::Gateway { key, hello }).await
}

/// A technician's link whose welcome has come.
pub(crate) async fn technician_link(to: SocketAddr) -> anyhow::Result<Linked> {
    let me = Me::Technician {
        key: keys::device(),
        token: None,
    };
    welcomed(to, me).await
}

async fn welcomed(to: SocketAddr, me: Me) -> anyhow::Result<Linked> {
    let dial = Dial {
        servers: vec![to.to_string()],
        provider: keys::provider().public(),
        epoch_floor: 0,
        clock_floor: UnixMs(0),
        proxy: ProxyPolicy::None,
    };
    let (link, mut events) = culvert_link::connect(&dial, me, "bench").await?;
    let first = events.next().await;
    ensure!(
        matches!(first, Some(Event::Welcome(_))),
        "no welcome: {first:?}"
    );
    Ok(Linked {
        link,
        _events: events,
    })
}

/// The gateway's end of session `number`; `wrap` may look at the route.
pub(crate) async fn gateway<R: PacketRoute>(
    linked: &Linked,
    number: u8,
    options: Options,
    wrap: impl FnOnce(Route) -> R,
) -> anyhow::Result<Session> {
    let own = keys::gateway();
    let ticket = Some(plane::ticket(number));
    let route = linked.link.join(plane::session(number), ticket, &own)?;
    let peer = keys::technician_end().public();
    Ok(culvert_session::native::accept(wrap(route), &own, peer, options).await?)
}

/// The technician's end of session `number`.
pub(crate) async fn technician(
    linked: &Linked,
    number: u8,
    options: Options,
) -> anyhow::Result<Session> {
    let own = keys::technician_end();
    let ticket = Some(plane::ticket(number));
    let route = linked.link.join(plane::session(number), ticket, &own)?;
    let peer = keys::gateway().public();
    Ok(culvert_session::native::connect(route, &own, peer, options).await?)
}
