//! What the captures of both ends must show.

use anyhow::{bail, ensure};
use culvert_lab::{
    CLOUD_IP, CLOUD_PORT, DESKTOP_IP, DEVICE_IP, Flow, GATEWAY_IP, Ns, SERVER_IP, Site, Traffic,
    check_client_hello,
};

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
/// LAN, the hosts on the ports of the sessions; nobody called the gateway.
pub(super) fn check_gateway(traffic: &Traffic) -> anyhow::Result<()> {
    ensure!(
        traffic.others.is_empty(),
        "more than TCP: {:?}",
        traffic.others
    );
    let granted = [
        (SERVER_IP, 22),
        (SERVER_IP, 23),
        (DESKTOP_IP, 5900),
        (DESKTOP_IP, 3389),
        (DEVICE_IP, 80),
    ];
    for flow in &traffic.flows {
        let caller = flow.from.ip().to_string();
        ensure!(caller == GATEWAY_IP, "{caller} called the gateway");
        let host = flow.to.ip().to_string();
        let asked_for = granted.contains(&(host.as_str(), flow.to.port()));
        ensure!(
            asked_for || host == CLOUD_IP,
            "the gateway called {}",
            flow.to
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
