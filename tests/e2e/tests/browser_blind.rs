//! What a browser's sessions carry is at the customer's box and nowhere at the
//! server: not in its memory or a core of it, not in its database, its files or
//! logs, not in a capture opened with its own TLS keys (S14, S22; threats 13,
//! 26 and 36). Each search is shown to find what is there.
//!
//! What the browser does is in tests/portal/canary.mjs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use culvert_e2e::bare::Bare;
use culvert_e2e::decrypted::{self, Decrypted, Sender};
use culvert_e2e::portal::{self, World};
use culvert_e2e::world::eventually;
use culvert_lab::{
    Ns, Programs, Site, Stack, core_of, files_hold, files_hold_bytes, memory_holds_bytes,
    random_word,
};

/// The desktop's screen.
const DESKTOP: u32 = 1;
/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

#[test]
fn what_a_browser_types_pastes_and_keeps_is_nowhere_at_the_server() {
    Programs::beside_this_one()
        .and_then(Programs::with_key_log)
        .map_err(Into::into)
        .and_then(|programs| portal::over_https(programs, run))
        .unwrap_or_else(|error| panic!("{error:?}"));
}

fn run(world: &mut World<'_>) -> anyhow::Result<()> {
    let World {
        site,
        stack,
        scripts,
        told,
    } = world;
    let mut capture = site.capture_cloud()?;
    stack.start_gateway()?;
    let who = site.credentials();
    let mut secrets = Secrets {
        typed: random_word(24)?,
        pasted: random_word(24)?,
        packed: Vec::new(),
        kept: who.password.clone(),
        asked: who.vnc_password.clone(),
    };
    let (typed, pasted) = (secrets.typed.clone(), secrets.pasted.clone());
    let open = random_word(24)?;
    told.push(("CULVERT_TYPED", typed.clone()));
    told.push(("CULVERT_PASTED", pasted.clone()));
    scripts.run("canary.mjs", told, |words| {
        let gateway = stack.gateway().context("it runs")?.pid()?;
        match words {
            // The control at the box: its worker holds what was typed. The kept
            // password is wiped once it has signed in; that it did is its control.
            ["typed"] => found_soon("typed", typed.as_bytes(), || workers(gateway))?,
            ["notepad"] => site.open_notepad(DESKTOP, "pasted")?,
            // VNC is passed through: the box's main process sees the clipboard go
            // by, compressed as VNC's clipboard is; the desktop gets the text.
            ["pasted", packed] => {
                secrets.packed = from_hex(packed)?;
                found_soon("pasted", &secrets.packed, || Ok(vec![gateway]))?;
                site.wait_for_note("pasted", &pasted, LIMIT)?;
            }
            ["search"] => search(site, stack, &secrets, &open)?,
            _ => bail!("an unknown question: {words:?}"),
        }
        Ok("null".to_owned())
    })?;
    let links = decrypted::read(&mut capture, &stack.tls_keys(), site.cloud().port())?;
    in_the_capture(&links, &secrets, &open)
}

/// What must be nowhere at the server.
struct Secrets {
    typed: String,
    pasted: String,
    /// What was pasted, as VNC's clipboard sends it.
    packed: Vec<u8>,
    kept: String,
    asked: String,
}

impl Secrets {
    fn all(&self) -> [&[u8]; 5] {
        [
            self.typed.as_bytes(),
            self.pasted.as_bytes(),
            &self.packed,
            self.kept.as_bytes(),
            self.asked.as_bytes(),
        ]
    }
}

/// Searches the server's memory, a core, its files and logs, while the sessions
/// live; then lets a word through in the open and finds that.
fn search(site: &Site, stack: &mut Stack<'_>, secrets: &Secrets, open: &str) -> anyhow::Result<()> {
    let server = stack.cloud().context("it runs")?.pid()?;
    let folder = site.temp_dir().to_owned();
    let nothing = |stage: &str| -> anyhow::Result<()> {
        let found = memory_holds_bytes(server, &secrets.all())?;
        ensure!(
            found.is_none(),
            "{stage}: the server's memory holds secret {found:?}"
        );
        let found = core_holds(server, &folder, &secrets.all())?;
        ensure!(!found, "{stage}: a core of the server holds a secret");
        for place in [stack.data("cloud"), site.log_path("culvert-prs")] {
            let found = files_hold_bytes(&place, &secrets.all())?;
            ensure!(
                found.is_none(),
                "{stage}: {} holds secret {found:?}",
                place.display()
            );
        }
        Ok(())
    };
    nothing("before the control")?;
    // The control for files: the database has the customer's name, and the
    // account that the kept password is for; the log has the sessions.
    let account = &site.credentials().user;
    for word in ["Pump station", account.as_str()] {
        let found = files_hold(&stack.data("cloud"), &[word])?;
        ensure!(found.is_some(), "the control: no file holds {word}");
    }
    let found = files_hold(&site.log_path("culvert-prs"), &["Session granted"])?;
    ensure!(found.is_some(), "the control: the log holds no session");

    let technician = stack.technician(Ns::Host, "control")?.home().to_owned();
    let runtime = tokio::runtime::Runtime::new()?;
    let bare = runtime.block_on(Bare::join(&technician, "server"))?;
    let begun = Instant::now();
    loop {
        for _ in 0..200 {
            bare.send(open);
        }
        let open = &[open.as_bytes()];
        if memory_holds_bytes(server, open)?.is_some() && core_holds(server, &folder, open)? {
            break;
        }
        ensure!(
            begun.elapsed() < LIMIT,
            "the control: the search misses what passes the server in the open"
        );
    }
    nothing("after the control")
}

fn core_holds(server: u32, folder: &Path, words: &[&[u8]]) -> anyhow::Result<bool> {
    let core = core_of(server, folder)?;
    let found = files_hold_bytes(&core, words)?;
    std::fs::remove_file(core)?;
    Ok(found.is_some())
}

/// Nothing of it passed in the forwarded bytes, or in what the page asked.
fn in_the_capture(links: &[Decrypted], secrets: &Secrets, open: &str) -> anyhow::Result<()> {
    let carry = |word: &str| {
        let ways = [Sender::End, Sender::Server];
        let holds = |link: &&Decrypted| ways.iter().any(|from| link.holds(*from, word));
        links.iter().filter(holds).count()
    };
    // The controls: the browser's links and requests were read, and so was what
    // an end sent in the open.
    for word in ["GET /link/browser", "\"sealed\"", open] {
        ensure!(carry(word) > 0, "the control: {word} is not in the capture");
    }
    for link in links {
        let found = link.first_of(&secrets.all());
        ensure!(found.is_none(), "secret {found:?} is in the capture");
    }
    Ok(())
}

fn from_hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair| anyhow::Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    pairs.map(byte).collect()
}

/// The processes that the gateway has started for its terminals.
fn workers(gateway: u32) -> anyhow::Result<Vec<u32>> {
    let mut found = Vec::new();
    // Any of its threads may have started one.
    for entry in std::fs::read_dir(format!("/proc/{gateway}/task"))? {
        let children = std::fs::read_to_string(entry?.path().join("children"))?;
        for word in children.split_whitespace() {
            found.push(word.parse()?);
        }
    }
    Ok(found)
}

/// Waits until one of these processes holds a word.
fn found_soon(
    what: &str,
    word: &[u8],
    processes: impl Fn() -> anyhow::Result<Vec<u32>>,
) -> anyhow::Result<()> {
    eventually(&format!("the control: {what} at the box"), LIMIT, || {
        for pid in processes()? {
            // One that has just ended holds nothing.
            if let Ok(Some(_)) = memory_holds_bytes(pid, &[word]) {
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    Ok(())
}
