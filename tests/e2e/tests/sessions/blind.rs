//! The relay holds nothing of what a session carries, and would be seen to
//! hold it if the ends did not encrypt (S14, S22; threat 13).

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use culvert_e2e::bare::Bare;
use culvert_e2e::stubborn::Stubborn;
use culvert_e2e::world;
use culvert_lab::{Ns, SiteOptions, core_of, files_hold, memory_holds, random_word};
use tokio::io::AsyncWriteExt as _;

/// Rounds of sending and searching in the encrypted session.
const ROUNDS: usize = 8;
/// How long the control may look; it is found at once as a rule.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_relays_memory_and_a_core_hold_what_an_unencrypted_end_sends_and_never_what_a_session_carries()
 {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Host, "technician")?;
        let home = technician.home().to_owned();
        drop(technician);
        let relay = world.stack.cloud().context("it runs")?.pid()?;
        let (open, sealed) = (random_word(24)?, random_word(24)?);
        let runtime = tokio::runtime::Runtime::new()?;

        let mut client = runtime.block_on(Stubborn::open(&home, "server"))?;
        let mut written = 0;
        for _ in 0..ROUNDS {
            let line = format!("{sealed}\r\n").repeat(200);
            // sshd hangs up on such a greeting sooner or later; it was sent.
            let sent = runtime.block_on(client.stream.write_all(line.as_bytes()));
            written += usize::from(sent.is_ok());
            let found = memory_holds(relay, &[&sealed])?;
            anyhow::ensure!(found.is_none(), "the relay holds what a session carried");
        }

        anyhow::ensure!(written > 0, "nothing was sent through the session");
        // The session lives still: `client` is in use below.
        let found = core_holds(relay, world.site.temp_dir(), &sealed)?;
        anyhow::ensure!(!found, "a core of the relay holds what a session carried");
        anyhow::ensure!(client.session.ending().is_none(), "the session has ended");

        let bare = runtime.block_on(Bare::join(&home, "server"))?;
        let begun = Instant::now();
        loop {
            for _ in 0..200 {
                bare.send(&open);
            }
            if memory_holds(relay, &[&open])?.is_some()
                && core_holds(relay, world.site.temp_dir(), &open)?
            {
                break;
            }
            anyhow::ensure!(
                begun.elapsed() < LIMIT,
                "the control: the search misses what passes the relay in the open"
            );
        }
        let found = memory_holds(relay, &[&sealed])?;
        anyhow::ensure!(found.is_none(), "the relay holds what a session carried");
        anyhow::ensure!(
            !world.stack.tls_keys().exists(),
            "the ordinary server writes its TLS keys"
        );
        Ok(())
    })
    .unwrap();
}

/// Whether a core of the relay, taken now, holds a word.
fn core_holds(relay: u32, folder: &Path, word: &str) -> anyhow::Result<bool> {
    let core = core_of(relay, folder)?;
    let found = files_hold(&core, &[word])?;
    std::fs::remove_file(core)?;
    Ok(found.is_some())
}
