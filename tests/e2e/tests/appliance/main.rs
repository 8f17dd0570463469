//! The box, really booted: QEMU's `virt` machine with the distribution's
//! U-Boot, the disk image that `culvert-image` made, and a real server.
//!
//! Cards are flashed, shipped and live, as a customer's would. Needs the files
//! that `image/boot-test` builds (their folder is CULVERT_BOX) and an empty
//! network namespace, so cargo runs it only with the feature `appliance`:
//! `./check image`. Nothing here judges by the clock; limits only end a run
//! that hangs.

mod batch;
mod boards;
mod button;
mod card;
mod cut;
mod cuts;
mod figures;
mod finding;
mod hand;
mod hardship;
mod judge;
mod lan;
mod leash;
mod logdisk;
mod machine;
mod mutants;
mod provider;
mod sabotage;
mod script;
mod second;
mod sites;
mod tree;
mod watchdog;
mod wrecks;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::card::Card;
use crate::cuts::Life;
use crate::machine::Machine;
use crate::provider::{Provider, SITE};
use crate::sabotage::Release;

/// S26, S2, P6, P7, P8, P9: one card through claim at a clock of 1970, a
/// session, an update by hand, one through the server, a release that boots and
/// cannot reach the server, cuts of its power in all of that, releases that must
/// be refused.
#[test]
fn one_card_lives_through_claim_session_updates_and_sabotage() -> anyhow::Result<()> {
    let built = built()?;
    let provider = Provider::start()?;
    let card = Card::flash(&built, provider.home.join("card.img"))?;
    card.provision(&provider.settings()?)?;

    let release = Release::read(&built.join("culvert-qemu-virt-1.bundle"), &provider.home)?;

    card.lengthen_records()?;
    let new = Life::record(&card, "new", 1)?;
    let key = first_boot(
        &provider,
        &card,
        new.boot(&["-rtc", "base=1970-01-01T00:00:00"])?,
    )?;
    card.put_bundle(&release.version(2)?)?;
    let updates = Life::record(&card, "updates", 1)?;
    let mut machine = updates.boot(&[])?;
    updated_by_hand(&provider, &mut machine, &key)?;
    updated_by_the_server(&provider, &mut machine, &release, &key)?;
    lost_release(&provider, machine, &built, &key)?;
    println!("{}", cuts::judged(&[new, updates], &card, &key)?);
    published_anew(&provider, &card, &built, &release, &key)?;
    refused(&provider, &card, &release, &key)
}

/// P6, P7: real cuts while a release is being installed, each followed by a start.
#[test]
fn a_box_comes_back_from_cuts() -> anyhow::Result<()> {
    let built = built()?;
    let provider = Provider::start()?;
    let (card, key) = claimed(&provider, &built)?;
    let release = Release::read(&built.join("culvert-qemu-virt-1.bundle"), &provider.home)?;
    println!("{}", cuts::lived_through(&card, &release, &key, (1, 1))?);
    Ok(())
}

/// P7, P9: bad company: a late network, a dead name server, a clock of 2099, an endless
/// release, data that is full, destroyed, gone.
#[test]
fn a_box_comes_back_from_bad_company() -> anyhow::Result<()> {
    let built = built()?;
    let mut provider = Provider::start()?;
    let (card, key) = claimed(&provider, &built)?;
    wrecks::late_and_dead(&mut provider, &card, &built, &key)?;
    let release = Release::read(&built.join("culvert-qemu-virt-1.bundle"), &provider.home)?;
    hardship::endless(&provider, &card, &release, &key)?;
    hardship::fill(&card)?;
    wrecks::damaged_root(&card, &built, (&key, wrecks::LATE), &[])?.cut();
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says("the data partition is full")?;
    ensure!(machine.online()? == key, "full data must not cost the key");
    provider.sees_health("data_full")?;
    machine.cut();
    hardship::damaged_key(&card)?;
    let used = hardship::destroyed(&provider, &card, &key)?;
    let other = Card::flash(&built, provider.home.join("other.img"))?;
    hardship::no_data(&other, &used)?;
    hardship::too_small(&other)
}

/// A card whose box is claimed and off again, and the box's key.
fn claimed(provider: &Provider, built: &Path) -> anyhow::Result<(Card, String)> {
    let card = Card::flash(built, provider.home.join("card.img"))?;
    card.provision(&provider.settings()?)?;
    card.lengthen_records()?;
    let mut machine = Machine::boot(&card.path, &[])?;
    let key = machine.online()?;
    machine.healthy()?;
    machine.cut();
    Ok((card, key))
}

/// 1970: no clock, no network time; the box still judges and gets online.
fn first_boot(provider: &Provider, card: &Card, mut machine: Machine) -> anyhow::Result<String> {
    machine.boots("slot a: release 0.1.0 (version 1) for qemu-virt")?;
    lan::nothing_listens_now()?;
    machine.says("the used claim code is erased from the card")?;
    let key = machine.online()?;
    machine.healthy()?;
    let told = provider.sees_the_box(true)?;
    ensure!(told == key, "the API tells {told}, the console {key}");
    provider.session()?;
    lan::nothing_listens()?;
    provider.session()?;
    machine.cut();
    provider.sees_the_box(false)?;
    ensure!(
        !card.settings()?.contains("culvert-claim-"),
        "the claim code is still there"
    );
    Ok(key)
}

/// A release from the card: installed into the other slot, booted, good.
fn updated_by_hand(provider: &Provider, machine: &mut Machine, key: &str) -> anyhow::Result<()> {
    machine.says("version 2 is installed")?;
    came_back(provider, machine, ("b", 2), key)
}

/// P8, threat 11: a release from the server, for the ring of the box; fetched
/// over HTTPS while the box runs, installed, booted, good.
fn updated_by_the_server(
    provider: &Provider,
    machine: &mut Machine,
    release: &Release,
    key: &str,
) -> anyhow::Result<()> {
    provider.did(&["release", "ring", SITE, "early"])?;
    provider.publishes(&release.version(3)?)?;
    provider.promotes(3, "early")?;
    // It is being taken, or is installed already.
    provider.lists(&["release", "boxes"], "3 is ")?;
    lan::nothing_listens_now()?;
    machine.says("version 3 is installed")?;
    came_back(provider, machine, ("a", 3), key)
}

/// P8: a release that boots and lives but cannot reach the server is left by
/// itself; the server hears of it, stops the release and lets nobody promote it.
fn lost_release(
    provider: &Provider,
    mut machine: Machine,
    built: &Path,
    key: &str,
) -> anyhow::Result<()> {
    provider.publishes(&built.join("culvert-qemu-virt-4.bundle"))?;
    provider.promotes(4, "all")?;
    machine.says("version 4 is installed")?;
    machine.boots("slot b: release 0.4.0 (version 4)")?;
    lan::nothing_listens_now()?;
    machine.says("this release was not healthy in time: back to the other slot")?;
    came_back(provider, &mut machine, ("a", 3), key)?;
    provider.lists(
        &["release", "list"],
        "1 of the 1 boxes of ring early did not come back with it",
    )?;
    provider.lists(&["release", "boxes"], "4 was not healthy there")?;
    provider.sees_health("restarted")?;
    let again = provider.promotes(4, "all");
    ensure!(again.is_err(), "a release that lost its ring went on");
    machine.never_since("version 4 is installed")
}

/// What failed is not taken again from the card either; published anew, under
/// the next number and mended, it is.
fn published_anew(
    provider: &Provider,
    card: &Card,
    built: &Path,
    release: &Release,
    key: &str,
) -> anyhow::Result<()> {
    card.put_bundle(&built.join("culvert-qemu-virt-4.bundle"))?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.boots("slot a: release 0.3.0 (version 3)")?;
    machine.says("release refused: this release failed on this box before")?;
    provider.publishes(&release.version(5)?)?;
    provider.promotes(5, "all")?;
    machine.says("version 5 is installed")?;
    came_back(provider, &mut machine, ("b", 5), key)?;
    // The floor has risen: the card still holds the release that failed.
    machine.says("release refused: the release has version 4, this box takes none below 5")?;
    Ok(())
}

/// The box is there again with a release, healthy, and is what it was.
fn came_back(
    provider: &Provider,
    machine: &mut Machine,
    (slot, version): (&str, u64),
    key: &str,
) -> anyhow::Result<()> {
    machine.boots(&format!(
        "slot {slot}: release 0.{version}.0 (version {version})"
    ))?;
    ensure!(machine.online()? == key, "the key must stay");
    machine.healthy()?;
    provider.sees_the_box(true)?;
    provider.session()
}

/// P8, threat 11: a bad server hands out bundles that are not taken, each for
/// its own reason, and one on the card ends too early; the box stays what it
/// is. The clock says 1970: what is expired is known from the server's time.
fn refused(provider: &Provider, card: &Card, release: &Release, key: &str) -> anyhow::Result<()> {
    hardship::misspell(card)?;
    let short = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 100_000);
    card.put_bundle(&release.changed("truncated", 7, short)?)?;
    let mut machine = Machine::boot(&card.path, &["-rtc", "base=1970-01-01T00:00:00"])?;
    machine.boots("slot b: release 0.5.0 (version 5)")?;
    hardship::misspelt(provider, &mut machine)?;
    ensure!(machine.online()? == key, "the key must stay");
    machine.says("release refused: the release ends before its last part is whole")?;
    for (number, (bundle, why)) in bad_bundles(release)?.into_iter().enumerate() {
        let version = 10 + u64::try_from(number)?;
        provider.hands_out(&release.version(version)?, &bundle, version)?;
        machine.boots(&format!("release refused: {why}"))?;
        provider.lists(&["release", "boxes"], &format!("{version} refused: {why}"))?;
        provider.did(&["release", "halt", "qemu-virt", &version.to_string()])?;
    }
    machine.never_said("is installed")?;
    ensure!(provider.sees_the_box(true)? == key, "the key must stay");
    machine.cut();
    card.provision("")
}

/// What no box at version 5 takes, and why.
fn bad_bundles(release: &Release) -> anyhow::Result<[(PathBuf, &'static str); 7]> {
    let flip = |bytes: &mut Vec<u8>, at: usize| bytes[at] ^= 1;
    let signature = |bytes: &mut Vec<u8>| flip(bytes, release.payload_at(bytes) - 1);
    let last = |bytes: &mut Vec<u8>| flip(bytes, bytes.len() - 1);
    let no_key = "the release is signed by a key that is not, or no longer, a release key";
    Ok([
        (
            release.version(2)?,
            "the release has version 2, this box takes none below 5",
        ),
        (
            release.signed("board", 7, |manifest| manifest.board = "rock64".into())?,
            "the release is for the board rock64, this box is a qemu-virt",
        ),
        (
            release.signed("expired", 7, |manifest| {
                manifest.expires = manifest.issued.plus_ms(1);
            })?,
            "the release has expired: publish it anew",
        ),
        (release.foreign_key(7)?, no_key),
        (release.revoked_key(7)?, no_key),
        (
            release.changed("signature", 7, signature)?,
            "the release's signature is wrong",
        ),
        (
            release.changed("tampered", 7, last)?,
            "the release's hashes is damaged",
        ),
    ])
}

/// Where `image/boot-test` has built.
fn built() -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(
        std::env::var_os("CULVERT_BOX").context("CULVERT_BOX is not set: run ./check image")?,
    ))
}
