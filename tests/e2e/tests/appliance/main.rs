//! The box, really booted: QEMU's `virt` machine with the distribution's
//! U-Boot, the disk image that `culvert-image` made, and a real server.
//!
//! Cards are flashed, shipped and live, as a customer's would. Needs the files
//! that `image/boot-test` builds (their folder is CULVERT_BOX) and an empty
//! network namespace, so cargo runs it only with the feature `appliance`:
//! `./check image`. Nothing here judges by the clock; limits only end a run
//! that hangs.

mod card;
mod lan;
mod machine;
mod provider;
mod sabotage;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::card::Card;
use crate::machine::Machine;
use crate::provider::Provider;
use crate::sabotage::Release;

/// S26, S2, P6, P7, P8, P9: one card through claim at a clock of 1970, a
/// session, two updates by hand, releases that must be refused, a release that
/// boots and cannot reach the server, a dead slot, a damaged root.
#[test]
fn one_card_lives_through_claim_session_updates_and_sabotage() -> anyhow::Result<()> {
    let built = built()?;
    let provider = Provider::start()?;
    let card = Card::flash(&built, provider.home.join("card.img"))?;
    card.provision(&provider.settings()?)?;

    let release = Release::read(&built.join("culvert-qemu-virt-1.bundle"), &provider.home)?;

    let key = first_boot(&provider, &card)?;
    for (version, slot) in [(2, "b"), (3, "a")] {
        updated(&provider, &card, &release, (version, slot), &key)?;
    }
    refused(&card, &release, &key)?;
    lost_release(&card, &built, &key)?;
    dead_slot(&card, &built, &key)?;
    damaged_root(&card, &built, &key)?;
    Ok(())
}

/// 1970: no clock, no network time; the box still judges and gets online.
fn first_boot(provider: &Provider, card: &Card) -> anyhow::Result<String> {
    let mut machine = Machine::boot(&card.path, &["-rtc", "base=1970-01-01T00:00:00"])?;
    machine.boots("slot a: release 0.1.0 (version 1) for qemu-virt")?;
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
fn updated(
    provider: &Provider,
    card: &Card,
    release: &Release,
    (version, slot): (u64, &str),
    key: &str,
) -> anyhow::Result<()> {
    card.put_bundle(&release.version(version)?)?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says(&format!("version {version} is installed"))?;
    machine.boots(&format!(
        "slot {slot}: release 0.{version}.0 (version {version})"
    ))?;
    ensure!(
        machine.online()? == key,
        "an update must not change the key"
    );
    machine.healthy()?;
    provider.sees_the_box(true)?;
    provider.session()
}

/// Bundles that are not taken at version 3, each for its own reason; the box
/// stays what it is. The clock says 1970: what is expired is known from the
/// server's time.
fn refused(card: &Card, release: &Release, key: &str) -> anyhow::Result<()> {
    let flip = |bytes: &mut Vec<u8>, at: usize| bytes[at] ^= 1;
    let signature = |bytes: &mut Vec<u8>| flip(bytes, release.payload_at(bytes) - 1);
    let last = |bytes: &mut Vec<u8>| flip(bytes, bytes.len() - 1);
    let cases = [
        (
            release.version(2)?,
            "the release has version 2, this box takes none below 3",
        ),
        (
            release.signed("board", 5, |manifest| manifest.board = "rock64".into())?,
            "the release is for the board rock64, this box is a qemu-virt",
        ),
        (
            release.signed("expired", 5, |manifest| {
                manifest.expires = manifest.issued.plus_ms(1);
            })?,
            "the release has expired: publish it anew",
        ),
        (
            release.foreign_key(5)?,
            "the release is signed by a key that is not, or no longer, a release key",
        ),
        (
            release.revoked_key(5)?,
            "the release is signed by a key that is not, or no longer, a release key",
        ),
        (
            release.changed("signature", 5, signature)?,
            "the release's signature is wrong",
        ),
        (
            release.changed("tampered", 5, last)?,
            "the release's hashes is damaged",
        ),
        (
            release.changed("truncated", 5, |bytes| {
                bytes.truncate(bytes.len() - 100_000)
            })?,
            "the release ends before its last part is whole",
        ),
        (
            release.changed("endless", 5, |bytes| bytes.extend([0; 100_000]))?,
            "the release goes on behind its end",
        ),
    ];
    for (bundle, why) in cases {
        card.put_bundle(&bundle)?;
        let mut machine = Machine::boot(&card.path, &["-rtc", "base=1970-01-01T00:00:00"])?;
        machine.boots("slot a: release 0.3.0 (version 3)")?;
        ensure!(machine.online()? == key, "the key must stay");
        machine.says(&format!("release refused: {why}"))?;
        machine.never_said("is installed")?;
    }
    Ok(())
}

/// A release that boots and lives but cannot reach the server is left by
/// itself, and not tried again.
fn lost_release(card: &Card, built: &Path, key: &str) -> anyhow::Result<()> {
    card.put_bundle(&built.join("culvert-qemu-virt-4.bundle"))?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says("version 4 is installed")?;
    machine.boots("slot b: release 0.4.0 (version 4)")?;
    machine.says("this release was not healthy in time: back to the other slot")?;
    machine.boots("slot a: release 0.3.0 (version 3)")?;
    ensure!(
        machine.online()? == key,
        "a rollback must not change the key"
    );
    machine.says("release refused: this release failed on this box before")?;
    Ok(())
}

/// The running slot's header is gone: the other one boots.
fn dead_slot(card: &Card, built: &Path, key: &str) -> anyhow::Result<()> {
    card.restore("slot-b", &built.join("culvert-qemu-virt-1.img"))?;
    card.zero("slot-a", 4096)?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.boots("slot b: release 0.1.0 (version 1)")?;
    ensure!(machine.online()? == key, "the other slot must keep the key");
    Ok(())
}

/// A bit of the running slot's root is wrong: no byte of it is believed, and
/// the other slot is there again.
fn damaged_root(card: &Card, built: &Path, key: &str) -> anyhow::Result<()> {
    card.restore("slot-a", &built.join("culvert-qemu-virt-1.img"))?;
    for record in ["record-1", "record-2"] {
        card.restore(record, &built.join("culvert-qemu-virt-1.img"))?;
    }
    card.flip("slot-a", card.part("slot-a", "root")? + 5000)?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.boots("culvert: slot a")?;
    machine.boots("slot b: release 0.1.0 (version 1)")?;
    ensure!(machine.online()? == key, "the other slot must keep the key");
    Ok(())
}

/// Where `image/boot-test` has built.
fn built() -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(
        std::env::var_os("CULVERT_BOX").context("CULVERT_BOX is not set: run ./check image")?,
    ))
}
