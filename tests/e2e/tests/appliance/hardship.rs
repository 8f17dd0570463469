//! Sites and cards that are not as they should be: a network that comes late, a
//! dead name server, a wrong clock, settings with a mistake, codes that this box
//! cannot use, and data that is full, damaged or not there.
//!
//! Each ends in one sentence on the screen; what does not stop the box is also
//! told to the portal.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use culvert_e2e::world::must_work;
use culvert_supervisor::journal;
use culvert_wire::claim::ClaimCode;
use culvert_wire::id::ClaimId;
use culvert_wire::key::SigningKey;

use crate::card::Card;
use crate::lan::Names;
use crate::machine::Machine;
use crate::provider::Provider;
use crate::sabotage::Release;

/// Waits for an address, then for a name, and is online when both are there.
/// The clock of the machine was of 2099.
pub(crate) fn late_network(
    provider: &mut Provider,
    machine: &mut Machine,
    key: &str,
) -> anyhow::Result<()> {
    machine.says("status: no ")?;
    provider.plug_servers(Names::Dead)?;
    machine.says("(dns_")?;
    machine.never_since("status: online")?;
    provider.plug_servers(Names::Known)?;
    ensure!(machine.online()? == key, "the key must stay");
    Ok(())
}

/// When ext4's head was last written, in its first sector: its checksum is in the second.
const WRITTEN_AT: u64 = 1024 + 0x30;

/// The card as somebody with a text editor leaves it.
pub(crate) fn misspell(card: &Card) -> anyhow::Result<()> {
    card.write_settings("# the pump station\nclam = \"x\"\n")
}

/// The mistake is told; the box goes on with what it had.
pub(crate) fn misspelt(provider: &Provider, machine: &mut Machine) -> anyhow::Result<()> {
    machine
        .says("settings: culvert.toml: line 2: unknown key \"clam\", did you mean \"claim\"?")?;
    provider.sees_health("settings_refused")
}

/// The cut before tore the head of the data: it is mended. A release on the card that
/// goes on behind its end is refused, and what runs goes on.
pub(crate) fn endless(
    provider: &Provider,
    card: &Card,
    release: &Release,
    key: &str,
) -> anyhow::Result<()> {
    let long = |bytes: &mut Vec<u8>| bytes.extend([0; 100_000]);
    card.put_bundle(&release.changed("endless", 1000, long)?)?;
    tear_journal(card)?;
    card.flip("data", WRITTEN_AT)?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says("the data's head was torn by a power cut: mended")?;
    machine.says("the data's journal was torn by a power cut: mended")?;
    ensure!(
        machine.online()? == key,
        "what a cut tore must not cost the key"
    );
    machine.healthy()?;
    machine.says("release refused: the release goes on behind its end")?;
    provider.sees_health("release_refused")?;
    machine.never_since("version 1000 is installed")?;
    machine.cut();
    card.take_bundle()
}

/// Of the block that ends the newest transaction, only the first sector was written.
fn tear_journal(card: &Card) -> anyhow::Result<()> {
    let part = card.path.with_extension("part");
    card.take_out("data", &part)?;
    let mut bytes = fs::read(&part)?;
    let head = bytes[1024..].first_chunk().context("no head")?;
    let place = journal::place(head).context("no journal")?;
    let commits = place.offsets().filter_map(|at| {
        let at = usize::try_from(at).ok()?;
        let (kind, sequence) = (bytes.get(at..at + 8)?, bytes.get(at + 8..at + 12)?);
        (kind == [0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 2]).then(|| (sequence.to_vec(), at))
    });
    let (_, newest) = commits.max().context("no transaction in the journal")?;
    bytes[newest + 512..newest + place.block].fill(0x77);
    fs::write(&part, bytes)?;
    card.put_in("data", &part)
}

/// Fills the data partition to the last block.
pub(crate) fn fill(card: &Card) -> anyhow::Result<()> {
    let files = ["part", "fill"].map(|end| card.path.with_extension(end));
    let [part, fill] = &files;
    card.take_out("data", part)?;
    settled(part)?;
    // More than there is room for: the tool stops when all is taken.
    fs::write(
        fill,
        vec![0xa5; usize::try_from(fs::metadata(part)?.len())?],
    )?;
    let mut write = Command::new("debugfs");
    write
        .args(["-w", "-R"])
        .arg(format!("write {} fill", fill.display()));
    must_work(write.arg(part))?;
    card.put_in("data", part)
}

/// What a cut left in the journal comes to its place: what is written before that
/// would be overwritten by the kernel that does it.
fn settled(part: &Path) -> anyhow::Result<()> {
    let mut mend = Command::new("e2fsck");
    let mended = mend.args(["-p", "-f"]).arg(part).output()?.status.code();
    // 1: mended.
    ensure!(matches!(mended, Some(0 | 1)), "e2fsck says {mended:?}");
    Ok(())
}

/// A key that is damaged, on data that can be mounted, is told and kept: the box
/// becomes no other by itself.
pub(crate) fn damaged_key(card: &Card) -> anyhow::Result<()> {
    let part = card.path.with_extension("part");
    card.take_out("data", &part)?;
    settled(&part)?;
    card.put_in("data", &part)?;
    let asked = |words: &str| -> anyhow::Result<String> {
        let mut debugfs = Command::new("debugfs");
        let said = must_work(debugfs.args(["-R", words]).arg(&part))?.stdout;
        Ok(String::from_utf8(said)?)
    };
    let block: u64 = asked("blocks /gateway/identity.key")?.trim().parse()?;
    let about = asked("stats -h")?;
    let size = about
        .lines()
        .find_map(|line| line.strip_prefix("Block size:"))
        .context("debugfs tells no size of blocks")?;
    let at = block * size.trim().parse::<u64>()?;
    card.flip("data", at)?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says("(identity_damaged: this box cannot prove who it is any more")?;
    machine.healthy()?;
    machine.never_since("status: not claimed")?;
    machine.never_since("status: online")?;
    machine.cut();
    // As it was: the next boots want the data, whatever it holds.
    card.flip("data", at)
}

/// The data is gone: the box is as new, and a code for its place claims it again.
pub(crate) fn destroyed(provider: &Provider, card: &Card, key: &str) -> anyhow::Result<String> {
    card.zero("data", 1 << 20)?;
    let settings = provider.replacement()?;
    card.provision(&settings)?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says("the data is made anew")?;
    let new = machine.online()?;
    ensure!(new != key, "a key that was destroyed is there again");
    Ok(settings)
}

/// The same settings, but that their code is another one, of another provider.
pub(crate) fn of_another_provider(settings: &str) -> anyhow::Result<String> {
    let foreign = ClaimCode {
        provider: SigningKey::from_seed(&[9; 32]).public(),
        claim: ClaimId::from_random([9; 16]),
        ..code_in(settings)?
    };
    Ok(format!("claim = \"{}\"\n", foreign.reveal().as_str()))
}

/// A card that ends behind the settings, its table mended by somebody's tool: one
/// sentence says so.
pub(crate) fn too_small(card: &Card) -> anyhow::Result<()> {
    let mut dump = Command::new("sfdisk");
    let table = String::from_utf8(must_work(dump.arg("--dump").arg(&card.path))?.stdout)?;
    let kept = table
        .lines()
        .filter(|line| !line.contains("name=\"data\"") && !line.starts_with("last-lba"));
    let script = card.path.with_extension("table");
    fs::write(&script, kept.collect::<Vec<_>>().join("\n"))?;
    let end = card.place("settings")?;
    let file = fs::OpenOptions::new().write(true).open(&card.path)?;
    file.set_len(end.start + end.length + (5 << 20))?;
    let mut write = Command::new("sfdisk");
    write
        .arg("-q")
        .arg(&card.path)
        .stdin(fs::File::open(&script)?);
    must_work(&mut write)?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says(
        "no data: this card is too small: it has 5 MB for data, 33 MB are needed; take another card",
    )?;
    Ok(())
}

/// The code that settings hold.
pub(crate) fn code_in(settings: &str) -> anyhow::Result<ClaimCode> {
    let (_, rest) = settings.split_once('"').context("settings hold a code")?;
    Ok(rest.split('"').next().unwrap_or_default().parse()?)
}

/// A server that cannot prove the code's provider gets nothing.
pub(crate) fn foreign_code(machine: &mut Machine) -> anyhow::Result<()> {
    let why = machine.says("status: not claimed (other_provider: ")?;
    let sentence = "no server could be reached: the server belongs to another provider";
    ensure!(why.starts_with(sentence), "the screen says {why}");
    machine.never_said("status: online")
}

/// A code that claimed a box claims no other.
pub(crate) fn used_code(machine: &mut Machine) -> anyhow::Result<()> {
    let why = machine.says("status: not claimed (claim_refused: ")?;
    let sentence =
        "the claim was refused: the claim code is unknown, was used already or has expired";
    ensure!(why.starts_with(sentence), "the screen says {why}");
    machine.never_said("status: online")
}

/// A box that belongs to somebody says that it has no use for a code, and
/// leaves it on the card.
pub(crate) fn needless_code(
    provider: &Provider,
    card: &Card,
    mut machine: Machine,
) -> anyhow::Result<()> {
    machine.says("the claim code on the card is not used: this box is claimed already")?;
    provider.sees_health("claim_unused")?;
    machine.never_said("erased from the card")?;
    machine.cut();
    ensure!(
        card.settings()?.contains("culvert-claim-"),
        "the code is gone from the card"
    );
    card.provision("")
}

/// Without a data partition the box says so and uses no code up.
pub(crate) fn no_data(card: &Card, settings: &str) -> anyhow::Result<()> {
    card.provision(settings)?;
    let mut delete = Command::new("sfdisk");
    delete.args(["-q", "--delete"]).arg(&card.path).arg("7");
    must_work(&mut delete)?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says("no data: there is no data partition; this box forgets everything at its end")?;
    machine.says("the claim code is not used: this box would forget whom it belongs to")?;
    machine.says("status: not claimed")?;
    Ok(())
}
