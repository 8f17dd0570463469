//! Sites that let only an HTTP proxy out, and an internet that opens TLS
//! (S36, S14, T8, S1, S8, S10; P11; threat 6). Wherever the box comes online, a
//! session works: both use the same connection (K16).

use culvert_e2e::world::{self, must_work};
use culvert_lab::{Internet, Ns, ProxyAuth, SiteOptions, Uplink};

fn ssh_works_through(auth: ProxyAuth) {
    let options = SiteOptions {
        uplink: Uplink::OnlyProxy(auth),
        ..SiteOptions::default()
    };
    world::with(options, |world| {
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Host, "technician")?;
        let said = must_work(&mut world.ssh(&technician, "echo through-$((40+2))"))?;
        anyhow::ensure!(String::from_utf8_lossy(&said.stdout).contains("through-42"));
        Ok(())
    })
    .expect("ssh works through the site's proxy");
}

#[test]
fn ssh_works_through_a_proxy_without_authentication() {
    ssh_works_through(ProxyAuth::None);
}

#[test]
fn ssh_works_through_a_proxy_with_basic_authentication() {
    ssh_works_through(ProxyAuth::Basic);
}

#[test]
fn ssh_works_through_a_proxy_with_digest_authentication() {
    ssh_works_through(ProxyAuth::Digest);
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
