//! Sites that let only an HTTP proxy out, and an internet that opens TLS
//! (S36, S14, T8, S1, S8, S10; P11; threat 6). Wherever the box comes online, a
//! session works: both use the same connection (K16).

use culvert_e2e::World;
use culvert_e2e::world::{self, must_work};
use culvert_lab::{Internet, Ns, ProxyAuth, SiteOptions, Technician, Uplink};

/// Gateway and technician are both on a LAN that only a proxy leaves: what the box
/// is told in its file, `culvert` is told in the usual variable, written as `url`
/// writes it.
fn ssh_works_through(
    auth: ProxyAuth,
    variable: &'static str,
    url: fn(&World<'_>) -> String,
    wrong: fn(&World<'_>, &Technician<'_>) -> anyhow::Result<()>,
) {
    let options = SiteOptions {
        uplink: Uplink::OnlyProxy(auth),
        ..SiteOptions::default()
    };
    world::with(options, |world| {
        world.stack.start_gateway()?;
        let proxy = [(variable, url(world))];
        let stack = &world.stack;
        let technician = stack.technician_with(Ns::Device, "technician", &proxy)?;
        let said = must_work(&mut world.ssh(&technician, "echo through-$((40+2))"))?;
        anyhow::ensure!(String::from_utf8_lossy(&said.stdout).contains("through-42"));
        wrong(world, &technician)
    })
    .expect("ssh works through the site's proxy");
}

#[test]
fn ssh_works_through_a_proxy_without_authentication() {
    let url = |world: &World<'_>| world.site.proxy_url().replace("http://", "");
    ssh_works_through(ProxyAuth::None, "HTTPS_PROXY", url, |_, technician| {
        // The control: nothing but the proxy leaves.
        let bypass = ("NO_PROXY", "127.0.0.0/8, 203.0.113.0/24");
        must_not_reach(technician, bypass, "[tcp_timeout]")
    });
}

#[test]
fn ssh_works_through_a_proxy_with_basic_authentication() {
    let url = |world: &World<'_>| with_account(world, &world.site.credentials().proxy_password);
    ssh_works_through(ProxyAuth::Basic, "https_proxy", url, a_wrong_password);
}

#[test]
fn ssh_works_through_a_proxy_with_digest_authentication() {
    let url = |world: &World<'_>| with_account(world, &world.site.credentials().proxy_password);
    ssh_works_through(ProxyAuth::Digest, "HTTPS_PROXY", url, a_wrong_password);
}

/// As people write it where an account has letters that a URL must not have.
fn with_account(world: &World<'_>, password: &str) -> String {
    let user = world.site.credentials().proxy_user.bytes();
    let user: String = user.map(|byte| format!("%{byte:02X}")).collect();
    let url = world.site.proxy_url();
    url.replace("http://", &format!("http://{user}:{password}@"))
}

const WRONG: &str = "open-sesame";

fn a_wrong_password(world: &World<'_>, technician: &Technician<'_>) -> anyhow::Result<()> {
    let url = with_account(world, WRONG);
    must_not_reach(technician, ("https_proxy", &url), "[proxy_auth]")
}

/// With this variable, too, the server is not reached; one sentence says why.
fn must_not_reach(
    technician: &Technician<'_>,
    (name, value): (&str, &str),
    cause: &str,
) -> anyhow::Result<()> {
    let failed = technician.culvert(&["ls"]).env(name, value).output()?;
    let said = String::from_utf8_lossy(&failed.stderr);
    anyhow::ensure!(failed.status.code() == Some(5), "{failed:?}");
    anyhow::ensure!(said.contains(cause) && !said.contains(WRONG), "{said}");
    anyhow::ensure!(said.lines().count() == 1, "not one sentence: {said}");
    Ok(())
}

#[test]
fn an_intercepting_internet_is_refused_by_name_and_learns_no_secret() {
    let options = SiteOptions {
        internet: Internet::Intercepting,
        hosts: false,
        ..SiteOptions::default()
    };
    world::with(options, |world| {
        let refused = world.stack.start_gateway();
        let said = match refused {
            Ok(()) => anyhow::bail!("the gateway came online through an interceptor"),
            Err(error) => error.to_string(),
        };
        anyhow::ensure!(
            said.contains("TLS is opened on the way") && said.contains("Web Inspection"),
            "not named: {said}"
        );
        let overheard = world.site.overheard();
        anyhow::ensure!(overheard.handshakes > 0, "the control: nothing was opened");
        for request in after_each_request(&overheard.from_ends) {
            only_a_close(request)?;
        }
        Ok(())
    })
    .unwrap();
}

/// What an end sent behind each of its upgrade requests.
fn after_each_request(sent: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..sent.len())
        .filter(|at| sent[*at..].starts_with(b"GET /link "))
        .collect();
    assert!(
        !starts.is_empty(),
        "the control: no upgrade request was read"
    );
    let ends = starts.iter().skip(1).copied().chain([sent.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let request = &sent[*start..end];
            let head = request
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .expect("a whole request");
            &request[head + 4..]
        })
        .collect()
}

/// Everything an end may have sent is a WebSocket close frame (RFC 6455 §5.5.1).
fn only_a_close(mut sent: &[u8]) -> anyhow::Result<()> {
    while let Some((first, rest)) = sent.split_first() {
        anyhow::ensure!(
            first & 0x0f == 8,
            "a frame of opcode {:#x} was sent",
            first & 0x0f
        );
        let length = usize::from(rest.first().copied().unwrap_or_default() & 0x7f);
        anyhow::ensure!(length <= 125, "a long frame was sent");
        sent = rest.get(1 + 4 + length..).unwrap_or_default();
    }
    Ok(())
}
