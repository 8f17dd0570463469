//! Cards whose running release is not there any more, or not what was signed:
//! the box is there again from its other slot, with the same key.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use culvert_board::environment::LEN;
use culvert_board::record;
use culvert_board::slots::{MANIFEST_AT, Slot, Slots, TRIES};

use crate::card::Card;
use crate::lan::Names;
use crate::machine::Machine;
use crate::provider::Provider;
use crate::sabotage::Release;
use crate::sites::Proxy;
use crate::{batch, hardship, sites};

/// Bytes of the root: one that the start reads, one in the middle of the gateway's program.
const EARLY: u64 = 5000;
pub(crate) const LATE: u64 = 3 << 20;

/// S26, P6, P7: a card of a batch claims its box, which gets its site later; a
/// dead slot on another board without DHCP, a release that dies before it can judge
/// itself, a damaged root behind a proxy, with a second claim code that the box has
/// no use for.
#[test]
fn a_box_lives_on_with_a_dead_slot_a_damaged_root_and_a_needless_code() -> anyhow::Result<()> {
    let built = crate::built()?;
    let provider = Provider::start()?;
    let cards = batch::cards(&provider, &built)?;
    let key = batch::claimed(&provider, &cards)?;
    let [(card, _), (other, _)] = cards;
    let settings = other.settings()?;
    dead_slot(&provider, &card, &built, &key)?;
    dead_release(&provider, &card, &built, &key)?;
    let code = hardship::of_another_provider(&settings)?;
    card.provision(&(code + &sites::behind_a_proxy()))?;
    let proxy = Proxy::start(&provider.home)?;
    let machine = damaged_root(&card, &built, (&key, EARLY), &sites::OTHER_BOARD)?;
    proxy.was_used()?;
    hardship::needless_code(&provider, &card, machine)
}

/// P6, P7: both copies of the state record are worthless, and the newest release boots;
/// when that is damaged, too, the other. The clock says 1970 and no server can be
/// reached: the time of the last link is the least.
#[test]
fn a_box_without_its_record_boots_the_newest_whole_release() -> anyhow::Result<()> {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let built = crate::built()?;
    let mut provider = Provider::start()?;
    let (card, key) = crate::claimed(&provider, &built)?;
    let release = Release::read(&built.join("culvert-qemu-virt-1.bundle"), &provider.home)?;
    card.put_release("slot-b", 2, &release)?;
    for record in ["record-1", "record-2"] {
        card.zero(record, LEN)?;
    }
    provider.unplug_servers();
    let mut machine = Machine::boot(&card.path, &["-rtc", "base=1970-01-01T00:00:00"])?;
    machine.boots("culvert: no state record, the newest release boots")?;
    machine.boots("slot b: release 0.2.0 (version 2)")?;
    let clock =
        machine.says("the clock is behind: it begins with the latest time this box knows,")?;
    let floor: u64 = clock.split(' ').next().unwrap_or_default().parse()?;
    ensure!(floor >= begun, "{floor} was before the last link: {begun}");
    provider.plug_servers(Names::Known)?;
    without_record(&card, machine, &key, (Slot::B, 2))?;

    // Of the slot: the hash of its kernel, in the signed manifest.
    for (place, at) in [
        ("record-1", 100),
        ("record-2", 100),
        ("slot-b", MANIFEST_AT + 280),
    ] {
        card.flip(place, at)?;
    }
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.boots("culvert: no state record, the newest release boots")?;
    for _ in 0..TRIES {
        machine.boots("restart: this slot cannot start: the release's signature is wrong")?;
    }
    machine.boots("slot a: release 0.1.0 (version 1)")?;
    without_record(&card, machine, &key, (Slot::A, 1))
}

/// The box is online as who it was, and has written both copies anew.
fn without_record(
    card: &Card,
    mut machine: Machine,
    key: &str,
    (slot, version): (Slot, u64),
) -> anyhow::Result<()> {
    ensure!(machine.online()? == key, "the record holds no key");
    machine.healthy()?;
    machine.cut();
    let [first, second] = [card.record("record-1")?, card.record("record-2")?];
    ensure!(first.is_some() && second.is_some(), "{first:?}, {second:?}");
    let (_, record) = record::newest(first, second).context("two copies")?;
    let slots = Slots::read(&record);
    ensure!(
        (slots.want, slots.version_floor) == (slot, version) && slots.good[slot as usize],
        "{slots:?}"
    );
    Ok(())
}

/// P8: a signed release whose root is not what it says never comes as far as its
/// supervisor: it has its three starts, the one before notes it, the server hears
/// of it, and the card on which it still lies does not bring it back. Its settings
/// are misspelt meanwhile: the fixed address of the last good ones stays.
fn dead_release(provider: &Provider, card: &Card, built: &Path, key: &str) -> anyhow::Result<()> {
    let release = Release::read(&built.join("culvert-qemu-virt-1.bundle"), &provider.home)?;
    let dead = release.signed("dead", 2, |manifest| manifest.verity.root_hash[0] ^= 1)?;
    card.put_bundle(&dead)?;
    hardship::misspell(card)?;
    let mut machine = Machine::boot(&card.path, &sites::OTHER_BOARD)?;
    machine.boots("restart: version 2 is installed")?;
    for _ in 0..TRIES {
        // Then the kernel finds that the root is not what was signed.
        machine.boots("slot a: release 0.2.0 (version 2)")?;
    }
    machine.boots("slot b: release 0.1.0 (version 1)")?;
    machine.says("version 2 in slot a did not come up: it is not taken again")?;
    sites::has_fixed_address(&mut machine)?;
    hardship::misspelt(provider, &mut machine)?;
    ensure!(machine.online()? == key, "the key must stay");
    machine.healthy()?;
    machine.says("release refused: this release failed on this box before")?;
    machine.never_since("is installed")?;
    provider.lists(&["release", "boxes"], "2 was not healthy there")?;
    machine.cut();
    card.take_bundle()
}

/// The running slot's header is gone: the other one boots. The card is in
/// another board, whose address is not known to the site's DHCP.
fn dead_slot(provider: &Provider, card: &Card, built: &Path, key: &str) -> anyhow::Result<()> {
    slot_b_alone(card, built)?;
    card.provision(&sites::fixed_address())?;
    let mut machine = Machine::boot(&card.path, &sites::OTHER_BOARD)?;
    machine.boots("slot b: release 0.1.0 (version 1)")?;
    sites::moved(provider, &mut machine, key)
}

/// The same with a clock of 2099 and a late network.
pub(crate) fn late_and_dead(
    provider: &mut Provider,
    card: &Card,
    built: &Path,
    key: &str,
) -> anyhow::Result<()> {
    slot_b_alone(card, built)?;
    provider.unplug_servers();
    let mut machine = Machine::boot(&card.path, &["-rtc", "base=2099-01-01T00:00:00"])?;
    machine.boots("slot b: release 0.1.0 (version 1)")?;
    hardship::late_network(provider, &mut machine, key)?;
    sites::carried_on(provider, &mut machine, key)
}

/// The record wants slot A, which is not there.
fn slot_b_alone(card: &Card, built: &Path) -> anyhow::Result<()> {
    for part in ["slot-b", "record-1", "record-2"] {
        card.restore(part, &built.join("culvert-qemu-virt-1.img"))?;
    }
    card.zero("slot-a", 4096)
}

/// A bit of the running slot's root is wrong, whether the start needs it or not: it is
/// found before the release counts as healthy, and the other slot is there again.
pub(crate) fn damaged_root(
    card: &Card,
    built: &Path,
    (key, at): (&str, u64),
    more: &[&str],
) -> anyhow::Result<Machine> {
    for part in ["slot-a", "record-1", "record-2"] {
        card.restore(part, &built.join("culvert-qemu-virt-1.img"))?;
    }
    card.flip("slot-a", card.part("slot-a", "root")? + at)?;
    let mut machine = Machine::boot(&card.path, more)?;
    machine.boots("culvert: slot a")?;
    machine.boots("slot b: release 0.1.0 (version 1)")?;
    machine.never_said("this release is healthy")?;
    ensure!(machine.online()? == key, "the other slot must keep the key");
    Ok(machine)
}
