//! Who has the relay's own TLS keys and everything that passed its network
//! card reads no session, and would read an end that does not encrypt (S14,
//! S22; threat 13).

use std::time::Duration;

use anyhow::ensure;
use culvert_e2e::World;
use culvert_e2e::bare::Bare;
use culvert_e2e::decrypted::{self, Decrypted, Sender};
use culvert_e2e::stubborn::Stubborn;
use culvert_e2e::world::{self, must_work};
use culvert_lab::{Capture, Dialogue, Ns, Programs, SiteOptions, random_word};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How long words may take to pass.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_capture_opened_with_the_relays_tls_keys_shows_an_unencrypted_end_and_no_session() {
    let programs = Programs::beside_this_one().and_then(Programs::with_key_log);
    world::with_programs(SiteOptions::default(), programs.unwrap(), |world| {
        let mut capture = world.site.capture_cloud()?;
        world.stack.start_gateway()?;
        let sealed = work(world)?;
        let open = control(world, &capture)?;

        let (keys, cloud) = (world.stack.tls_keys(), world.site.cloud());
        let links = decrypted::read(&mut capture, &keys, cloud.port())?;
        let carry = |from, word: &str| links.iter().filter(|link| link.holds(from, word)).count();
        // From its sender to the relay, and from the relay to the gateway.
        for from in [Sender::End, Sender::Server] {
            ensure!(
                carry(from, &open) > 0,
                "the control: {open} is not found in what {from:?} sent; {}",
                summary(&links)
            );
        }
        for word in &sealed {
            let found = carry(Sender::End, word) + carry(Sender::Server, word);
            ensure!(found == 0, "{word} is in the decrypted capture");
        }
        all_links_were_read(&links)
    })
    .unwrap();
}

/// Sessions that carry words: ssh and telnet with the real programs, a page
/// through `culvert proxy`, and a word as it is in a session's stream. Returns the words.
fn work(world: &World<'_>) -> anyhow::Result<Vec<String>> {
    let technician = world.stack.technician(Ns::Host, "technician")?;
    let (ssh, telnet) = (random_word(24)?, random_word(24)?);
    let (asked, stream) = (random_word(24)?, random_word(24)?);
    let shown = must_work(&mut world.ssh(&technician, &format!("echo {ssh}")))?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.contains(&ssh), "ssh shows something else: {shown}");

    let who = world.site.credentials();
    let mut dialogue = Dialogue::start(&mut technician.culvert(&["telnet", "server"]))?;
    for (asked, answer) in [
        ("login: ", &who.user),
        ("Password: ", &who.password),
        ("$ ", &format!("echo {telnet}")),
    ] {
        dialogue.wait_for(asked)?;
        dialogue.say(answer)?;
    }
    // Once as it is echoed, once as the answer.
    dialogue.wait_for(&telnet)?;
    dialogue.wait_for(&telnet)?;

    // A page without TLS of its own, and a word asked for and shown.
    let mut page = Dialogue::start(&mut technician.culvert(&["proxy", "device", "80"]))?;
    page.say(&format!("GET /?{asked} HTTP/1.0\r\n\r"))?;
    page.wait_for(&who.page_word)?;

    let runtime = tokio::runtime::Runtime::new()?;
    let mut client = runtime.block_on(Stubborn::open(technician.home(), "server"))?;
    let line = format!("{stream}\r\n");
    runtime.block_on(client.stream.write_all(line.as_bytes()))?;
    // sshd has read it when it says that this is no greeting.
    let mut answer = Vec::new();
    let _ = runtime.block_on(client.stream.read_to_end(&mut answer));
    ensure!(
        String::from_utf8_lossy(&answer).contains("Invalid SSH"),
        "sshd has not read the word"
    );
    let hosts = [who.password.clone(), who.page_word.clone()];
    Ok([ssh, telnet, asked, stream]
        .into_iter()
        .chain(hosts)
        .collect())
}

/// Sends a word from an end that leaves out the encryption; returns it.
fn control(world: &World<'_>, capture: &Capture) -> anyhow::Result<String> {
    let word = random_word(24)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let home = world.stack.data("technician");
    let bare = runtime.block_on(Bare::join(&home, "server"))?;
    // At the gateway it has gone through the relay: in at one link, out at another.
    let at_gateway = world.site.capture(Ns::Gateway, "eth0")?;
    let size = |capture: &Capture| anyhow::Ok(std::fs::metadata(capture.file())?.len());
    let enough = (size(capture)? + 80_000, size(&at_gateway)? + 40_000);
    world::eventually("the control's words at the gateway", LIMIT, || {
        for _ in 0..10 {
            bare.send(&word);
        }
        Ok(size(capture)? > enough.0 && size(&at_gateway)? > enough.1)
    })?;
    Ok(word)
}

/// The keys opened the gateway's link and each technician's, both ways.
fn all_links_were_read(links: &[Decrypted]) -> anyhow::Result<()> {
    let read = links.iter().filter(|link| {
        [Sender::End, Sender::Server]
            .iter()
            .all(|from| link.carried(*from) > 0)
    });
    ensure!(read.count() >= 5, "too few links: {}", summary(links));
    Ok(())
}

fn summary(links: &[Decrypted]) -> String {
    let sizes = links.iter().map(|link| {
        format!(
            "{}+{}",
            link.carried(Sender::End),
            link.carried(Sender::Server)
        )
    });
    format!("links read: {}", sizes.collect::<Vec<_>>().join(", "))
}
