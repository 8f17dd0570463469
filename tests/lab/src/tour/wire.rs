//! What the captures of both ends must show.

use anyhow::{bail, ensure};
use culvert_lab::{CLOUD_IP, CLOUD_PORT, Flow, GATEWAY_IP, Ns, Site, Traffic, check_client_hello};

/// The gateway's place has no socket that would accept anything.
pub(super) fn nothing_listens(site: &Site) -> anyhow::Result<()> {
    let sockets = site.shell(Ns::Gateway, "ss -Hltn; ss -Hlun")?;
    ensure!(sockets.trim().is_empty(), "the gateway listens:\n{sockets}");
    Ok(())
}

/// Everything the technician's machine did was to call the cloud server.
pub(super) fn check_technician(traffic: &Traffic) -> anyhow::Result<()> {
    ensure!(!traffic.flows.is_empty(), "nothing was captured");
    ensure!(
        traffic.others.is_empty(),
        "more than TCP: {:?}",
        traffic.others
    );
    traffic.flows.iter().try_for_each(must_be_tls)
}

/// Everything the gateway did was to call the cloud server and, inside the
/// LAN, the hosts; nobody called the gateway.
pub(super) fn check_gateway(traffic: &Traffic) -> anyhow::Result<()> {
    ensure!(
        traffic.others.is_empty(),
        "more than TCP: {:?}",
        traffic.others
    );
    for flow in &traffic.flows {
        ensure!(
            flow.from.ip().to_string() == GATEWAY_IP,
            "{} called the gateway",
            flow.from
        );
    }
    ensure!(
        traffic.leaving_the_lan().next().is_some(),
        "the gateway never called the cloud server"
    );
    traffic.leaving_the_lan().try_for_each(must_be_tls)
}

fn must_be_tls(flow: &Flow) -> anyhow::Result<()> {
    let wanted = format!("{CLOUD_IP}:{CLOUD_PORT}");
    ensure!(flow.to.to_string() == wanted, "a call to {}", flow.to);
    if let Err(problem) = check_client_hello(&flow.first_bytes) {
        bail!("a call to {} begins with no TLS: {problem}", flow.to);
    }
    Ok(())
}
